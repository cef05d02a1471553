"""A block of rows with all channels: what it needs before the march, and the march."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.channels import logarithms
from jaxnu.transport import coupled, coupled_cell, layout
from jaxnu.transport.block import Lines, Responses, Setting, both_edges, lines_of, responses_of, shares_of
from jaxnu.transport.coupled import CoupledState, Moments
from jaxnu.transport.coupled_cell import Content, CoupledCell, OwnSums
from jaxnu.transport.exchange import Depths, Poles, Rates, Wings, depths, pairs, poles, rates, wings
from jaxnu.transport.layout import Nodes, diagonals
from jaxnu.transport.march import PowerWeights, kernel_sum
from jaxnu.transport.response import Absorber, with_even
from jaxnu.transport.spread import Peaks, peaks, series, spread, sums
from jaxnu.transport.staging import staged


class CoupledBlock(NamedTuple):
    """The cells of a block of rows, (…, row, shell), stage by stage; edges have one more row and column."""

    edges: Float[Array, "1 row edge"]
    epsilon: Float[Array, "1 row shell"]
    lines: Lines
    poles: Poles
    pairs: Float[Array, "target=3 row shell"]
    rates: Rates
    wings: Wings
    depths: Depths
    absorber: Absorber
    responses: Responses
    base: Float[Array, "power target=3 row shell"]
    sums: Float[Array, "sum=7 target=3 row shell"]
    peaks: Peaks
    own: Float[Array, "power row shell"]
    own_sums: OwnSums
    own_feeding: Float[Array, "daughter=3 mass=3 row shell"]
    by_line: Float[Array, "daughter=3 row shell"]
    emitted: Float[Array, "pair=2 mass=3 row shell"]
    contents: Content
    cell: CoupledCell


def coupled_block(setting: Setting, step: Int[Array, ""], nodes: Nodes) -> CoupledBlock:
    """All that a block of rows needs before the march."""
    run = partial(staged, step)
    exchange, shells = setting.exchange, setting.nearness.shape[0] - 1
    assert exchange is not None
    lines = lines_of(setting, step, nodes)
    edges = diagonals(nodes.epsilon, layout.ROWS + 1, shells + 1)[None].astype(layout.PRECISION)
    epsilon = diagonals(nodes.epsilon[1:], layout.ROWS, shells)[None].astype(layout.PRECISION)
    logs = run(lambda epsilon: logarithms(exchange.mass / epsilon), epsilon)
    places, strength = run(poles, exchange, edges), run(pairs, exchange, epsilon)
    line = run(wings, exchange, *both_edges(places), strength)
    found = run(rates, exchange.mass, epsilon, logs)
    smooth = run(depths, exchange, found, line)
    absorbers = run(with_even, lines.absorber, smooth.even)
    responses = responses_of(step, absorbers)
    base = run(series, exchange, found)
    by_sums = run(sums, base)
    ends = run(peaks, exchange, found, by_sums)
    daughters = run(spread, exchange, found, base, ends)
    into, interference = setting.into.astype(layout.PRECISION), -2 * line.real
    own = diagonals(nodes.weights.own, layout.ROWS + 1, shells)[:, 1:].astype(layout.PRECISION)
    own_sums = run(coupled_cell.own_sums, daughters, own)
    own_feeding = run(coupled_cell.own_feeding, exchange, into, own_sums, interference)
    by_line = into[:, None, None] * kernel_sum(own[1:4])[None]
    shares = jnp.broadcast_to(shares_of(setting, step, nodes).astype(layout.PRECISION), (2, layout.ROWS, shells))
    emitted = setting.fractions.astype(layout.PRECISION)[None, :, None, None] * shares[:, None]
    contents = run(coupled_cell.content, responses.response, absorbers.depth, smooth, emitted)
    feeding = run(coupled_cell.feeding, own_feeding, by_line, contents)
    inverse = run(coupled_cell.remaining, feeding.emitted)
    for k in range(6):
        inverse = run(partial(coupled_cell.eliminated, k=k), inverse)
    cell = CoupledCell(
        content=contents.content,
        lost=contents.lost,
        resonant=contents.resonant,
        entering=feeding.entering,
        sources=feeding.sources,
        inverse=inverse,
        spread=daughters,
        interference=interference,
        emitted=emitted[0],
        pairs=smooth.pairs,
        bosons=smooth.bosons,
    )
    return CoupledBlock(
        edges=edges,
        epsilon=epsilon,
        lines=lines,
        poles=places,
        pairs=strength,
        rates=found,
        wings=line,
        depths=smooth,
        absorber=absorbers,
        responses=responses,
        base=base,
        sums=by_sums,
        peaks=ends,
        own=own,
        own_sums=own_sums,
        own_feeding=own_feeding,
        by_line=by_line,
        emitted=emitted,
        contents=contents,
        cell=cell,
    )


class CoupledRows(NamedTuple):
    """What the march met in a row: neutrinos that enter and are fed, contents, A, and the moments before."""

    entering: Float[Array, "mass=3 *s"]
    fed: Float[Array, "six=6 *s"]
    content: Float[Array, "mass=3 *s"]
    resonant: Float[Array, "*s"]
    moments: Moments


def coupled_march(
    setting: Setting, step: Int[Array, ""], state: CoupledState, cells: CoupledCell, weights: PowerWeights
) -> tuple[CoupledState, Float[Array, "row mass=3"], list[Float[Array, "tally=5 shell"]], list[CoupledRows]]:
    """The state after a block of rows, what arrives at z = 0 in each, its `Tally`, and what it met."""
    exchange, shells = setting.exchange, setting.nearness.shape[0] - 1
    assert exchange is not None
    into = setting.into.astype(layout.PRECISION)[:, None]

    def run(stage, row, *others):
        # The row is taken inside the stage, where it costs no copy.
        return staged(step, lambda row, cells, *others: stage(layout.of_row(row, cells), *others), row, cells, *others)

    def given(cell, content, resonant):
        return coupled.given(exchange, cell.spread, cell.interference, content, resonant)

    def fed_by(cell, moments, entering):
        above = coupled.from_above(exchange, cell.spread, into, moments)
        return above, coupled.by_itself(cell, entering)

    def carried(cell, moments, given, weights):
        return coupled.carried(moments, coupled.spread_out(cell.spread, given), weights)

    arrivals, tallies, rows = [], [], []
    for row in range(layout.ROWS):
        entering = state.leaving[:, 1:].astype(layout.PRECISION)
        fed = run(coupled.fed, row, *run(fed_by, row, state.moments, entering))
        content, resonant, leaving, tally = run(coupled.contained, row, fed, entering)
        now = jax.tree.map(lambda x: x.astype(layout.PRECISION), layout.weights_of_row(row, shells, weights))
        moments = run(carried, row, state.moments, run(given, row, content, resonant), now)
        leaving = jnp.concatenate([leaving.astype(state.leaving.dtype), state.leaving[:, -1:]], axis=1)
        rows.append(CoupledRows(entering, fed, content, resonant, state.moments))
        state = CoupledState(leaving, moments)
        arrivals.append(leaving[:, 0])
        tallies.append(tally)
    return state, jnp.stack(arrivals), tallies, rows
