"""Scattering of high-energy neutrinos on relics: thermal rates, mean free path, optical depth.

In the narrow-width limit σ_ij = 2π|q_ij|² g′² δ(s − m_Z′²), and with ε = E*/T, E* = m_Z′²/2E, a = m_j/T, v = (ε² −
a²)/2ε the rate per length is Γ_ij = 2π|q_ij|² g′² T²/(8π²E) D(|v|) ρ, ρ the flux factor of `jaxnu.thermal`. At fixed
energy today v = ε₀/2(1+z)² − α²/2ε₀ (ε₀ and α being ε and a at z = 0), so that the optical depth τ_ij = |q_ij|² g′²
T₀³/(2π m_Z′² H₀) ∫ D ρ (1+z)³ (H₀/H) dv is integrated exactly across a shell, however narrow the line.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from jaxnu import thermal
from jaxnu._field import as_float, full_precision, require
from jaxnu.constants import GEV, HBAR_C_MPC, MEV
from jaxnu.cosmology import expansion, hubble_distance
from jaxnu.neutrinos import charge_couplings
from jaxnu.relics import temperature_today
from jaxnu.universe import Universe

_DEPTH_SHELLS = 256


class Line(NamedTuple):
    """The resonance of each target: v, D(|v|) with its antiderivatives, and depth per unit of ∫D dv."""

    v: Float[Array, "*edge target=3 energy"]
    profile: thermal.Profile
    depth: Float[Array, "*edge target=3 energy"]


@jax.jit  # traced once for both edges of the shells
def resonance_line(universe: Universe, log_energy: Float[Array, "energy"], scale: Float[Array, "*energy"]) -> Line:
    """The line at 1 + z = `scale` for ln(E/GeV) today; its depth is g′²T₀³(1+z)³ρ c/(2π m_Z′² H) for |q_ij|² = 1.

    `scale` is one for all energies, or has as many.
    """
    v, line, rho = _line(universe, log_energy, scale)
    path = scale**3 / expansion(universe.cosmology, scale)
    if universe.cosmology.path == "comoving":
        path = path * scale
    path = jnp.broadcast_to(path * depth_scale(universe), log_energy.shape)
    return Line(v, line, _outer(jnp.ones_like(path, shape=3), path) * rho)


def _line(universe: Universe, log_energy: Float[Array, "energy"], scale: Float[Array, "*energy"]):
    """(v, D(|v|) with its antiderivatives, ρ) of each target, (target=3, energy), at 1 + z = `scale`."""
    temperature = temperature_today(universe.relics)
    epsilon_today = MEV**2 / GEV / 2 * universe.mediator.mass**2 * jnp.exp(-log_energy) / temperature
    alpha = universe.neutrinos.masses / temperature
    epsilon = _outer(jnp.ones_like(alpha), epsilon_today / scale**2)
    v = epsilon / 2 - _outer(alpha**2 / 2, 1 / epsilon_today)
    rho = thermal.flux_factor(
        epsilon, v, alpha[:, None] / jnp.atleast_1d(scale)[None, :], universe.relics.moller, universe.relics.helicity
    )
    return v, thermal.profile(jnp.abs(v)), rho


def _outer(column: Float[Array, "target=3"], row: Float[Array, "energy"]) -> Float[Array, "target=3 energy"]:
    """All products, as a matrix product, whose derivative is one, too.

    That of a broadcast is a sum, into which XLA draws all that precedes it and then adds one by one on a CPU.
    """
    return column[:, None] @ row[None, :]


class ShellDepth(NamedTuple):
    """Optical depth across a shell for |q_ij|² = 1, and where in the shell it sits."""

    near: Float[Array, "*shell target=3 energy"]
    far: Float[Array, "*shell target=3 energy"]
    width: Float[Array, "*shell target=3 energy"]
    middle: Float[Array, "*shell target=3 energy"]
    rising: Float[Array, "*shell target=3 energy"]
    falling: Float[Array, "*shell target=3 energy"]
    exit: Float[Array, "*shell target=3 energy"]
    entry: Float[Array, "*shell target=3 energy"]


def shell_depth(near: Line, far: Line) -> ShellDepth:
    """Optical depth between two redshifts, in the parts `near` and `far` that the two edges carry.

    near + far is the depth τ; far/τ is where in the shell the absorption sits, from 0 at the near edge to 1; width/τ is
    the width of the line over that of the shell. If the centre of the line, v = 0, is inside, it is at
    middle/τ. Shells that hold only a wing have their depth in `rising` (v > 0, denser outwards) or `falling` (v < 0),
    too, and `exit`, `entry` are its densities per shell at the near and the far edge.
    """
    weight_near, weight_far = thermal.shell_weights(near.v, near.profile, far.v, far.profile)
    at_near, at_far = weight_near * near.depth, weight_far * far.depth
    depth = at_near + at_far
    step = near.v - far.v
    rises, falls = far.v > 0, near.v < 0
    wing = rises | falls
    return ShellDepth(
        at_near,
        at_far,
        depth * thermal.PROFILE_WIDTH / jnp.maximum(step, 1e-3),
        jnp.where(wing, 0.0, depth * near.v / jnp.where(wing, 1.0, step)),
        jnp.where(rises, depth, 0.0),
        jnp.where(falls, depth, 0.0),
        jnp.where(wing, step * near.profile.value * near.depth, 0.0),
        jnp.where(wing, step * far.profile.value * far.depth, 0.0),
    )


def depth_scale(universe: Universe) -> Float[Array, ""]:
    """g′² T₀³/(2π m_Z′² H₀), the depth per |q_ij|² and unit of ∫D dv at z = 0, ordered so that float32 holds it."""
    temperature = temperature_today(universe.relics)
    mediator = universe.mediator
    length = hubble_distance(universe.cosmology) * (temperature / HBAR_C_MPC)
    squared = (mediator.coupling * (temperature / (MEV * mediator.mass))) ** 2
    return mediator.prefactor * universe.relics.overdensity * squared * length / (2 * jnp.pi)


@full_precision
def optical_depth(universe: Universe, energy: ArrayLike, z_source: ArrayLike) -> Float[Array, "mass=3 target=3 energy"]:
    """τ_ij(E) = ∫₀^z_source Γ_ij c dz/((1+z)H), the exponent of the survival probability without regeneration.

    `energy` in GeV today, (energy,); dimensionless result (mass, target, energy). The cold limit is 2π|q_ij|² g′² n₀
    c(1+z_j)³/(H(z_j) m_Z′²) (physics of 1409.4180 eq. 6; `Cosmology.path` chooses dx). Raises ValueError for energies
    or redshifts that are not positive.
    """
    energy, z_source = _positive(energy, "energy"), _positive(z_source, "z_source")
    fractions = jnp.asarray(np.linspace(0, 1, _DEPTH_SHELLS + 1), dtype=z_source.dtype)
    scale = jnp.exp(fractions * jnp.log1p(z_source))
    lines = jax.lax.map(lambda u: resonance_line(universe, jnp.log(energy), u), scale)
    parts = shell_depth(jax.tree.map(lambda x: x[:-1], lines), jax.tree.map(lambda x: x[1:], lines))
    couplings = charge_couplings(universe.neutrinos, universe.mediator.charges)
    return couplings[:, :, None] * jnp.sum(parts.near + parts.far, axis=0)[None]


@full_precision
def mean_free_path(universe: Universe, energy: ArrayLike, z: ArrayLike) -> Float[Array, "mass=3 energy"]:
    """λ_i = 1/Σ_j Γ_ij in proper Mpc at redshift `z`, for energies today in GeV, (energy,) (1409.4180 eq. 5).

    The collision happens at E(1+z). Infinite where nothing scatters. Raises ValueError for energies that are not
    positive and negative redshifts.
    """
    energy, z = _positive(energy, "energy"), as_float(z)
    require(z >= 0, f"z must not be negative, got {z}")
    scale = 1 + z
    temperature = temperature_today(universe.relics) * scale
    _, line, rho = _line(universe, jnp.log(energy), scale)
    mediator = universe.mediator
    couplings = charge_couplings(universe.neutrinos, mediator.charges)
    per_length = (
        mediator.coupling**2 / (4 * jnp.pi * GEV) * (temperature / (energy * scale)) * (temperature / HBAR_C_MPC)
    )
    rate = mediator.prefactor * universe.relics.overdensity * per_length[None] * (couplings @ (line.value * rho))
    scattering = rate > 0
    return jnp.where(scattering, 1 / jnp.where(scattering, rate, 1.0), jnp.inf)


def _positive(value: ArrayLike, name: str) -> Array:
    value = as_float(value)
    require(value > 0, f"{name} must be positive, got {value}")
    return value
