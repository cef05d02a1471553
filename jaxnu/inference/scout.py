"""A look at the likelihood all over the prior, from which fits and chains start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxnu.inference.coordinates import Coordinates, constrain, prior_draw
from jaxnu.inference.posterior import Model, log_likelihoods, universe_at
from jaxnu.universe import Universe

BATCH = 64
"""Points evaluated at once; every batch is padded to it, so that it is compiled once."""

LogLikelihood = Callable[[Float[Array, "u"], Float[Array, ""]], Float[Array, ""]]


@dataclass(frozen=True)
class Scout:
    """Draws from the prior, their log-likelihood, and the compiled function that gives it."""

    points: Float[np.ndarray, "point u"]
    log_likelihood: Float[np.ndarray, "point"]
    evaluate: Callable[[Float[np.ndarray, "n u"], float], Float[np.ndarray, "n"]]


def log_likelihood_at(model: Model, where: Coordinates) -> LogLikelihood:
    """ln L(u, s), with the coupling of the mediator multiplied by s: 1 as it is, 0 without interactions."""

    def log_likelihood(u: Float[Array, "u"], strength: Float[Array, ""]) -> Float[Array, ""]:
        universe = scaled(universe_at(model, constrain(where, u)), strength)
        return jnp.sum(jnp.stack(log_likelihoods(model, universe)))

    return log_likelihood


def scaled(universe: Universe, strength: Float[Array, ""]) -> Universe:
    """The universe with its coupling multiplied by `strength`."""
    return eqx.tree_at(lambda u: u.mediator.coupling, universe, replace_fn=lambda coupling: strength * coupling)


def scout(model: Model, where: Coordinates, key: PRNGKeyArray, count: int) -> Scout:
    """ln L at `count` draws from the prior; what is not finite counts as −∞.

    Raises ValueError if no draw has a finite log-likelihood.
    """
    compiled = jax.jit(jax.vmap(log_likelihood_at(model, where), in_axes=(0, None)))

    def evaluate(points, strength):
        padded = np.resize(points, (-(-len(points) // BATCH) * BATCH, points.shape[1]))
        batches = np.split(padded, len(padded) // BATCH)
        strength = jnp.asarray(strength, dtype=points.dtype)
        values = np.concatenate([np.asarray(compiled(jnp.asarray(batch), strength)) for batch in batches])[
            : len(points)
        ]
        return np.where(np.isfinite(values), values, -np.inf)

    draws = jax.jit(jax.vmap(lambda one: prior_draw(model, where, one)))(jax.random.split(key, count))
    points = np.asarray(draws)
    values = evaluate(points, 1.0)
    if not np.any(np.isfinite(values)):
        raise ValueError(f"the log-likelihood is not finite at any of {count} draws from the prior")
    return Scout(points, values, evaluate)
