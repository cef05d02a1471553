"""How lines and the responses of cells change with the lightest mass, and with depths and shapes of absorbers."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.transport import layout
from jaxnu.transport.block import Lines, Responses, Setting, both_edges, detunings, fall_across, strength, target_depths
from jaxnu.transport.layout import Nodes, diagonals
from jaxnu.transport.line import Line, crossing_slopes
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


class Motion(NamedTuple):
    """What moves: α and its series with the lightest mass; ε₀ and weights of nodes; shares of sources."""

    alpha: Float[Array, "target=3"]
    series: tuple[Float[Array, "term target=3 1 edge"], ...]
    epsilon: Float[Array, "*s node"]
    """With the lightest mass."""
    weights: Any
    """With the lightest mass and with the index, on a leading axis."""
    shares: Float[Array, "pair=2 1 shell"]
    """With the index."""


def coordinate_slopes(setting: Setting, motion: Motion, epsilon: Float[Array, "length"]):
    """The derivatives of `coordinates` by the lightest mass."""
    shape = layout.ROWS + 1, setting.nearness.shape[0]
    ratio = (motion.alpha[:, None] - setting.alpha[:, None] * (motion.epsilon / epsilon)[None, :]) / epsilon[None, :]
    ratio = diagonals(ratio.astype(layout.PRECISION), *shape)
    return diagonals(motion.epsilon.astype(layout.PRECISION), *shape)[None], ratio, -ratio


def line_slopes(line: Line, decline, v):
    """`line_shape_slopes` along the derivative of v."""
    return line_shape_slopes(jnp.abs(line.v), decline, line.shape, jnp.sign(line.v) * v)


def step_slopes(setting: Setting, lines: Lines, line: Line, epsilon):
    """The derivatives of `crossings` along those of the lines and of ε₀."""
    slopes = crossing_slopes(lines.crossing, *both_edges(lines.line), lines.fall, *both_edges(line))
    return fall_across(setting, epsilon), slopes


def moving(kind: Any, **changes: Any) -> Any:
    """Of all fields of `kind`, only some move."""
    return kind(**{name: changes.get(name) for name in kind._fields})


def with_lightest(setting: Setting, motion: Motion, step: Int[Array, ""], nodes: Nodes, lines: Lines) -> Absorber:
    """The derivative of the absorbers by the lightest mass."""
    run, push = partial(staged, step), partial(pushed, step)
    epsilon, ratio, offset = run(coordinate_slopes, setting, motion, nodes.epsilon)
    v, _ = push(partial(detunings, setting), (lines.epsilon, lines.ratio, lines.offset), (epsilon, ratio, offset))
    shape = run(line_slopes, lines.line, lines.decline, v)
    depth = push(
        partial(strength, setting),
        (setting.series, lines.line.v, lines.epsilon, lines.ratio),
        (motion.series, v, epsilon, ratio),
    )
    line = Line(v, shape, depth)
    fall, crossed = run(step_slopes, setting, lines, line, epsilon)
    targets = push(target_depths, (lines.crossing, lines.line, lines.fall), (crossed, line, fall))
    return push(partial(absorber, setting.couplings), (lines.targets,), (targets,))


def depth_slopes(step: Int[Array, ""], absorbers: Absorber, responses: Responses) -> tuple[ShellResponse, Array]:
    """τ d/dτ of the responses, all else in the absorbers as it is; and d/ds of the `wing_escape`."""
    run, push = partial(staged, step), partial(pushed, step)
    parts, thick, wings, escape, boxes, _ = responses
    only_depth = moving(Absorber, depth=absorbers.depth)
    slopes = run(moment_slopes, absorbers.depth, parts)
    by_depth, by_share = run(wing_escape_slopes, absorbers.depth, wings.share, parts.lost, escape)
    boxes_slopes = push(
        box,
        (absorbers, thick, wings, escape, parts.even),
        (
            moving(Absorber),
            push(thickness, (absorbers.depth,), (absorbers.depth,)),
            push(wing, (absorbers,), (only_depth,)),
            moving(Escape, value=by_depth),
            slopes.even,
        ),
    )
    return push(response, (boxes, parts), (boxes_slopes, slopes)), by_share


def shape_slopes(
    step: Int[Array, ""],
    absorbers: Absorber,
    responses: Responses,
    ways: Absorber,
    by_share: Array,
    many: bool = False,
) -> ShellResponse:
    """The derivative of the responses along `ways` of the absorbers (many: on a leading axis), at fixed depths."""
    push = partial(pushed, step, many=many)
    parts, thick, wings, escape, boxes, _ = responses
    ways = moving(Absorber, **{**ways._asdict(), "depth": None})
    ends = push(wing, (absorbers,), (ways,))
    by_share = by_share[None] if many else by_share
    slopes = push(
        lambda absorbers, wing, escape: box(absorbers, thick, wing, escape, parts.even),
        (absorbers, wings, escape),
        (ways, ends, moving(Escape, value=by_share * ends.share)),
    )
    return push(lambda box: response(box, parts), (boxes,), (slopes,))


def along(absorbers: Absorber, ways: Absorber, by_depth: ShellResponse, others: ShellResponse) -> ShellResponse:
    """The derivative of the responses along `ways`: a change of ln τ, and of all else."""
    relative = ways.depth / jnp.where(absorbers.depth > 1e-15, absorbers.depth, 1.0)
    return jax.tree.map(lambda depth, other: relative * depth + other, by_depth, others)
