"""What a block of rows needs before the march, stage by stage: lines at edges, absorbers, responses, linear systems."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.relics import Relics
from jaxnu.spectra import Spectrum
from jaxnu.transport import layout
from jaxnu.transport.exchange import Exchange
from jaxnu.transport.injection import Injection, shell_shares
from jaxnu.transport.layout import Nodes, diagonals, per_cell
from jaxnu.transport.line import Crossing, Line, ShellDepth, crossing, detuning, rate_factor, shell_depth
from jaxnu.transport.march import Cell, Drive, feedback, prepare, source_drive
from jaxnu.transport.response import (
    Absorber,
    Box,
    Escape,
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
    exchange: Exchange | None
    """If there is more than the narrow resonance."""


def coordinates(alpha, nearness, epsilon):
    """ε₀, α/ε₀ and 1/(1+z) − α/ε₀ at the edges of a block, (target, row + 1, edge)."""
    shape = layout.ROWS + 1, nearness.shape[0]
    ratio = diagonals(alpha[:, None] / epsilon[None, :], *shape)
    offset = nearness[None, None, :] - ratio
    return tuple(x.astype(layout.PRECISION) for x in (diagonals(epsilon, *shape)[None], ratio, offset))


def detunings(setting: Setting, epsilon, ratio, offset):
    """v, and e^{−|v|} beside it, which much else needs."""
    v = detuning(epsilon, ratio, setting.nearness.astype(layout.PRECISION)[None, None, :], offset)
    return v, jnp.exp(-jnp.abs(v))


def strength(setting: Setting, series, v, epsilon, ratio):
    """Depth per ∫D dv, κ (1+z)³ H₀/H ρ."""
    nearness = setting.nearness.astype(layout.PRECISION)[None, None, :]
    return setting.path[None, None, :] * rate_factor(setting.relics, v, epsilon, ratio, nearness, series)


def fall_across(setting: Setting, epsilon) -> Float[Array, "1 row shell"]:
    """By how much v falls across the cells of a block."""
    squares = setting.nearness**2
    return 0.5 * epsilon[(..., *_NEAR)] * (squares[:-1] - squares[1:]).astype(layout.PRECISION)[None, None, :]


def crossings(setting: Setting, epsilon, line: Line) -> tuple[Float[Array, "1 row shell"], Crossing]:
    """The same, and how the cells cross the lines."""
    fall = fall_across(setting, epsilon)
    return fall, crossing(*both_edges(line), fall)


def target_depths(crossed: Crossing, line: Line, fall: Float[Array, "1 row shell"]) -> ShellDepth:
    """`shell_depth` in the cells of a block."""
    return shell_depth(crossed, *both_edges(line), fall)


def both_edges(line: Any) -> tuple[Any, Any]:
    """The lines at the near and the far edges, which are the near ones of the row above and the next column."""
    near, far = (jax.tree.map(lambda x, cut=cut: x[(..., *cut)], line) for cut in (_NEAR, _FAR))
    return near, far


_NEAR, _FAR = (slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))


def source_shares(setting: Setting, log_energy, log_free) -> Float[Array, "pair=2 row shell"]:
    """The sources' shares in the cells of a block."""
    shape = layout.ROWS, setting.nearness.shape[0] - 1
    at = (diagonals(window[1:], *shape) for window in (log_energy, log_free))
    return shell_shares(setting.spectrum, setting.sources, *at)


class Lines(NamedTuple):
    """The narrow resonance of all targets in a block of rows, (…, row, shell); edges have one more row and column."""

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


class Responses(NamedTuple):
    """What the cells do with one neutrino, stage by stage."""

    moments: Moments
    thickness: Thickness
    wing: Wing
    escape: Escape
    box: Box
    response: ShellResponse


class Block(NamedTuple):
    """The cells of a block of rows, (…, row, shell)."""

    lines: Lines
    responses: Responses
    inverse: Float[Array, "four=4 row shell"]
    cell: Cell
    drive: Drive
    emitted: Float[Array, "mass=3 row shell"]
    """The sources' neutrinos."""


def prepared(setting: Setting, step: Int[Array, ""], nodes: Nodes) -> Block:
    """All that a block of rows needs before the march."""
    run = partial(staged, step)
    lines = lines_of(setting, step, nodes)
    responses = responses_of(step, lines.absorber)
    response = responses.response
    own = diagonals(nodes.weights.own[1:], layout.ROWS, setting.nearness.shape[0] - 1).astype(layout.PRECISION)
    into, fractions = per_cell(setting.into), per_cell(setting.fractions)
    matrix, inverse = run(feedback, response, into, own)
    cell = run(prepare, response, matrix, inverse, into)
    shares = shares_of(setting, step, nodes)
    drive = run(source_drive, response, inverse, fractions, shares.astype(layout.PRECISION))
    emitted = setting.fractions[:, None, None] * shares[:1]
    return Block(lines, responses, inverse, cell, drive, emitted)


def lines_of(setting: Setting, step: Int[Array, ""], nodes: Nodes) -> Lines:
    """What a block sees of the resonances."""
    run = partial(staged, step)
    epsilon, ratio, offset = run(coordinates, setting.alpha, setting.nearness, nodes.epsilon)
    v, decline = run(detunings, setting, epsilon, ratio, offset)
    shape = run(lambda v, *others: line_shape_of(jnp.abs(v), *others), v, decline, run(polylogs, decline))
    line = Line(v, shape, run(strength, setting, setting.series, v, epsilon, ratio))
    fall, crossed = run(crossings, setting, epsilon, line)
    targets = run(target_depths, crossed, line, fall)
    mixed = run(absorber, setting.couplings, targets)
    return Lines(epsilon, ratio, offset, decline, line, fall, crossed, targets, mixed)


def responses_of(step: Int[Array, ""], absorbers: Absorber) -> Responses:
    """What cells with these absorbers do with one neutrino."""
    run = partial(staged, step)
    parts = run(moments, absorbers.depth, *run(second_moment, absorbers.depth))
    wings, thick = run(wing, absorbers), run(thickness, absorbers.depth)
    escape = run(wing_escape, absorbers.depth, wings.share, parts.lost)
    boxes = run(box, absorbers, thick, wings, escape, parts.even)
    return Responses(parts, thick, wings, escape, boxes, run(response, boxes, parts))


def shares_of(setting: Setting, step: Int[Array, ""], nodes: Nodes) -> Float[Array, "pair=2 ..."]:
    """The sources' shares in the cells of a block."""
    if setting.shares is not None:
        return setting.shares
    return staged(step, source_shares, setting, nodes.log_energy, nodes.log_free)
