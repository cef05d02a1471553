"""The target: the cosmic neutrino background."""

from __future__ import annotations

import equinox as eqx
from jaxtyping import Array, Float

from jaxnu._field import param, require
from jaxnu.constants import BOLTZMANN


class Relics(eqx.Module):
    """Relic neutrinos: per mass state and helicity f(p) = 1/(e^{p/T} + 1) with T = T₀(1+z), times `overdensity`.

    T₀ = 1.95 K gives n₀ = 3ζ(3)T₀³/4π² = 56.4 cm⁻³. `moller` includes the flux factor 1 − β cosθ in the thermal
    average (2302.03571 eq. 12 and 1409.4180 eq. 5 leave it out: pass False for their figures). `helicity` is
    "majorana" (both helicities of the relic interact alike, weight 1) or "dirac" (weight ½[1 + (β − cosθ)/(1 − β
    cosθ)]). Raises ValueError for non-positive temperature or overdensity and an unknown helicity.
    """

    temperature: Float[Array, ""] = param("temperature today", "K", default=1.95)
    overdensity: Float[Array, ""] = param("density / cosmic mean", default=1.0)
    moller: bool = eqx.field(static=True, default=True)
    helicity: str = eqx.field(static=True, default="majorana")

    def __check_init__(self) -> None:
        require(self.temperature > 0, f"relic temperature must be positive (K), got {self.temperature}")
        require(self.overdensity > 0, f"relic overdensity must be positive, got {self.overdensity}")
        if self.helicity not in ("majorana", "dirac"):
            raise ValueError(f'helicity must be "majorana" or "dirac", got {self.helicity!r}')


def temperature_today(relics: Relics) -> Float[Array, ""]:
    """T₀ in eV."""
    return BOLTZMANN * relics.temperature
