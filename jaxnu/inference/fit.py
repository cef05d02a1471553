"""The best fit: many starts, its covariance, and how it compares with a power law without interactions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from jaxnu.inference.compiled import PerPoint, Points, compiled
from jaxnu.inference.coordinates import Coordinates, constrain, coordinates
from jaxnu.inference.covariance import constrained, covariance, curvature
from jaxnu.inference.differences import Batch, gradients
from jaxnu.inference.population import explore
from jaxnu.inference.posterior import Model, rough, universe_at
from jaxnu.narrow import channels_in_words
from jaxnu.universe import Universe

Number = float | np.ndarray


@dataclass(frozen=True)
class Mode:
    """Where one start ended: values of the sites and χ² there."""

    values: dict[str, Number]
    chi2: float


@dataclass(frozen=True)
class Comparison:
    """The best fit against the power law, for N points and p parameters.

    `delta_chi2` = χ²_SM − χ² (positive: interactions fit better); `ratio` R = [χ²/(N−p)]/[χ²_SM/(N−p_SM)] (2406.19968
    eq. 16; NaN if N ≤ p); AIC = χ² + 2p; BIC = χ² + p ln N. p_SM is the number of directions that the likelihood
    without interactions constrains.
    """

    delta_chi2: float
    ratio: float
    parameters: int
    parameters_power_law: int
    aic: float
    bic: float
    aic_power_law: float
    bic_power_law: float


@dataclass(frozen=True)
class Fit:
    """A maximum of the likelihood, in the units of the sites, and what it says."""

    units: dict[str, str]
    best: dict[str, Number]
    universe: Universe
    names: tuple[str, ...]
    """Names of the rows of the covariance: those of the sites, with [i] for arrays."""
    covariance: Float[np.ndarray, "name name"]
    """Inverse of the Hessian of −ln L; rows of parameters that the likelihood does not constrain are NaN."""
    log_likelihood: float
    chi2: float
    points: int
    modes: tuple[Mode, ...]
    """The end of every start, best first."""
    power_law: Mode
    """The best fit of the same model without interactions."""
    power_law_universe: Universe
    comparison: Comparison
    remarks: tuple[str, ...]
    """What to know before using the numbers, in sentences."""

    @property
    def errors(self) -> dict[str, float]:
        """Standard deviations, the roots of the covariance's diagonal."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    def summary(self) -> str:
        """The fit as text."""
        width = max(map(len, self.names))
        flat = np.concatenate([np.ravel(value) for value in self.best.values()])
        bars = self.errors
        lines = [
            f"{name:<{width}}  {value:.4g} ± {bars[name]:.2g} {self.units[name.partition('[')[0]]}".rstrip()
            for name, value in zip(self.names, flat, strict=True)
        ]
        against = self.comparison
        free, gain = self.power_law.chi2, (against.aic - against.aic_power_law, against.bic - against.bic_power_law)
        lines.append(f"χ² = {self.chi2:.2f} for {self.points} points and {against.parameters} parameters")
        lines.append(f"χ² = {free:.2f} without interactions, for {against.parameters_power_law} parameters")
        lines.append(f"Δχ² = {against.delta_chi2:.2f}, R = {against.ratio:.3f}")
        lines.append(f"ΔAIC = {gain[0]:+.2f}, ΔBIC = {gain[1]:+.2f} (negative favours interactions)")
        return "\n".join([*lines, channels_in_words(self.universe.mediator), *self.remarks])


@jax.numpy_dtype_promotion("standard")  # optax mixes integer widths
def fit(model: Model, key: PRNGKeyArray, *, sweep: int = 4096, starts: int = 8, steps: int = 40) -> Fit:
    """Maximise Π_t L_t over the sites of the prior, from the best points of a sweep, by L-BFGS.

    What is maximised is the likelihood alone, at constrained values: neither the prior's density nor the Jacobian of
    the unconstrained coordinates takes part, but the prior's ranges bound the search. Half of the `starts` are the best
    of `sweep` draws from the prior; the others the best of what those lead to (`population.explore`), for the highest
    maximum may be narrow; both on a mesh no finer than `Resolution.fast()`. From there on the mesh is the model's: the
    starts, and then as many without interactions, climb side by side in up to `steps` steps. The covariance is the
    inverse Hessian of −ln L.
    Raises ValueError if a number is not positive, `starts` exceeds `sweep`, or the likelihood is nowhere finite.
    """
    if min(sweep, starts, steps) < 1 or starts > sweep:
        raise ValueError(
            f"fit needs sweep ≥ starts ≥ 1 and steps ≥ 1, got sweep={sweep}, starts={starts}, steps={steps}"
        )
    where = coordinates(model)
    functions, rough_functions = compiled(model), compiled(rough(model))
    _, explored, explored_likelihood = explore(rough_functions, key, sweep)
    points, log_likelihood = explored[:sweep], explored_likelihood[:sweep]
    spread = np.std(points, axis=0)
    free_likelihood = rough_functions.log_likelihood(points, 0.0)
    if not np.any(np.isfinite(free_likelihood)):
        raise ValueError("the log-likelihood without interactions is not finite at any point of the sweep")
    first = [
        _best(explored[sweep:], explored_likelihood[sweep:], starts - starts // 2),
        _best(points, log_likelihood, starts // 2),
    ]

    def interacting(at: Points) -> PerPoint:
        return functions.log_likelihood(at, 1.0)

    def not_interacting(at: Points) -> PerPoint:
        return functions.log_likelihood(at, 0.0)

    ends, values, converged = _climb(interacting, np.concatenate(first), spread, steps)
    free_ends, free_values, free_converged = _climb(
        not_interacting, _best(points, free_likelihood, starts), spread, steps
    )
    order, free_order = np.argsort(-values), np.argsort(-free_values)
    best, free = ends[order[0]], free_ends[free_order[0]]

    found = covariance(where, interacting, best, points)
    free_curvature = curvature(not_interacting, free, spread)
    peak, number = _data(model.terms)
    chi2, free_chi2 = (peak - 2 * values).tolist(), float(peak - 2 * free_values[free_order[0]])
    remarks = list(found.remarks)
    if not (converged[order[0]] and free_converged[free_order[0]]):
        remarks.append(f"The search had not converged after {steps} steps: the likelihood was still growing.")
    return Fit(
        units=where.units,
        best=_values(where, best),
        universe=universe_at(model, constrain(where, jnp.asarray(best))),
        names=found.names,
        covariance=found.matrix,
        log_likelihood=float(values[order[0]]),
        chi2=chi2[order[0]],
        points=number,
        modes=tuple(Mode(_values(where, ends[i]), chi2[i]) for i in order),
        power_law=Mode(_values(where, free), free_chi2),
        power_law_universe=universe_at(model, constrain(where, jnp.asarray(free))).without_interactions(),
        comparison=_compare(chi2[order[0]], free_chi2, number, best.size, constrained(free_curvature, spread)),
        remarks=tuple(remarks),
    )


def _best(points: Points, log_likelihood: np.ndarray, starts: int) -> Float[np.ndarray, "start u"]:
    """The best points; the very best again where the likelihood is not finite."""
    order = np.argsort(-log_likelihood)[:starts]
    return points[np.where(np.isfinite(log_likelihood[order]), order, np.argmax(log_likelihood))]


TOLERANCE = 1e-4
"""A search has converged when a step gains less than this in ln L."""

HALVINGS = 10
"""How often a step that gains too little is halved."""

_QUASI_NEWTON = optax.scale_by_lbfgs(memory_size=5)


@jax.jit
@jax.vmap
def _uphill(u, slope, state):
    """The step of L-BFGS from u, and what is remembered of the way."""
    scaled, memory = _QUASI_NEWTON.update(-slope, state, u)
    step = -jnp.asarray(scaled)
    # Where the likelihood is not concave the remembered curvature may point downhill: forget it.
    downhill = jnp.vdot(step, slope) <= 0
    step = jnp.where(downhill, slope / jnp.maximum(jnp.linalg.norm(slope), 1.0), step)
    return step, jax.tree.map(lambda new, fresh: jnp.where(downhill, fresh, new), memory, _QUASI_NEWTON.init(u))


def _climb(log_likelihood: Batch, u: Points, spread: Float[np.ndarray, " u"], steps: int):
    """All searches side by side: the ends, ln L there and whether each has converged.

    Slopes are differences of what is compiled already: right to ten digits and, with all cores at work, as fast as
    derivatives by five parameters, whose compilation takes longer than the search.
    """
    u, value = u.copy(), log_likelihood(u)
    state = jax.vmap(_QUASI_NEWTON.init)(jnp.asarray(u))
    slope, climbing = np.zeros_like(u), np.full(len(u), True)
    for _ in range(steps):
        slope[climbing] = gradients(log_likelihood, u[climbing], spread)
        step, state = _uphill(jnp.asarray(u), jnp.asarray(slope), state)
        step, gain, trying = np.array(step), np.zeros(len(u)), climbing.copy()
        for _ in range(HALVINGS):
            gain[trying] = log_likelihood(u[trying] + step[trying]) - value[trying]
            trying &= ~(gain > 1e-4 * np.sum(step * slope, axis=1))
            if not np.any(trying):
                break
            step[trying] /= 2
        gain[trying] = 0.0
        better = gain > 0
        u[better] += step[better]
        value[better] += gain[better]
        climbing &= gain >= TOLERANCE
        if not np.any(climbing):
            break
    return u, value, ~climbing


def _data(terms: tuple[Any, ...]) -> tuple[float, int]:
    """Σ_t 2 ln L_max, so that χ² = this − 2 ln L, and the number of points: 0 and one for a term without `chi2`."""
    with_points = [term for term in terms if hasattr(term, "chi2")]
    peak = math.fsum(float(_twice_peak(term)) for term in with_points)
    return peak, sum(term.low.size for term in with_points) + len(terms) - len(with_points)


@eqx.filter_jit
def _twice_peak(term: Any) -> Float[Array, ""]:
    nothing = jnp.zeros_like(term.low)
    return term.chi2(nothing) + 2 * term.log_likelihood(nothing)


def _values(where: Coordinates, u) -> dict[str, Number]:
    values = {name: np.asarray(value) for name, value in constrain(where, jnp.asarray(u)).items()}
    return {name: value if value.ndim else float(value) for name, value in values.items()}


def _compare(chi2: float, chi2_free: float, points: int, parameters: int, parameters_free: int) -> Comparison:
    ratio = math.nan
    if points > parameters and chi2_free > 0:
        ratio = (chi2 / (points - parameters)) / (chi2_free / (points - parameters_free))
    return Comparison(
        delta_chi2=chi2_free - chi2,
        ratio=ratio,
        parameters=parameters,
        parameters_power_law=parameters_free,
        aic=chi2 + 2 * parameters,
        bic=chi2 + parameters * math.log(points),
        aic_power_law=chi2_free + 2 * parameters_free,
        bic_power_law=chi2_free + parameters_free * math.log(points),
    )
