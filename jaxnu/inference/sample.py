"""Draws from a posterior by NUTS, in blocks that survive a kill."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.infer import NUTS
from numpyro.infer.util import ParamInfo
from tqdm.auto import tqdm

from jaxnu.inference.checkpoint import load_checkpoint, restore, save_checkpoint
from jaxnu.inference.configuration import describe
from jaxnu.inference.coordinates import Coordinates, constrain, coordinates, log_prior, with_gradient
from jaxnu.inference.differences import gradients
from jaxnu.inference.posterior import Model
from jaxnu.inference.result import Posterior, make_posterior
from jaxnu.inference.scout import Scout, log_likelihood_at, scout

MAX_TREE_DEPTH = 7
"""At most 127 gradients per draw: chains advance together, so that one that turns late holds up all of them."""


@jax.numpy_dtype_promotion("standard")  # numpyro mixes types
def sample(
    model: Model,
    key: PRNGKeyArray,
    *,
    chains: int = 4,
    warmup: int = 200,
    draws: int = 500,
    sweep: int = 1024,
    checkpoint: str | os.PathLike[str] | None = None,
    block: int = 25,
    progress: bool = True,
) -> Posterior:
    """`draws` from each of `chains` by NUTS (1111.4246) after `warmup` steps, all chains advancing together.

    The chains start from distinct points of `sweep` prior draws, drawn in proportion to the posterior mass that each stands for,
    and with the sweep's covariance as their metric. With `checkpoint`, a directory, the state and all draws are written
    every `block` steps; the same call continues from there and gives the draws of an uninterrupted run.
    Raises ValueError for counts that are not positive, fewer sweep points than chains, and a checkpoint of another
    configuration.
    """
    counts = {"chains": chains, "warmup": warmup, "draws": draws, "sweep": sweep, "block": block}
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be positive, got {count}")
    where = coordinates(model)
    configuration = describe(model, where, key, chains=chains, warmup=warmup, draws=draws, sweep=sweep)
    stored = load_checkpoint(checkpoint, configuration) if checkpoint is not None else None

    scout_key, start_key, chain_key = jax.random.split(key, 3)
    keys = jax.random.split(chain_key, chains)
    if stored is None:
        start = _start(model, where, scout(model, where, scout_key, sweep), start_key, chains)
        advance, state = _sampler(model, where, keys, warmup, *start)
        history = {}
    else:
        leaves, history = stored
        blank = jnp.zeros((chains, where.size))
        advance, state = _sampler(model, where, keys, warmup, ParamInfo(blank, blank[:, 0], blank), jnp.eye(where.size))
        state = restore(state, leaves)

    rows: list[dict[str, np.ndarray]] = []
    done, total = int(state.i[0]), warmup + draws
    with tqdm(total=total, initial=done, disable=not progress, desc="warm-up") as bar:
        while done < total:
            state = advance(state)
            done += 1
            if done > warmup:
                rows.append({name: np.asarray(getattr(state, field)) for name, field in _RECORDED.items()})
            if checkpoint is not None and (done % block == 0 or done in (warmup, total)):
                history, rows = _appended(history, rows), []
                save_checkpoint(checkpoint, configuration, state, history)
            if progress:
                bar.set_description("warm-up" if done <= warmup else "draws", refresh=False)
                bar.set_postfix(
                    steps=int(jnp.max(state.num_steps)), divergent=int(jnp.sum(state.diverging)), refresh=False
                )
            bar.update()
    return _result(where, _appended(history, rows), configuration)


_RECORDED = {
    "u": "z",
    "diverging": "diverging",
    "n_steps": "num_steps",
    "acceptance_rate": "accept_prob",
    "energy": "energy",
    "potential_energy": "potential_energy",
}
"""What is kept of every draw: our name, or ArviZ's, and the sampler's."""


def _start(
    model: Model, where: Coordinates, scouted: Scout, key: PRNGKeyArray, chains: int
) -> tuple[ParamInfo, Float[Array, "u u"]]:
    """Points for the chains, with potential and gradient there, and the metric: the inverse mass matrix.

    Draws from the prior stand for posterior mass in proportion to their likelihood: the largest of ln L + Gumbel noise are
    draws without replacement. The metric is the covariance of all draws so weighted, shrunk as Stan does by their effective
    number. The gradient by differences, good for a first half step, saves a compilation.
    """
    count = int(np.sum(np.isfinite(scouted.log_likelihood)))
    if count < chains:
        raise ValueError(
            f"{chains} chains need as many starts, but the likelihood is finite at {count} sweep points only"
        )
    noise = np.asarray(jax.random.gumbel(key, scouted.log_likelihood.shape))
    points = scouted.points[np.argsort(-(scouted.log_likelihood + noise))[:chains]]

    weights = np.exp(scouted.log_likelihood - np.max(scouted.log_likelihood))
    weights = weights / np.sum(weights)
    effective = 1 / np.sum(weights**2)
    variance = np.var(scouted.points, axis=0)
    metric = np.cov(scouted.points, rowvar=False, aweights=weights, ddof=0).reshape(where.size, where.size)
    metric = (effective * metric + 5 * np.diag(np.minimum(np.diag(metric) + 0.01 * variance, variance))) / (
        effective + 5
    )

    prior_part = jax.jit(jax.vmap(jax.value_and_grad(lambda u: -log_prior(model, where, u))))
    potential, gradient = prior_part(jnp.asarray(points))
    slope = gradients(lambda at: -scouted.evaluate(at, 1.0), points, 1e-3 * np.sqrt(variance))
    value = jnp.asarray(-scouted.evaluate(points, 1.0), dtype=potential.dtype)
    first = ParamInfo(jnp.asarray(points), potential + value, gradient + jnp.asarray(slope, dtype=gradient.dtype))
    return first, jnp.asarray(metric, dtype=potential.dtype)


def _sampler(model: Model, where: Coordinates, keys: PRNGKeyArray, warmup: int, first: ParamInfo, metric):
    """The compiled step of all chains, and their first state."""
    log_likelihood = log_likelihood_at(model, where)
    potential = with_gradient(lambda u: -log_prior(model, where, u) - log_likelihood(u, jnp.ones_like(u[0])))
    kernel = NUTS(potential_fn=potential, inverse_mass_matrix=metric, dense_mass=True, max_tree_depth=MAX_TREE_DEPTH)
    state = kernel.init(keys, warmup, first, (), {})
    return jax.jit(lambda state: kernel.sample(state, (), {})), state


def _appended(history: Mapping[str, np.ndarray], rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The draws so far, axes (draw, chain, ...), with more of them at the end."""
    if not rows:
        return dict(history)
    new = {name: np.stack([row[name] for row in rows]) for name in _RECORDED}
    return {name: np.concatenate([history[name], new[name]]) if history else new[name] for name in _RECORDED}


def _result(where: Coordinates, history: Mapping[str, np.ndarray], configuration: Mapping[str, Any]) -> Posterior:
    by_chain = {name: np.swapaxes(values, 0, 1) for name, values in history.items()}
    values = jax.jit(jax.vmap(jax.vmap(lambda u: constrain(where, u))))(jnp.asarray(by_chain.pop("u")))
    return make_posterior(
        {name: np.asarray(part) for name, part in values.items()}, by_chain, where.units, configuration
    )
