"""The amplitude in closed form against one-dimensional searches with the likelihoods themselves."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from jaxnu.icecube import load
from jaxnu.inference.amplitude import Measurement, chi2, measurement, profile_amplitude

CASCADES, TRACKS = "icecube-cascades-6yr", "icecube-tracks-9.5yr"


def terms(convention="split-normal"):
    return [load(CASCADES, convention), load(TRACKS, convention)]


def unit_heights(points, index):
    """E²φ of a power law with A = 1 at the bins' centres, GeV cm⁻² s⁻¹ sr⁻¹."""
    energy = jnp.concatenate([jnp.sqrt(term.low * term.high) for term in points])
    return 1e-8 * (energy / 1e5) ** (2 - index)


def least(function):
    """The minimum between A = 1e-6 and 1e3: on a grid first, because the logarithms make it flat far away."""
    grid = np.geomspace(1e-6, 1e3, 400)
    at = int(np.argmin([function(x) for x in grid]))
    found = minimize_scalar(function, bounds=(grid[max(at - 1, 0)], grid[min(at + 1, 399)]), method="bounded")
    return found.x, found.fun


@pytest.mark.parametrize("convention", ["split-normal", "hooper2023", "delavega2024"])
def test_the_sum_of_the_terms_is_what_is_minimised(convention):
    points = terms(convention)
    data = measurement(points)
    rng = np.random.default_rng(3)
    for index in (1.5, 2.5, 3.5):
        height = unit_heights(points, index) * jnp.asarray(rng.uniform(0.3, 1.5, data.value.size))
        parts = jnp.split(height, [points[0].low.size])

        @jax.jit
        def total(amplitude, parts=parts):
            return sum(term.chi2(amplitude * part * term.segment) for term, part in zip(points, parts, strict=True))

        best, value = least(lambda a, total=total: float(total(jnp.asarray(a))))
        amplitude, profiled = profile_amplitude(data, height)
        assert float(amplitude) == pytest.approx(best, rel=1e-4)
        assert float(profiled) == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize("draw", range(5))
def test_simulated_data_with_events_where_limits_were(draw):
    rng = np.random.default_rng(draw)
    points = terms()
    data = measurement(points)
    height = unit_heights(points, 2.5)
    expected = np.asarray(1.6 * data.rate * height)
    data = eqx.tree_at(
        lambda tree: (tree.value, tree.events),
        data,
        (
            data.value + 2 * jnp.asarray(rng.normal(size=data.value.size)) * jnp.where(data.rate > 0, 0.0, data.minus),
            jnp.asarray(rng.poisson(3 * expected), dtype=float),
        ),
    )
    fast = jax.jit(chi2)
    best, value = least(lambda a: float(fast(data, a * height)))
    amplitude, profiled = profile_amplitude(data, height)
    assert float(amplitude) == pytest.approx(best, rel=1e-4)
    assert float(profiled) == pytest.approx(value, abs=1e-7)


def test_limits_alone_want_no_flux_and_events_alone_their_number():
    """Three limits with 2 events: Σμ = 2 at the best amplitude. Without events the best amplitude is 0."""
    nothing, free = jnp.zeros(3), jnp.full(3, jnp.inf)
    rate, height = jnp.asarray([1e8, 2e8, 3e8]), jnp.asarray([1e-8, 1e-8, 2e-8])
    none = Measurement(nothing, free, free, rate, nothing)
    assert tuple(map(float, profile_amplitude(none, height))) == (0.0, 0.0)
    two = Measurement(nothing, free, free, rate, jnp.asarray([0.0, 2.0, 0.0]))
    amplitude, value = profile_amplitude(two, height)
    assert float(amplitude) == pytest.approx(2 / 9)
    assert float(value) == pytest.approx(2 * 2 * np.log(2 / (4 / 9)))


def test_slope_of_the_profile_is_the_partial_derivative():
    """Envelope theorem: dχ²_profiled/dh = ∂χ²/∂h at the best amplitude."""
    points = terms()
    data, height = measurement(points), unit_heights(points, 2.4)
    amplitude, _ = profile_amplitude(data, height)
    slope = jax.grad(lambda h: profile_amplitude(data, h)[1])(height)
    np.testing.assert_allclose(slope, jax.grad(lambda h: chi2(data, amplitude * h))(height), rtol=1e-9)
    assert np.all(np.isfinite(jax.jacobian(lambda h: profile_amplitude(data, h)[0])(height)))


def test_single_precision_is_enough():
    points = terms()
    data, height = measurement(points), unit_heights(points, 2.5)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (data, height))
    for found, truth in zip(profile_amplitude(*single), profile_amplitude(data, height), strict=True):
        assert found.dtype == jnp.float32
        assert float(found) == pytest.approx(float(truth), rel=1e-5)


def test_other_terms_are_refused():
    with pytest.raises(ValueError, match="none"):
        measurement([])
    with pytest.raises(ValueError, match="function"):
        measurement([lambda universe: 0.0])
