"""Priors with more freedom, against the classes they stand for and simple probabilities."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro import handlers
from scipy import stats

from jaxnu.constraints import SumOfMasses
from jaxnu.evolutions import PowerEvolution, StarFormation
from jaxnu.inference import (
    broken_power_law,
    cutoff_power_law,
    default_prior,
    log_parabola,
    measured_angles,
    posterior,
    power_evolution,
    sample,
)
from jaxnu.inference.coordinates import constrain, coordinates, prior_draw
from jaxnu.inference.posterior import universe_at
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Neutrinos, flavour_content
from jaxnu.sources import Source
from jaxnu.spectra import BrokenPowerLaw, CutoffPowerLaw, LogParabola, PowerLaw
from jaxnu.universe import Universe

DEFAULT = {"mass", "coupling", "lightest", "amplitude", "index"}
POINT = {"mass": 6.5, "coupling": 5e-4, "lightest": 0.02, "amplitude": 1.5, "index": 2.5}


def nothing(universe):
    return 0.0 * universe.mediator.mass


def sites(prior):
    return set(coordinates(posterior(prior, nothing)).transforms)


def universe(prior, **more):
    return universe_at(posterior(prior, nothing), POINT | more)


def test_the_default_prior_draws_what_it_always_drew():
    with handlers.seed(rng_seed=7), handlers.trace() as trace:
        default_prior()
    assert list(trace) == ["mass", "coupling", "lightest", "amplitude", "index"]
    values = [float(trace[name]["value"]) for name in trace]
    expected = [2.4660098476902506, 0.08762591693077475, 0.0003916105702755925, 1.5372861662891872, 2.5759979162034075]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("spectrum", "more", "expected"),
    [
        (cutoff_power_law, {"cutoff": 2e6}, CutoffPowerLaw(1.5, 2.5, 2e6)),
        (broken_power_law, {"index_low": 1.3, "break_energy": 3e4}, BrokenPowerLaw(1.5, 1.3, 2.5, 3e4)),
        (log_parabola, {"curvature": 0.2}, LogParabola(1.5, 2.5, 0.2)),
    ],
)
def test_spectra_are_one_argument_away(spectrum, more, expected):
    prior = partial(default_prior, spectrum=spectrum)
    assert sites(prior) == DEFAULT | set(more)
    found = universe(prior, **more).source.spectrum
    assert type(found) is type(expected)
    log_energy = jnp.linspace(9.0, 16.0, 5)
    np.testing.assert_allclose(found.log_flux(log_energy), expected.log_flux(log_energy), rtol=1e-12)


def test_ranges_of_a_part_are_changed_with_partial_and_checked():
    found = coordinates(
        posterior(partial(default_prior, spectrum=partial(cutoff_power_law, cutoff=(1e6, 1e7))), nothing)
    )
    assert float(found.transforms["cutoff"](-50.0)) == pytest.approx(1e6)
    assert found.units["cutoff"] == "GeV"
    with pytest.raises(ValueError, match="cutoff"):
        posterior(partial(default_prior, spectrum=partial(cutoff_power_law, cutoff=(0.0, 1e7))), nothing)


def test_evolutions_are_objects_or_have_a_site():
    assert isinstance(universe(default_prior).source.evolution, StarFormation)
    fixed = universe(partial(default_prior, evolution=PowerEvolution(1.0))).source.evolution
    free = universe(partial(default_prior, evolution=power_evolution), evolution=1.0).source.evolution
    np.testing.assert_allclose(free.density(jnp.asarray(1.0)), fixed.density(jnp.asarray(1.0)))


@pytest.mark.parametrize(("where", "ordering"), [(0.2, "normal"), (0.8, "inverted")])
def test_either_ordering_is_the_one_its_site_says(where, ordering):
    """Masses and mixing are those of the named set; compiled and not."""
    model = posterior(partial(default_prior, ordering="either"), nothing)
    expected = Neutrinos(0.02, ordering, "nufit-6.0")
    for build in (lambda v: universe_at(model, v), jax.jit(lambda v: universe_at(model, v))):
        found = build(POINT | {"ordering": where}).neutrinos
        np.testing.assert_allclose(found.masses, expected.masses, rtol=1e-12)
        np.testing.assert_allclose(flavour_content(found), flavour_content(expected), rtol=1e-12)
    slope = jax.grad(lambda m: jnp.sum(universe_at(model, POINT | {"lightest": m, "ordering": where}).neutrinos.masses))
    assert np.isfinite(slope(jnp.asarray(1e-4)))


def test_from_sum_needs_one_ordering():
    with pytest.raises(ValueError, match="from_sum"):
        Neutrinos.from_sum(0.1, "either", Neutrinos(0.0).mixing)
    with pytest.raises(ValueError, match="either"):
        Neutrinos(0.02, "either")


def test_angles_vary_by_their_errors_about_the_named_set():
    model = posterior(partial(default_prior, angles=measured_angles), nothing)
    where = coordinates(model)
    draws = jax.vmap(lambda key: prior_draw(model, where, key))(jax.random.split(jax.random.key(0), 4000))
    parts = jax.vmap(lambda u: constrain(where, u))(draws)
    mixing = Neutrinos(0.0).mixing
    assert set(parts) == DEFAULT | {"sin2_12", "sin2_13", "sin2_23", "delta"}
    for name, mean, error in (("sin2_12", mixing.sin2_12, 0.012), ("sin2_13", mixing.sin2_13, 0.0006)):
        assert np.mean(parts[name]) == pytest.approx(float(mean), abs=4 * error / np.sqrt(4000))
        assert np.std(parts[name]) == pytest.approx(error, rel=0.05)
    angles = {"sin2_12": 0.3, "sin2_13": 0.02, "sin2_23": 0.5, "delta": 1.0}
    found = universe_at(model, POINT | angles).neutrinos.mixing
    assert {name: float(getattr(found, name)) for name in angles} == pytest.approx(angles)
    assert float(found.dm2_3l) == float(mixing.dm2_3l)


def test_sum_of_masses_is_a_half_normal_with_its_quantile_at_the_limit():
    """√(−2 ln L) is the number of standard deviations."""
    source = Source(PowerLaw(1.5, 2.5), StarFormation())
    at_limit = Universe(LmuLtau(6.5, 5e-4), Neutrinos.from_sum(0.12), source)
    log_likelihood = float(SumOfMasses(0.12)(at_limit))
    assert stats.halfnorm.cdf(np.sqrt(-2 * log_likelihood)) == pytest.approx(0.95)
    assert float(SumOfMasses(0.24)(at_limit)) == pytest.approx(log_likelihood / 4)
    with pytest.raises(ValueError, match="limit"):
        SumOfMasses(0.0)
    with pytest.raises(ValueError, match="level"):
        SumOfMasses(0.1, level=1.0)


class OrderingAsKnown:
    """A likelihood of the sign of Δm²3ℓ alone, e times larger for normal ordering, and of ln m for company."""

    def __call__(self, universe):
        mass = (jnp.log(universe.mediator.mass) - np.log(4.0)) / 0.1
        return jnp.where(universe.neutrinos.mixing.dm2_3l > 0, 1.0, 0.0) - 0.5 * mass**2


def test_chains_find_the_probability_of_an_ordering():
    """Bayes: P(normal) = e/(1 + e) = 0.731 for equal prior probabilities."""
    model = posterior(partial(default_prior, ordering="either"), OrderingAsKnown())
    result = sample(model, jax.random.key(1), chains=2, warmup=50, draws=500, sweep=256, progress=False)
    share = np.mean(result.draws["ordering"] < 0.5)
    assert share == pytest.approx(np.e / (1 + np.e), abs=0.06)
