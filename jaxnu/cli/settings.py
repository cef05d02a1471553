"""All settings of a run: one tree of dataclasses per command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from jaxnu.cli.evolutions import EVOLUTIONS, check_evolution
from jaxnu.cli.fields import choice, count, flag, interval, names, number, text
from jaxnu.cli.scan import AMPLITUDE, Axes, Fixed, Scan
from jaxnu.icecube.datasets import datasets
from jaxnu.icecube.likelihood import _CONVENTIONS
from jaxnu.mediators import CHANNELS
from jaxnu.neutrinos import _ORDERINGS, _PRESETS
from jaxnu.sources import _COMPOSITIONS
from jaxnu.transport.mesh import Resolution

_MESH = Resolution()
SPECTRA = ("power-law", "cutoff", "broken", "log-parabola")


@dataclass(frozen=True)
class Data:
    """What is fitted."""

    sets: tuple[str, ...] = names(("icecube-cascades-6yr", "icecube-tracks-9.5yr"), "data sets", datasets())
    convention: str = choice("split-normal", "form of the likelihood", _CONVENTIONS)


@dataclass(frozen=True)
class Model:
    """What is held fixed."""

    ordering: str = choice("normal", "mass ordering", _ORDERINGS)
    mixing: str = choice("nufit-6.0", "published mixing and mass splittings", _PRESETS)
    evolution: str = text("star-formation", f"evolution of the sources: {', '.join(EVOLUTIONS)}", check_evolution)
    flavour: str = choice("equal", "flavours at the source", _COMPOSITIONS)
    channels: str = choice("all", "how neutrinos scatter: by all channels, or on the resonance only", CHANNELS)


@dataclass(frozen=True)
class Prior:
    """Ranges of the parameters: log-uniform for the first three, uniform for the others."""

    mass: tuple[float, float] = interval((1.0, 20.0), "m_Z' in MeV", above=0.0)
    coupling: tuple[float, float] = interval((1e-5, 1e-1), "g'", above=0.0)
    lightest: tuple[float, float] = interval((1e-4, 0.1), "lightest neutrino mass in eV", above=0.0)
    amplitude: tuple[float, float] = interval((0.1, 4.0), AMPLITUDE, above=0.0)
    index: tuple[float, float] = interval((1.8, 3.5), "spectral index")
    spectrum: str = choice("power-law", "spectrum of the sources", SPECTRA)
    ordering: str = choice("fixed", "mass ordering, that of [model] or unknown", ("fixed", "either"))
    angles: str = choice("fixed", "mixing angles and phase, those of [model] or with errors", ("fixed", "measured"))
    evolution: str = choice("fixed", "evolution, that of [model] or (1+z)^m with m unknown", ("fixed", "power"))
    sum_limit: float | None = number(None, "cosmological limit on the sum of neutrino masses in eV, 95 %", above=0.0)


@dataclass(frozen=True)
class Mesh:
    """How finely the transport is solved."""

    nodes: int = count(_MESH.nodes, "energy nodes", least=40)
    shells: int = count(_MESH.shells, "redshift shells", least=4)
    lowest: float = number(_MESH.lowest, "lowest energy of the mesh in GeV", above=0.0)
    highest: float = number(_MESH.highest, "highest energy of the mesh in GeV", above=0.0)


@dataclass(frozen=True)
class Sampling:
    """How the posterior is sampled; all but the last are for chains."""

    method: str = choice("nuts", "chains, or nested sampling with the evidence", ("nuts", "nested"))
    chains: int = count(4, "chains", least=2)
    warmup: int = count(40, "steps of warm-up per chain", least=10)
    draws: int = count(250, "draws per chain", least=10)
    block: int = count(25, "steps between two saves")
    sweep: int = count(4096, "points of the sweep in which chains start", least=2)
    bands: int = count(400, "draws of which the bands in spectrum.png are made", least=20)


@dataclass(frozen=True)
class Nested:
    """Nested sampling, if that is the method."""

    live: int = count(200, "live points", least=50)
    steps: int = count(2, "slice-sampling steps per new point and parameter")
    batch: int = count(20, "live points replaced at once, fewer than there are")


@dataclass(frozen=True)
class Search:
    """How the best fit is searched for."""

    sweep: int = count(4096, "points of the sweep in which searches start", least=2)
    starts: int = count(8, "searches")
    steps: int = count(30, "steps of each search at most")


@dataclass(frozen=True)
class Grid:
    """The bank of predictions: numbers of values over the prior's ranges, and what is done with it."""

    masses: int = count(24, "values of m_Z'", least=2)
    couplings: int = count(13, "values of g'", least=2)
    lightests: int = count(6, "values of the lightest neutrino mass", least=1)
    indices: int = count(9, "values of the spectral index", least=4)
    refine: int = count(4, "steps between two indices, by splines")
    experiments: int = count(1000, "pseudo-experiments", least=10)
    level: float = number(0.95, "confidence level of the limits", above=0.5)


@dataclass(frozen=True)
class Point:
    """The point whose spectrum is computed."""

    mass: float = number(6.5, "m_Z' in MeV", above=0.0)
    coupling: float = number(5e-4, "g'", least=0.0)
    lightest: float | None = number(0.02, "lightest neutrino mass in eV", least=0.0)
    sum_masses: float | None = number(None, "sum of the neutrino masses in eV, instead of the lightest", above=0.0)
    amplitude: float = number(1.5, AMPLITUDE, above=0.0)
    index: float = number(2.5, "spectral index")


@dataclass(frozen=True)
class Energies:
    """Where the spectrum is tabulated."""

    low: float = number(1e4, "first energy in GeV", above=0.0)
    high: float = number(1e7, "last energy in GeV", above=0.0)
    points: int = count(300, "number of energies, evenly spaced in ln E", least=2)


@dataclass(frozen=True)
class _Run:
    """What every command has."""

    seed: int = count(0, "seed of all random numbers", least=0, most=2**32 - 1)
    quick: bool = flag(False, "small settings: a demonstration")


@dataclass(frozen=True)
class _Analysis(_Run):
    """What all have that fit the data."""

    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    prior: Prior = field(default_factory=Prior)
    mesh: Mesh = field(default_factory=Mesh)


@dataclass(frozen=True)
class PosteriorSettings(_Analysis):
    """`jaxnu posterior`."""

    command: ClassVar[str] = "posterior"
    small: ClassVar[dict] = {
        "mesh": {"nodes": 80, "shells": 12},
        "sampling": {"chains": 2, "warmup": 50, "draws": 50, "sweep": 128, "bands": 100},
        "nested": {"live": 100, "batch": 20},
        "search": {"sweep": 128, "starts": 2, "steps": 10},
    }

    sampling: Sampling = field(default_factory=Sampling)
    nested: Nested = field(default_factory=Nested)
    search: Search = field(default_factory=Search)


@dataclass(frozen=True)
class FitSettings(_Analysis):
    """`jaxnu fit`."""

    command: ClassVar[str] = "fit"
    small: ClassVar[dict] = {
        "mesh": {"nodes": 80, "shells": 12},
        "search": {"sweep": 128, "starts": 4, "steps": 20},
    }

    search: Search = field(default_factory=Search)


@dataclass(frozen=True)
class ProfileSettings(_Analysis):
    """`jaxnu profile`."""

    command: ClassVar[str] = "profile"
    small: ClassVar[dict] = {
        "mesh": {"nodes": 80, "shells": 12},
        "grid": {"masses": 12, "couplings": 7, "lightests": 3, "indices": 6, "experiments": 200},
    }

    grid: Grid = field(default_factory=Grid)


@dataclass(frozen=True)
class SpectrumSettings(_Run):
    """`jaxnu spectrum`, in which nothing is random."""

    command: ClassVar[str] = "spectrum"
    small: ClassVar[dict] = {"mesh": {"nodes": 80, "shells": 12}, "energies": {"points": 100}}

    point: Point = field(default_factory=Point)
    model: Model = field(default_factory=Model)
    energies: Energies = field(default_factory=Energies)
    mesh: Mesh = field(default_factory=Mesh)


@dataclass(frozen=True)
class SweepSettings(_Run):
    """`jaxnu sweep`."""

    command: ClassVar[str] = "sweep"
    small: ClassVar[dict] = {
        "mesh": {"nodes": 80, "shells": 12},
        "axes": {"mass": [1.0, 20.0, 12], "coupling": [1e-5, 1e-1, 12]},
        "scan": {"samples": 128},
    }

    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    scan: Scan = field(default_factory=Scan)
    axes: Axes = field(default_factory=Axes)
    fixed: Fixed = field(default_factory=Fixed)
    mesh: Mesh = field(default_factory=Mesh)


Settings = PosteriorSettings | FitSettings | ProfileSettings | SpectrumSettings | SweepSettings
KINDS: dict[str, type[Settings]] = {
    kind.command: kind for kind in (PosteriorSettings, FitSettings, ProfileSettings, SpectrumSettings, SweepSettings)
}
