"""Transport of neutrinos through the relics: absorption, regeneration, all sources and redshift shells.

The comoving density per today's energy of mass state i obeys (2302.03571 eq. 7)

    −(1+z) H ∂_z ñ_i = c [ J_i − ñ_i Γ_i + P_i ∫_E^∞ dE′ F(E′,E) Σ_k ñ_k(E′) Γ_k(E′) ],   F = (3/E′)[x² + (1−x)²], x =
    E/E′.

It is triangular in energy, since scattering only loses it: with energies solved from the top down, the regenerated
source of one energy is known in every shell from those above. So the scan runs over energies and carries, for all
shells at once, the moments M_m = ∫dE′/E′ x^m Σ_k(absorbed), m = 0, 1, 2, of which F is a combination; within one
energy the shells obey a linear recurrence. However many times a neutrino scatters, and however opaque a shell is, no
splitting error arises between absorption and regeneration. Within a shell, emission and absorption are linear functions
of place.

All fluxes are relative to the one that would arrive freely, so that numbers are O(1) and a steep spectrum costs no
precision.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu._field import full_precision
from jaxnu.constants import FLUX_UNIT
from jaxnu.cores import on_every_core
from jaxnu.evolutions import SingleRedshift
from jaxnu.injection import free_flux, shell_injection
from jaxnu.interpolation import cell_weights
from jaxnu.mediators import neutrino_branching
from jaxnu.mesh import Resolution, log_energy_nodes, shell_edges
from jaxnu.neutrinos import charge_couplings
from jaxnu.rates import resonance_line
from jaxnu.response import ShellResponse, shell_response
from jaxnu.sources import mass_fractions
from jaxnu.universe import Universe

# Nodes whose responses are computed at once, so that they stay in the cache, and little is kept for derivatives.
_TOGETHER = 2


class Spectrum(eqx.Module):
    """Fluxes of the mass states at Earth on the mesh, and how well the solution keeps its conservation laws."""

    log_energy: Float[Array, "node"]
    """ln(E/GeV), ascending."""
    log_free: Float[Array, "node"]
    """ln of the flux per flavour without interactions over 10⁻¹⁸ GeV⁻¹ cm⁻² s⁻¹ sr⁻¹."""
    ratio: Float[Array, "mass=3 node"]
    """Flux of each mass state over that flux; a cubic in ln E between nodes."""
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


def _through_shells(survival, gained, start):
    """n leaving each shell and entering it: n_s = survival_s n_{s+1} + gained_s, from `start` at the farthest to z = 0.

    A bidiagonal linear system: told so, JAX differentiates it through one more such sweep in either direction. Shells
    are the last axis, the nearest first.
    """

    def after(n, last):
        return jnp.concatenate([n[:, 1:], last], axis=1)

    def compose(far, near):
        return far[0] * near[0], far[1] * near[0] + near[1]

    def inward(_, right):
        return jax.lax.associative_scan(compose, (survival, right), reverse=True, axis=1)[1]

    def outward(_, right):
        shifted = jnp.concatenate([jnp.zeros_like(survival[:, :1]), survival[:, :-1]], axis=1)
        return jax.lax.associative_scan(compose, (shifted, right), axis=1)[1]

    start = start[:, None]
    none = jnp.zeros_like(start)
    right = jnp.concatenate([gained[:, :-1], gained[:, -1:] + survival[:, -1:] * start], axis=1)
    leaving = jax.lax.custom_linear_solve(lambda n: n - survival * after(n, none), right, inward, outward)
    return leaving, after(leaving, start)


@jax.jit  # traced once for both steps of Newton's iteration
def _transport(shells: ShellResponse, emitted: Float[Array, "2 mass=3 shell"], start: Float[Array, "mass=3"]):
    """What arrives at z = 0, and what each shell absorbs, of what is emitted; the latter as totals and tilts."""
    even, tilted = emitted
    leaving, entering = _through_shells(shells.survival, even * shells.escape + tilted * shells.tilted_escape, start)
    total = entering * (1 - shells.survival) + even * (1 - shells.escape) - tilted * shells.tilted_escape
    tilt = entering * shells.entering_tilt + even * shells.even_tilt + tilted * shells.tilted_tilt
    return leaving[:, 0], jnp.stack([jnp.sum(total, axis=0), jnp.sum(tilt, axis=0)])


def _responses(
    universe: Universe,
    couplings: Float[Array, "mass=3 target=3"],
    log_energy: Float[Array, "node"],
    scale: Float[Array, "edge"],
) -> ShellResponse:
    """Of all shells at some nodes, axes (node, mass=3, shell)."""
    shells = scale.size - 1
    pairs = jnp.repeat(log_energy, shells)
    near, far = (resonance_line(universe, pairs, jnp.tile(edges, log_energy.size)) for edges in (scale[:-1], scale[1:]))
    responses = shell_response(couplings, near, far)
    return jax.tree.map(lambda x: jnp.moveaxis(x.reshape(3, -1, shells), 1, 0), responses)


def _in_blocks(values: Float[Array, "node *s"]) -> Float[Array, "block together *s"]:
    """Nodes in blocks; the last one is filled up with copies of the topmost node, which feeds nothing."""
    missing = -values.shape[0] % _TOGETHER
    padded = jnp.concatenate([values, jnp.broadcast_to(values[-1:], (missing, *values.shape[1:]))])
    return padded.reshape(-1, _TOGETHER, *values.shape[1:])


@full_precision  # outside of jit, so that callers of any precision share what is compiled
@jax.jit
def propagate(universe: Universe, resolution: Resolution = Resolution()) -> Spectrum:
    """The spectrum at Earth of every mass state, with absorption, regeneration and all sources (2302.03571 eq. 7).

    Jitted, with a `lax.scan` over energies; vmap it over any leaf of `universe`. Energies in GeV, fluxes in GeV⁻¹ cm⁻²
    s⁻¹ sr⁻¹ for ν+ν̄.
    """
    x = log_energy_nodes(universe, resolution)
    scale = shell_edges(universe, resolution)
    sources = shell_injection(universe, scale)
    log_free = jax.lax.map(jax.checkpoint(lambda e: free_flux(universe, sources, e)[0], prevent_cse=False), x)
    fractions = mass_fractions(universe.source, universe.neutrinos)
    couplings = charge_couplings(universe.neutrinos, universe.mediator.charges)
    branching = neutrino_branching(universe.mediator)
    into = (branching * jnp.sum(couplings, axis=1) / jnp.sum(couplings))[None, :, None]
    single = isinstance(universe.source.evolution, SingleRedshift)
    start = fractions if single else jnp.zeros_like(fractions)

    # All fluxes are relative to the free one, which grows by this much, times x^m, towards lower energies.
    growth = jnp.diff(log_free)[:, None] - jnp.arange(3.0, dtype=x.dtype)[None, :] * jnp.diff(x)[:, None]
    weights = jnp.stack(jax.vmap(cell_weights, (None, 1), 1)(jnp.diff(x), growth), axis=1)
    # The topmost node has nothing above it.
    decay, weights = (jnp.concatenate([part, jnp.zeros_like(part[:1])]) for part in (jnp.exp(growth), weights))
    kernel = 3 * jnp.asarray([1.0, -2.0, 2.0], dtype=x.dtype)

    def solve(carry, node):
        moments, above, beyond = carry
        shells, share, decay, (here, next_, third) = node
        known = decay * moments + next_ * above[None] + third * beyond[None]
        fed = jnp.tensordot(kernel, known, 1)[:, None, :] * into
        if not single:
            fed = fed + share[:, None, :] * fractions[None, :, None]
        # What this energy absorbs feeds its own cell, which Newton's iteration finds: two steps from an extrapolation.
        own = jnp.sum(kernel * here[:, 0, 0])
        repeated = own * jnp.sum(jnp.stack([1 - shells.escape, shells.tilted_tilt]) * into, axis=1)

        def improve(guess):
            arriving, absorbed = _transport(shells, fed + own * guess[:, None, :] * into, start)
            return arriving, guess + (absorbed - guess) / (1 - repeated)

        _, guess = improve(above + (above - beyond) / 2)
        arriving, absorbed = improve(guess)
        return (known + here * absorbed[None], absorbed, above), (arriving, jnp.sum(absorbed[0]))

    def solve_some(carry, nodes):
        log_energy, *others = nodes
        responses = _responses(universe, couplings, log_energy, scale)
        # The sources' shares once more: those of all nodes, kept for derivatives, would be a good part of the memory.
        _, share = jax.vmap(lambda e: free_flux(universe, sources, e))(log_energy)
        return jax.lax.scan(solve, carry, (responses, share, *others), reverse=True)

    nothing = jnp.zeros((2, resolution.shells), dtype=x.dtype)
    nodes = x, decay[:, :, None, None], weights[..., None, None]
    (moments, *_), (ratio, scattered) = jax.lax.scan(
        jax.checkpoint(solve_some, prevent_cse=False),
        (jnp.zeros((3, 2, resolution.shells), dtype=x.dtype), nothing, nothing),
        jax.tree.map(_in_blocks, nodes),
        reverse=True,
    )
    ratio, scattered = (y.reshape(-1, *y.shape[2:])[: x.size] for y in (ratio, scattered))
    below = jnp.sum(moments[:, 0], axis=1)
    energy_balance, number_balance = _balances(x, log_free, ratio, scattered, fractions, branching, below)
    return Spectrum(x, log_free, ratio.T, energy_balance, number_balance)


def spectra(universes: Universe, resolution: Resolution = Resolution()) -> Spectrum:
    """`propagate` for universes whose leaves all have a leading axis, as those of its result have.

    Side by side, but on a CPU one after another on each core, which is faster.
    """
    if jax.default_backend() != "cpu":
        return jax.vmap(lambda universe: propagate(universe, resolution))(universes)
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, universes))

    def one(number: int) -> Spectrum:
        return propagate(structure.unflatten([leaf[number] for leaf in leaves]), resolution)

    first = one(0)  # compiled before there are several threads
    others = on_every_core(one, range(1, len(leaves[0])))
    return jax.tree.map(lambda *parts: jnp.asarray(np.stack(parts)), first, *others)


def _balances(x, log_free, ratio, scattered, fractions, branching, below):
    """Energy and number that leave the mesh, at Earth or below its lowest node, against what entered."""

    def total(power, values):
        lower, upper, next_ = cell_weights(jnp.diff(x), jnp.diff(log_free) + power * jnp.diff(x))
        height = jnp.exp(log_free[:-1] - log_free[0] + power * (x[:-1] - x[0]))
        third = jnp.concatenate([values[2:], values[-1:]])
        return jnp.sum(height * (lower * values[:-1] + upper * values[1:] + next_ * third))

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
