"""A block of rows with all channels: what it needs before the march, and the march."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.channels import logarithms
from jaxnu.transport import coupled, coupled_cell, layout
from jaxnu.transport.block import Setting, both_edges, lines_of, responses_of, shares_of
from jaxnu.transport.coupled import CoupledState
from jaxnu.transport.coupled_cell import CoupledCell
from jaxnu.transport.exchange import depths, pairs, poles, rates, wings
from jaxnu.transport.layout import Nodes, diagonals
from jaxnu.transport.march import PowerWeights, kernel_sum
from jaxnu.transport.response import with_even
from jaxnu.transport.spread import peaks, series, spread, sums
from jaxnu.transport.staging import staged


def coupled_cells(setting: Setting, step: Int[Array, ""], nodes: Nodes) -> CoupledCell:
    """All that a block of rows needs before the march."""
    run = partial(staged, step)
    exchange, shells = setting.exchange, setting.nearness.shape[0] - 1
    assert exchange is not None
    *_, line = lines_of(setting, step, nodes)
    edges = diagonals(nodes.epsilon, layout.ROWS + 1, shells + 1)[None].astype(layout.PRECISION)
    epsilon = diagonals(nodes.epsilon[1:], layout.ROWS, shells)[None].astype(layout.PRECISION)
    logs = run(lambda epsilon: logarithms(exchange.mass / epsilon), epsilon)
    strength = run(pairs, exchange, epsilon)
    lines = run(wings, exchange, *both_edges(run(poles, exchange, edges)), strength)
    found = run(rates, exchange, epsilon, logs, strength, lines)
    smooth = run(depths, exchange, found)
    absorbers = run(with_even, line, smooth.even)
    *_, response = responses_of(step, absorbers)
    base = run(series, exchange, found)
    daughters = run(spread, exchange, found, base, run(peaks, exchange, found, run(sums, base)))
    into = setting.into.astype(layout.PRECISION)
    own = diagonals(nodes.weights.own, layout.ROWS + 1, shells)[:, 1:].astype(layout.PRECISION)
    fed = run(coupled_cell.feeding, exchange, into, run(coupled_cell.own_sums, daughters, own))
    line = into[:, None, None] * kernel_sum(own[1:4])[None]
    shares = jnp.broadcast_to(shares_of(setting, step, nodes).astype(layout.PRECISION), (2, layout.ROWS, shells))
    emitted = setting.fractions.astype(layout.PRECISION)[None, :, None, None] * shares[:, None]
    contents = run(coupled_cell.content, response, absorbers.depth, smooth, emitted)
    matrix = run(coupled_cell.system, contents, fed, line)
    for k in range(3):
        matrix = run(partial(coupled_cell.eliminated, k=k), matrix)
    return CoupledCell(contents, fed, line, matrix, daughters, emitted[0], smooth.pairs, smooth.bosons)


def coupled_march(
    setting: Setting, step: Int[Array, ""], state: CoupledState, cells: CoupledCell, weights: PowerWeights
) -> tuple[CoupledState, Float[Array, "row mass=3"], list[Float[Array, "tally=5 shell"]]]:
    """The state after a block of rows, what arrives at z = 0 in each, and its `Tally`."""
    exchange, shells = setting.exchange, setting.nearness.shape[0] - 1
    assert exchange is not None
    into = setting.into.astype(layout.PRECISION)

    def run(stage, row, *others):
        # The row is taken inside the stage, where it costs no copy.
        return staged(step, lambda row, cells, *others: stage(layout.of_row(row, cells), *others), row, cells, *others)

    arrivals, tallies = [], []
    for row in range(layout.ROWS):
        entering = state.leaving[:, 1:].astype(layout.PRECISION)
        outside = run(partial(coupled.known, exchange), row, state.moments, entering)
        fed = run(coupled.solved, row, outside)
        content, resonant, leaving, tally = run(coupled.contained, row, fed, entering)
        parts = run(partial(coupled.given, exchange), row, content, resonant)
        now = jax.tree.map(lambda x: x.astype(layout.PRECISION), layout.weights_of_row(row, shells, weights))
        moments = run(coupled.carried_on, row, state.moments, parts, into, now)
        leaving = jnp.concatenate([leaving.astype(state.leaving.dtype), state.leaving[:, -1:]], axis=1)
        state = CoupledState(leaving, moments)
        arrivals.append(leaving[:, 0])
        tallies.append(tally)
    return state, jnp.stack(arrivals), tallies
