"""Draws from a posterior by NUTS with jumps between modes, in blocks that survive a kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.util import ParamInfo
from tqdm.auto import tqdm

from jaxnu.cores import on_every_core
from jaxnu.inference.checkpoint import load_checkpoint, restore, save_checkpoint
from jaxnu.inference.compiled import Compiled, Points, compiled, generator, log_likelihood_at
from jaxnu.inference.configuration import describe
from jaxnu.inference.coordinates import Coordinates, constrain, coordinates, log_prior
from jaxnu.inference.differences import gradients
from jaxnu.inference.population import Population, jump, learn, starts
from jaxnu.inference.posterior import Model, rough
from jaxnu.inference.result import Posterior, make_posterior

MAX_TREE_DEPTH = 3
"""At most 7 leapfrog steps per draw: enough to leave a thin tail in which jumps, made for the bulk, would stay long."""


@jax.numpy_dtype_promotion("standard")  # numpyro mixes types
def sample(
    model: Model,
    key: PRNGKeyArray,
    *,
    chains: int = 4,
    warmup: int = 40,
    draws: int = 250,
    sweep: int = 4096,
    jumps: int = 32,
    checkpoint: str | os.PathLike[str] | None = None,
    block: int = 25,
    progress: bool = True,
) -> Posterior:
    """`draws` from each of `chains` by NUTS (1111.4246) after `warmup` steps, all chains advancing together.

    First, `sweep` draws from the prior and what they lead to (see `Population`) give a rough picture of the posterior.
    Chains start from distinct points of it, in proportion to posterior mass, and it provides their metric. Each draw is
    a NUTS trajectory followed by `jumps` Metropolis steps with proposals from the picture, which carry chains between
    modes; both leave the posterior invariant, whatever the picture is like. Warm-up adapts the step size.

    Forces along a trajectory, trials of jumps and the sweep need not be exact: a mesh finer than `Resolution.fast()`
    gives way to that. Which states are drawn is decided by the model's own likelihood, so that the draws are those of
    the exact posterior.

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
    functions, rough_functions = compiled(model), compiled(rough(model))
    begin, advance = _nuts(warmup)
    leaves: list[np.ndarray] | None = None
    if stored is None:
        population = learn(rough_functions, sweep_key, sweep, progress=progress)
        points, history = starts(population, generator(start_key), chains), {}
    else:
        leaves, parts, history = stored
        population = Population(**{**parts, "width": float(parts["width"])})
        points = np.zeros((chains, where.size), dtype=population.centres.dtype)
    energy = -functions.log_prior(points) - functions.log_likelihood(points, 1.0)
    at = ParamInfo(
        jnp.asarray(points), jnp.asarray(energy, dtype=points.dtype), _force(rough_functions, points, population)
    )
    covariance = jnp.asarray(population.covariance, dtype=points.dtype)
    state = begin(model, jax.random.split(chain_key, chains), at, covariance)
    state = state if leaves is None else restore(state, leaves)

    rows: list[dict[str, np.ndarray]] = []
    done, total = int(state.i[0]), warmup + draws
    with tqdm(total=total, initial=done, disable=not progress, desc="warm-up") as bar:
        while done < total:
            state = advance(model, state)
            state, accepted = _jumped(state, functions, rough_functions, population, generator(jump_key, done), jumps)
            done += 1
            state = _with_one_step_size(state) if done == warmup else state
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


@lru_cache
def _nuts(warmup: int):
    """What starts and what advances all chains; models that differ in data alone share the compilation.

    A CPU takes one chain after another on each core, which is faster than all side by side.

    The force is the gradient on the rough mesh, the energy that of the model: leapfrog steps are reversible and keep
    volumes whatever the force, and states are drawn by their exact energy.
    """

    def energy_of(model):
        where, guide = coordinates(model), rough(model)

        def exact(u):
            return -log_prior(model, where, u) - log_likelihood_at(model, where, u)

        def guided(u):
            rough_energy = -log_prior(model, where, u) - log_likelihood_at(guide, where, u)
            return rough_energy + jax.lax.stop_gradient(exact(u) - rough_energy)

        return exact if guide is model else guided

    initialise, step = hmc(potential_fn_gen=energy_of, algo="NUTS")

    @eqx.filter_jit
    def all_begin(model, keys, at, covariance):
        fixed = {"inverse_mass_matrix": covariance, "adapt_mass_matrix": False, "dense_mass": True}
        fixed |= {"max_tree_depth": MAX_TREE_DEPTH, "model_args": (model,)}
        return jax.vmap(lambda key, at: initialise(at, warmup, rng_key=key, **fixed))(keys, at)

    @eqx.filter_jit
    def all_advance(model, state):
        return jax.vmap(lambda state: step(state, (model,)))(state)

    @jax.numpy_dtype_promotion("standard")  # as `sample` has it, for threads
    @eqx.filter_jit
    def one_advances(model, state):
        return step(state, (model,))

    def begin(model, keys, at, covariance):
        state = all_begin(model, keys, at, covariance)
        if jax.default_backend() == "cpu":
            one_advances(model, _apart(state)[0])  # compiled before there are several threads
        return state

    def advance(model, state):
        if jax.default_backend() != "cpu":
            return all_advance(model, state)
        return _together(on_every_core(lambda chain: one_advances(model, chain), _apart(state)))

    return begin, advance


@jax.jit
def _apart(states: HMCState) -> list[HMCState]:
    """One for each chain."""
    return [jax.tree.map(lambda leaf, chain=chain: leaf[chain], states) for chain in range(len(states.z))]


@jax.jit
def _together(states: list[HMCState]) -> HMCState:
    """Those of all chains as one, whose leaves have a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def _with_one_step_size(state: HMCState) -> HMCState:
    """The state with the smallest of the chains' step sizes: others have not seen the narrowest mode."""
    size = state.adapt_state.step_size
    common = jnp.broadcast_to(jnp.min(size), size.shape)
    return state._replace(adapt_state=state.adapt_state._replace(step_size=common))


def _force(functions: Compiled, points: Points, population: Population) -> jax.Array:
    """The gradient of −ln p̃, by differences of compiled values, which saves one more compilation."""
    scale = np.sqrt(np.diag(population.covariance))
    slopes = gradients(lambda at: functions.log_prior(at) + functions.log_likelihood(at, 1.0), points, scale)
    return -jnp.asarray(slopes, dtype=points.dtype)


def _jumped(
    state: HMCState,
    functions: Compiled,
    rough_functions: Compiled,
    population: Population,
    rng: np.random.Generator,
    jumps: int,
) -> tuple[HMCState, np.ndarray]:
    """The state after the jumps, and how many each chain accepted."""
    at, log_target = np.asarray(state.z), -np.asarray(state.potential_energy, dtype=float)
    if not jumps:
        return state, np.zeros(len(at), int)
    at, log_target, accepted = jump(population, functions, rough_functions, rng, at, log_target, jumps)
    moved = accepted > 0
    if not np.any(moved):
        return state, accepted
    gradient = np.array(state.z_grad)
    gradient[moved] = np.asarray(_force(rough_functions, at[moved], population))
    energy = jnp.asarray(-log_target, dtype=gradient.dtype)
    return state._replace(z=jnp.asarray(at), potential_energy=energy, z_grad=jnp.asarray(gradient)), accepted


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
