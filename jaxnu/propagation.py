"""Transport of neutrinos through the relics: absorption, regeneration, all sources and redshift shells.

The comoving density per today's energy of mass state i obeys (2302.03571 eq. 7)

    −(1+z) H ∂_z ñ_i = c [ J_i − ñ_i Γ_i + P_i ∫_E^∞ dE′ F(E′,E) Σ_k ñ_k(E′) Γ_k(E′) ],   F = (3/E′)[x² + (1−x)²], x =
    E/E′.

It is triangular in energy, since scattering only loses it: with energies solved from the top down, the regenerated
source of one energy is known in every shell from those above. So the scan runs over energies and carries, for all
shells at once, the moments M_m = ∫dE′/E′ x^m Σ_k(absorbed), m = 0, 1, 2, of which F is a combination; within one
energy the shells obey a linear recurrence. However many times a neutrino scatters, and however opaque a shell is, no
splitting error arises between absorption and regeneration.

All fluxes are relative to the one that would arrive freely, so that numbers are O(1) and a steep spectrum costs no
precision.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.constants import FLUX_UNIT
from jaxnu.evolutions import SingleRedshift
from jaxnu.injection import free_flux, shell_injection
from jaxnu.mediators import neutrino_branching
from jaxnu.mesh import Resolution, log_energy_nodes, shell_edges
from jaxnu.neutrinos import charge_couplings
from jaxnu.rates import shell_depths
from jaxnu.sources import mass_fractions
from jaxnu.thermal import exponential_integral
from jaxnu.universe import Universe

ROUNDS = 2
"""Of the correction for absorption of what one energy feeds to its own cell, each smaller by the width of the cell."""


class Spectrum(eqx.Module):
    """Fluxes of the mass states at Earth on the mesh, and how well the solution keeps its conservation laws."""

    log_energy: Float[Array, "node"]
    """ln(E/GeV), ascending."""
    log_free: Float[Array, "node"]
    """ln of the flux per flavour without interactions over 10⁻¹⁸ GeV⁻¹ cm⁻² s⁻¹ sr⁻¹."""
    ratio: Float[Array, "mass=3 node"]
    """Flux of each mass state over that flux; its logarithm is taken as linear in ln E between nodes."""
    energy_balance: Float[Array, ""]
    """(Energy out − in)/(energy scattered): zero but for discretisation."""
    number_balance: Float[Array, ""]
    """(Neutrinos out − in − created)/(neutrinos scattered): each scattering creates one."""

    @property
    def energy(self) -> Float[Array, "node"]:
        """Energies today in GeV."""
        return jnp.exp(self.log_energy)

    @property
    def flux(self) -> Float[Array, "mass=3 node"]:
        """Flux of each mass state, ν+ν̄, in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹."""
        return FLUX_UNIT * jnp.exp(self.log_free)[None, :] * self.ratio


def _shell_factors(universe: Universe, log_energy: Float[Array, "node"], scale: Float[Array, "edge"]):
    """Survival e^−τ of each shell and, for sources within it, the part that escapes it; both (mass=3, shell, node).

    escape = ∫₀¹ ds e^{−τ(s)}, s the fraction of the shell's sources behind which the optical depth τ(s) to the near
    edge lies. The closed forms of the line give its depth τ and the mean position c of its absorption; with the line
    as a box of width w about c, escape = e^{−τ} + (c − w/2)(1 − e^{−τ}) + w[(1 − e^{−τ})/τ − e^{−τ}], exact for τ → 0
    (any c, w), for a line inside the shell (w → 0) and for a uniform shell (c = ½, w = 1). w is the line's own width,
    cut where it would leave the shell. Opaque wings need their density r = dτ/ds at the exit, too: rising ones are
    exponentials with dτ/ds = r + κτ(s), hence escape = [e^q E₁(q) − e^{−τ} e^{q+τ} E₁(q+τ)]/κ, q = r/κ; falling ones
    a box at the exit whose width goes from 2c to τ/r.
    """
    couplings = charge_couplings(universe.neutrinos, universe.mediator.charges)
    depths = shell_depths(universe, log_energy, scale)
    near, far, box, rising, falling, leaving, entering = (jnp.tensordot(couplings, part, (1, 1)) for part in depths)
    depth = near + far
    box = jnp.minimum(box, 2 * jnp.minimum(near, far))
    survival = jnp.exp(-depth)
    small = depth < 0.02
    safe = jnp.where(small, 1.0, depth)
    # (1 − e^{−τ})/τ and [(1/τ − ½)(1 − e^{−τ}) − e^{−τ}]/τ
    mean = jnp.where(small, 1 - depth / 2 * (1 - depth / 3), (1 - survival) / safe)
    shape = jnp.where(small, -depth / 12 * (1 - depth / 2), (mean - (1 + survival) / 2) / safe)
    escape = survival + far * mean + box * shape

    opaque = jnp.minimum(depth, 1e4) ** 4
    opaque = opaque / (0.1 + opaque)
    rises, falls = (rising > depth / 2) & ~small, (falling > depth / 2) & ~small
    growth = jnp.maximum((entering - leaving) / safe, 1e-2)
    start = jnp.where(rises, jnp.maximum(leaving / growth, 1e-12), 1.0)
    exponential = (exponential_integral(start) - survival * exponential_integral(start + depth)) / growth
    width = jnp.where(falls, (2 * far + depth * depth / 3) / (safe * (1 + leaving / 3)), 0.0)
    at_exit = survival + width * (mean - survival)
    wing = jnp.where(rises, exponential, at_exit)
    return survival, escape + jnp.where(rises | falls, opaque, 0.0) * (wing - escape)


def _through_shells(survival, gained, start):
    """n leaving each shell and entering it: n_s = survival_s n_{s+1} + gained_s from the farthest shell to z = 0.

    A bidiagonal linear system: told so, JAX differentiates it through one more such sweep in either direction.
    """

    def after(n):
        return jnp.concatenate([n[1:], jnp.zeros_like(n[:1])])

    def compose(far, near):
        return far[0] * near[0], far[1] * near[0] + near[1]

    def inward(_, right):
        return jax.lax.associative_scan(compose, (survival, right), reverse=True)[1]

    def outward(_, right):
        shifted = jnp.concatenate([jnp.zeros_like(survival[:1]), survival[:-1]])
        return jax.lax.associative_scan(compose, (shifted, right))[1]

    entry = jnp.concatenate([jnp.zeros_like(survival[:-1]), survival[-1:] * start[None, :]])
    leaving = jax.lax.custom_linear_solve(lambda n: n - survival * after(n), gained + entry, inward, outward)
    return leaving, jnp.concatenate([leaving[1:], start[None, :]])


def cell_weights(width: Float[Array, "..."], growth: Float[Array, "..."]):
    """(w₀, w₁) with ∫ over a cell of e^{growth·y} (f₀(1−y) + f₁ y), y in [0, 1], times its width = w₀f₀ + w₁f₁."""
    points, weights = np.polynomial.legendre.leggauss(4)
    lower, upper = 0.0 * growth, 0.0 * growth
    for y, w in zip((points + 1) / 2, weights / 2, strict=True):
        value = float(w) * jnp.exp(float(y) * growth)
        lower, upper = lower + float(1 - y) * value, upper + float(y) * value
    return width * lower, width * upper


def propagate(universe: Universe, resolution: Resolution = Resolution()) -> Spectrum:
    """The spectrum at Earth of every mass state, with absorption, regeneration and all sources (2302.03571 eq. 7).

    One jitted `lax.scan`; vmap it over any leaf of `universe`. Energies in GeV, fluxes in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ for ν+ν̄.
    """
    x = log_energy_nodes(universe, resolution)
    scale = shell_edges(universe, resolution)
    shells = shell_injection(universe, scale)
    log_free, share = jax.vmap(lambda e: free_flux(universe, shells, e))(x)
    fractions = mass_fractions(universe.source, universe.neutrinos)
    couplings = charge_couplings(universe.neutrinos, universe.mediator.charges)
    branching = neutrino_branching(universe.mediator)
    into = branching * jnp.sum(couplings, axis=1) / jnp.sum(couplings)
    single = isinstance(universe.source.evolution, SingleRedshift)
    start = fractions if single else jnp.zeros_like(fractions)

    width = jnp.diff(x)
    fall = jnp.diff(log_free)
    powers = jnp.asarray(np.arange(3.0), dtype=x.dtype)
    growth = fall[:, None] - powers[None, :] * width[:, None]
    weight_here, weight_above = cell_weights(width[:, None] + 0.0 * growth, growth)
    # The topmost node has nothing above it.
    padded = [
        jnp.concatenate([part, jnp.zeros_like(part[:1])]) for part in (jnp.exp(growth), weight_here, weight_above)
    ]
    kernel = 3 * jnp.asarray([1.0, -2.0, 2.0], dtype=x.dtype)

    def solve(carry, node):
        moments, absorbed_above = carry
        survival, escape, source, decay, here, above = node
        emitted = jnp.zeros_like(survival) if single else source[:, None] * fractions[None, :]
        known = decay[:, None] * moments + above[:, None] * absorbed_above[None, :]
        fed = emitted + (kernel @ known)[:, None] * into[None, :]
        # What this energy absorbs feeds its own cell.
        own = kernel @ here
        lost, trapped = 1 - survival, 1 - escape
        supplied = fed
        for _ in range(ROUNDS):
            _, entering = _through_shells(survival, supplied * escape, start)
            absorbed = jnp.sum(entering * lost + fed * trapped, axis=1) / (1 - own * (trapped @ into))
            supplied = fed + own * absorbed[:, None] * into[None, :]
        leaving, entering = _through_shells(survival, supplied * escape, start)
        absorbed = jnp.sum(entering * lost + supplied * trapped, axis=1)
        moments = known + here[:, None] * absorbed[None, :]
        return (moments, absorbed), (leaving[0], jnp.sum(absorbed))

    factors = [factor.T for factor in _shell_factors(universe, x, scale)]
    nodes = (*factors, share, *padded)
    empty = (jnp.zeros((3, scale.size - 1), dtype=x.dtype), jnp.zeros_like(scale[1:]))
    (moments, _), (ratio, scattered) = jax.lax.scan(jax.checkpoint(solve), empty, nodes, reverse=True)
    energy_balance, number_balance = _balances(
        x, log_free, ratio, scattered, fractions, branching, jnp.sum(moments, axis=1)
    )
    return Spectrum(x, log_free, ratio.T, energy_balance, number_balance)


def _balances(x, log_free, ratio, scattered, fractions, branching, below):
    """Energy and number that leave the mesh, at Earth or below its lowest node, against what entered."""

    def total(power, values):
        # What grows towards high energies like a power law is interpolated as one.
        rising = (values[:-1] > 0) & (values[1:] > values[:-1])
        steepness = jnp.where(
            rising, jnp.log(jnp.where(rising, values[1:] / jnp.where(rising, values[:-1], 1.0), 1.0)), 0.0
        )
        growth = jnp.diff(log_free) + power * jnp.diff(x) + steepness
        lower, upper = cell_weights(jnp.diff(x), growth)
        height = jnp.exp(log_free[:-1] - log_free[0] + power * (x[:-1] - x[0]))
        return jnp.sum(height * (lower * values[:-1] + upper * jnp.where(rising, values[:-1], values[1:])))

    change = jnp.sum(ratio, axis=1) - jnp.sum(fractions)
    # ∫ F over energies below the mesh: 3[M₀ − M₁ + ⅔M₂] in number and 3[½M₀ − ⅔M₁ + ½M₂] in energy.
    number_below = 3 * branching * (below[0] - below[1] + below[2] * 2 / 3)
    energy_below = 3 * branching * (below[0] / 2 - below[1] * 2 / 3 + below[2] / 2)
    number = total(1.0, change) + number_below - (2 * branching - 1) * total(1.0, scattered)
    energy = total(2.0, change) + energy_below + (1 - branching) * total(2.0, scattered)
    floor = 1e-6 * jnp.sum(fractions)
    everything = jnp.ones_like(scattered)
    return (
        energy / (total(2.0, scattered) + floor * total(2.0, everything)),
        number / (total(1.0, scattered) + floor * total(1.0, everything)),
    )
