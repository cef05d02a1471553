"""Forecasts against the curvature of the likelihood, textbook information and simulated data."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnu.constraints import MuonMoment
from jaxnu.icecube import load
from jaxnu.inference import default_prior, posterior
from jaxnu.inference.amplitude import chi2, measurement
from jaxnu.inference.forecast import asimov, forecast
from jaxnu.inference.posterior import flux_points, log_likelihoods, universe_at
from jaxnu.inference.pseudo import simulate
from jaxnu.transport.mesh import Resolution

POINT = {"mass": 6.5, "coupling": 4e-4, "lightest": 0.02, "amplitude": 1.5, "index": 2.5}


@pytest.fixture(scope="module")
def model():
    terms = [load("icecube-cascades-6yr"), load("icecube-tracks-9.5yr"), MuonMoment(251e-11, 59e-11)]
    return posterior(partial(default_prior, channels="narrow"), *terms, resolution=Resolution(640, 128))


@pytest.fixture(scope="module")
def found(model):
    return forecast(model, POINT)


def test_asimov_data_are_fitted_perfectly_by_their_truth_alone(model):
    truth = universe_at(model, POINT)
    for first, exposure in ((asimov(model, truth), 8.0), (asimov(model, truth, exposure=2.0), 2.0)):
        data = measurement(flux_points(first.terms))
        assert float(chi2(data, data.value)) == 0
        assert first.terms[2] is model.terms[2]
        plain = measurement(flux_points(model.terms))
        points = np.asarray(plain.rate == 0)
        product = np.asarray(plain.minus * plain.plus)[points] / exposure
        np.testing.assert_allclose(np.asarray(data.plus**2)[points], product)


def test_fisher_matrix_is_the_curvature_of_the_asimov_likelihood(model, found):
    """By differences of ln L on a fine mesh: derivatives are those at given nodes, and differences move the nodes."""
    data = asimov(model, universe_at(model, POINT))
    names = sorted(POINT)

    def log_likelihood(at):
        return jnp.sum(jnp.stack(log_likelihoods(data, universe_at(data, dict(zip(names, at, strict=True))))))

    centre = np.array([POINT[name] for name in names])
    step = 1e-4 * centre

    def second(i, j):
        signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
        values = [
            float(log_likelihood(jnp.asarray(centre + step * (a * np.eye(5)[i] + b * np.eye(5)[j])))) for a, b in signs
        ]
        return -(values[0] - values[1] - values[2] + values[3]) / (4 * step[i] * step[j])

    curvature = np.array([[second(i, j) for j in range(5)] for i in range(5)])
    scale = np.sqrt(np.diag(found.fisher))
    assert found.names == tuple(names)
    np.testing.assert_allclose(curvature / np.outer(scale, scale), found.fisher / np.outer(scale, scale), atol=1e-3)


def test_information_of_the_amplitude_alone_is_that_of_simulated_scores(model):
    """E[(d ln L/dA)²] over data drawn from the present likelihood itself, split normals and Poisson counts."""
    known = tuple(name for name in POINT if name != "amplitude")
    expected = forecast(model, POINT, exposure=1.0, fixed=known).fisher[0, 0]
    data = measurement(flux_points(model.terms))
    height = measurement(flux_points(asimov(model, universe_at(model, POINT)).terms)).value
    many = simulate(data, height, jax.random.key(0), 40000)
    score = jax.vmap(jax.grad(lambda a, one: -0.5 * chi2(one, a / 1.5 * height)), (None, 0))(jnp.asarray(1.5), many)
    assert np.mean(score) == pytest.approx(0, abs=4 * np.sqrt(expected / 40000))
    assert np.mean(score**2) == pytest.approx(expected, rel=0.03)


def test_errors_shrink_with_the_root_of_the_exposure_and_known_parameters_help(model):
    fixed = ("mass", "coupling", "lightest")
    one, eight = (forecast(model, POINT, exposure=exposure, fixed=fixed).errors for exposure in (1.0, 8.0))
    assert one["index"] / eight["index"] == pytest.approx(np.sqrt(8))
    alone = forecast(model, POINT, fixed=(*fixed, "index")).errors
    assert alone["amplitude"] < eight["amplitude"]
    assert set(alone) == {"amplitude"}


def test_flat_directions_have_no_finite_error(model):
    assert np.isinf(forecast(model, POINT | {"coupling": 0.0}).errors["mass"])
    with pytest.raises(ValueError, match="exposure"):
        forecast(model, POINT, exposure=0.0)
    with pytest.raises(ValueError, match="cutoff"):
        forecast(model, POINT, fixed=("cutoff",))
