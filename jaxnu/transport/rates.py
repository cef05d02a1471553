"""Scattering of high-energy neutrinos on relics: optical depth and mean free path."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from jaxnu._field import as_float, full_precision, require
from jaxnu.channels import logarithms
from jaxnu.constants import GEV, HBAR_C_MPC
from jaxnu.cosmology import hubble_distance
from jaxnu.neutrinos import charge_couplings
from jaxnu.relics import temperature_today
from jaxnu.transport import thermal
from jaxnu.transport.exchange import Exchange, exchange, exchange_depth, pairs, poles, rates, wings
from jaxnu.transport.line import (
    Line,
    crossing,
    depth_scale,
    detuning,
    path_factor,
    rate_factor,
    reduced_energy,
    reduced_masses,
)
from jaxnu.universe import Universe

_DEPTH_SHELLS = 256
# Of a shell in ln(1+z) that counts as one place.
_THIN = 1e-3


def _line(universe: Universe, log_energy: Float[Array, "energy"], one_plus_z: Float[Array, ""]) -> Line:
    """The line of each target, (target=3, energy), with depth per |q_ij|², ∫D dv and κ (1+z)³ H₀/H."""
    nearness = 1 / one_plus_z
    epsilon = reduced_energy(universe, log_energy)[None, :]
    alpha = reduced_masses(universe)[:, None]
    ratio = alpha / epsilon
    series = thermal.mean_energies(universe.relics, alpha * nearness)
    v = detuning(epsilon, ratio, nearness, nearness - ratio)
    rho = rate_factor(universe.relics, v, epsilon, ratio, nearness, series)
    return Line(v, thermal.line_shape(jnp.abs(v)), rho)


@full_precision
def optical_depth(universe: Universe, energy: ArrayLike, z_source: ArrayLike) -> Float[Array, "mass=3 target=3 energy"]:
    """τ_ij(E) = ∫₀^z_source Γ_ij c dz/((1+z)H), the exponent of the survival probability without regeneration.

    `energy` in GeV today, (energy,); dimensionless result (mass, target, energy). The cold limit is 2π|q_ij|² g′² n₀
    c(1+z_j)³/(H(z_j) m_Z′²) (physics of 1409.4180 eq. 6; `Cosmology.path` chooses dx). The mediator's `channels` count.
    Raises ValueError for energies or redshifts that are not positive.
    """
    energy, z_source = _positive(energy, "energy"), _positive(z_source, "z_source")
    fractions = jnp.asarray(np.linspace(0, 1, _DEPTH_SHELLS + 1), dtype=z_source.dtype)
    scale = jnp.exp(fractions * jnp.log1p(z_source))
    path = depth_scale(universe) * path_factor(universe, scale)

    def at_edge(one_plus_z, path):
        found = _line(universe, jnp.log(energy), one_plus_z)
        return found._replace(depth=path * found.depth)

    lines = jax.lax.map(lambda edge: at_edge(*edge), (scale, path))
    step = 0.5 * reduced_energy(universe, jnp.log(energy))[None, :] * (scale[:-1, None] ** -2 - scale[1:, None] ** -2)
    near, far = jax.tree.map(lambda x: x[:-1], lines), jax.tree.map(lambda x: x[1:], lines)
    crossed = crossing(near, far, step[:, None, :])
    couplings = charge_couplings(universe.neutrinos, universe.mediator.charges)
    line = couplings[:, :, None] * jnp.sum(crossed.near * near.depth + crossed.far * far.depth, axis=0)[None]
    if universe.mediator.channels == "narrow":
        return line
    return line + jnp.sum(_smooth(exchange(universe, scale), universe, energy), axis=-1)


def _smooth(around: Exchange, universe: Universe, energy: Float[Array, "energy"]) -> Array:
    """The depth of shells by all but the narrow resonance, (mass, target, energy, shell)."""
    epsilon = reduced_energy(universe, jnp.log(energy))[None, :, None].astype(around.mass.dtype)
    places, strength = poles(around, epsilon), pairs(around, epsilon)
    near, far = (jax.tree.map(lambda x, cut=cut: x[..., cut], places) for cut in (slice(None, -1), slice(1, None)))
    found = rates(around.mass, epsilon, logarithms(around.mass / epsilon))
    line = wings(around, near, far, strength)

    def depth(i, j):
        return sum(exchange_depth(around, found, line, i, j)) + around.lose_s[i, j] * line.resonant[j]

    return jnp.stack([jnp.stack([depth(i, j) for j in range(3)]) for i in range(3)]).astype(energy.dtype)


@full_precision
def mean_free_path(universe: Universe, energy: ArrayLike, z: ArrayLike) -> Float[Array, "mass=3 energy"]:
    """λ_i = 1/Σ_j Γ_ij in proper Mpc at redshift `z`, for energies today in GeV, (energy,) (1409.4180 eq. 5).

    The collision happens at E(1+z). Infinite where nothing scatters. The mediator's `channels` count. Raises ValueError
    for energies that are not positive and negative redshifts.
    """
    energy, z = _positive(energy, "energy"), as_float(z)
    require(z >= 0, f"z must not be negative, got {z}")
    scale = 1 + z
    temperature = temperature_today(universe.relics) * scale
    found = _line(universe, jnp.log(energy), scale)
    mediator = universe.mediator
    couplings = charge_couplings(universe.neutrinos, mediator.charges)
    per_length = (
        mediator.coupling**2 / (4 * jnp.pi * GEV) * (temperature / (energy * scale)) * (temperature / HBAR_C_MPC)
    )
    rate = (
        mediator.prefactor
        * universe.relics.overdensity
        * per_length[None]
        * (couplings @ (found.shape.value * found.depth))
    )
    if mediator.channels != "narrow":
        # Of a thin shell, depth over its proper length.
        edges = scale * jnp.exp(jnp.asarray([-0.5, 0.5], dtype=scale.dtype) * _THIN)
        length = path_factor(universe, scale) / scale**3 * hubble_distance(universe.cosmology) * _THIN
        rate = rate + jnp.sum(_smooth(exchange(universe, edges), universe, energy), axis=(1, 3)) / length
    scattering = rate > 0
    return jnp.where(scattering, 1 / jnp.where(scattering, rate, 1.0), jnp.inf)


def _positive(value: ArrayLike, name: str) -> Array:
    value = as_float(value)
    require(value > 0, f"{name} must be positive, got {value}")
    return value
