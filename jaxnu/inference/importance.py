"""The evidence of a model and weighted draws from its posterior, by importance sampling without any chain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from tqdm.auto import tqdm

from jaxnu.inference.compiled import compiled, generator
from jaxnu.inference.coordinates import constrain, coordinates
from jaxnu.inference.population import draw, learn, log_density
from jaxnu.inference.posterior import Model, rough

MIN_EFFECTIVE = 100
"""With fewer effective draws than this the error itself is not known."""

BLOCK = 256
"""Draws between two steps of the progress bar."""


@dataclass(frozen=True)
class Evidence:
    """ln Z = ln ∫ L(θ) π(θ) dθ, L with the constants of `Model`'s terms, and the weighted draws that gave it."""

    log_evidence: float
    error: float
    """Standard error of ln Z; infinite where fewer than 100 draws count, for then it is not known."""
    effective: float
    """Kish's effective number of draws, (Σw)²/Σw²."""
    values: dict[str, np.ndarray]
    """By site, first axis the draw."""
    weights: Float[np.ndarray, " draw"]
    """They add up to 1."""
    log_likelihood: Float[np.ndarray, " draw"]

    def quantiles(self, name: str, levels: Float[np.ndarray, " level"]) -> Float[np.ndarray, " level"]:
        """Quantiles of a scalar site under the posterior."""
        order = np.argsort(self.values[name])
        below = np.cumsum(self.weights[order]) - self.weights[order] / 2
        return np.interp(levels, below, self.values[name][order])


def evidence(
    model: Model, key: PRNGKeyArray, *, draws: int = 4096, sweep: int = 2048, progress: bool = True
) -> Evidence:
    """ln Z of a model from `draws` of a mixture q that `sweep` draws from the prior lead to (see `Population`).

    Z = ⟨w⟩ with w = L π/q over draws from q, which is unbiased for any q that is nowhere zero, so that the sweep does
    with a mesh no finer than `Resolution.fast()`; the error follows from the spread of w. Two models are compared by
    the difference of their ln Z, the logarithm of the Bayes factor.
    Raises ValueError for numbers that are not positive and for a likelihood that is nowhere finite.
    """
    if min(draws, sweep) < 1:
        raise ValueError(f"evidence needs draws ≥ 1 and sweep ≥ 1, got draws={draws}, sweep={sweep}")
    where = coordinates(model)
    functions = compiled(model)
    learn_key, draw_key = jax.random.split(key)
    population = learn(compiled(rough(model)), learn_key, sweep, progress=progress)
    points = draw(population, functions, generator(draw_key), draws)

    def weigh(block):
        value, prior = functions.log_likelihood(block, 1.0), functions.log_prior(block)
        return value, value + prior - log_density(population, block, prior)

    blocks = tqdm(np.array_split(points, -(-draws // BLOCK)), disable=not progress, desc="evidence")
    log_likelihood, log_weight = np.concatenate([weigh(block) for block in blocks], axis=1)
    highest = np.max(log_weight)
    weights = np.exp(log_weight - highest)
    effective = np.sum(weights) ** 2 / np.sum(weights**2)
    values = jax.vmap(lambda u: constrain(where, u))(jnp.asarray(points))
    return Evidence(
        log_evidence=float(highest + np.log(np.mean(weights))),
        error=math.sqrt(1 / effective - 1 / draws) if effective >= MIN_EFFECTIVE else math.inf,
        effective=float(effective),
        values={name: np.asarray(part) for name, part in values.items()},
        weights=weights / np.sum(weights),
        log_likelihood=log_likelihood,
    )
