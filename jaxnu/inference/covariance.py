"""The curvature of the likelihood at a maximum, and what it says about the errors."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from jaxnu.inference.coordinates import Coordinates, constrain
from jaxnu.inference.differences import Batch, hessian

FLAT = 0.1
"""Curvature per variance of the prior below which a direction is unconstrained: its error would be 3 prior widths."""


@dataclass(frozen=True)
class Covariance:
    """Names of the rows, the matrix in the sites' own units, and sentences about it."""

    names: tuple[str, ...]
    matrix: Float[np.ndarray, "name name"]
    remarks: tuple[str, ...]


def curvature(
    log_likelihood: Batch, at: Float[np.ndarray, " u"], spread: Float[np.ndarray, " u"]
) -> Float[np.ndarray, "u u"]:
    """−∂²ln L/∂u∂u by differences: steps of a fiftieth of the prior's `spread`, then of a third of the error found.

    Steps of that size look at the shape of the maximum, not at the ripples that a finite mesh puts on it.
    """
    rough = np.diag(-hessian(log_likelihood, at, 0.02 * spread))
    error = 1 / np.sqrt(np.maximum(rough, np.finfo(at.dtype).tiny))
    return -hessian(log_likelihood, at, np.minimum(error / 3, 0.05 * spread).astype(at.dtype))


def constrained(matrix: Float[np.ndarray, "u u"], spread: Float[np.ndarray, " u"]) -> int:
    """How many directions a curvature constrains better than `FLAT`, where it is finite."""
    kept = _finite(matrix)
    return int(np.sum(np.linalg.eigvalsh((matrix * np.outer(spread, spread))[np.ix_(kept, kept)]) > FLAT))


def _finite(matrix: Float[np.ndarray, "u u"]) -> list[int]:
    """The parameters whose curvature is finite: along others the likelihood ends next to the maximum."""
    kept = list(range(len(matrix)))
    while np.any(bad := ~np.isfinite(matrix[np.ix_(kept, kept)])):
        kept.remove(kept[int(np.argmax(np.sum(bad, axis=0)))])
    return kept


def covariance(
    where: Coordinates, log_likelihood: Batch, at: Float[np.ndarray, " u"], draws: Float[np.ndarray, "draw u"]
) -> Covariance:
    """J H⁻¹ Jᵀ with H the curvature in u and J = ∂values/∂u; `draws` from the prior tell how wide it is.

    Where H is not finite or not positive definite, or flat compared with the prior, parameters are fixed one by one,
    the one that dominates the flattest direction first, until the rest is constrained. Those get rows of NaN and a
    sentence.
    """
    centre, spread = np.mean(draws, axis=0), np.std(draws, axis=0)
    matrix = curvature(log_likelihood, at, spread)
    free = _finite(matrix)
    while free:
        scaled = (matrix * np.outer(spread, spread))[np.ix_(free, free)]
        eigenvalues, vectors = np.linalg.eigh(scaled)
        if eigenvalues[0] > FLAT:
            break
        free.remove(free[int(np.argmax(np.abs(vectors[:, 0])))])
    inverse = np.zeros_like(matrix)
    inverse[np.ix_(free, free)] = np.linalg.inv(matrix[np.ix_(free, free)])

    jacobian = np.asarray(jax.jit(jax.jacfwd(lambda u: ravel_pytree(constrain(where, u))[0]))(jnp.asarray(at)))
    names = _names(where, at)
    fixed = [i for i in range(at.size) if i not in free]
    lost = np.any(jacobian[:, fixed] != 0, axis=1)
    result = jacobian @ inverse @ jacobian.T
    result[lost, :] = np.nan
    result[:, lost] = np.nan
    remarks = [
        f"The data do not constrain {name} at the best fit: the likelihood is flat, cut or not at a maximum along it. "
        "It has no error, and those of the others hold at its best value."
        for name, gone in zip(names, lost, strict=True)
        if gone
    ]
    extreme = np.abs(at - centre) > 4 * spread
    at_end = ~np.any((jacobian != 0) & ~extreme, axis=1)
    ends = [name for name, end in zip(names, at_end, strict=True) if end]
    remarks += [f"The best fit lies at the end of the prior's range of {name}." for name in ends]
    return Covariance(names, result, tuple(remarks))


def _names(where: Coordinates, at: Float[np.ndarray, " u"]) -> tuple[str, ...]:
    """Names in the order in which values are raveled: the site's, with its index if it is an array."""
    values = constrain(where, jnp.asarray(at))
    return tuple(
        name if not values[name].ndim else f"{name}[{i}]" for name in sorted(values) for i in range(values[name].size)
    )
