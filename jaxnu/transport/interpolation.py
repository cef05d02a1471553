"""Between the energy nodes: the weights of integrals over cells, and a smooth curve through values at the nodes."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


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


def monotone_cubic(
    at: Float[Array, "point"], x: Float[Array, "node"], y: Float[Array, "node"]
) -> Float[Array, "point"]:
    """The piecewise cubic through (x, y) that makes no new extremes, by Fritsch and Butland's tangents."""
    width = jnp.diff(x)
    slope = jnp.diff(y) / width
    before, after = slope[:-1], slope[1:]
    w_before, w_after = width[:-1] + 2 * width[1:], 2 * width[:-1] + width[1:]
    alike = before * after > 0
    mean = (w_before + w_after) / (w_before / jnp.where(alike, before, 1.0) + w_after / jnp.where(alike, after, 1.0))
    tangent = jnp.concatenate([slope[:1], jnp.where(alike, mean, 0.0), slope[-1:]])
    cell = jnp.clip(jnp.searchsorted(x, at, side="right") - 1, 0, x.size - 2)
    # One table, looked up once: each look-up has a sum over nodes as its derivative.
    table = jnp.stack([x[:-1], width, y[:-1], slope, tangent[:-1], tangent[1:]])
    start, h, left, rise, begin, end = table[:, cell]
    t = (at - start) / h
    rise, begin, end = rise * h, begin * h, end * h
    return left + t * (begin + t * (3 * rise - 2 * begin - end + t * (begin + end - 2 * rise)))
