"""Between the energy nodes: the weights of integrals over cells, and a smooth curve through values at the nodes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def cell_weights(
    width: Float[Array, "cell"], growth: Float[Array, "cell"]
) -> tuple[Float[Array, "cell"], Float[Array, "cell"], Float[Array, "cell"]]:
    """(w₀, w₁, w₂) with ∫dx e^{growth·y} f over each cell = w₀f₀ + w₁f₁ + w₂f₂, y in [0, 1] across the cell.

    f is the parabola through the nodes at both ends and the next node above: the line plus f[x₀, x₁, x₂](x − x₀)(x −
    x₁). Of the latter less is taken where the next cell is narrower, whose slope says little about a wide one, and
    none in the topmost cell.
    """
    points, weights = np.polynomial.legendre.leggauss(4)
    lower, upper, bulge = 0.0 * growth, 0.0 * growth, 0.0 * growth
    for y, w in zip((points + 1) / 2, weights / 2, strict=True):
        value = float(w) * jnp.exp(float(y) * growth)
        lower, upper, bulge = lower + float(1 - y) * value, upper + float(y) * value, bulge + float(y * (1 - y)) * value
    above = jnp.concatenate([width[1:], jnp.ones_like(width[:1])])
    taken = jnp.concatenate([jnp.minimum(width[1:] / width[:-1], 1.0) ** 2, jnp.zeros_like(width[:1])])
    bend = taken * width**2 * bulge / (width + above)
    return width * lower - bend, width * upper + bend * (1 + width / above), -bend * width / above


def line_weights(
    width: Float[Array, "cell"], growth: Float[Array, "cell"]
) -> tuple[Float[Array, "cell"], Float[Array, "cell"], Float[Array, "cell"]]:
    """`cell_weights` for f a straight line, however steep the exponential: (w₀, w₁, 0).

    ∫₀¹ e^{gy} dy = (e^g − 1)/g and ∫₀¹ y e^{gy} dy = [e^g − (e^g − 1)/g]/g, by series for small g.
    """
    small = jnp.abs(growth) < 0.1
    g = jnp.where(small, 1.0, growth)
    thin = jnp.where(small, growth, 0.0)
    whole = jnp.where(small, 1 + thin / 2 + thin**2 / 6 + thin**3 / 24 + thin**4 / 120, jnp.expm1(g) / g)
    upper = 1 / 2 + thin / 3 + thin**2 / 8 + thin**3 / 30 + thin**4 / 144
    upper = jnp.where(small, upper, (jnp.exp(g) - whole) / g)
    return width * (whole - upper), width * upper, jnp.zeros_like(growth)


class Curve(NamedTuple):
    """A curve that is a cubic in each cell: start and width of the cells, and per cell values and slopes at both ends.

    `rise` is the change across the cell; `begin` and `end` are slopes times the width.
    """

    start: Float[Array, "cell"]
    width: Float[Array, "cell"]
    left: Float[Array, "*s cell"]
    rise: Float[Array, "*s cell"]
    begin: Float[Array, "*s cell"]
    end: Float[Array, "*s cell"]


def monotone_curve(x: Float[Array, "node"], y: Float[Array, "*s node"]) -> Curve:
    """The piecewise cubic through (x, y) that makes no new extremes, by Fritsch and Butland's tangents."""
    width = jnp.diff(x)
    span = width.reshape((1,) * (y.ndim - 1) + width.shape)
    rise = jnp.diff(y, axis=-1)
    slope = rise / span
    before, after, h0, h1 = slope[..., :-1], slope[..., 1:], span[..., :-1], span[..., 1:]
    w0, w1 = h0 + 2 * h1, 2 * h0 + h1
    alike = before * after > 0
    mean = (w0 + w1) / (w0 / jnp.where(alike, before, 1.0) + w1 / jnp.where(alike, after, 1.0))
    tangent = jnp.concatenate([slope[..., :1], jnp.where(alike, mean, 0.0), slope[..., -1:]], axis=-1)
    return Curve(x[:-1], width, y[..., :-1], rise, tangent[..., :-1] * span, tangent[..., 1:] * span)


def cell_of(x: Float[Array, "node"], at: Float[Array, "point"]) -> Int[Array, "point"]:
    """In which cell each point lies, by comparing all: on a CPU a search is a loop of many steps."""
    return jnp.sum(at[:, None] >= x[None, 1:-1], axis=1)


def values_at(curve: Curve, cell: Int[Array, "point"], at: Float[Array, "point"]) -> Float[Array, "*s point"]:
    """The curve at points in given cells."""
    here = jax.tree.map(lambda part: part[..., cell], curve)
    return cubic(here, ((at - here.start) / here.width).reshape((1,) * (here.left.ndim - 1) + at.shape))


def cubic(cell: Curve, t: Float[Array, "..."]) -> Float[Array, "..."]:
    """The cubics of cells at t from 0 to 1."""
    _, _, left, rise, begin, end = cell
    return left + t * (begin + t * (3 * rise - 2 * begin - end + t * (begin + end - 2 * rise)))
