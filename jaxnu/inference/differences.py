"""Gradients and Hessians by central differences of a compiled batch function: no further compilation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Batch = Callable[[Float[np.ndarray, "n u"]], Float[np.ndarray, " n"]]


def gradients(
    function: Batch, at: Float[np.ndarray, "n u"], scale: Float[np.ndarray, " u"]
) -> Float[np.ndarray, "n u"]:
    """∂f/∂u_i ≈ [f(u + h_i) − f(u − h_i)]/2h_i at every row of `at`, 0 where f is not finite.

    The step h = ε^{1/3} `scale` balances rounding and truncation: good to ten digits in double precision.
    """
    step = np.finfo(at.dtype).eps ** (1 / 3) * scale
    offsets = np.diag(step)
    points = np.concatenate([at[:, None] + offsets, at[:, None] - offsets], axis=1)
    values = function(points.reshape(-1, at.shape[1]).astype(at.dtype))
    up, down = np.split(values.reshape(len(at), -1), 2, axis=1)
    finite = np.isfinite(up) & np.isfinite(down)
    return (np.where(finite, up, 0) - np.where(finite, down, 0)) / (2 * step)


def hessian(function: Batch, at: Float[np.ndarray, " u"], step: Float[np.ndarray, " u"]) -> Float[np.ndarray, "u u"]:
    """∂²f/∂u_i∂u_j from f at u, u ± h_i and u ± (h_i + h_j), all in one batch; not finite where one of these is not."""
    size = at.size
    offsets = np.diag(step)
    row, column = np.triu_indices(size, 1)
    pairs = offsets[row] + offsets[column]
    values = function(at + np.concatenate([np.zeros((1, size)), offsets, -offsets, pairs, -pairs]).astype(at.dtype))
    centre, rest = values[0], values[1:]
    singles = rest[:size] + rest[size : 2 * size] - 2 * centre
    both = rest[2 * size : 2 * size + row.size] + rest[2 * size + row.size :] - 2 * centre
    result = np.diag(singles)
    with np.errstate(invalid="ignore", divide="ignore"):
        result[row, column] = result[column, row] = (both - singles[row] - singles[column]) / 2
        return result / np.outer(step, step)
