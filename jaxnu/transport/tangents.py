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
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.transport import layout
from jaxnu.transport.block import Block, Setting
from jaxnu.transport.layout import Nodes, per_cell, row_of
from jaxnu.transport.march import Drive, State, Weights, absorb, advance, source_drive
from jaxnu.transport.response import ShellResponse
from jaxnu.transport.response_tangents import Motion, along, depth_slopes, shape_slopes, with_lightest
from jaxnu.transport.staging import staged
from jaxnu.transport.wavefront import Rows

DIRECTIONS = ("ln κ", "lightest mass", "index", "ln r")
"""In which derivatives are carried."""


def stacked(rows: list[Any]) -> Any:
    """Rows side by side, as arrays of cells."""
    return jax.tree.map(lambda *parts: jnp.stack([part.astype(layout.PRECISION) for part in parts], axis=-2), *rows)


def emissions(setting: Setting, rows: Rows):
    """What each state is emitted with in the cells of a block, even and tilted; and what enters and is fed."""
    into, fractions = per_cell(setting.into), per_cell(setting.fractions)
    shares = jnp.asarray(setting.shares, layout.PRECISION)
    entering, fed = (part.astype(layout.PRECISION) for part in (rows.entering, rows.emission))
    return into * fed[:1] + fractions * shares[:1], into * fed[1:] + fractions * shares[1:], entering, fed


def response_drive(changes: ShellResponse, even, tilted, entering) -> tuple[Array, Array]:
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
    drive = source_drive(block.responses.response, block.inverse, fractions, shares)
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
    absorbers, responses = block.lines.absorber, block.responses
    by_depth, by_share = depth_slopes(step, absorbers, responses)
    ways = with_lightest(setting, motion, step, nodes, block.lines)
    others = shape_slopes(step, absorbers, responses, ways, by_share)
    by_lightest = run(along, absorbers, ways, by_depth, others)
    even, tilted, entering, fed = run(emissions, setting, met)
    driven = []
    for changes in (by_depth, by_lightest):
        parts = run(response_drive, changes, even, tilted, entering)
        driven.append(run(partial(solved_drive, block), *parts))
    driven.append(run(index_drive, setting, motion.shares, block))
    return march_slopes(setting, motion, step, slopes, block, met, tuple(driven), fed, nodes.weights)
