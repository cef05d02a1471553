"""Derivatives that a posterior needs, carried through the march beside the values.

For a power law the ratio of each flux to the free one depends on E/m_Z′², on κ ~ g′²/m_Z′² (`line.depth_scale`), on the
lightest mass, the index and the branching ratio r only. So amplitude and m_Z′ cost nothing: a factor, and a shift of
the energy axis at fixed κ. The other four are directions in which every stage of a block is differentiated: κ, which
changes nothing but the depth of a shell, and the lightest mass, with which resonances and nodes move; the index and r
change sources and weights only. In every direction the derivative of a state obeys the linear step of the march, driven
by what the direction does to its coefficients.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.transport import layout
from jaxnu.transport.block import Block, Setting, both_edges, detunings, fall_across, strength, target_depths
from jaxnu.transport.layout import Nodes, diagonals, per_cell, row_of
from jaxnu.transport.line import Line, crossing_slopes
from jaxnu.transport.march import Drive, State, Weights, absorb, advance, source_drive
from jaxnu.transport.response import (
    Absorber,
    Escape,
    ShellResponse,
    absorber,
    box,
    moment_slopes,
    response,
    thickness,
    wing,
    wing_escape_slopes,
)
from jaxnu.transport.staging import pushed, staged
from jaxnu.transport.thermal import line_shape_slopes
from jaxnu.transport.wavefront import Rows

DIRECTIONS = ("ln κ", "lightest mass", "index", "ln r")
"""In which derivatives are carried."""


class Motion(NamedTuple):
    """What moves: α and its series with the lightest mass; ε₀ and weights of nodes; shares of sources."""

    alpha: Float[Array, "target=3"]
    series: tuple[Float[Array, "term target=3 1 edge"], ...]
    epsilon: Float[Array, "*s node"]
    """With the lightest mass."""
    weights: Weights
    """With the lightest mass and with the index, on a leading axis."""
    shares: Float[Array, "pair=2 1 shell"]
    """With the index."""


def coordinate_slopes(setting: Setting, motion: Motion, epsilon: Float[Array, "length"]):
    """The derivatives of `coordinates` by the lightest mass."""
    shape = layout.ROWS + 1, setting.nearness.shape[0]
    ratio = (motion.alpha[:, None] - setting.alpha[:, None] * (motion.epsilon / epsilon)[None, :]) / epsilon[None, :]
    ratio = diagonals(ratio.astype(layout.PRECISION), *shape)
    return diagonals(motion.epsilon.astype(layout.PRECISION), *shape)[None], ratio, -ratio


def shape_slopes(line: Line, decline, v):
    """`line_shape_slopes` along the derivative of v."""
    return line_shape_slopes(jnp.abs(line.v), decline, line.shape, jnp.sign(line.v) * v)


def step_slopes(setting: Setting, block: Block, line: Line, epsilon):
    """The derivatives of `crossings` along those of the lines and of ε₀."""
    slopes = crossing_slopes(block.crossing, *both_edges(block.line), block.fall, *both_edges(line))
    return fall_across(setting, epsilon), slopes


def _moving(kind: Any, **changes: Any) -> Any:
    """Of all fields of `kind`, only some move."""
    return kind(**{name: changes.get(name) for name in kind._fields})


def _with_lightest(setting: Setting, motion: Motion, step: Int[Array, ""], nodes: Nodes, block: Block) -> Absorber:
    """The derivative of the absorbers by the lightest mass."""
    run, push = partial(staged, step), partial(pushed, step)
    epsilon, ratio, offset = run(coordinate_slopes, setting, motion, nodes.epsilon)
    v, _ = push(partial(detunings, setting), (block.epsilon, block.ratio, block.offset), (epsilon, ratio, offset))
    shape = run(shape_slopes, block.line, block.decline, v)
    depth = push(
        partial(strength, setting),
        (setting.series, block.line.v, block.epsilon, block.ratio),
        (motion.series, v, epsilon, ratio),
    )
    line = Line(v, shape, depth)
    fall, crossed = run(step_slopes, setting, block, line, epsilon)
    targets = push(target_depths, (block.crossing, block.line, block.fall), (crossed, line, fall))
    return push(partial(absorber, setting.couplings), (block.targets,), (targets,))


def _depth_slopes(step: Int[Array, ""], block: Block) -> tuple[ShellResponse, Array]:
    """τ d/dτ of the responses, all else in the absorbers as it is; and d/ds of the `wing_escape`."""
    run, push, absorbers = partial(staged, step), partial(pushed, step), block.absorber
    only_depth = _moving(Absorber, depth=absorbers.depth)
    parts = run(moment_slopes, absorbers.depth, block.moments)
    by_depth, by_share = run(wing_escape_slopes, absorbers.depth, block.wing.share, block.moments.lost, block.escape)
    thick = push(thickness, (absorbers.depth,), (absorbers.depth,))
    ends = push(wing, (absorbers,), (only_depth,))
    boxes = push(
        box,
        (absorbers, block.thickness, block.wing, block.escape, block.moments.even),
        (_moving(Absorber), thick, ends, _moving(Escape, value=by_depth), parts.even),
    )
    return push(response, (block.box, block.moments), (boxes, parts)), by_share


def _shape_slopes(step: Int[Array, ""], block: Block, absorbers: Absorber, by_share: Array) -> ShellResponse:
    """The derivative of the responses along that of the absorbers at fixed depths."""
    push = partial(pushed, step)
    absorbers = _moving(Absorber, **{**absorbers._asdict(), "depth": None})
    ends = push(wing, (block.absorber,), (absorbers,))
    boxes = push(
        lambda absorbers, wing, escape: box(absorbers, block.thickness, wing, escape, block.moments.even),
        (block.absorber, block.wing, block.escape),
        (absorbers, ends, _moving(Escape, value=by_share * ends.share)),
    )
    return push(lambda box: response(box, block.moments), (block.box,), (boxes,))


def lightest_response(block: Block, absorbers: Absorber, by_depth: ShellResponse, others: ShellResponse):
    """The derivative of the responses by the lightest mass: a change of ln τ, and of all else."""
    relative = absorbers.depth / jnp.where(block.absorber.depth > 1e-15, block.absorber.depth, 1.0)
    return jax.tree.map(lambda depth, other: relative * depth + other, by_depth, others)


def stacked(rows: list[Rows]) -> Rows:
    """Rows side by side, as arrays of cells."""
    return jax.tree.map(lambda *parts: jnp.stack([part.astype(layout.PRECISION) for part in parts], axis=-2), *rows)


def emissions(setting: Setting, rows: Rows):
    """What each state is emitted with in the cells of a block, even and tilted; and what enters and is fed."""
    into, fractions = per_cell(setting.into), per_cell(setting.fractions)
    shares = jnp.asarray(setting.shares, layout.PRECISION)
    entering, fed = (part.astype(layout.PRECISION) for part in (rows.entering, rows.emission))
    return into * fed[:1] + fractions * shares[:1], into * fed[1:] + fractions * shares[1:], entering, fed


def response_drive(block: Block, changes: ShellResponse, even, tilted, entering) -> tuple[Array, Array]:
    """What a change of the responses makes absorbed (pair=2), and lost by each state (mass=3)."""
    lost = changes.lost * entering + changes.even_lost * even - changes.tilted_escape * tilted
    tilt = changes.entering_tilt * entering + changes.even_tilt * even + changes.tilted_tilt * tilted
    return jnp.stack([lost[0] + lost[1] + lost[2], tilt[0] + tilt[1] + tilt[2]]), lost


def solved_drive(block: Block, absorbed, lost) -> Drive:
    """The same with what the cells feed to themselves."""
    i00, i01, i10, i11 = block.inverse
    total, tilt = absorbed
    return Drive(jnp.stack([i00 * total + i01 * tilt, i10 * total + i11 * tilt]), gained=-lost)


def index_drive(setting: Setting, shares, block: Block) -> Drive:
    """What a change of the sources' shares drives."""
    fractions = per_cell(setting.fractions)
    drive = source_drive(block.response, block.inverse, fractions, shares)
    return drive._replace(gained=drive.gained + fractions * shares[:1])


def march_slopes(
    setting: Setting,
    motion: Motion,
    step: Int[Array, ""],
    slopes: State,
    block: Block,
    rows: Rows,
    driven: tuple[Drive, ...],
    fed,
    weights: Weights,
) -> tuple[State, Float[Array, "row direction=4 mass=3"]]:
    """The derivatives of the state after a block of rows, axes (direction, …), and of what arrives at z = 0.

    Weights that move add k′A to what is fed, and to the moments what they would carry; r adds what is fed itself.
    """
    shells, into = slopes.fed.shape[-1], setting.into[:, None].astype(layout.PRECISION)

    def first(row, slopes, cells, driven, fed, rows, weights, moving):
        (cell, driven, fed, absorbed), weights = row_of(row, shells, (cells, driven, fed, rows.absorbed), weights)
        moving = moving.own[:, row + 1 : row + 1 + shells]
        absorbed, weights = jax.tree.map(lambda x: x.astype(layout.PRECISION), (absorbed, weights))
        none = jnp.zeros_like(fed)
        more = jnp.stack([none, moving[:1] * absorbed, moving[1:] * absorbed, fed])
        absorbed = jnp.stack([*driven, none])
        return jax.vmap(lambda slopes, absorbed, more: absorb(slopes, cell, Drive(absorbed, more), weights))(
            slopes, absorbed, more
        )

    def second(row, slopes, absorbed, emission, cells, gained, rows, weights, moving):
        (cell, gained, met), weights = row_of(row, shells, (cells, gained, rows), weights)
        moving = jax.tree.map(lambda x: x[..., row + 1 : row + 1 + shells], moving)
        met, weights = jax.tree.map(lambda x: x.astype(layout.PRECISION), (met, weights))
        moved = [
            moving.decay[i][:, None] * met.moments
            + moving.gain[i][:, None] * met.absorbed[None]
            + moving.bend[i][:, None] * met.above[None]
            for i in range(2)
        ]
        none = jnp.zeros_like(moved[0])
        drive = Drive(None, None, jnp.stack([*gained, jnp.zeros_like(gained[0])]), jnp.stack([none, *moved, none]))
        return jax.vmap(
            lambda slopes, absorbed, emission, drive: advance(slopes, absorbed, emission, cell, drive, weights, into)
        )(slopes, absorbed, emission, drive)

    arrivals = []
    absorbs, gains = tuple(d.absorbed for d in driven), tuple(d.gained for d in driven)
    for row in range(layout.ROWS):
        pair = staged(step, partial(first, row), slopes, block.cell, absorbs, fed, rows, weights, motion.weights)
        slopes = staged(step, partial(second, row), slopes, *pair, block.cell, gains, rows, weights, motion.weights)
        arrivals.append(slopes.leaving[:, :, 0])
    return slopes, jnp.stack(arrivals)


def block_slopes(
    setting: Setting, motion: Motion, step: Int[Array, ""], nodes: Nodes, block: Block, rows: list[Rows], slopes: State
) -> tuple[State, Float[Array, "row direction=4 mass=3"]]:
    """The derivatives after a block of rows that has been solved."""
    run = partial(staged, step)
    met = run(stacked, rows)
    by_depth, by_share = _depth_slopes(step, block)
    absorbers = _with_lightest(setting, motion, step, nodes, block)
    others = _shape_slopes(step, block, absorbers, by_share)
    by_lightest = run(lightest_response, block, absorbers, by_depth, others)
    even, tilted, entering, fed = run(emissions, setting, met)
    driven = []
    for changes in (by_depth, by_lightest):
        parts = run(partial(response_drive, block), changes, even, tilted, entering)
        driven.append(run(partial(solved_drive, block), *parts))
    driven.append(run(index_drive, setting, motion.shares, block))
    return march_slopes(setting, motion, step, slopes, block, met, tuple(driven), fed, nodes.weights)
