"""A model as batch functions of unconstrained points, each compiled once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxnu.cores import core_count
from jaxnu.inference.coordinates import Coordinates, constrain, coordinates, log_prior, prior_draw
from jaxnu.inference.posterior import Model, log_likelihoods, universe_at

BATCH, BATCH_OF_CPU, BATCH_OF_PRIOR = 16, 4, 256
"""Points evaluated in one call; every batch is padded to it, so that it is compiled once. The prior costs little."""

Points = Float[np.ndarray, "point u"]
PerPoint = Float[np.ndarray, " point"]


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
            _in_batches(
                lambda batch: _log_likelihoods(model, batch, jnp.asarray(strength, dtype=batch.dtype)),
                points,
                BATCH_OF_CPU if jax.default_backend() == "cpu" else BATCH,
            )
        ),
        lambda points: _finite(_in_batches(lambda batch: _log_priors(model, batch), points, BATCH_OF_PRIOR)),
        lambda key, count: _in_batches(
            lambda batch: _prior_draws(model, batch),
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
def _log_likelihoods(model: Model, points: Array, strength: Array) -> Array:
    where = coordinates(model)
    # One point after another stays in a CPU's cache; other devices want all at once.
    size = 1 if jax.default_backend() == "cpu" else BATCH
    return jax.lax.map(lambda u: log_likelihood_at(model, where, u, strength), points, batch_size=size)


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


def _in_batches(function: Callable[[Array], Array], points: np.ndarray, size: int) -> np.ndarray:
    padded = np.resize(points, (-(-len(points) // size) * size, *points.shape[1:]))

    # Threads have settings of their own, and other settings mean another compilation.
    @jax.numpy_dtype_promotion("standard")
    @jax.numpy_rank_promotion("allow")
    def found(batch):
        return np.asarray(function(jnp.asarray(batch)))

    first, *rest = np.split(padded, len(padded) // size)
    done = [found(first)]  # alone, for it may have to be compiled
    # One point keeps one core busy: every core takes a batch.
    with ThreadPoolExecutor(core_count()) as pool:
        done += pool.map(found, rest)
    return np.concatenate(done)[: len(points)]


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, -np.inf).astype(float)
