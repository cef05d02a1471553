"""Transport of neutrinos through the relics: absorption, regeneration, all sources and redshift shells.

The comoving density per today's energy of mass state i obeys (2302.03571 eq. 7)

    −(1+z) H ∂_z ñ_i = c [ J_i − ñ_i Γ_i + P_i ∫_E^∞ dE′ F(E′,E) Σ_k ñ_k(E′) Γ_k(E′) ],   F = (3/E′)[x² + (1−x)²], x =
    E/E′.

It is triangular in energy, since scattering only loses it, and in redshift. So cells, each a node in energy and a shell
in redshift, are solved one after the other, along a `wavefront` of independent ones; what a cell feeds to itself is
solved exactly (`march`). However many times a neutrino scatters, and however opaque a shell is, no splitting error
arises between absorption and regeneration. Within a shell, emission and absorption are linear functions of place.

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
from jaxnu.mediators import neutrino_branching
from jaxnu.neutrinos import charge_couplings
from jaxnu.sources import mass_fractions
from jaxnu.spectra import PowerLaw
from jaxnu.transport.injection import log_free_flux, power_law_shares, shell_injection
from jaxnu.transport.interpolation import cell_weights
from jaxnu.transport.line import depth_scale, path_factor, reduced_energy, reduced_masses
from jaxnu.transport.march import State, Weights, kernel_sum
from jaxnu.transport.mesh import Resolution, log_energy_nodes, shell_edges
from jaxnu.transport.tangents import DIRECTIONS, Motion, block_slopes
from jaxnu.transport.thermal import mean_energies
from jaxnu.transport.wavefront import PRECISION, ROWS, Nodes, Setting, march, prepared, windows
from jaxnu.universe import Universe


class Solution(eqx.Module):
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


def setting(universe: Universe, one_plus_z: Float[Array, "edge"]) -> Setting:
    """What the cells of all nodes share, for shells between `one_plus_z`."""
    spectrum, evolution = universe.source.spectrum, universe.source.evolution
    alpha, nearness = reduced_masses(universe), 1 / one_plus_z
    series = mean_energies(universe.relics, (alpha[:, None] * nearness[None, :]).astype(PRECISION))
    couplings = charge_couplings(universe.neutrinos, universe.mediator.charges)
    sources = shell_injection(universe, one_plus_z)
    shares = None
    if isinstance(evolution, SingleRedshift):
        shares = jnp.zeros((2, 1, nearness.size - 1), dtype=nearness.dtype)  # all enter from behind
    elif isinstance(spectrum, PowerLaw):
        shares = power_law_shares(spectrum, sources)
    return Setting(
        universe.relics,
        alpha,
        nearness,
        (depth_scale(universe) * path_factor(universe, one_plus_z)).astype(PRECISION),
        tuple(part[:, :, None, :] for part in series),
        couplings.astype(PRECISION),
        neutrino_branching(universe.mediator) * jnp.sum(couplings, axis=1) / jnp.sum(couplings),
        mass_fractions(universe.source, universe.neutrinos),
        spectrum,
        sources,
        shares,
    )


def march_weights(log_energy: Float[Array, "node"], log_free: Float[Array, "node"]) -> tuple[Weights, Array]:
    """The march's weights at nodes from the highest energy, for fluxes relative to the free one.

    That grows by e^growth from a node to the one below, times x^m.
    """
    width = jnp.diff(log_energy)
    growth = jnp.diff(log_free)[None, :] - jnp.arange(3.0, dtype=width.dtype)[:, None] * width[None, :]
    here, next_, third = jax.vmap(cell_weights, (None, 0))(width, growth)
    decay = jnp.exp(growth)
    none, one = jnp.zeros_like(here[:, :1]), jnp.ones_like(here[:, :1])
    # The topmost node has nothing above it; below the last one, moments stay as they are.
    own = jnp.concatenate([here, none], axis=1)
    decay, gain, bend = (
        jnp.concatenate(parts, axis=1)
        for parts in ((one, decay), (own[:, :1], decay * own[:, 1:] + next_), (none, third))
    )
    return Weights(kernel_sum(own)[::-1], decay[:, ::-1], gain[:, ::-1], bend[:, ::-1])


def _solved(universe: Universe, resolution: Resolution, with_slopes: bool):
    x = log_energy_nodes(universe, resolution)
    one_plus_z = shell_edges(universe, resolution)
    around = setting(universe, one_plus_z)
    log_free = log_free_flux(around.spectrum, around.sources, x)
    nodes = Nodes(x[::-1], log_free[::-1], reduced_energy(universe, x[::-1]), march_weights(x, log_free))
    shells = resolution.shells
    single = isinstance(universe.source.evolution, SingleRedshift)

    seen = windows(nodes, shells)
    blocks = seen.epsilon.shape[0]
    start = _start(around, shells, single)

    def block(state: State, step_and_nodes):
        step, window = step_and_nodes
        return march(around, step, state, prepared(around, step, window), window.weights)[:2]

    def both(states, xs):
        step, window, moving = xs
        state, slopes = states
        cells = prepared(around, step, window)
        state, arrivals, rows = march(around, step, state, cells, window.weights)
        slopes, derivatives = block_slopes(around, moving, step, window, cells, rows, slopes)
        return (state, slopes), (*arrivals, derivatives)

    if with_slopes:
        motion, velocity = _motion(universe, resolution, one_plus_z, around, nodes, x)
        zero = jax.tree.map(lambda part: jnp.zeros((DIRECTIONS, *part.shape), PRECISION), start)
        alpha, series, epsilon_w, weights_w, shares = motion
        wholes = jax.tree.map(lambda part: jnp.broadcast_to(part, (blocks, *part.shape)), (alpha, series, shares))
        moving = Motion(wholes[0], wholes[1], epsilon_w, weights_w, wholes[2])
        (state, _), (ratio, sums, slopes) = jax.lax.scan(both, (start, zero), (jnp.arange(blocks), seen, moving))
        slopes = slopes.reshape(blocks * ROWS, DIRECTIONS, 3)[shells - 1 :][: x.size][::-1]
        slopes = jnp.moveaxis(slopes, 0, -1).astype(x.dtype)
    else:
        state, (ratio, sums) = jax.lax.scan(jax.checkpoint(block, prevent_cse=False), start, (jnp.arange(blocks), seen))
    # The node that each row brings to z = 0.
    ratio, sums = (y.reshape(blocks * ROWS, -1)[shells - 1 :][: x.size][::-1].T for y in (ratio, sums))
    below = jnp.sum(state.moments[:, 0], axis=1)
    balances = _balances(universe, x, log_free, sums, jnp.sum(around.fractions), below)
    solution = Solution(x, log_free, ratio, *balances)
    return (solution, slopes, velocity) if with_slopes else solution


def _motion(universe, resolution, one_plus_z, around, nodes, x):
    """What moves with the lightest mass, and with the index."""
    one = jnp.ones_like(universe.neutrinos.lightest)

    def at_lightest(lightest):
        moved = eqx.tree_at(lambda u: u.neutrinos.lightest, universe, lightest)
        x = log_energy_nodes(moved, resolution)
        alpha = reduced_masses(moved)
        series = mean_energies(universe.relics, (alpha[:, None] * (1 / one_plus_z)[None, :]).astype(PRECISION))
        epsilon = reduced_energy(moved, x[::-1])
        return x, alpha, tuple(part[:, :, None, :] for part in series), epsilon

    _, (velocity, alpha, series, epsilon) = jax.jvp(at_lightest, (universe.neutrinos.lightest,), (one,))
    spectrum = universe.source.spectrum

    def weights(x, index):
        moved = eqx.tree_at(lambda s: s.index, spectrum, index)
        return march_weights(x, moved.log_flux(x))

    def shares(index):
        moved = eqx.tree_at(lambda u: u.source.spectrum.index, universe, index)
        return setting(moved, one_plus_z).shares.astype(PRECISION)

    index = spectrum.index
    by_lightest = jax.jvp(lambda x: weights(x, index), (x,), (velocity,))[1]
    by_index = jax.jvp(lambda index: weights(x, index), (index,), (one,))[1]
    both = jax.tree.map(lambda *pair: jnp.stack(pair).astype(PRECISION), by_lightest, by_index)
    shells = one_plus_z.size - 1
    moved = windows(Nodes(nodes.log_energy, nodes.log_free, epsilon, both), shells, last=0.0)
    return Motion(alpha, series, moved.epsilon, moved.weights, jax.jvp(shares, (index,), (one,))[1]), velocity


@full_precision  # outside of jit, so that callers of any precision share what is compiled
@jax.jit
def propagate(universe: Universe, resolution: Resolution = Resolution()) -> Solution:
    """The spectrum at Earth of every mass state, with absorption, regeneration and all sources (2302.03571 eq. 7).

    Jitted, with a `lax.scan` over blocks of cells; vmap it over any leaf of `universe`. Energies in GeV, fluxes in
    GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ for ν+ν̄.
    """
    return _solved(universe, resolution, False)


def _start(around: Setting, shells: int, single: bool) -> State:
    """Nothing anywhere, but for the neutrinos of a single redshift that enter the farthest shell."""
    far = around.fractions if single else jnp.zeros_like(around.fractions)
    pair = jnp.zeros((2, shells), dtype=far.dtype)
    leaving = jnp.concatenate([jnp.zeros((3, shells), dtype=far.dtype), far[:, None]], axis=1)
    return State(leaving, jnp.stack([pair] * 3), pair, pair, jnp.zeros((2, shells + 1), dtype=far.dtype))


def solutions(universes: Universe, resolution: Resolution = Resolution()) -> Solution:
    """`propagate` for universes whose leaves all have a leading axis, as those of its result have.

    Side by side, but on a CPU one after another on each core, which is faster.
    """
    if jax.default_backend() != "cpu":
        return jax.vmap(lambda universe: propagate(universe, resolution))(universes)
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, universes))

    def one(number: int) -> Solution:
        return propagate(structure.unflatten([leaf[number] for leaf in leaves]), resolution)

    first = one(0)  # compiled before there are several threads
    others = on_every_core(one, range(1, len(leaves[0])))
    return jax.tree.map(lambda *parts: jnp.asarray(np.stack(parts)), first, *others)


def _balances(universe: Universe, x, log_free, sums, entered, below):
    """Energy and number that leave the mesh, at Earth or below its lowest node, against what entered.

    What arrives of a node differs from what was emitted by what shells gave to it and took from it: their sums, not the
    difference of two large numbers.
    """
    branching = neutrino_branching(universe.mediator)
    scattered, fed = sums
    change = branching * fed - scattered

    def total(power, values):
        lower, upper, next_ = cell_weights(jnp.diff(x), jnp.diff(log_free) + power * jnp.diff(x))
        height = jnp.exp(log_free[:-1] - log_free[0] + power * (x[:-1] - x[0]))
        third = jnp.concatenate([values[2:], values[-1:]])
        return jnp.sum(height * (lower * values[:-1] + upper * values[1:] + next_ * third))

    # ∫ F over energies below the mesh: 3[M₀ − M₁ + ⅔M₂] in number and 3[½M₀ − ⅔M₁ + ½M₂] in energy.
    number_below = 3 * branching * (below[0] - below[1] + below[2] * 2 / 3)
    energy_below = 3 * branching * (below[0] / 2 - below[1] * 2 / 3 + below[2] / 2)
    number = total(1.0, change) + number_below - (2 * branching - 1) * total(1.0, scattered)
    energy = total(2.0, change) + energy_below + (1 - branching) * total(2.0, scattered)
    floor = 1e-6 * entered
    everything = jnp.ones_like(scattered)
    return (
        energy / (total(2.0, scattered) + floor * total(2.0, everything)),
        number / (total(1.0, scattered) + floor * total(1.0, everything)),
    )
