"""Derivatives that a posterior needs, carried through the march beside the values.

For a power law the ratio of each flux to the free one depends on E/m_Z′², on κ ~ g′²/m_Z′² (`line.depth_scale`), on the
lightest mass, the index and the branching ratio r only. So amplitude and m_Z′ cost nothing: a factor, and a shift of
the energy axis at fixed κ. The other four are directions in which every stage of a block is differentiated: κ, which
changes nothing but the depth of a shell, and the lightest mass, with which resonances and nodes move; the index and r
change sources and weights only. In every direction the derivative of a state obeys the linear step of the march, driven
by what the direction does to its coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.transport.line import Line
from jaxnu.transport.march import Drive, State, Weights, advance, source_drive
from jaxnu.transport.response import (
    Absorber,
    ShellResponse,
    absorber,
    box,
    clear,
    moments,
    place,
    response,
    second_moment,
    wing,
)
from jaxnu.transport.staging import staged
from jaxnu.transport.thermal import line_shape_slopes
from jaxnu.transport.wavefront import (
    PRECISION,
    ROWS,
    Block,
    Nodes,
    Rows,
    Setting,
    coordinates,
    crossings,
    detunings,
    diagonals,
    per_cell,
    strength,
    target_depths,
)

DIRECTIONS = 4
"""ln κ, lightest mass, index, ln r."""


class Motion(NamedTuple):
    """What moves: masses over T₀ and their series with the lightest mass; ε₀ and weights of nodes; shares of sources."""

    alpha: Float[Array, "target=3"]
    series: tuple[Float[Array, "term target=3 1 edge"], ...]
    epsilon: Float[Array, "*s node"]
    """With the lightest mass."""
    weights: Weights
    """With the lightest mass and with the index, on a leading axis."""
    shares: Float[Array, "pair=2 1 shell"]
    """With the index."""


def _pushed(step: Int[Array, ""], stage: Callable[..., Any], primals: tuple, tangents: tuple) -> Any:
    """The derivative of a stage along `tangents`; None stands for what does not move."""
    leaves, structure = jax.tree.flatten(primals)
    ways = structure.flatten_up_to(tangents)

    def derivative(leaves, moving):
        def of_moving(*values):
            changed = iter(values)
            return stage(*structure.unflatten([leaf if way is None else next(changed) for leaf, way in zip(leaves, ways, strict=True)]))

        start = [leaf for leaf, way in zip(leaves, ways, strict=True) if way is not None]
        return jax.jvp(of_moving, start, moving)[1]

    return staged(step, derivative, leaves, [way for way in ways if way is not None])


def _with_lightest(setting: Setting, motion: Motion, step: Int[Array, ""], nodes: Nodes, block: Block) -> Absorber:
    """The derivative of the absorbers by the lightest mass."""
    push = partial(_pushed, step)
    epsilon, ratio, offset = push(
        coordinates, (setting.alpha, setting.nearness, nodes.epsilon), (motion.alpha, None, motion.epsilon)
    )
    v, _ = push(partial(detunings, setting), (block.epsilon, block.ratio, block.offset), (epsilon, ratio, offset))
    shape = staged(step, shape_slopes, block.line, block.decline, v)
    depth = push(
        partial(strength, setting),
        (setting.series, block.line.v, block.epsilon, block.ratio),
        (motion.series, v, epsilon, ratio),
    )
    line = Line(v, shape, depth)
    fall, crossed = push(partial(crossings, setting), (block.epsilon, block.line), (epsilon, line))
    targets = push(target_depths, (block.crossing, block.line, block.fall), (crossed, line, fall))
    return push(partial(absorber, setting.couplings), (block.targets,), (targets,))


def shape_slopes(line: Line, decline, v):
    """`line_shape_slopes` along the derivative of v."""
    return line_shape_slopes(jnp.abs(line.v), decline, line.shape, jnp.sign(line.v) * v)


def _response_slopes(step: Int[Array, ""], block: Block, absorbers: Absorber) -> ShellResponse:
    """The derivative of the responses along that of the absorbers."""
    push = partial(_pushed, step)
    depth, mean = absorbers.depth, absorbers.mean
    second = push(second_moment, (block.absorber.depth,), (depth,))
    parts = push(moments, (block.absorber.depth, block.second), (depth, second))
    wings = push(wing, (block.absorber,), (absorbers,))
    places = push(place, (block.absorber,), (absorbers,))
    start = push(clear, (block.absorber.depth, block.wing, block.moments), (depth, wings, parts))
    boxes = push(box, (block.absorber.mean, block.place, block.wing, block.clear), (mean, places, wings, start))
    return push(response, (block.box, block.moments), (boxes, parts))


def _cells(window: Float[Array, "*s length"]) -> Float[Array, "*s row shell"]:
    """What nodes bring to the cells of a block."""
    return diagonals(window[..., 1:], ROWS, window.shape[-1] - 1 - ROWS)


def drives(setting: Setting, motion: Motion, weights: Weights, block: Block, rows: Rows, changes: ShellResponse) -> Drive:
    """What drives the derivatives of the state in the cells of a block, axes (direction=4, …, row, shell).

    `changes` are the derivatives of the responses by ln κ and the lightest mass, on a leading axis of 2.
    """
    into, fractions = per_cell(setting.into), per_cell(setting.fractions)
    entering, emission = rows.entering[None], rows.emission
    shares = setting.shares.astype(PRECISION)
    even = into * emission[:1] + fractions * shares[:1]
    tilted = into * emission[1:] + fractions * shares[1:]
    lost = changes.lost * entering + changes.even_lost * even[None] - changes.tilted_escape * tilted[None]
    tilt = changes.entering_tilt * entering + changes.even_tilt * even[None] + changes.tilted_tilt * tilted[None]
    total, tilt = (part[:, 0] + part[:, 1] + part[:, 2] for part in (lost, tilt))
    i00, i01, i10, i11 = (part[None] for part in block.inverse)
    absorbed = jnp.stack([i00 * total + i01 * tilt, i10 * total + i11 * tilt], axis=1)
    source = source_drive(block.response, block.inverse, fractions, motion.shares)
    emitted = fractions * motion.shares[:1]
    nothing = jnp.zeros_like(source.gained)
    own = _cells(weights.own)[:, None] * rows.absorbed[None]
    none = jnp.zeros_like(rows.absorbed)
    moved = (
        _cells(weights.decay)[:, :, None] * rows.moments[None]
        + _cells(weights.gain)[:, :, None] * rows.absorbed[None, None]
        + _cells(weights.bend)[:, :, None] * rows.above[None, None]
    )
    still = jnp.zeros_like(moved[0])
    return Drive(
        jnp.stack([-lost[0], -lost[1], emitted + source.gained, nothing]),
        jnp.stack([absorbed[0], absorbed[1], source.absorbed, none]),
        jnp.stack([none, own[0], own[1], rows.emission]),
        jnp.stack([still, moved[0], moved[1], still]),
    )


def march_slopes(
    setting: Setting, step: Int[Array, ""], slopes: State, block: Block, driven: Drive, weights: Weights
) -> tuple[State, Float[Array, "row direction=4 mass=3"]]:
    """The derivatives of the state after a block of rows, axes (direction, …), and of what arrives at z = 0."""
    shells, into = slopes.fed.shape[-1], setting.into[:, None].astype(PRECISION)

    def advanced(row, slopes, cells, driven, weights):
        cell, drive = jax.tree.map(lambda x: x[..., row, :], (cells, driven))
        weights = jax.tree.map(lambda x: x[..., row + 1 : row + 1 + shells].astype(PRECISION), weights)
        return jax.vmap(lambda slopes, drive: advance(slopes, cell, drive, weights, into)[0])(slopes, drive)

    arrivals = []
    for row in range(ROWS):
        slopes = staged(step, partial(advanced, row), slopes, block.cell, driven, weights)
        arrivals.append(slopes.leaving[:, :, 0])
    return slopes, jnp.stack(arrivals)


def block_slopes(
    setting: Setting, motion: Motion, step: Int[Array, ""], nodes: Nodes, block: Block, rows: Rows, slopes: State
) -> tuple[State, Float[Array, "row direction=4 mass=3"]]:
    """The derivatives after a block of rows that has been solved."""
    with_depth = block.absorber._replace(**dict.fromkeys(block.absorber._fields))._replace(depth=block.absorber.depth)
    with_lightest = _with_lightest(setting, motion, step, nodes, block)
    changes = [_response_slopes(step, block, absorbers) for absorbers in (with_depth, with_lightest)]
    both = jax.tree.map(lambda *pair: jnp.stack(pair), *changes)
    driven = staged(step, partial(drives, setting, motion), motion.weights, block, rows, both)
    return march_slopes(setting, step, slopes, block, driven, nodes.weights)
