"""The scan over blocks of rows, for values, and for derivatives beside them."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.transport import layout
from jaxnu.transport.block import prepared
from jaxnu.transport.cell_tangents import COUPLED_DIRECTIONS, mediator_motion
from jaxnu.transport.coupled import Tally
from jaxnu.transport.coupled_balances import coupled_balances
from jaxnu.transport.coupled_block import coupled_block, coupled_march
from jaxnu.transport.coupled_tangents import coupled_slopes
from jaxnu.transport.layout import Nodes
from jaxnu.transport.mesh import Resolution
from jaxnu.transport.prelude import Prelude, motion, prelude, setting
from jaxnu.transport.solution import Solution, balances
from jaxnu.transport.tangents import DIRECTIONS, block_slopes
from jaxnu.transport.wavefront import absorbed_and_fed, march, node_sums
from jaxnu.universe import Universe


@partial(jax.jit, static_argnums=1, static_argnames="unrolled")
def values(universe: Universe, resolution: Resolution, unrolled: bool = True) -> Solution:
    """The solution."""
    before = prelude(universe, resolution)

    def block(carry, step_and_nodes):
        (state, sums), (step, nodes) = carry, step_and_nodes
        state, arrivals, tallies, *_ = _solved(before, step, state, nodes, unrolled)
        sums, leaving = node_sums(step, sums, tallies)
        return (state, sums), (arrivals, leaving)

    # Derivatives compute each block again: its stages are too many to be kept.
    block = jax.checkpoint(block, prevent_cse=False)
    (state, _), rows = jax.lax.scan(block, (before.start, _no_sums(before)), _steps(before))
    return _solution(universe, before, state, *rows)


@partial(jax.jit, static_argnums=1)
def with_slopes(universe: Universe, resolution: Resolution) -> tuple[Solution, Array, Array]:
    """The solution, the derivatives of its ratios and the nodes' velocities (`motion`).

    Derivatives are in the `DIRECTIONS`, or with more channels than the narrow resonance in the `COUPLED_DIRECTIONS`.
    """
    before = prelude(universe, resolution)
    moving, velocity = motion(universe, resolution, before)
    if before.setting.exchange is None:
        directions, slopes_of = DIRECTIONS, block_slopes
    else:
        mediator = mediator_motion(universe, lambda moved: setting(moved, before.one_plus_z))
        directions, slopes_of = COUPLED_DIRECTIONS, partial(coupled_slopes, mediator)

    def block(carry, xs):
        (state, sums, slopes), (step, nodes, epsilon, weights) = carry, xs
        state, arrivals, tallies, cells, rows = _solved(before, step, state, nodes)
        sums, leaving = node_sums(step, sums, tallies)
        here = moving._replace(epsilon=epsilon, weights=weights)
        slopes, derivatives = slopes_of(before.setting, here, step, nodes, cells, rows, slopes)
        return (state, sums, slopes), (arrivals, leaving, derivatives)

    slopes = jax.tree.map(lambda part: jnp.zeros((len(directions), *part.shape), layout.PRECISION), before.start)
    xs = *_steps(before), moving.epsilon, moving.weights
    (state, _, _), (ratio, sums, slopes) = jax.lax.scan(block, (before.start, _no_sums(before), slopes), xs)
    slopes = _by_node(before, slopes).astype(before.log_energy.dtype)
    return _solution(universe, before, state, ratio, sums), slopes, velocity


def _solved(
    before: Prelude, step: Int[Array, ""], state: Any, nodes: Nodes, unrolled: bool = True
) -> tuple[Any, Any, Any, Any, Any]:
    """The state after a block, what arrives at z = 0, what nodes lose and are fed, the cells, and what was met."""
    around = before.setting
    if around.exchange is None:
        cells = prepared(around, step, nodes)
        state, arrivals, rows = march(around, step, state, cells, nodes.weights, unrolled)
        return state, arrivals, absorbed_and_fed(rows), cells, rows
    cells = coupled_block(around, step, nodes)
    state, arrivals, tallies, rows = coupled_march(around, step, state, cells.cell, nodes.weights)
    return state, arrivals, tallies, cells, rows


def _steps(before: Prelude):
    """What a scan over blocks of rows goes through: their numbers, and the nodes that they see."""
    return jnp.arange(before.seen.epsilon.shape[0]), before.seen


def _no_sums(before: Prelude) -> Float[Array, "kind length"]:
    """Where `node_sums` begin."""
    kinds = 2 if before.setting.exchange is None else len(Tally._fields)
    return jnp.zeros((kinds, before.setting.nearness.size + layout.ROWS - 2), dtype=before.log_energy.dtype)


def _by_node(before: Prelude, rows: Float[Array, "block row *s"]) -> Float[Array, "*s node"]:
    """What arrives at z = 0 in each row, by the node that the row brings, ascending in energy."""
    shells, nodes = before.setting.nearness.size - 1, before.log_energy.size
    rows = rows.reshape(-1, *rows.shape[2:])
    return jnp.moveaxis(rows[shells - 1 : shells - 1 + nodes][::-1], 0, -1)


def _solution(universe: Universe, before: Prelude, state: Any, ratio, sums) -> Solution:
    x, log_free, sums = before.log_energy, before.log_free, _by_node(before, sums)
    if before.setting.exchange is None:
        below = jnp.sum(state.moments[:, 0], axis=1)
        kept = balances(universe, x, log_free, sums, jnp.sum(before.setting.fractions), below)
    else:
        kept = coupled_balances(universe, before, Tally(*sums), state)
    return Solution(x, log_free, _by_node(before, ratio), *kept)
