"""Banks, profiles, pseudo-experiments and limits against direct minimisation and textbook distributions."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from jaxnu.constraints import MuonMoment
from jaxnu.evolutions import Flat
from jaxnu.icecube import load
from jaxnu.inference import default_prior, posterior
from jaxnu.inference.amplitude import Measurement, measurement
from jaxnu.inference.bank import Bank, load_bank, make_bank, refined
from jaxnu.inference.limits import coupling_limits, upper_limits
from jaxnu.inference.posterior import log_likelihoods, universe_at
from jaxnu.inference.profile import Profile, profile
from jaxnu.inference.pseudo import best_power_law, in_sigmas, significance, simulate
from jaxnu.inference.sites import log_uniform
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.transport.mesh import Resolution
from jaxnu.universe import Universe

AXES = {"mass": [3.0, 6.0], "coupling": [1e-4, 1e-3], "lightest": [0.02], "index": [2.2, 2.4, 2.6, 2.8]}


@pytest.fixture(scope="module")
def model():
    terms = [load("icecube-cascades-6yr"), load("icecube-tracks-9.5yr"), MuonMoment(251e-11, 59e-11)]
    return posterior(partial(default_prior, channels="narrow"), *terms, resolution=Resolution(60, 8))


@pytest.fixture(scope="module")
def bank(model):
    return make_bank(model, AXES, progress=False)


def dip(strength=None):
    """Ten bins of height 1 ± 0.05; `coupling` × (1 in the third, −1 in the sixth) is the signal; one mass."""
    strength = np.linspace(0.0, 1.0, 201) if strength is None else strength
    shape = np.zeros(10)
    shape[2], shape[5] = 1.0, -1.0
    heights = 1 + strength[:, None] * shape
    ones, none = np.ones(10), np.zeros(10)
    data = Measurement(*map(jnp.asarray, (ones, 0.05 * ones, 0.05 * ones, none, none)))
    return Bank(
        {"mass": np.array([5.0]), "coupling": strength},
        heights[None],
        np.zeros((1, strength.size)),
        np.ones((1, 1, 10)),
        np.zeros((1, 1)),
        data,
    )


def test_a_bank_holds_what_the_likelihood_gives_at_its_points(model, bank):
    """The minimum over A of −2 ln L of all terms, by a search, is χ² but for one constant; with and without Z′."""
    found = profile(bank, list(AXES))

    def deviance(values):
        return -2 * jnp.sum(jnp.stack(log_likelihoods(model, universe_at(model, values))))

    def least(**values):
        return minimize_scalar(
            lambda a: float(deviance(values | {"amplitude": a})), bounds=(0.1, 9), method="bounded"
        ).fun

    first = least(mass=3.0, coupling=1e-4, lightest=0.02, index=2.4) - found.chi2[0, 0, 0, 1]
    second = least(mass=6.0, coupling=1e-3, lightest=0.02, index=2.6) - found.chi2[1, 1, 0, 2]
    none = [least(mass=3.0, coupling=0.0, lightest=0.02, index=index) for index in AXES["index"]]
    assert second == pytest.approx(first, abs=1e-4)
    assert min(none) - float(found.free_chi2) == pytest.approx(first, abs=1e-4)


def test_a_profile_is_the_minimum_over_the_other_axes(bank):
    everything = profile(bank, list(AXES)).chi2
    np.testing.assert_allclose(profile(bank, ["index", "mass"]).chi2, everything.min(axis=(1, 2)).T)
    with pytest.raises(ValueError, match="lightest"):
        profile(bank, ["amplitude"])


def test_banks_are_kept_in_files(bank, tmp_path):
    bank.save(tmp_path / "bank.npz")
    again = load_bank(tmp_path / "bank.npz")
    assert list(again.axes) == list(bank.axes)
    np.testing.assert_array_equal(profile(again, ["mass"]).chi2, profile(bank, ["mass"]).chi2)
    with pytest.raises(ValueError, match="no bank"):
        load_bank(tmp_path / "none.npz")


def test_refining_an_index_gives_what_computing_does(model, bank):
    fine = refined(bank, "index", 2)
    np.testing.assert_allclose(fine.axes["index"], np.linspace(2.2, 2.8, 7))
    middle = make_bank(model, {**AXES, "index": [2.5]}, progress=False)
    np.testing.assert_allclose(fine.heights[..., 3, :], middle.heights[..., 0, :], rtol=0.01)
    np.testing.assert_allclose(fine.free_heights[..., 3, :], middle.free_heights[..., 0, :], rtol=0.01)
    with pytest.raises(ValueError, match="index"):
        refined(bank, "mass", 2)


def test_axes_must_be_those_of_the_prior(model):
    with pytest.raises(ValueError, match="cutoff"):
        make_bank(model, {**AXES, "cutoff": [1e6]})
    with pytest.raises(ValueError, match="index"):
        make_bank(model, {name: axis for name, axis in AXES.items() if name != "index"})
    with pytest.raises(ValueError, match="ascend"):
        make_bank(model, {**AXES, "index": [2.5, 2.4]})


def test_simulated_data_have_the_densities_of_the_likelihood():
    """Split normal: P(value > truth) = σ₋/(σ₋ + σ₊), ⟨z²⟩ = 1. Limits: Poisson of the mean rate × height."""
    data = Measurement(*map(jnp.asarray, ([1.0, 0.0], [0.1, np.inf], [0.3, np.inf], [0.0, 2.0], [0.0, 0.0])))
    many = simulate(data, jnp.asarray([1.5, 0.8]), jax.random.key(0), 20000)
    value, events = np.asarray(many.value[:, 0]), np.asarray(many.events[:, 1])
    assert np.mean(value > 1.5) == pytest.approx(0.25, abs=0.01)
    assert np.std(value[value > 1.5] - 1.5) / np.std(value[value < 1.5] - 1.5) == pytest.approx(1 / 3, rel=0.03)
    assert np.mean(((value - 1.5) / np.where(value > 1.5, 0.1, 0.3)) ** 2) == pytest.approx(1, rel=0.03)
    assert (np.mean(events), np.var(events)) == pytest.approx((1.6, 1.6), rel=0.05)
    assert np.all(np.asarray(many.events[:, 0]) == 0) and np.all(np.asarray(many.value[:, 1]) == 0)


def test_limits_without_a_density_are_not_simulated():
    data = measurement([load("icecube-cascades-6yr", "delavega2024")])
    with pytest.raises(ValueError, match="split-normal"):
        simulate(data, jnp.ones(data.value.size), jax.random.key(0), 2)


def test_one_template_of_positive_strength_follows_chernoff():
    """Half of the Δχ² are 0 and half are χ² with one degree of freedom (Chernoff 1954): P(Δχ² > 2.71) = 5 %."""
    found = significance(dip(), jax.random.key(2), experiments=2000)
    assert found.delta_chi2 == 0 and found.global_p == 1.0
    np.testing.assert_array_equal(found.local_simulated, found.global_simulated)
    for threshold, share in ((1e-3, 0.5), (1.0, 0.1587), (2.706, 0.05), (5.41, 0.01)):
        error = np.sqrt(share / 2000)
        assert np.mean(found.global_simulated > threshold) == pytest.approx(share, abs=4 * error + 0.02 * share)


def test_significance_of_a_signal_that_is_there():
    """A dip of 3 standard deviations: Δχ² = 9 on average for the template; p of half a tail of χ² with one degree."""
    base = dip()
    shape = np.zeros(10)
    shape[2], shape[5] = 1.0, -1.0
    strength = 3 * 0.05 / np.sqrt(2)
    data = replace(
        base,
        data=Measurement(
            jnp.asarray(1 + strength * shape),
            *(getattr(base.data, name) for name in ("minus", "plus", "rate", "events")),
        ),
    )
    found = significance(data, jax.random.key(0), experiments=2000)
    assert found.best["coupling"] == pytest.approx(strength, abs=0.005)
    assert found.delta_chi2 == pytest.approx(9.0, rel=0.02)
    assert found.power_law["amplitude"] == pytest.approx(1.0)
    assert 1 / 2001 <= found.global_p < 0.005
    assert in_sigmas(0.00135) == pytest.approx(3, abs=0.01)


def test_upper_limits_of_a_parabola_and_of_a_plateau():
    """χ² = ((g − 0.3)/0.1)² ends at 0.3 + 1.645 × 0.1; a χ² that comes back below the threshold excludes nothing."""
    coupling = np.geomspace(0.01, 1.0, 400)
    parabola, plateau = ((coupling - 0.3) / 0.1) ** 2, np.where(coupling < 0.5, ((coupling - 0.3) / 0.1) ** 2, 1.0)
    found = upper_limits(
        Profile(("mass", "coupling"), np.stack([parabola, plateau]), np.asarray(9.0)), coupling, 1.6449**2
    )
    assert found[0] == pytest.approx(0.3 + 0.16449, rel=1e-3)
    assert found[1] == np.inf


def test_expected_limits_are_those_of_gaussian_errors():
    """σ = 0.05/√2: the median limit of nothing is 1.645 σ, its upper 1σ quantile 2.645 σ."""
    found = coupling_limits(dip(np.linspace(1e-3, 0.4, 400)), jax.random.key(0), experiments=1000)
    sigma = 0.05 / np.sqrt(2)
    low, _, median, high, _ = found.bands()[:, 0]
    assert (median / sigma, high / sigma) == pytest.approx((1.645, 2.645), rel=0.05)
    assert found.observed[0] / sigma == pytest.approx(1.645, rel=0.01)
    assert low < median


def test_best_power_law_is_the_best_of_the_free_rows(bank):
    point, height = best_power_law(bank)
    assert set(point) == {"lightest", "index", "amplitude"}
    row = list(AXES["index"]).index(point["index"])
    np.testing.assert_allclose(height, point["amplitude"] * bank.free_heights[0, 0, 0, row])


def test_priors_need_an_amplitude(model):
    def fixed():
        mass = log_uniform("mass", (1.0, 20.0), "MeV")
        return Universe(LmuLtau(mass, 1e-4), Neutrinos(0.02), Source(PowerLaw(1.5, 2.5), Flat()))

    with pytest.raises(ValueError, match="amplitude"):
        make_bank(posterior(fixed, *model.terms), {"mass": [3.0]})
