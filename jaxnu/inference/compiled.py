"""A model as batch functions of unconstrained points, each compiled once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxnu.cores import core_count, on_every_core
from jaxnu.inference.coordinates import Coordinates, constrain, coordinates, log_prior, prior_draw
from jaxnu.inference.posterior import Model, log_likelihoods, universe_at

BATCH, BATCH_OF_PRIOR = 32, 256
"""Points at most in one call; every batch is padded to it, so that it is compiled once. The prior costs little."""

Points = Float[np.ndarray, "point u"]
PerPoint = Float[np.ndarray, " point"]
BatchFunction = Callable[[Array, Array], Array]
"""Of a batch and the number of points in it that count."""


@dataclass(frozen=True)
class Compiled:
    """What NumPy code may ask about a model; values are in double precision, −∞ if not finite."""

    log_likelihood: Callable[[Points, float], PerPoint]
    """ln L, with the coupling of the mediator multiplied by the number: 1 as it is, 0 without interactions."""
    log_prior: Callable[[Points], PerPoint]
    prior_draws: Callable[[PRNGKeyArray, int], Points]


def compiled(model: Model) -> Compiled:
    """The functions of a model; nothing is compiled before it is called, and models that differ in data share it."""
    return Compiled(
        lambda points, strength: _finite(
            (_by_cores if jax.default_backend() == "cpu" else _in_batches)(
                lambda batch, count: _log_likelihoods(model, batch, jnp.asarray(strength, dtype=batch.dtype), count),
                points,
                BATCH,
            )
        ),
        lambda points: _finite(_in_batches(lambda batch, _: _log_priors(model, batch), points, BATCH_OF_PRIOR)),
        lambda key, count: _in_batches(
            lambda batch, _: _prior_draws(model, batch),
            np.asarray(jax.random.key_data(jax.random.split(key, count))),
            BATCH_OF_PRIOR,
        ),
    )


def log_likelihood_at(
    model: Model, where: Coordinates, u: Float[Array, " u"], strength: float | Float[Array, ""] = 1.0
) -> Float[Array, ""]:
    """ln L of one point, with the coupling of the mediator multiplied by `strength`."""
    universe = universe_at(model, constrain(where, u))
    universe = eqx.tree_at(lambda all: all.mediator.coupling, universe, replace_fn=lambda g: strength * g)
    return jnp.sum(jnp.stack(log_likelihoods(model, universe)))


@eqx.filter_jit
def _log_likelihoods(model: Model, points: Array, strength: Array, count: Array) -> Array:
    """Of the first `count` points at least."""
    where = coordinates(model)

    def value(u):
        return log_likelihood_at(model, where, u, strength)

    if jax.default_backend() != "cpu":
        return jax.vmap(value)(points)
    # One point after another stays in a CPU's cache, and what pads the batch costs nothing.
    nothing = jnp.zeros(points.shape[:1], points.dtype)
    return jax.lax.fori_loop(0, count, lambda i, values: values.at[i].set(value(points[i])), nothing)


@eqx.filter_jit
def _log_priors(model: Model, points: Array) -> Array:
    where = coordinates(model)
    return jax.vmap(lambda u: log_prior(model, where, u))(points)


@eqx.filter_jit
def _prior_draws(model: Model, words: Array) -> Array:
    where = coordinates(model)
    return jax.vmap(lambda key: prior_draw(model, where, key))(jax.random.wrap_key_data(words))


def generator(key: PRNGKeyArray, *more: int) -> np.random.Generator:
    """NumPy's random numbers for a key and further integers: the same after a resumption."""
    return np.random.default_rng([*np.ravel(jax.random.key_data(key)).tolist(), *more])


def sweep_prior(functions: Compiled, key: PRNGKeyArray, count: int) -> tuple[Points, PerPoint]:
    """`count` draws from the prior and ln L there. Raises ValueError if it is finite at none of them."""
    points = functions.prior_draws(key, count)
    values = functions.log_likelihood(points, 1.0)
    if not np.any(np.isfinite(values)):
        raise ValueError(f"the log-likelihood is not finite at any of {count} draws from the prior")
    return points, values


def _in_batches(function: BatchFunction, points: np.ndarray, size: int) -> np.ndarray:
    parts = np.array_split(points, -(-len(points) // size))
    return np.concatenate([_padded(function, part, len(part), size) for part in parts])


def _by_cores(function: BatchFunction, points: np.ndarray, size: int) -> np.ndarray:
    """The same with all cores at work."""
    parts = np.array_split(points, max(-(-len(points) // size), min(len(points), core_count())))
    _padded(function, points, 0, size)  # compiled before there are several threads
    return np.concatenate(on_every_core(lambda part: _padded(function, part, len(part), size), parts))


# Threads have settings of their own, and other settings mean another compilation.
@jax.numpy_dtype_promotion("standard")
@jax.numpy_rank_promotion("allow")
def _padded(function: BatchFunction, points: np.ndarray, count: int, size: int) -> np.ndarray:
    """The function of the first `count` points; the batch is filled up with what there is."""
    batch = np.resize(points, (size, *points.shape[1:]))
    return np.asarray(function(jnp.asarray(batch), jnp.asarray(count)))[:count]


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, -np.inf).astype(float)
