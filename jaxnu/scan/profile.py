"""The likelihood at its maximum over the power law: the amplitude in closed form, the index by its derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxnu.inference.amplitude import measurement, profile_amplitude
from jaxnu.inference.posterior import flux_points, other_terms
from jaxnu.spectra import PowerLaw
from jaxnu.transport.mesh import Resolution
from jaxnu.transport.solver import propagate
from jaxnu.universe import Universe

COARSE = 4
"""Indices, evenly spaced, from which the search for the best one starts."""


class ProfileLikelihood(eqx.Module):
    """max over A and γ of Σ_t ln L_t, stored as `log_likelihood`, and where: `best_amplitude` and `best_index`.

    The flux is linear in A and χ² a convex piecewise quadratic of it, whose minimum is exact (`profile_amplitude`).

    The universe's source must be a power law. Its A and γ do not matter, but for γ with `index` None, which is then
    kept. A is in 1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ within `amplitude`, γ within `index`. Terms that are not flux points must
    not depend on A and γ; they are added. Each of the `COARSE` + `steps` values of γ costs one propagation with its
    derivative. Raises ValueError for empty ranges, terms without flux points, and other spectra.
    """

    terms: tuple[Any, ...]
    resolution: Resolution = Resolution()
    amplitude: tuple[float, float] = eqx.field(static=True, default=(0.0, 1e3))
    index: tuple[float, float] | None = eqx.field(static=True, default=(1.8, 3.5))
    steps: int = eqx.field(static=True, default=4)

    def __check_init__(self) -> None:
        if not flux_points(self.terms):
            raise ValueError("a profile over A and γ needs flux points among its terms, got none")
        if not 0 <= self.amplitude[0] < self.amplitude[1]:
            raise ValueError(f"amplitude must be an ascending range from 0 or more, got {self.amplitude}")
        if self.index is not None and not self.index[0] < self.index[1]:
            raise ValueError(f"index must be an ascending range, got {self.index}")

    def __call__(self, universe: Universe) -> dict[str, Float[Array, ""]]:
        source = universe.source.spectrum
        if not isinstance(source, PowerLaw):
            raise ValueError(f"a profile over A and γ needs a power law, got {type(source).__name__}")
        points = flux_points(self.terms)
        data = measurement(points)

        def at(index: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
            unit = eqx.tree_at(lambda u: u.source.spectrum, universe, PowerLaw(jnp.ones_like(index), index))
            spectrum = propagate(unit, self.resolution)
            predictions = [term.predict_from(spectrum, unit) for term in points]
            heights = jnp.concatenate([each / term.segment for term, each in zip(points, predictions, strict=True)])
            # χ² is convex in A, so the best A of a range is the best of all, cut.
            best, _ = profile_amplitude(data, lax.stop_gradient(heights))
            best = jnp.clip(best, *self.amplitude)
            values = [term.log_likelihood(best * each) for term, each in zip(points, predictions, strict=True)]
            return jnp.sum(jnp.stack(values)), best

        if self.index is None:
            index = source.index
            value, amplitude = at(index)
        else:
            index, value, amplitude = _best_index(at, *self.index, self.steps)
        for term in other_terms(self.terms):
            value = value + jnp.asarray(term(universe))
        return {"log_likelihood": value, "best_amplitude": amplitude, "best_index": index}


def _best_index(
    at: Callable[[Float[Array, ""]], tuple[Float[Array, ""], Float[Array, ""]]], low: float, high: float, steps: int
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Where in [low, high] `at` is largest, its value and what comes with it, from COARSE + steps evaluations.

    After the evenly spaced ones, each goes to where the cubic through values and slopes of two neighbours promises
    most, of all pairs of neighbours: with two maxima it follows the higher one. By the envelope theorem the slope of
    the maximum over A is the partial derivative at the best A. The largest value that was seen is returned.
    """
    count = COARSE + steps
    first = jnp.linspace(low, high, COARSE)
    empty = jnp.full(count, jnp.inf, dtype=first.dtype)

    def evaluate(seen, number):
        x, values, slopes, _ = seen
        proposed = _promising(x, values, slopes, number)
        here = jnp.where(number < COARSE, first[jnp.minimum(number, COARSE - 1)], proposed)
        value, slope, more = jax.jvp(at, (here,), (jnp.ones_like(here),), has_aux=True)
        seen = tuple(all_.at[number].set(new) for all_, new in zip(seen, (here, value, slope, more), strict=True))
        return seen, None

    start = (empty, -empty, jnp.zeros_like(empty), empty)
    (x, values, _, extra), _ = lax.scan(evaluate, start, jnp.arange(count))
    best = jnp.argmax(values)
    return x[best], values[best], extra[best]


def _promising(
    x: Float[Array, "node"], values: Float[Array, "node"], slopes: Float[Array, "node"], known: Array
) -> Float[Array, ""]:
    """Where the cubics between neighbours among the first `known` nodes have their largest value."""
    order = jnp.argsort(x)
    x, values, slopes = x[order], values[order], slopes[order]
    usable = jnp.arange(x.size - 1) + 1 < known
    x0, x1 = (jnp.where(usable, part, 0.0) for part in (x[:-1], x[1:]))
    f0, f1 = (jnp.where(usable, part, 0.0) for part in (values[:-1], values[1:]))
    width = x1 - x0
    start, end = width * slopes[:-1], width * slopes[1:]
    # f0 + start t + square t² + cube t³
    square, cube = 3 * (f1 - f0) - 2 * start - end, start + end - 2 * (f1 - f0)
    discriminant = square**2 - 3 * cube * start
    below = jnp.sqrt(jnp.maximum(discriminant, 0.0)) - square
    inside = (discriminant > 0) & (start > 0) & (below > start)
    t = jnp.where(inside, start / jnp.where(inside, below, 1.0), jnp.where(f1 > f0, 1.0, 0.0))
    promise = jnp.where(usable, f0 + t * (start + t * (square + t * cube)), -jnp.inf)
    best = jnp.argmax(promise)
    return x0[best] + t[best] * width[best]
