"""The universe of a point of a sweep."""

from __future__ import annotations

from jaxtyping import ArrayLike

from jaxnu._field import as_float
from jaxnu.evolutions import Evolution, SingleRedshift, StarFormation
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Mixing, Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.universe import Universe

UNITS = {"mass": "MeV", "lightest": "eV", "amplitude": "1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹"}
"""Units of the arguments of `standard_universe`; the others are pure numbers."""


def standard_universe(
    *,
    mass: ArrayLike = 6.5,
    coupling: ArrayLike = 5e-4,
    lightest: ArrayLike = 0.02,
    amplitude: ArrayLike = 1.5,
    index: ArrayLike = 2.5,
    ordering: str = "normal",
    mixing: str | Mixing = "nufit-6.0",
    evolution: Evolution | SingleRedshift | None = None,
    flavour: str | ArrayLike = "equal",
    channels: str = "all",
) -> Universe:
    """L_μ−L_τ and a power law, with the parameters of `default_prior`: what a sweep does not vary keeps its default.

    m_Z′ in MeV, lightest mass in eV, amplitude in 1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ per flavour at 100 TeV. Other defaults:
    `functools.partial(standard_universe, lightest=0.05)`. `channels` are those of
    `LmuLtau`. Raises ValueError for what the universe's classes refuse.
    """
    return Universe(
        LmuLtau(as_float(mass), as_float(coupling), channels=channels),
        Neutrinos(lightest, ordering, mixing),
        Source(
            PowerLaw(as_float(amplitude), as_float(index)), StarFormation() if evolution is None else evolution, flavour
        ),
    )
