"""A rough picture of the posterior, from values of the likelihood alone: where chains start and where they may jump.

The posterior has several modes in the mass and flat regions between them, which a chain that follows gradients crosses
rarely. Adaptive importance sampling (population Monte Carlo, 0903.0837) finds them with a few thousand values, each
much cheaper than a trajectory: draws from the prior are weighted, kernels are put around them, draws from those are
weighted in turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from tqdm.auto import tqdm

from jaxnu.inference.compiled import Compiled, PerPoint, Points, generator, sweep_prior

JUMPS_PER_TEST = 16
"""Jumps of a chain on the rough mesh before their end is tested against the exact posterior."""

STAGES = 8
"""Sets of draws: the first from the prior, each other, half as large, from what those before it have shown."""

FREEDOM = 5.0
"""Degrees of freedom of the Student t kernels: tails heavier than those of a mode."""

PRIOR_SHARE = 0.1
"""Share of the prior in the mixture. It bounds posterior/mixture, so that a chain of jumps cannot stay stuck."""

WIDE_SHARE = 0.2
"""Share of the kernels that are as wide as the posterior: they reach the tails that no draw has shown yet, where
posterior/mixture would be so large that jumps hold a chain for long."""


@dataclass(frozen=True)
class Population:
    """The mixture q(u): narrow and wide kernels of one shape around weighted centres, and a share of the prior."""

    centres: Points
    weights: PerPoint
    covariance: Float[np.ndarray, "u u"]
    """Estimate of the posterior's covariance: the scale matrix of the wide kernels."""
    width: float
    """Width of the narrow kernels in units of that of the wide ones."""


def learn(functions: Compiled, key: PRNGKeyArray, sweep: int, *, progress: bool = False) -> Population:
    """A population from `sweep` draws from the prior and `STAGES` − 1 sets of half as many further points.

    Raises ValueError if `sweep` is below 2 or the likelihood is finite at none of the first.
    """
    return explore(functions, key, sweep, progress=progress)[0]


def explore(
    functions: Compiled, key: PRNGKeyArray, sweep: int, *, progress: bool = False
) -> tuple[Population, Points, PerPoint]:
    """The same with all points that led to it, those from the prior first, and ln L there."""
    if sweep < 2:
        raise ValueError(f"sweep must be at least 2, for the prior's width, got {sweep}")
    first_key, more_key = jax.random.split(key)
    rng, more = generator(more_key), -(-sweep // 2)
    with tqdm(total=STAGES, disable=not progress, desc="sweep", unit="set") as bar:
        points, log_likelihood = sweep_prior(functions, first_key, sweep)
        bar.update()
        spread, prior = np.var(points, axis=0), functions.log_prior(points)
        drawn_from = math.log(sweep) + prior
        mixtures = [_kernels(points, log_likelihood + prior - drawn_from, spread)]
        while len(mixtures) < STAGES:
            new = draw(mixtures[-1], functions, rng, more)
            new_prior = functions.log_prior(new)
            # All sets together count as draws from the mixture of what they were drawn from, each by its size.
            from_last = math.log(more) + log_density(mixtures[-1], points, prior)
            from_all = [math.log(more) + log_density(mixture, new, new_prior) for mixture in mixtures]
            new_drawn_from = np.logaddexp.reduce([math.log(sweep) + new_prior, *from_all])
            drawn_from = np.concatenate([np.logaddexp(drawn_from, from_last), new_drawn_from])
            log_likelihood = np.concatenate([log_likelihood, functions.log_likelihood(new, 1.0)])
            points, prior = np.concatenate([points, new]), np.concatenate([prior, new_prior])
            mixtures.append(_kernels(points, log_likelihood + prior - drawn_from, spread))
            bar.update()
    return mixtures[-1], points, log_likelihood


def draw(population: Population, functions: Compiled, rng: np.random.Generator, count: int) -> Points:
    """Points from the mixture."""
    size = population.centres.shape[1]
    centres = population.centres[rng.choice(len(population.weights), count, p=population.weights)]
    stretch = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, size=(count, 1)))
    width = np.where(rng.random((count, 1)) < WIDE_SHARE, 1.0, population.width)
    kernels = centres + width * stretch * (rng.normal(size=(count, size)) @ np.linalg.cholesky(population.covariance).T)
    prior = functions.prior_draws(jax.random.key(rng.integers(2**31)), count)
    return np.where(rng.random((count, 1)) < PRIOR_SHARE, prior, kernels).astype(prior.dtype)


def log_density(population: Population, points: Points, log_prior: PerPoint) -> PerPoint:
    """ln q at points where the prior's density is known."""
    size = points.shape[1]
    cholesky = np.linalg.cholesky(population.covariance)
    norm = math.lgamma((FREEDOM + size) / 2) - math.lgamma(FREEDOM / 2) - size / 2 * math.log(FREEDOM * math.pi)
    norm -= np.sum(np.log(np.diag(cholesky)))
    parts = [math.log(PRIOR_SHARE) + log_prior]
    x, y = (np.linalg.solve(cholesky, all_.T.astype(float)).T for all_ in (points, population.centres))
    square = np.maximum(np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1)[None] - 2 * x @ y.T, 0) / FREEDOM
    for share, width in ((WIDE_SHARE, 1.0), (1 - WIDE_SHARE, population.width)):
        shape = np.exp(-(FREEDOM + size) / 2 * np.log1p(square / width**2))
        kernels = np.log(shape @ population.weights) + norm - size * math.log(width)
        parts.append(math.log((1 - PRIOR_SHARE) * share) + kernels)
    return np.logaddexp.reduce(parts)


def starts(population: Population, rng: np.random.Generator, count: int) -> Points:
    """Distinct centres, drawn in proportion to the posterior mass that each stands for."""
    possible = int(np.count_nonzero(population.weights))
    if possible < count:
        raise ValueError(f"{count} chains need as many starts, but the sweep found {possible}: enlarge the sweep")
    return population.centres[rng.choice(len(population.weights), count, replace=False, p=population.weights)]


def jump(
    population: Population,
    functions: Compiled,
    rough: Compiled,
    rng: np.random.Generator,
    at: Points,
    log_target: PerPoint,
    tries: int,
) -> tuple[Points, PerPoint, np.ndarray]:
    """`tries` Metropolis–Hastings steps of every chain with proposals from q: points, ln target, steps accepted.

    The steps are made for the `rough` posterior p̃: u′ is accepted with probability min(1, p̃(u′)q(u)/[p̃(u)q(u′)]).
    Several of them together are a reversible move for p̃, and so the proposal of one for the exact p, accepted with
    probability min(1, p(u′)p̃(u)/[p(u)p̃(u′)]) (surrogate transitions; Liu 2001, §9.4.3). This leaves p invariant
    whatever p̃ and q are.
    """
    chains = len(at)
    proposed = draw(population, functions, rng, tries * chains)
    both = np.concatenate([proposed, at])
    prior = functions.log_prior(both)
    value = np.maximum(rough.log_likelihood(both, 1.0) + prior, -1e300)  # finite, for differences
    surplus = value - log_density(population, both, prior)
    split, everyone = (tries, chains), np.arange(chains)
    chance, last_chance = np.log(rng.random(split)), np.log(rng.random(split))
    here, accepted = tries * chains + everyone, np.zeros(chains, int)  # rows of `both`
    at, log_target = at.copy(), log_target.copy()
    for steps in np.array_split(np.arange(tries), -(-tries // JUMPS_PER_TEST)):
        there, moves = here.copy(), np.zeros(chains, int)
        for step in steps:
            new = step * chains + everyone
            better = chance[step] < surplus[new] - surplus[there]
            there, moves = np.where(better, new, there), moves + better
        target = np.where(moves > 0, functions.log_likelihood(both[there], 1.0) + prior[there], log_target)
        taken = (moves > 0) & (last_chance[steps[0]] < (target - log_target) - (value[there] - value[here]))
        here, accepted = np.where(taken, there, here), accepted + np.where(taken, moves, 0)
        at[taken], log_target[taken] = both[there][taken], target[taken]
    return at, log_target, accepted


def _kernels(points: Points, log_weight: PerPoint, spread: Float[np.ndarray, " u"]) -> Population:
    """Kernels of the width h = n^{−1/(d+4)} times the weighted covariance, n the effective number of points."""
    size = points.shape[1]
    weights = _tempered(log_weight, 4.0 * size)
    effective = 1 / np.sum(weights**2)
    mean = weights @ points
    covariance = (points - mean).T @ ((points - mean) * weights[:, None])
    # Few points say little about correlations: shrink towards the diagonal, and that towards the prior by a hundredth.
    diagonal = np.diag(np.minimum(np.diag(covariance) + 0.01 * spread, spread))
    covariance = (effective * covariance + size * diagonal) / (effective + size)
    # Most draws are far from the data, and together weigh a hundredth: without them densities cost less.
    order = np.argsort(weights)
    counts = order[np.cumsum(weights[order]) > 0.01]
    weights = weights[counts] / np.sum(weights[counts])
    return Population(points[counts], weights, covariance, float(effective ** (-1 / (size + 4))))


def _tempered(log_weight: PerPoint, least: float) -> PerPoint:
    """Normalised weights, flattened by the highest power ≤ 1 that leaves `least` effective points."""

    def at_power(power):
        weights = np.exp(power * (log_weight - np.max(log_weight)))
        return weights / np.sum(weights)

    low, high = 0.0, 1.0
    if 1 / np.sum(at_power(high) ** 2) >= least:
        return at_power(high)
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 / np.sum(at_power(middle) ** 2) >= least else (low, middle)
    return at_power(low)
