"""White dwarfs that cool too fast: plasmons decay to neutrinos through the loop-induced mixing with the photon."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from jaxnu._field import as_float
from jaxnu.constants import MUON_MASS_MEV, TAU_MASS_MEV

ALPHA = 7.2973525693e-3
"""Fine-structure constant (CODATA 2018)."""
_FERMI = 1.1663788e-5  # GeV⁻² (PDG)
_SINE_SQUARED = 0.23122  # sin²θ_W, MS-bar at m_Z (PDG)

# Σ C_V² of the standard model: 1/2 + 2sin²θ_W for ν_e, −1/2 + 2sin²θ_W for ν_μ and ν_τ
_VECTOR = (0.5 + 2 * _SINE_SQUARED) ** 2 + 2 * (-0.5 + 2 * _SINE_SQUARED) ** 2
# κe/g′ = (e²/12π²) ln(m_τ²/m_μ²), and v² = 1/√2G_F in MeV²
_MIXING = 4 * math.pi * ALPHA / (12 * math.pi**2) * 2 * math.log(TAU_MASS_MEV / MUON_MASS_MEV)
_VACUUM = 1e6 / (math.sqrt(2) * _FERMI)


def luminosity_excess(mass: ArrayLike, coupling: ArrayLike) -> Float[Array, "*s"]:
    """δL/L = 2X²/Σ C_V², X = κe g′v²/m² = (e²g′²/12π²) ln(m_τ²/m_μ²) v²/m², of the neutrino luminosity.

    C_V of ν_μ and ν_τ change by ±X: what is linear in X cancels. For masses (MeV) well above the plasma frequency of
    white dwarfs, some 0.05 MeV (effect and bounds: 2405.00094). Arguments broadcast.
    """
    mass, coupling = jnp.broadcast_arrays(as_float(mass), as_float(coupling))
    return 2 * (_MIXING * _VACUUM * (coupling / mass) ** 2) ** 2 / _VECTOR


def coupling_for_excess(mass: ArrayLike, excess: ArrayLike) -> Float[Array, "*s"]:
    """The g′ that gives δL/L = `excess` at a mass in MeV: a constant times the mass. Arguments broadcast."""
    mass, excess = jnp.broadcast_arrays(as_float(mass), as_float(excess))
    return mass * jnp.sqrt(jnp.sqrt(excess * _VECTOR / 2) / (_MIXING * _VACUUM))
