"""Sections of the settings that only `jaxnu sweep` has."""

from __future__ import annotations

from dataclasses import dataclass

from jaxnu.cli.fields import axis, choice, count, number, text

QUANTITIES = ("profile", "log-likelihood", "gradient", "flux")
DESIGNS = ("grid", "sobol", "latin-hypercube", "list")
AMPLITUDE = "flux per flavour at 100 TeV in 1e-18 GeV^-1 cm^-2 s^-1 sr^-1"


def _later(value: str, name: str) -> None:
    """Places are looked at when they are used."""


@dataclass(frozen=True)
class Scan:
    """What is computed, and at which points."""

    quantity: str = choice("profile", "what is computed, a profile being that over A and the index", QUANTITIES)
    design: str = choice("grid", "how the points are laid out", DESIGNS)
    samples: int = count(1024, "points of a sobol (a power of 2) or latin-hypercube design")
    file: str = text("", "CSV file with the points of a list, parameters in its first row", _later)
    chunk: int = count(0, "points in a chunk, 0 for the usual number", least=0)
    bins: int = count(20, "energy bins of a flux, from 10 TeV to 10 PeV")
    store: str = text("", "path or URL of the store, instead of scan.zarr in DIR", _later)


@dataclass(frozen=True)
class Axes:
    """What is varied: the first three evenly in the logarithm. By default mass and coupling."""

    mass: tuple[float, ...] | None = axis("m_Z' in MeV", above=0.0)
    coupling: tuple[float, ...] | None = axis("g'", above=0.0)
    lightest: tuple[float, ...] | None = axis("lightest neutrino mass in eV", above=0.0)
    amplitude: tuple[float, ...] | None = axis(AMPLITUDE, above=0.0)
    index: tuple[float, ...] | None = axis("spectral index")


DEFAULT_AXES = {"mass": [1.0, 20.0, 40], "coupling": [1e-5, 1e-1, 40]}


@dataclass(frozen=True)
class Fixed:
    """The values of what is not varied."""

    mass: float = number(6.5, "m_Z' in MeV", above=0.0)
    coupling: float = number(5e-4, "g'", least=0.0)
    lightest: float = number(0.02, "lightest neutrino mass in eV", least=0.0)
    amplitude: float = number(1.5, AMPLITUDE, above=0.0)
    index: float = number(2.5, "spectral index")
