"""The anomalous magnetic moment of the muon, computed: the one-loop diagram with a Z′."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from jaxnu._field import as_float, param, require
from jaxnu.constants import MUON_MASS_MEV
from jaxnu.universe import Universe

# ∫₀¹ dx as a trapezoidal sum over s, x = 1/(1 + e^−s): the integrand's poles stay π/2 away from the real line for any
# mass, so that the error is e^(−π²/step) = 10⁻¹⁷; the ends are those of 10⁻⁶ < m/m_μ < 10⁶.
_STEP = 0.25
_S = np.arange(-30.0, 40.0, _STEP)


@dataclass(frozen=True)
class Published:
    """Measured minus predicted Δa_μ with one standard deviation, and where it is printed."""

    value: float
    error: float
    source: str


MEASUREMENTS = {
    "pdg-2014": Published(288e-11, 80e-11, "PDG 2014, errors 63 and 49 added in quadrature"),
    "wp2020-fnal2021": Published(251e-11, 59e-11, "White Paper 2020 against BNL and FNAL 2021, in 2406.19968"),
    "bmw2020": Published(107e-11, 70e-11, "BMW 2020 against BNL and FNAL 2021, in 2406.19968"),
    "wp2025": Published(38e-11, 63e-11, "White Paper 2025 against the world average with FNAL runs 1 to 6, 2505.21476"),
}
"""From the discrepancy of 2014 to the agreement of 2025."""


class MuonMoment(eqx.Module):
    """A measured Δa_μ as a likelihood term: normal, with mean `value` and standard deviation `error`.

    Raises ValueError unless the error is positive.
    """

    value: Float[Array, ""] = param("measured minus predicted Δa_μ")
    error: Float[Array, ""] = param("standard deviation of Δa_μ")

    def __check_init__(self) -> None:
        require(self.error > 0, f"error of Δa_μ must be positive, got {self.error}")

    def __call__(self, universe: Universe) -> Float[Array, ""]:
        """ln L, 0 where the prediction is the measured value."""
        mediator = universe.mediator
        return -0.5 * ((delta_a_mu(mediator.mass, mediator.coupling) - self.value) / self.error) ** 2


@partial(jnp.vectorize, signature="()->()")
def _per_coupling_squared(mass: Float[Array, ""]) -> Float[Array, ""]:
    """Δa_μ/g′²."""
    s = jnp.asarray(_S, dtype=mass.dtype)
    x, rest = 1 / (1 + jnp.exp(-s)), 1 / (1 + jnp.exp(s))
    ratio = (mass / MUON_MASS_MEV) ** 2
    return _STEP * jnp.sum(2 * x**3 * rest**2 / (x**2 + rest * ratio)) / (8 * jnp.pi**2)


def delta_a_mu(mass: ArrayLike, coupling: ArrayLike) -> Float[Array, "*s"]:
    """Δa_μ = (g′²/8π²) ∫₀¹ dx 2m_μ² x²(1−x)/[x²m_μ² + (1−x)m²] (1504.00711 eq. 2), for masses m in MeV.

    g′²/8π² for m ≪ m_μ and g′² m_μ²/12π²m² for m ≫ m_μ. Arguments broadcast.
    """
    mass, coupling = jnp.broadcast_arrays(as_float(mass), as_float(coupling))
    return coupling**2 * _per_coupling_squared(mass)


def coupling_for(mass: ArrayLike, moment: ArrayLike) -> Float[Array, "*s"]:
    """The g′ ≥ 0 that gives Δa_μ = `moment` at a mass in MeV; 0 for a negative moment. Arguments broadcast."""
    mass, moment = jnp.broadcast_arrays(as_float(mass), as_float(moment))
    return jnp.sqrt(jnp.maximum(moment, 0.0) / _per_coupling_squared(mass))


def coupling_band(mass: ArrayLike, name: str, sigmas: float = 1.0) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    """Lowest and highest g′ within `sigmas` of one of `MEASUREMENTS`; both are 0 where the interval is negative.

    Raises ValueError for an unknown name.
    """
    if name not in MEASUREMENTS:
        raise ValueError(f"unknown measurement of a_μ {name!r}; there are {', '.join(MEASUREMENTS)}")
    found = MEASUREMENTS[name]
    return (
        coupling_for(mass, found.value - sigmas * found.error),
        coupling_for(mass, found.value + sigmas * found.error),
    )
