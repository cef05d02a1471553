"""A model as batch functions of unconstrained points, each compiled once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxnu.inference.coordinates import Coordinates, constrain, log_prior, prior_draw
from jaxnu.inference.posterior import Model, log_likelihoods, universe_at

BATCH = 16
"""Points evaluated at once; every batch is padded to it, so that it is compiled once."""

Points = Float[np.ndarray, "point u"]
PerPoint = Float[np.ndarray, " point"]


@dataclass(frozen=True)
class Compiled:
    """What NumPy code may ask about a model; values are in double precision, −∞ if not finite."""

    log_likelihood: Callable[[Points, float], PerPoint]
    """ln L, with the coupling of the mediator multiplied by the number: 1 as it is, 0 without interactions."""
    log_prior: Callable[[Points], PerPoint]
    prior_draws: Callable[[PRNGKeyArray, int], Points]


def compiled(model: Model, where: Coordinates) -> Compiled:
    """The functions of a model; nothing is compiled before it is called."""
    at_one = log_likelihood_at(model, where)
    # One point after another stays in a CPU's cache; other devices want all at once.
    size = 1 if jax.default_backend() == "cpu" else BATCH
    log_likelihood = jax.jit(
        lambda points, strength: jax.lax.map(lambda u: at_one(u, strength), points, batch_size=size)
    )
    prior = jax.jit(jax.vmap(lambda u: log_prior(model, where, u)))
    draw = jax.jit(jax.vmap(lambda key: prior_draw(model, where, key)))

    def prior_draws(key, count):
        words = np.asarray(jax.random.key_data(jax.random.split(key, count)))
        return _in_batches(lambda batch: draw(jax.random.wrap_key_data(batch)), words)

    return Compiled(
        lambda points, strength: _finite(
            _in_batches(lambda batch: log_likelihood(batch, jnp.asarray(strength, dtype=batch.dtype)), points)
        ),
        lambda points: _finite(_in_batches(prior, points)),
        prior_draws,
    )


def log_likelihood_at(model: Model, where: Coordinates) -> Callable[..., Float[Array, ""]]:
    """ln L(u, s) of one point, with the coupling multiplied by s."""

    def log_likelihood(u: Float[Array, " u"], strength: Float[Array, ""]) -> Float[Array, ""]:
        universe = universe_at(model, constrain(where, u))
        universe = eqx.tree_at(lambda all: all.mediator.coupling, universe, replace_fn=lambda g: strength * g)
        return jnp.sum(jnp.stack(log_likelihoods(model, universe)))

    return log_likelihood


def sweep_prior(functions: Compiled, key: PRNGKeyArray, count: int) -> tuple[Points, PerPoint]:
    """`count` draws from the prior and ln L there. Raises ValueError if it is finite at none of them."""
    points = functions.prior_draws(key, count)
    values = functions.log_likelihood(points, 1.0)
    if not np.any(np.isfinite(values)):
        raise ValueError(f"the log-likelihood is not finite at any of {count} draws from the prior")
    return points, values


def _in_batches(function: Callable[[Array], Array], points: np.ndarray) -> np.ndarray:
    padded = np.resize(points, (-(-len(points) // BATCH) * BATCH, *points.shape[1:]))
    batches = np.split(padded, len(padded) // BATCH)
    return np.concatenate([np.asarray(function(jnp.asarray(batch))) for batch in batches])[: len(points)]


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, -np.inf).astype(float)
