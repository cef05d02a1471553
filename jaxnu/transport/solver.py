"""Transport of neutrinos through the relics: absorption, regeneration, all sources and redshift shells.

The comoving density per today's energy of mass state i obeys (2302.03571 eq. 7)

    −(1+z) H ∂_z ñ_i = c [ J_i − ñ_i Γ_i + P_i ∫_E^∞ dE′ F(E′,E) Σ_k ñ_k(E′) Γ_k(E′) ],   F = (3/E′)[x² + (1−x)²], x =
    E/E′.

It is triangular in energy, since scattering only loses it, and in redshift. So cells, each a node in energy and a shell
in redshift, are solved one after the other, along a `wavefront` of independent ones; what a cell feeds to itself is
solved exactly (`march`). However many times a neutrino scatters, and however opaque a shell is, no splitting error
arises between absorption and regeneration. Within a shell, emission and absorption are linear functions of place.

With more `channels` than the narrow resonance, neutrinos of all states feed each other: `coupled`, `exchange`.

All fluxes are relative to the one that would arrive freely, so that numbers are O(1) and a steep spectrum costs no
precision.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from jaxnu._field import full_precision
from jaxnu.cores import on_every_core
from jaxnu.mediators import neutrino_branching
from jaxnu.spectra import PowerLaw
from jaxnu.transport import layout
from jaxnu.transport.block import prepared
from jaxnu.transport.coupled import Tally
from jaxnu.transport.coupled_balances import coupled_balances
from jaxnu.transport.coupled_block import coupled_block, coupled_march
from jaxnu.transport.coupled_tangents import COUPLED_DIRECTIONS, coupled_motion, coupled_slopes
from jaxnu.transport.line import depth_scale
from jaxnu.transport.mesh import Resolution
from jaxnu.transport.prelude import Prelude, motion, prelude, setting
from jaxnu.transport.solution import Solution, balances
from jaxnu.transport.tangents import DIRECTIONS, block_slopes
from jaxnu.transport.wavefront import absorbed_and_fed, march, node_sums
from jaxnu.universe import Universe

# Of so many numbers derivatives are taken forwards.
_FEW = 8


@partial(jax.jit, static_argnums=1, static_argnames="unrolled")
def _values(universe: Universe, resolution: Resolution, unrolled: bool = True) -> Solution:
    """The solution, by a `lax.scan` over blocks of rows."""
    before = prelude(universe, resolution)
    if before.setting.exchange is not None:
        return _coupled_values(universe, before)

    def block(carry, step_and_nodes):
        (state, sums), (step, nodes) = carry, step_and_nodes
        cells = prepared(before.setting, step, nodes)
        state, arrivals, rows = march(before.setting, step, state, cells, nodes.weights, unrolled)
        sums, leaving = node_sums(step, sums, absorbed_and_fed(rows))
        return (state, sums), (arrivals, leaving)

    # Derivatives compute each block again: its stages are too many to be kept.
    start = before.start, jnp.zeros((2, resolution.shells + layout.ROWS - 1), dtype=before.log_energy.dtype)
    (state, _), rows = jax.lax.scan(jax.checkpoint(block, prevent_cse=False), start, _steps(before))
    return _solution(universe, before, state, *rows)


def _coupled_values(universe: Universe, before: Prelude) -> Solution:
    """The solution with all channels."""

    def block(carry, step_and_nodes):
        (state, sums), (step, nodes) = carry, step_and_nodes
        cells = coupled_block(before.setting, step, nodes).cell
        state, arrivals, tallies, _ = coupled_march(before.setting, step, state, cells, nodes.weights)
        sums, leaving = node_sums(step, sums, tallies)
        return (state, sums), (arrivals, leaving)

    shells = before.setting.nearness.size - 1
    start = before.start, jnp.zeros((len(Tally._fields), shells + layout.ROWS - 1), dtype=before.log_energy.dtype)
    (state, _), (ratio, tally) = jax.lax.scan(jax.checkpoint(block, prevent_cse=False), start, _steps(before))
    kept = coupled_balances(universe, before, Tally(*_by_node(before, tally)), state)
    return Solution(before.log_energy, before.log_free, _by_node(before, ratio), *kept)


@partial(jax.jit, static_argnums=1)
def _with_slopes(universe: Universe, resolution: Resolution) -> tuple[Solution, Array, Array]:
    """The solution, the derivatives of its ratios in the `DIRECTIONS` and the nodes' velocities (`motion`)."""
    before = prelude(universe, resolution)
    moving, velocity = motion(universe, resolution, before)

    def block(carry, xs):
        (state, sums, slopes), (step, nodes, epsilon, weights) = carry, xs
        cells = prepared(before.setting, step, nodes)
        state, arrivals, rows = march(before.setting, step, state, cells, nodes.weights)
        sums, leaving = node_sums(step, sums, absorbed_and_fed(rows))
        here = moving._replace(epsilon=epsilon, weights=weights)
        slopes, derivatives = block_slopes(before.setting, here, step, nodes, cells, rows, slopes)
        return (state, sums, slopes), (arrivals, leaving, derivatives)

    sums = jnp.zeros((2, resolution.shells + layout.ROWS - 1), dtype=before.log_energy.dtype)
    slopes = jax.tree.map(lambda part: jnp.zeros((len(DIRECTIONS), *part.shape), layout.PRECISION), before.start)
    xs = *_steps(before), moving.epsilon, moving.weights
    (state, _, _), (ratio, sums, slopes) = jax.lax.scan(block, (before.start, sums, slopes), xs)
    slopes = _by_node(before, slopes).astype(before.log_energy.dtype)
    return _solution(universe, before, state, ratio, sums), slopes, velocity


@partial(jax.jit, static_argnums=1)
def _coupled_with_slopes(universe: Universe, resolution: Resolution) -> tuple[Solution, Array, Array]:
    """The same with all channels, in the `COUPLED_DIRECTIONS`."""
    before = prelude(universe, resolution)
    moving, velocity = motion(universe, resolution, before)
    moving = coupled_motion(universe, moving, before.one_plus_z, setting)

    def block(carry, xs):
        (state, sums, slopes), (step, nodes, epsilon, weights) = carry, xs
        cells = coupled_block(before.setting, step, nodes)
        state, arrivals, tallies, rows = coupled_march(before.setting, step, state, cells.cell, nodes.weights)
        sums, leaving = node_sums(step, sums, tallies)
        here = moving._replace(resonance=moving.resonance._replace(epsilon=epsilon, weights=weights))
        slopes, derivatives = coupled_slopes(before.setting, here, step, nodes, cells, rows, slopes)
        return (state, sums, slopes), (arrivals, leaving, derivatives)

    shells = before.setting.nearness.size - 1
    sums = jnp.zeros((len(Tally._fields), shells + layout.ROWS - 1), dtype=before.log_energy.dtype)
    slopes = jax.tree.map(
        lambda part: jnp.zeros((len(COUPLED_DIRECTIONS), *part.shape), layout.PRECISION), before.start
    )
    xs = *_steps(before), moving.resonance.epsilon, moving.resonance.weights
    (state, _, _), (ratio, tally, slopes) = jax.lax.scan(block, (before.start, sums, slopes), xs)
    kept = coupled_balances(universe, before, Tally(*_by_node(before, tally)), state)
    solution = Solution(before.log_energy, before.log_free, _by_node(before, ratio), *kept)
    return solution, _by_node(before, slopes).astype(before.log_energy.dtype), velocity


def _steps(before: Prelude):
    """What a scan over blocks of rows goes through: their numbers, and the nodes that they see."""
    return jnp.arange(before.seen.epsilon.shape[0]), before.seen


def _by_node(before: Prelude, rows: Float[Array, "block row *s"]) -> Float[Array, "*s node"]:
    """What arrives at z = 0 in each row, by the node that the row brings, ascending in energy."""
    shells, nodes = before.setting.nearness.size - 1, before.log_energy.size
    rows = rows.reshape(-1, *rows.shape[2:])
    return jnp.moveaxis(rows[shells - 1 : shells - 1 + nodes][::-1], 0, -1)


def _solution(universe: Universe, before: Prelude, state, ratio, sums) -> Solution:
    x, log_free = before.log_energy, before.log_free
    below = jnp.sum(state.moments[:, 0], axis=1)
    kept = balances(universe, x, log_free, _by_node(before, sums), jnp.sum(before.setting.fractions), below)
    return Solution(x, log_free, _by_node(before, ratio), *kept)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _propagated(universe: Universe, resolution: Resolution) -> Solution:
    return _values(universe, resolution)


@partial(_propagated.defjvp, symbolic_zeros=True)
def _propagated_jvp(resolution: Resolution, primals: tuple, tangents: tuple) -> tuple[Solution, Solution]:
    """By `_with_slopes` if nothing but its directions moves, else by differentiation of the march."""
    (universe,), (ways,) = primals, tangents
    leaves, structure = jax.tree.flatten(universe)
    ways = structure.flatten_up_to(ways)
    moves = [not isinstance(way, SymbolicZero) for way in ways]
    if not _beyond_directions(universe, structure.unflatten(moves)):
        along = [way if moved else jnp.zeros(way.shape, way.dtype) for way, moved in zip(ways, moves, strict=True)]
        return _along(universe, resolution, structure.unflatten(along))

    def of_moving(*values):
        changed = iter(values)
        all_ = [next(changed) if moved else leaf for leaf, moved in zip(leaves, moves, strict=True)]
        return _values(structure.unflatten(all_), resolution, unrolled=False)

    start, along = ([part for part, moved in zip(all_, moves, strict=True) if moved] for all_ in (leaves, ways))
    if universe.mediator.channels == "narrow" or sum(part.size for part in start) > _FEW:
        return jax.jvp(of_moving, start, along)
    # With all channels a few derivatives forwards take half as long, also to compile, as those by all backwards.
    flat, unravel = ravel_pytree(start)
    solution, slopes = jax.vmap(lambda way: jax.jvp(of_moving, start, unravel(way)), out_axes=(None, -1))(
        jnp.eye(flat.size, dtype=flat.dtype)
    )
    return solution, jax.tree.map(lambda slope: slope @ ravel_pytree(along)[0], slopes)


def _beyond_directions(universe: Universe, moves: Any) -> bool:
    """Whether leaves move that act by more than the `DIRECTIONS`, amplitude and the resonances' energies."""
    if not isinstance(universe.source.spectrum, PowerLaw):
        return True
    mediator, spectrum = moves.mediator, moves.source.spectrum
    covered = [mediator.mass, mediator.coupling, moves.neutrinos.lightest, spectrum.amplitude, spectrum.index]
    if universe.mediator.channels == "narrow":
        covered += [mediator.prefactor, mediator.dark_coupling, mediator.dark_mass]
        covered += [moves.relics.overdensity, moves.cosmology.h]
    return sum(jax.tree.leaves(moves)) > sum(covered)


def _along(universe: Universe, resolution: Resolution, way: Any) -> tuple[Solution, Solution]:
    """The solution and its derivative along `way`."""
    slopes = _with_slopes if universe.mediator.channels == "narrow" else _coupled_with_slopes
    solution, *motions = slopes(universe, resolution)
    return solution, _derivative(universe, way, solution, *motions)


@jax.jit
def _derivative(universe: Universe, way: Any, solution: Solution, slopes: Array, velocity: Array) -> Solution:
    """What `_with_slopes` says along `way`; the balances, which are errors, count as constant."""
    common = way.neutrinos.lightest, way.source.spectrum.index
    if universe.mediator.channels == "narrow":
        (depth, branching), (depth_slope, branching_slope) = jax.jvp(
            lambda u: (depth_scale(u), neutrino_branching(u.mediator)), (universe,), (way,)
        )
        along = _relative(depth, depth_slope), *common, branching_slope / branching
    else:
        mediator, moved = universe.mediator, way.mediator
        along = moved.mass / mediator.mass, _relative(mediator.coupling, moved.coupling), *common
    ratio = jnp.tensordot(jnp.stack(along), slopes, 1)
    # A heavier Z′ shifts the energy axis.
    log_energy = 2 * way.mediator.mass / universe.mediator.mass + velocity * way.neutrinos.lightest
    spectrum, moved = universe.source.spectrum, way.source.spectrum
    _, log_free = jax.jvp(lambda s, x: s.log_flux(x), (spectrum, solution.log_energy), (moved, log_energy))
    nothing = jnp.zeros_like(solution.energy_balance)
    return Solution(log_energy, log_free, ratio, nothing, nothing)


def _relative(value: Array, slope: Array) -> Array:
    """The slope of ln(value), 0 for none: nothing then depends on it to first order."""
    present = value > 0
    return jnp.where(present, slope / jnp.where(present, value, 1.0), 0.0)


@full_precision  # outside of jit, so that callers of any precision share what is compiled
def propagate(universe: Universe, resolution: Resolution = Resolution()) -> Solution:
    """The spectrum at Earth of every mass state, with absorption, regeneration and all sources (2302.03571 eq. 7).

    Jitted, with a `lax.scan` over blocks of cells; vmap it over any leaf of `universe`. Energies in GeV, fluxes in
    GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ for ν+ν̄. For a power law, derivatives in the mediator's and the lightest mass, g′, amplitude and
    index (and r, prefactor, overdensity, h) are computed beside the values; others take longer. Outside of jit, all
    that is computed from solutions and their derivatives shares what is compiled.
    """
    return _propagated(universe, resolution)


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
