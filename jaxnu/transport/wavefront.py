"""Which cells are solved together: a wavefront that runs through all shells, each one node behind the next.

A cell is a node in a shell, nodes counted from the highest energy, shells from z = 0. It needs the neutrinos that leave
the shell behind it at the same node, and what the same shell absorbed at higher nodes. So all cells with node + (shells
− 1 − shell) = row are independent: row after row, each shell works on its next node. Rows come in blocks; all that does
not depend on other cells is computed for a block at once, stage by stage. In this layout the far edge of a cell is the
near edge of the cell above it in the next column, so that each edge is computed once.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxnu.relics import Relics
from jaxnu.spectra import Spectrum
from jaxnu.transport.injection import Injection, shell_shares
from jaxnu.transport.line import Crossing, Line, ShellDepth, crossing, detuning, rate_factor, shell_depth
from jaxnu.transport.march import Cell, Drive, State, Weights, absorb, advance, feedback, prepare, source_drive
from jaxnu.transport.response import (
    Absorber,
    Box,
    Moments,
    ShellResponse,
    Thickness,
    Wing,
    absorber,
    box,
    moments,
    response,
    second_moment,
    thickness,
    wing,
    wing_escape,
)
from jaxnu.transport.staging import staged
from jaxnu.transport.thermal import line_shape_of, polylogs

ROWS = 8
"""Rows in a block: as many as keep its arrays in a CPU's cache."""

PRECISION = np.float32
"""Of what cells do with one neutrino. That is small where it is weak, so that a single rounding does not show."""


class Setting(NamedTuple):
    """What all cells share: targets, edges of the shells, couplings and sources, without anything per node."""

    relics: Relics
    alpha: Float[Array, "target=3"]
    nearness: Float[Array, "edge"]
    path: Float[Array, "edge"]
    series: tuple[Float[Array, "term target=3 1 edge"], ...]
    couplings: Float[Array, "mass=3 target=3"]
    into: Float[Array, "mass=3"]
    fractions: Float[Array, "mass=3"]
    spectrum: Spectrum
    sources: Injection
    shares: Float[Array, "pair=2 1 shell"] | None
    """Of the sources in the flux, where they are the same at every energy."""


class Nodes(NamedTuple):
    """What nodes bring along, from the highest energy: ln(E/GeV), ln of the free flux, ε₀ and the march's weights."""

    log_energy: Float[Array, "*s node"]
    log_free: Float[Array, "*s node"]
    epsilon: Float[Array, "*s node"]
    weights: Weights


def windows(nodes: Nodes, shells: int, last: float = 1.0) -> Nodes:
    """The nodes that each block of rows sees, (block, rows + 1 + shells): see `diagonals`.

    Before the first node nothing is carried on. After the last one the moments stay as they are.
    """
    count = nodes.epsilon.shape[0]
    blocks = -(-(count + shells - 1) // ROWS)
    missing = blocks * ROWS + 1 - count
    index = np.arange(blocks)[:, None] * ROWS + np.arange(ROWS + 1 + shells)[None, :]

    def seen(values, before, after):
        padding = [(0, 0)] * (values.ndim - 1)
        first, last = ((shells, 0), before), ((0, missing), after)
        for width, kind in (first, last):
            mode = {"mode": "edge"} if kind == "edge" else {"constant_values": kind}
            values = jnp.pad(values, [*padding, width], **mode)
        return jnp.moveaxis(values[..., index], -2, 0)

    weights = (seen(values, 0.0, after) for values, after in zip(nodes.weights, (0.0, last, 0.0, 0.0), strict=True))
    return Nodes(*(seen(values, "edge", "edge") for values in nodes[:3]), Weights(*weights))


def diagonals(window: Float[Array, "*s length"], rows: int, columns: int) -> Float[Array, "*s row column"]:
    """x[r, c] = window[r + c]."""
    return window[..., np.arange(rows)[:, None] + np.arange(columns)[None, :]]


def coordinates(alpha, nearness, epsilon):
    """ε₀, α/ε₀ and 1/(1+z) − α/ε₀ at the edges of a block, (target, row + 1, edge)."""
    shape = ROWS + 1, nearness.shape[0]
    ratio = diagonals(alpha[:, None] / epsilon[None, :], *shape)
    offset = nearness[None, None, :] - ratio
    return tuple(x.astype(PRECISION) for x in (diagonals(epsilon, *shape)[None], ratio, offset))


def detunings(setting: Setting, epsilon, ratio, offset):
    """v, and e^{−|v|} beside it, which much else needs."""
    v = detuning(epsilon, ratio, setting.nearness.astype(PRECISION)[None, None, :], offset)
    return v, jnp.exp(-jnp.abs(v))


def strength(setting: Setting, series, v, epsilon, ratio):
    """Depth per ∫D dv, κ (1+z)³ H₀/H ρ."""
    nearness = setting.nearness.astype(PRECISION)[None, None, :]
    return setting.path[None, None, :] * rate_factor(setting.relics, v, epsilon, ratio, nearness, series)


def fall_across(setting: Setting, epsilon) -> Float[Array, "1 row shell"]:
    """By how much v falls across the cells of a block."""
    squares = setting.nearness**2
    return 0.5 * epsilon[(..., *_NEAR)] * (squares[:-1] - squares[1:]).astype(PRECISION)[None, None, :]


def crossings(setting: Setting, epsilon, line: Line) -> tuple[Float[Array, "1 row shell"], Crossing]:
    """The same, and how the cells cross the lines."""
    fall = fall_across(setting, epsilon)
    return fall, crossing(*both_edges(line), fall)


def target_depths(crossed: Crossing, line: Line, fall: Float[Array, "1 row shell"]) -> ShellDepth:
    """`shell_depth` in the cells of a block."""
    return shell_depth(crossed, *both_edges(line), fall)


def both_edges(line: Line) -> tuple[Line, Line]:
    """The line at the near and the far edges, which are the near ones of the row above and the next column."""
    near, far = (jax.tree.map(lambda x, cut=cut: x[(..., *cut)], line) for cut in (_NEAR, _FAR))
    return near, far


_NEAR, _FAR = (slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))


def source_shares(setting: Setting, log_energy, log_free) -> Float[Array, "pair=2 row shell"]:
    """The sources' shares in the cells of a block."""
    shape = ROWS, setting.nearness.shape[0] - 1
    at = (diagonals(window[1:], *shape) for window in (log_energy, log_free))
    return shell_shares(setting.spectrum, setting.sources, *at)


class Block(NamedTuple):
    """The cells of a block of rows, (…, row, shell), stage by stage; edges have one more row and column."""

    epsilon: Float[Array, "1 row edge"]
    ratio: Float[Array, "target=3 row edge"]
    offset: Float[Array, "target=3 row edge"]
    decline: Float[Array, "target=3 row edge"]
    """e^{−|v|}"""
    line: Line
    fall: Float[Array, "1 row shell"]
    """By how much v falls across a cell."""
    crossing: Crossing
    targets: ShellDepth
    absorber: Absorber
    moments: Moments
    thickness: Thickness
    wing: Wing
    escape: Float[Array, "mass=3 row shell"]
    box: Box
    response: ShellResponse
    inverse: Float[Array, "four=4 row shell"]
    cell: Cell
    drive: Drive
    emitted: Float[Array, "mass=3 row shell"]
    """The sources' neutrinos."""


def prepared(setting: Setting, step: Int[Array, ""], nodes: Nodes) -> Block:
    """All that a block of rows needs before the march."""
    run = partial(staged, step)
    epsilon, ratio, offset = run(coordinates, setting.alpha, setting.nearness, nodes.epsilon)
    v, decline = run(detunings, setting, epsilon, ratio, offset)
    shape = run(lambda v, *others: line_shape_of(jnp.abs(v), *others), v, decline, run(polylogs, decline))
    line = Line(v, shape, run(strength, setting, setting.series, v, epsilon, ratio))
    fall, crossed = run(crossings, setting, epsilon, line)
    targets = run(target_depths, crossed, line, fall)
    absorbers = run(absorber, setting.couplings, targets)
    parts = run(moments, absorbers.depth, *run(second_moment, absorbers.depth))
    wings, thick = run(wing, absorbers), run(thickness, absorbers.depth)
    escape = run(wing_escape, absorbers.depth, wings.share, parts.lost)
    boxes = run(box, absorbers, thick, wings, escape, parts.even)
    responses = run(response, boxes, parts)
    own = diagonals(nodes.weights.own[1:], ROWS, setting.nearness.shape[0] - 1).astype(PRECISION)
    into, fractions = per_cell(setting.into), per_cell(setting.fractions)
    matrix, inverse = run(feedback, responses, into, own)
    cell = run(prepare, responses, matrix, inverse, into)
    shares = setting.shares
    if shares is None:
        shares = run(source_shares, setting, nodes.log_energy, nodes.log_free)
    drive = run(source_drive, responses, inverse, fractions, shares.astype(PRECISION))
    emitted = setting.fractions[:, None, None] * shares[:1]
    return Block(
        *(epsilon, ratio, offset, decline, line, fall, crossed, targets, absorbers, parts, thick, wings, escape),
        *(boxes, responses, inverse, cell, drive, emitted),
    )


def per_cell(states: Float[Array, "mass=3"]) -> Float[Array, "mass=3 1 1"]:
    """One number per mass state, beside arrays of cells."""
    return states.astype(PRECISION)[:, None, None]


class Rows(NamedTuple):
    """What the march met in a block, row by row: neutrinos that enter, A, f + k A, and M and A⁺ before each step."""

    entering: Float[Array, "mass=3 row shell"]
    absorbed: Float[Array, "pair=2 row shell"]
    emission: Float[Array, "pair=2 row shell"]
    moments: Float[Array, "moment=3 pair=2 row shell"]
    above: Float[Array, "pair=2 row shell"]


def row_of(row: int | Array, shells: int, cells: Any, weights: Weights) -> tuple[Any, Weights]:
    """Arrays of cells, and windows of weights, in one row of a block."""
    in_row = jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, row, x.ndim - 2, keepdims=False), cells)
    return in_row, jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, row + 1, shells, x.ndim - 1), weights)


def march(
    setting: Setting, step: Int[Array, ""], state: State, block: Block, weights: Weights, unrolled: bool = True
) -> tuple[State, Float[Array, "row mass=3"], list[Rows]]:
    """The state after a block of rows, what arrives at z = 0 in each, and what the march met.

    The loop over rows is faster unrolled, but takes longer to compile.
    """
    shells, into, dtype = state.fed.shape[-1], setting.into[:, None], state.fed.dtype
    emitted = jnp.broadcast_to(block.emitted.astype(dtype), (3, ROWS, shells))

    def advanced(row, state, cells, drives, emitted, weights):
        (cell, drive, emitted), weights = row_of(row, shells, (cells, drives, emitted), weights)
        cell, drive = jax.tree.map(lambda x: x.astype(dtype), (cell, drive))
        drive = drive._replace(gained=drive.gained + emitted)
        absorbed, emission = absorb(state, cell, drive, weights)
        return advance(state, absorbed, emission, cell, drive, weights, into), emission

    def one(before, row):
        state, emission = staged(step, advanced, row, before, block.cell, block.drive, emitted, weights)
        met = Rows(before.leaving[:, 1:], state.above, emission, before.moments, before.above)
        return state, (state.leaving[:, 0], met)

    if not unrolled:
        state, (arrivals, rows) = jax.lax.scan(one, state, jnp.arange(ROWS))
        return state, arrivals, [jax.tree.map(lambda x, row=row: x[row], rows) for row in range(ROWS)]
    arrivals, rows = [], []
    for row in range(ROWS):
        state, (arrival, met) = one(state, row)
        arrivals.append(arrival)
        rows.append(met)
    return state, jnp.stack(arrivals), rows


def node_sums(
    step: Int[Array, ""], sums: Float[Array, "two=2 length"], rows: list[Rows]
) -> tuple[Float[Array, "two=2 length"], Float[Array, "row two=2"]]:
    """What all shells absorb and are fed of a node, for the nodes that leave in the rows of a block.

    `sums` are those so far of the nodes that the block sees, first those that leave; they come back for the next block.
    """

    def shifted(sums, parts):
        for row, part in enumerate(parts):
            sums = sums + jnp.pad(jnp.stack([each[0] for each in part]), ((0, 0), (row, ROWS - 1 - row)))
        return sums

    total = staged(step, shifted, sums, [(row.absorbed, row.emission) for row in rows])
    return jnp.pad(total[:, ROWS:], ((0, 0), (0, ROWS))), total[:, :ROWS].T
