"""Draws from a posterior by NUTS with jumps between modes, in blocks that survive a kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray
from numpyro.infer import NUTS
from numpyro.infer.hmc import HMCState
from numpyro.infer.util import ParamInfo
from tqdm.auto import tqdm

from jaxnu.inference.checkpoint import load_checkpoint, restore, save_checkpoint
from jaxnu.inference.compiled import Compiled, Points, compiled, log_likelihood_at, sweep_prior
from jaxnu.inference.configuration import describe
from jaxnu.inference.coordinates import Coordinates, constrain, coordinates, log_prior
from jaxnu.inference.differences import gradients
from jaxnu.inference.population import Population, jump, learn, starts
from jaxnu.inference.posterior import Model
from jaxnu.inference.result import Posterior, make_posterior

MAX_TREE_DEPTH = 2
"""At most 3 gradients per draw: gradients are what costs, and far moves are left to the jumps."""


@jax.numpy_dtype_promotion("standard")  # numpyro mixes types
def sample(
    model: Model,
    key: PRNGKeyArray,
    *,
    chains: int = 4,
    warmup: int = 40,
    draws: int = 200,
    sweep: int = 1024,
    jumps: int = 16,
    checkpoint: str | os.PathLike[str] | None = None,
    block: int = 25,
    progress: bool = True,
) -> Posterior:
    """`draws` from each of `chains` by NUTS (1111.4246) after `warmup` steps, all chains advancing together.

    First, `sweep` draws from the prior and what they lead to (see `Population`) give a rough picture of the posterior.
    Chains start from distinct points of it, in proportion to posterior mass, and it provides their metric. Each draw is
    a NUTS trajectory followed by `jumps` Metropolis steps with proposals from the picture, which carry chains between
    modes; both leave the posterior invariant, whatever the picture is like. Warm-up adapts the step size.

    With `checkpoint`, a directory, the state and all draws are written every `block` steps; the same call continues
    from there and gives the draws of an uninterrupted run.
    Raises ValueError for counts that are not positive, a sweep with fewer good points than chains, and a checkpoint of
    another configuration.
    """
    counts = {"chains": chains, "warmup": warmup, "draws": draws, "sweep": sweep, "block": block}
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be positive, got {count}")
    if jumps < 0:
        raise ValueError(f"jumps must not be negative, got {jumps}")
    where = coordinates(model)
    settings = {"chains": chains, "warmup": warmup, "draws": draws, "sweep": sweep, "jumps": jumps}
    configuration = describe(model, where, key, **settings)
    stored = load_checkpoint(checkpoint, configuration) if checkpoint is not None else None

    sweep_key, start_key, chain_key, jump_key = jax.random.split(key, 4)
    functions = compiled(model, where)
    potential = _Potential(model, where, functions)
    leaves: list[np.ndarray] | None = None
    if stored is None:
        population = learn(functions, *sweep_prior(functions, sweep_key, sweep), _generator(start_key))
        points, history = starts(population, _generator(start_key, 1), chains), {}
    else:
        leaves, parts, history = stored
        population = Population(**parts)
        points = np.zeros((chains, where.size), dtype=population.centres.dtype)
    kernel = NUTS(
        potential_fn=potential.function,
        inverse_mass_matrix=jnp.asarray(population.covariance, dtype=points.dtype),
        adapt_mass_matrix=False,
        dense_mass=True,
        max_tree_depth=MAX_TREE_DEPTH,
    )
    state = kernel.init(jax.random.split(chain_key, chains), warmup, potential.at(points, population), (), {})
    state = state if leaves is None else restore(state, leaves)
    advance = jax.jit(lambda state: kernel.sample(state, (), {}))

    rows: list[dict[str, np.ndarray]] = []
    done, total = int(state.i[0]), warmup + draws
    with tqdm(total=total, initial=done, disable=not progress, desc="warm-up") as bar:
        while done < total:
            state = advance(state)
            state, accepted = _jumped(state, potential, population, _generator(jump_key, done), jumps)
            done += 1
            if done > warmup:
                rows.append({"jumps": accepted} | {name: np.asarray(get(state)) for name, get in _RECORDED.items()})
            if checkpoint is not None and (done % block == 0 or done in (warmup, total)):
                history, rows = _appended(history, rows), []
                save_checkpoint(checkpoint, configuration, state, asdict(population), history)
            if progress:
                bar.set_description("warm-up" if done <= warmup else "draws", refresh=False)
                bar.set_postfix(steps=int(np.max(state.num_steps)), jumps=int(np.sum(accepted)), refresh=False)
            bar.update()
    return _result(where, _appended(history, rows), configuration)


_RECORDED: dict[str, Callable[[HMCState], jax.Array]] = {
    "u": lambda state: state.z,
    "lp": lambda state: -state.potential_energy,
    "diverging": lambda state: state.diverging,
    "n_steps": lambda state: state.num_steps,
    "acceptance_rate": lambda state: state.accept_prob,
    "energy": lambda state: state.energy,
    "step_size": lambda state: state.adapt_state.step_size,
}
"""What is kept of every draw, by the names that ArviZ knows."""


class _Potential:
    """−ln of the posterior's density of u: for NUTS, and by batches at given points."""

    def __init__(self, model: Model, where: Coordinates, functions: Compiled) -> None:
        log_likelihood = log_likelihood_at(model, where)
        self.functions = functions
        self.function = lambda u: -log_prior(model, where, u) - log_likelihood(u, jnp.ones_like(u[0]))
        self._prior_slope = jax.jit(jax.vmap(jax.grad(lambda u: -log_prior(model, where, u))))

    def at(self, points: Points, population: Population) -> ParamInfo:
        """Value and gradient; differences of compiled values give the gradient, which saves compiling it once more."""
        likelihood = self.functions.log_likelihood(points, 1.0)
        value = -self.functions.log_prior(points) - likelihood
        return ParamInfo(jnp.asarray(points), jnp.asarray(value, dtype=points.dtype), self.slope(points, population))

    def slope(self, points: Points, population: Population) -> jax.Array:
        """The gradient alone."""
        scale = np.sqrt(np.diag(population.covariance))
        of_likelihood = gradients(lambda at: -self.functions.log_likelihood(at, 1.0), points, scale)
        return self._prior_slope(jnp.asarray(points)) + jnp.asarray(of_likelihood, dtype=points.dtype)


def _jumped(
    state: HMCState, potential: _Potential, population: Population, rng: np.random.Generator, jumps: int
) -> tuple[HMCState, np.ndarray]:
    """The state after the jumps, and how many each chain accepted."""
    at, log_target = np.asarray(state.z), -np.asarray(state.potential_energy, dtype=float)
    if not jumps:
        return state, np.zeros(len(at), int)
    at, log_target, accepted = jump(population, potential.functions, rng, at, log_target, jumps)
    moved = accepted > 0
    if not np.any(moved):
        return state, accepted
    slope = np.array(state.z_grad)
    slope[moved] = np.asarray(potential.slope(at[moved], population))
    energy = jnp.asarray(-log_target, dtype=slope.dtype)
    return state._replace(z=jnp.asarray(at), potential_energy=energy, z_grad=jnp.asarray(slope)), accepted


def _generator(key: PRNGKeyArray, *more: int) -> np.random.Generator:
    """NumPy's random numbers for a key and further integers: the same after a resumption."""
    return np.random.default_rng([*np.ravel(jax.random.key_data(key)).tolist(), *more])


def _appended(history: Mapping[str, np.ndarray], rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The draws so far, axes (draw, chain, ...), with more of them at the end."""
    if not rows:
        return dict(history)
    new = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return {name: np.concatenate([history[name], part]) for name, part in new.items()} if history else new


def _result(where: Coordinates, history: Mapping[str, np.ndarray], configuration: Mapping[str, Any]) -> Posterior:
    by_chain = {name: np.swapaxes(values, 0, 1) for name, values in history.items()}
    values = jax.jit(jax.vmap(jax.vmap(lambda u: constrain(where, u))))(jnp.asarray(by_chain.pop("u")))
    return make_posterior(
        {name: np.asarray(part) for name, part in values.items()}, by_chain, where.units, configuration
    )
