"""Evidence and posterior by nested sampling, in batches that survive a kill."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, PRNGKeyArray
from tqdm.auto import tqdm

from jaxnu.inference.checkpoint import load_checkpoint, restore, save_checkpoint
from jaxnu.inference.compiled import PerPoint, Points, compiled, log_likelihood_at, sweep_prior
from jaxnu.inference.configuration import describe
from jaxnu.inference.coordinates import Coordinates, constrain, coordinates, log_prior
from jaxnu.inference.posterior import Model
from jaxnu.inference.result import Posterior, make_posterior

# BlackJAX starts JAX's backend when it is imported, and processes on several nodes must find each other before that:
# it is imported where it is used.
if TYPE_CHECKING:
    from blackjax.ns.adaptive import AdaptiveNSState

REMAINDER = 0.01
"""Share of Z in the live points at which a run ends; they count, so that this is not an error."""

WIDTH = 2.0
"""Length of the interval in which a slice is looked for, in differences of live points: most is forgotten per value."""

SHRINKAGES = 200
"""Simulated sequences of prior volumes, whose values of ln Z have the mean and the error that are reported."""

History = Mapping[str, np.ndarray]


@jax.numpy_dtype_promotion("standard")  # BlackJAX mixes kinds of numbers
@jax.numpy_rank_promotion("allow")
def nested(
    model: Model,
    key: PRNGKeyArray,
    *,
    live: int = 200,
    steps: int = 2,
    batch: int = 20,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Posterior:
    """ln Z, Z = ∫ Π_t L_t dprior, and draws of equal weight by nested slice sampling (2601.23252) with `live` points.

    Over and over, the `batch` live points of lowest likelihood give way to copies of better ones that go `steps`
    slice-sampling steps per parameter without falling below what was removed. It ends when the live points hold less
    than 1 % of Z. Devices share a batch. CPUs go through their share point by point, one core each: make every core a
    device by `jax.config.update("jax_num_cpu_devices", cores)`. Others compute it at once: give them up to `live`/2.

    The result has `log_evidence` and `log_evidence_error` (nats, ∝ 1/√live), and as many draws as the weighted points
    are worth (Kish). The log of a Bayes factor is the difference of `log_evidence` of two models with the same data.
    The attributes of `inference_data` also tell `likelihood_calls`, and `memory`, the correlation between the ranks of
    ln L where new points start and where they end. With `checkpoint`, a directory, all is written after every batch;
    the same call continues from there and gives the result of an uninterrupted run.
    Raises ValueError for numbers out of range, a likelihood that is finite at none of the first live points, and a
    checkpoint of another configuration.
    """
    where = coordinates(model)
    _check(where, live, steps, batch)
    configuration = describe(model, where, key, live=live, steps=steps, batch=batch)
    stored = load_checkpoint(checkpoint, configuration) if checkpoint is not None else None
    sweep_key, run_key, result_key = jax.random.split(key, 3)
    if stored is None:
        functions = compiled(model)
        points, values = sweep_prior(functions, sweep_key, live)
        state, history = _begin(points, functions.log_prior(points), values), {}
    else:
        leaves, _, history = stored
        state = restore(_begin(np.zeros((live, where.size)), np.zeros(live), np.zeros(live)), leaves)
    state = jax.device_put(state, _everywhere())
    advance = _kernel(model, where, steps * where.size, batch)
    with tqdm(disable=not progress, desc="nested sampling", unit=" points", initial=_dead(history)) as bar:
        while _remainder(state) > REMAINDER:
            state, info = advance(jax.random.fold_in(run_key, _dead(history)), state)
            history = _joined(history, info.particles._asdict() | info.update_info)
            if checkpoint is not None:
                save_checkpoint(checkpoint, configuration, state, {}, history)
            bar.set_postfix_str(f"ln Z = {_log_evidence(state):.2f}, {_remainder(state):.0%} to go", refresh=False)
            bar.update(batch)
    return _result(where, history, state, result_key, configuration)


def _check(where: Coordinates, live: int, steps: int, batch: int) -> None:
    if min(steps, batch) < 1:
        raise ValueError(f"steps and batch must be positive, got steps={steps} and batch={batch}")
    if live <= max(batch, 2 * where.size):
        raise ValueError(
            f"live must exceed the batch and twice the number of parameters, got live={live} for batch={batch} and "
            f"{where.size} parameters"
        )


def _begin(points: Points, log_prior: PerPoint, log_likelihood: PerPoint) -> AdaptiveNSState:
    """The state with these live points."""
    from blackjax.ns.adaptive import init
    from blackjax.ns.base import StateWithLogLikelihood

    born = np.full(len(points), np.nan)
    columns = (jnp.asarray(column, dtype=points.dtype) for column in (points, log_prior, log_likelihood, born))
    return init(points, lambda _: StateWithLogLikelihood(*columns))


def _kernel(model: Model, where: Coordinates, slices: int, batch: int) -> Callable[..., Any]:
    """One batch, compiled: (key, state) → (state, what died). It moves in u: no walls, and every prior has it."""

    from blackjax.mcmc.slice import build_kernel as build_slice
    from blackjax.ns.base import init_state_strategy
    from blackjax.ns.from_mcmc import build_kernel
    from blackjax.ns.nss import slice_constrained_step

    def log_likelihood(u):
        value = log_likelihood_at(model, where, u)
        return jnp.where(jnp.isfinite(value), value, -jnp.inf)

    prior = partial(log_prior, model, where)
    particle = partial(init_state_strategy, logprior_fn=prior, loglikelihood_fn=log_likelihood)
    step = slice_constrained_step(particle, build_slice(interval=_interval), _line)
    kernel = build_kernel(step, slices, lambda *_: {}, batch, update_strategy=_renewal)
    return jax.jit(kernel, out_shardings=_everywhere())


def _line(particle: Callable[..., Any], threshold: Array, points: Float[Array, "live u"]) -> Callable[..., Any]:
    """Slices along the difference of two live points (differential evolution, ter Braak 2006).

    Where two points share a mode that is its own scale and direction, else the way to another mode: the covariance of
    all live points, BlackJAX's choice, is much wider than a mode once there are several.
    """

    def proposal(key, position, _):
        first, second = points[jax.random.choice(key, len(points), (2,), replace=False)]

        def at(t):
            there = particle(position + t * (first - second), loglikelihood_birth=threshold)
            return there, there.loglikelihood > threshold

        return at

    return proposal


def _interval(key, in_slice, width, max_expansions):
    """An interval of fixed length, placed at random about t = 0: stepping out with m = 1 of Neal 2003, fig. 3.

    Looking at its ends to step out further would cost more than the slices that are cut off.
    """
    left = -WIDTH * jax.random.uniform(key)
    return left, left + WIDTH, jnp.asarray(0), lambda t: jnp.asarray(True)


def _renewal(step: Callable[..., Any], slices: int, batch: int) -> Callable[..., Any]:
    """How a batch of new points is made: each starts at a random survivor and is where `slices` steps have led it.

    Also reports `calls`, the values of the likelihood that a point has cost, and `memory`, the mean of which is that of
    the result.
    """

    def renewed(particles, threshold, key):
        survives = particles.loglikelihood > threshold
        start_key, walk_key = jax.random.split(key)
        chosen = jax.random.categorical(start_key, jnp.where(survives, 0.0, -jnp.inf))
        start = jax.tree.map(lambda leaf: leaf[chosen], particles)
        end, info = jax.lax.scan(
            lambda point, key: step(key, point, loglikelihood_0=threshold, points=particles.position),
            start,
            jax.random.split(walk_key, slices),
        )

        def rank(point):
            return jnp.sum(survives & (particles.loglikelihood < point.loglikelihood)) / jnp.sum(survives) - 0.5

        report = {"calls": jnp.sum(info.num_shrink), "memory": 12 * rank(start) * rank(end)}
        return end._replace(loglikelihood_birth=threshold), report

    # Devices share a batch: CPUs take their points one after another, others all at once.
    count = jax.local_device_count()
    share = -(-batch // count)
    size = None if jax.default_backend() == "cpu" else share
    mapped = jax.shard_map(
        lambda particles, threshold, keys: jax.lax.map(partial(renewed, particles, threshold), keys, batch_size=size),
        mesh=_everywhere().mesh,
        in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec("device")),
        out_specs=PartitionSpec("device"),
        check_vma=False,
    )

    def update(key, state, threshold):
        new = mapped(state.particles, threshold, jax.random.split(key, share * count))
        return jax.tree.map(lambda leaf: leaf[:batch], new)

    return update


def _everywhere() -> NamedSharding:
    """A copy on each device."""
    return NamedSharding(Mesh(np.asarray(jax.local_devices()), ("device",)), PartitionSpec())


def _log_evidence(state: AdaptiveNSState) -> float:
    """ln Z of the dead and the live points."""
    return float(jnp.logaddexp(state.integrator.logZ, state.integrator.logZ_live))


def _remainder(state: AdaptiveNSState) -> float:
    """Share of Z in the live points."""
    return math.exp(float(state.integrator.logZ_live) - _log_evidence(state))


def _dead(history: History) -> int:
    return len(history["position"]) if history else 0


def _joined(history: History, more: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.concatenate([history[name], part] if history else [part]) for name, part in more.items()}


def _result(
    where: Coordinates,
    history: History,
    state: AdaptiveNSState,
    key: PRNGKeyArray,
    configuration: Mapping[str, Any],
) -> Posterior:
    """ln Z and its error over simulated prior volumes (Skilling 2006), and draws by systematic resampling."""
    from blackjax.ns.base import NSInfo, StateWithLogLikelihood
    from blackjax.ns.utils import log_weights

    weight_key, offset_key, order_key = jax.random.split(key, 3)
    points = _joined(history, state.particles._asdict())
    particles = StateWithLogLikelihood(**points)
    run = NSInfo(particles, update_info=particles)  # of which the latter is not used
    log_weight = np.asarray(log_weights(weight_key, run, SHRINKAGES), dtype=float)
    log_evidence = np.logaddexp.reduce(log_weight, axis=0)
    mean = np.mean(log_weight, axis=1)
    weight = np.exp(mean - np.logaddexp.reduce(mean))
    effective = 1 / np.sum(weight**2)
    count = int(effective)
    # Evenly spaced in the cumulative weight, so that no point is taken twice before its weight exceeds 1/count.
    at = (np.arange(count) + float(jax.random.uniform(offset_key))) / count
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), at), weight.size - 1)
    chosen = chosen[np.asarray(jax.random.permutation(order_key, count))]
    values = jax.jit(jax.vmap(partial(constrain, where)))(jnp.asarray(points["position"][chosen]))
    return make_posterior(
        {name: np.asarray(part)[None] for name, part in values.items()},
        {"lp": (points["logdensity"] + points["loglikelihood"])[None, chosen]},
        where.units,
        configuration,
        log_evidence=float(np.mean(log_evidence)),
        log_evidence_error=float(np.std(log_evidence)),
        remainder=_remainder(state),
        effective_sample_size=float(effective),
        likelihood_calls=int(np.sum(history["calls"])) + weight.size - _dead(history),
        memory=float(np.mean(history["memory"])),
    )
