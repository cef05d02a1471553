"""The amplitude profiled in closed form: the flux is linear in A, and χ² is piecewise quadratic in the flux."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.icecube import FluxPoints


class Measurement(eqx.Module):
    """Flux points of all data sets in one row of bins, in the form in which χ² is piecewise quadratic.

    χ²(x) = Σ ((x − value)/σ)² + Σ 2[μ − n + n ln(n/μ)], σ = `minus` for x < value and `plus` above it (infinite where
    that side costs nothing), μ = rate·x the events expected at the height x of E²φ and n those seen: 0 where a table
    has a limit, any number in simulated data. Heights and errors are in GeV cm⁻² s⁻¹ sr⁻¹, rates in their inverse.
    """

    value: Float[Array, "bin"]
    minus: Float[Array, "bin"]
    plus: Float[Array, "bin"]
    rate: Float[Array, "bin"]
    events: Float[Array, "bin"]


def measurement(terms: Sequence[Any]) -> Measurement:
    """The bins of all `terms`, one after another; its χ² is the sum of theirs.

    A limit of the split-normal convention costs −2 ln L = z² x/limit, which is the Poisson likelihood of no event where
    z²/2 are expected at the limit.
    Raises ValueError for no terms and for terms that are not flux points.
    """
    if not terms or not all(isinstance(term, FluxPoints) for term in terms):
        kinds = ", ".join(type(term).__name__ for term in terms) or "none"
        raise ValueError(f"the amplitude is profiled over flux points alone, got terms of the kinds: {kinds}")
    parts = [_quadratic(term) for term in terms]
    return jax.tree.map(lambda *bins: jnp.concatenate(bins), *parts)


def _quadratic(term: FluxPoints) -> Measurement:
    nothing, free = jnp.zeros_like(term.value), jnp.full_like(term.value, jnp.inf)
    if term.convention == "split-normal":
        return Measurement(
            value=term.value,
            minus=jnp.where(term.is_limit, free, term.minus),
            plus=jnp.where(term.is_limit, free, term.plus),
            rate=jnp.where(term.is_limit, jax.lax.erf_inv(term.level) ** 2 / term.plus, nothing),
            events=nothing,
        )
    width = jnp.where(term.is_limit, term.plus, (term.minus + term.plus) / 2)
    if term.convention == "delavega2024":
        value, minus = jnp.where(term.is_limit, term.plus, term.value), jnp.where(term.is_limit, free, width)
        return Measurement(value, minus, width, nothing, nothing)
    return Measurement(term.value, width, width, nothing, nothing)


def chi2(data: Measurement, height: Float[Array, "bin"]) -> Float[Array, ""]:
    """χ² of the heights E²φ (GeV cm⁻² s⁻¹ sr⁻¹)."""
    pull = (height - data.value) / jnp.where(height < data.value, data.minus, data.plus)
    expected = data.rate * height
    seen = data.events > 0
    ratio = jnp.where(seen, data.events / jnp.where(seen, expected, 1.0), 1.0)
    return jnp.sum(pull**2 + 2 * (expected - data.events + data.events * jnp.log(ratio)))


def profile_amplitude(data: Measurement, height: Float[Array, "bin"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The A ≥ 0 at which χ²(A·height) is least, and that χ²; exact, differentiable, vmap it over either argument.

    `height` is E²φ at A = 1. χ² is convex, and its slope 2(aA − b − N/A) changes its a and b only where a prediction
    passes a measured value, with N the events seen. So the last kink with a negative slope is followed by the root A =
    [b + √(b² + 4aN)]/2a.
    """
    seen = jnp.sum(data.events)
    # In units of the measured heights everything is of order one, in single precision too.
    scale = jnp.max(jnp.where(jnp.isfinite(data.plus), data.plus, 1 / jnp.maximum(data.rate, 1e-30)))
    unit = height / scale
    value, minus, plus, rate = data.value / scale, data.minus / scale, data.plus / scale, data.rate * scale
    kinks = jnp.where(value > 0, value / unit, 0.0)

    weight = [(unit / side**2, unit * value / side**2) for side in (minus, plus)]

    def slope(amplitude):
        """(a, b) beyond some amplitudes; bin by bin, which runs faster in large batches than a sum over an axis."""
        a, b = 0.0 * amplitude, 0.0 * amplitude - jnp.sum(rate * unit)
        for bin in range(unit.size):
            below = kinks[bin] > amplitude
            a = a + unit[bin] * jnp.where(below, weight[0][0][bin], weight[1][0][bin])
            b = b + jnp.where(below, weight[0][1][bin], weight[1][1][bin])
        return a, b

    a, b = slope(kinks)
    positive = kinks > 0
    safe = jnp.where(positive, kinks, 1.0)
    falling = positive & (a * safe - b - seen / safe < 0)
    a, b = slope(jax.lax.stop_gradient(jnp.max(jnp.where(falling, kinks, 0.0))))
    # Without points there is nothing to grow for but the events.
    quadratic = a > 0
    a = jnp.where(quadratic, a, 1.0)
    inside = b**2 + 4 * a * seen
    above = inside > 0
    root = jnp.sqrt(jnp.where(above, inside, 1.0))
    counted = seen / jnp.maximum(-b, 1e-30)
    amplitude = jnp.where(quadratic, jnp.where(above, (b + root) / (2 * a), 0.0), counted)
    amplitude = jnp.maximum(amplitude, 0.0)
    return amplitude, chi2(data, amplitude * height)
