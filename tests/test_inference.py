"""Fits, chains, words and files against densities known in closed form."""

import dataclasses
from functools import partial

import arviz as az
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from gaussian import CORRELATION, MEAN, SD, Gaussian, gaussian_model
from scipy.stats import kstest, norm

import jaxnu.inference.coordinates as coords
from jaxnu.evolutions import StarFormation
from jaxnu.icecube import load
from jaxnu.inference import (
    default_prior,
    diagnostics,
    evidence,
    fit,
    load_posterior,
    posterior,
    sample,
    summary_table,
    universe_at,
    verdict,
)
from jaxnu.inference.compiled import Compiled, compiled
from jaxnu.inference.configuration import plain
from jaxnu.inference.differences import gradients, hessian
from jaxnu.inference.population import draw, jump, learn, log_density
from jaxnu.inference.result import make_posterior
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.transport.mesh import Resolution
from jaxnu.universe import Universe

CASCADES, TRACKS = "icecube-cascades-6yr", "icecube-tracks-9.5yr"
LOGARITHMIC = ("mass", "coupling", "lightest")
SMALL = Resolution(nodes=60, shells=8)
KEY = 3


@pytest.fixture(scope="module")
def best():
    return fit(gaussian_model(), jax.random.key(KEY), sweep=256, starts=4)


@pytest.fixture(scope="module")
def result():
    return sample(gaussian_model(), jax.random.key(KEY), sweep=256, warmup=100, draws=300, progress=False, jumps=2)


@dataclasses.dataclass
class Unhashable:
    """A term that defines equality but no hash."""

    offset: float = 0.0

    def __call__(self, universe):
        return universe.mediator.mass + self.offset


def truth(name):
    return np.exp(MEAN[name]) if name in LOGARITHMIC else MEAN[name]


def test_fit_finds_the_maximum(best):
    for name, value in best.best.items():
        assert value == pytest.approx(truth(name), rel=2e-3)
    assert best.log_likelihood == pytest.approx(0, abs=1e-4)
    assert best.universe.mediator.mass == best.best["mass"]
    assert not best.remarks


def test_covariance_is_the_known_one(best):
    # at the maximum the error of x is x times that of ln x
    for name, error in best.errors.items():
        assert error == pytest.approx(SD[name] * (truth(name) if name in LOGARITHMIC else 1), rel=0.01)
    rows = best.names.index("amplitude"), best.names.index("index")
    assert best.covariance[rows] == pytest.approx(CORRELATION * SD["amplitude"] * SD["index"], rel=0.01)
    off = [best.covariance[i, j] for i in range(5) for j in range(i) if {i, j} != set(rows)]
    scale = [
        best.errors[best.names[i]] * best.errors[best.names[j]]
        for i in range(5)
        for j in range(i)
        if {i, j} != set(rows)
    ]
    np.testing.assert_allclose(np.asarray(off) / np.asarray(scale), 0, atol=0.01)


def test_likelihood_not_posterior_density_is_maximised():
    """Both the prior's density and the Jacobian of a log-uniform site would move a broad maximum."""

    def term(universe):
        return -0.5 * ((universe.mediator.mass - 9) / 3) ** 2

    def prior():
        mass = numpyro.sample("mass", dist.LogUniform(1.0, 20.0))
        return Universe(LmuLtau(mass, 1e-4), Neutrinos(0.01), Source(PowerLaw(1.0, 2.5), StarFormation()))

    found = fit(posterior(prior, term), jax.random.key(0), sweep=32, starts=2)
    assert found.best["mass"] == pytest.approx(9, abs=0.03)
    assert found.errors["mass"] == pytest.approx(3, rel=0.02)


def test_flat_directions_are_named_and_have_no_error():
    def term(universe):
        return (
            -0.5 * ((universe.source.spectrum.index - 2.5) / 0.1) ** 2
            - 50 * (universe.source.spectrum.amplitude - 1) ** 2
        )

    found = fit(posterior(default_prior, term), jax.random.key(0), sweep=64, starts=2)
    assert found.errors["index"] == pytest.approx(0.1, rel=0.01)
    assert found.errors["amplitude"] == pytest.approx(0.1, rel=0.01)
    assert all(np.isnan(found.errors[name]) for name in LOGARITHMIC)
    for name in LOGARITHMIC:
        assert any(f"do not constrain {name}" in remark for remark in found.remarks)
    assert found.comparison.parameters_power_law == 2
    assert found.comparison.delta_chi2 == pytest.approx(0, abs=1e-3)
    assert "flat" in found.summary()


@pytest.mark.parametrize("cut, best", [(4.02, 4.0), (3.9, 3.9)])
def test_a_maximum_beside_a_cut(cut, best):
    """ln L = −∞ just above the maximum of the mass, or below it: a fit, without an error of the mass."""
    term = Gaussian()
    model = gaussian_model(lambda universe: jnp.where(universe.mediator.mass < cut, term(universe), -jnp.inf))
    found = fit(model, jax.random.key(KEY), sweep=256, starts=4)
    assert found.best["mass"] == pytest.approx(best, rel=2e-3) and found.best["mass"] < cut
    assert np.isnan(found.errors["mass"]) and found.errors["index"] == pytest.approx(SD["index"], rel=0.02)
    assert "constrain mass" in found.remarks[0]


def test_end_of_the_range_is_named():
    found = fit(
        posterior(default_prior, lambda universe: 3 * universe.source.spectrum.amplitude), jax.random.key(0), sweep=32
    )
    assert found.best["amplitude"] == pytest.approx(4, rel=0.01)
    assert "The best fit lies at the end of the prior's range of amplitude." in found.remarks


def test_numpyro_and_our_coordinates_have_the_same_posterior():
    """numpyro's own log density of the model is ours without the Jacobian."""
    model = gaussian_model()
    where = coords.coordinates(model)
    u = jnp.asarray([0.1, -0.2, 0.3, 0.4, -0.5])
    values = coords.constrain(where, u)
    with jax.numpy_dtype_promotion("standard"):
        theirs, _ = numpyro.infer.util.log_density(model, (), {}, values)
        ours = coords.log_prior(model, where, u) + model.terms[0](universe_at(model, values))
    # the Jacobian of values in u from differences
    step = 1e-6
    slopes = [
        (coords.constrain(where, u.at[i].add(step))[name] - coords.constrain(where, u.at[i].add(-step))[name])
        / (2 * step)
        for i, name in enumerate(sorted(values))
    ]
    assert ours - theirs == pytest.approx(float(np.sum(np.log(np.asarray(slopes)))), abs=1e-6)


def test_sampling_a_known_density(result):
    found = diagnostics(result)
    for name, values in result.draws.items():
        sampled = np.log(values) if name in LOGARITHMIC else values
        error = SD[name] / np.sqrt(found.ess_bulk[name])
        assert abs(np.mean(sampled) - MEAN[name]) < 4 * error
        assert np.std(sampled) == pytest.approx(SD[name], rel=0.12)
        assert found.rhat[name] < 1.02
    both = np.corrcoef(result.draws["amplitude"].ravel(), result.draws["index"].ravel())[0, 1]
    assert both == pytest.approx(CORRELATION, abs=0.08)
    assert verdict(result).startswith("Trust this: r̂ ≤ 1.0")
    assert "0 of 1200 draws divergent" in verdict(result)


def test_uniform_priors_are_normal_in_u():
    """The density against SciPy's normal, and draws against its distribution function."""
    model = gaussian_model()
    where = coords.coordinates(model)
    u = np.random.default_rng(0).normal(size=(20, where.size)) * 2
    found = jax.vmap(lambda point: coords.log_prior(model, where, point))(jnp.asarray(u))
    np.testing.assert_allclose(found, norm.logpdf(u).sum(axis=1), rtol=1e-10)
    draws = jax.vmap(lambda key: coords.prior_draw(model, where, key))(jax.random.split(jax.random.key(0), 2000))
    assert all(kstest(column, norm.cdf).pvalue > 1e-3 for column in np.asarray(draws).T)


def test_whatever_has_no_signature_is_described_by_its_name():
    assert [plain(value) for value in (1j, object(), max)] == [{"name": n} for n in ("complex", "object", "max")]
    assert plain(partial(max, key=len)) == {"name": "max", "arguments": {"key": {"name": "len"}}}


def two_modes():
    """Twice as much posterior at index 2.1 as at 3.1, and next to nothing between."""

    def term(universe):
        pull = (universe.source.spectrum.index - jnp.asarray([2.1, 3.1])) / 0.05
        return jnp.logaddexp(jnp.log(2.0) - 0.5 * pull[0] ** 2, -0.5 * pull[1] ** 2)

    return posterior(default_prior, term)


def test_jumps_carry_chains_between_modes():
    found = sample(two_modes(), jax.random.key(1), chains=4, warmup=20, draws=200, sweep=256, progress=False)
    index = found.draws["index"]
    effective = diagnostics(found).ess_bulk["index"]
    assert effective > 200
    assert np.mean(index < 2.6) == pytest.approx(2 / 3, abs=4 * np.sqrt(2 / 9 / effective))
    assert np.std(index[index < 2.6]) == pytest.approx(0.05, rel=0.15)
    # the other sites follow their prior
    assert np.quantile(np.log(found.draws["mass"]), 0.5) == pytest.approx(np.log(20) / 2, abs=0.25)


def test_jumps_draw_from_the_exact_posterior_whatever_the_rough_one_is():
    """A normal posterior in two dimensions, and a rough one that is displaced, wider and nowhere in one corner."""

    def functions(mean, sd, nowhere):
        def log_likelihood(points, strength):
            value = -0.5 * np.sum(((points - mean) / sd) ** 2 - points**2, axis=1)
            return np.where(np.all(points > nowhere, axis=1), -np.inf, value)

        return Compiled(
            log_likelihood,
            lambda points: -0.5 * np.sum(points**2, axis=1) - np.log(2 * np.pi),
            lambda key, count: np.asarray(jax.random.normal(key, (count, 2))),
        )

    exact, rough = functions(0.5, 0.6, np.inf), functions(0.8, 0.7, 1.0)
    rng = np.random.default_rng(3)
    population = learn(rough, jax.random.key(0), 512)
    at = rng.normal(0.5, 0.6, size=(4000, 2))
    target = exact.log_likelihood(at, 1.0) + exact.log_prior(at)
    # Not all chains at once: their densities take memory.
    parts = [
        jump(population, exact, rough, rng, *part, 40)
        for part in zip(np.split(at, 10), np.split(target, 10), strict=True)
    ]
    points, log_target, accepted = (np.concatenate(part) for part in zip(*parts, strict=True))
    np.testing.assert_allclose(log_target, exact.log_likelihood(points, 1.0) + exact.log_prior(points))
    assert np.mean(accepted > 0) > 0.5
    np.testing.assert_allclose(np.mean(points, axis=0), 0.5, atol=4 * 0.6 / np.sqrt(4000))
    np.testing.assert_allclose(np.std(points, axis=0), 0.6, rtol=4 / np.sqrt(8000))
    corner = norm.sf(0.5 / 0.6) ** 2
    assert np.mean(np.all(points > 1, axis=1)) == pytest.approx(corner, abs=4 * np.sqrt(corner / 4000))


class Displaced(eqx.Module):
    """A normal likelihood of the index, half a standard deviation off on the rough mesh."""

    def from_spectrum(self, spectrum, universe):
        mean = 2.55 if spectrum.log_energy.size == Resolution.fast().nodes else 2.5
        return -0.5 * ((universe.source.spectrum.index - mean) / 0.1) ** 2


def test_a_rough_mesh_guides_but_does_not_decide():
    model = posterior(partial(default_prior, channels="narrow"), Displaced())
    found = sample(model, jax.random.key(2), warmup=30, draws=400, sweep=256, jumps=4, progress=False)
    effective = diagnostics(found).ess_bulk["index"]
    assert effective > 300
    assert np.mean(found.draws["index"]) == pytest.approx(2.5, abs=4 * 0.1 / np.sqrt(effective))
    assert np.std(found.draws["index"]) == pytest.approx(0.1, rel=4 / np.sqrt(2 * effective))
    assert fit(model, jax.random.key(0), sweep=64, starts=2, steps=20).best["index"] == pytest.approx(2.5, abs=1e-3)
    weighted = evidence(model, jax.random.key(0), draws=2048, sweep=256, progress=False)
    assert weighted.log_evidence == pytest.approx(np.log(np.sqrt(2 * np.pi) * 0.1 / 1.7), abs=4 * weighted.error)


def test_chains_that_hardly_cross_are_not_trusted():
    found = sample(two_modes(), jax.random.key(4), chains=6, warmup=20, draws=60, sweep=256, jumps=0, progress=False)
    assert np.sum(np.ptp(found.draws["index"], axis=1) < 0.7) >= 5
    assert np.ptp(found.draws["index"]) > 0.9
    assert verdict(found).startswith("Do not trust this: r̂ = ")
    assert "for index" in verdict(found)


def chains_of(values):
    """Made-up chains (chain, draw) of one parameter."""
    names = ("diverging", "n_steps")
    return make_posterior(
        {"coupling": values}, {n: np.zeros(values.shape, int) for n in names}, {"coupling": ""}, {"seed": 0}
    )


def test_verdict_on_made_up_chains():
    noise = np.random.default_rng(0).normal(size=(4, 500))
    assert verdict(chains_of(noise)).startswith("Trust this")
    stuck = verdict(chains_of(noise + 3 * np.arange(4)[:, None]))
    assert stuck.startswith("Do not trust this: r̂ = ")
    assert "for coupling" in stuck and "bulk ESS = " in stuck
    frozen = verdict(chains_of(np.tile(np.arange(4.0)[:, None], (1, 500))))
    assert frozen.startswith("Do not trust this")
    short = verdict(chains_of(noise[:, :20]))
    assert "ESS" in short and short.startswith("Do not trust this")
    divergent = chains_of(noise)
    divergent.inference_data["sample_stats"]["diverging"][:, :50] = 1
    assert "200 of 2000 draws divergent (must be ≤ 1%)" in verdict(divergent)


def test_netcdf_round_trip(result, tmp_path):
    path = tmp_path / "posterior.nc"
    result.save(path)
    again = load_posterior(path)
    assert list(tmp_path.iterdir()) == [path]
    for name, values in result.draws.items():
        np.testing.assert_array_equal(again.draws[name], values)
    assert again.units == result.units
    assert again.units["mass"] == "MeV" and again.units["lightest"] == "eV" and again.units["coupling"] == ""
    assert again.seed == KEY
    assert again.configuration == result.configuration
    assert again.configuration["prior"]["arguments"]["mass"] == [1.0, 20.0]
    assert verdict(again) == verdict(result)
    # any other program sees the same
    with xr.open_dataset(path, group="posterior") as stored:
        assert stored["mass"].attrs["unit"] == "MeV"
        assert stored["mass"].dims == ("chain", "draw")
    attributes = az.from_netcdf(path).attrs
    assert attributes["jax_version"] == jax.__version__
    assert attributes["numpyro_version"] == numpyro.__version__


def test_files_that_are_not_posteriors(tmp_path):
    with pytest.raises(ValueError, match="no posterior at"):
        load_posterior(tmp_path / "nothing.nc")
    (tmp_path / "text.nc").write_text("hello")
    with pytest.raises(ValueError, match="not a NetCDF file"):
        load_posterior(tmp_path / "text.nc")


def test_summary_table(result):
    table = summary_table(result)
    row = table.loc["amplitude"]
    assert row["median"] == pytest.approx(1.6, abs=0.03)
    assert row["high68"] - row["low68"] == pytest.approx(2 * SD["amplitude"], rel=0.15)
    assert row["high95"] - row["low95"] == pytest.approx(4 * SD["amplitude"], rel=0.15)
    assert table.loc["mass", "unit"] == "MeV"


def test_one_compilation():
    """Many sweep points, searches and leapfrog steps, and the likelihood was traced once or twice for each."""
    fitted, sampled = Gaussian(), Gaussian()
    fit(gaussian_model(fitted), jax.random.key(KEY), sweep=64, starts=4)
    assert fitted.traces <= 4
    sample(gaussian_model(sampled), jax.random.key(KEY), sweep=64, warmup=10, draws=10, progress=False)
    assert sampled.traces <= 4


def test_chains_side_by_side_are_those_one_by_one(monkeypatch):
    """What a GPU runs, all chains and points in one program, run on a CPU: the same draws."""

    def mass():
        model, counts = gaussian_model(), {"warmup": 5, "draws": 10}
        return sample(model, jax.random.key(KEY), sweep=64, progress=False, **counts).draws["mass"]

    apart = mass()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    np.testing.assert_allclose(mass(), apart, rtol=1e-8)


class Index(eqx.Module):
    """A term with data: an index that has been measured."""

    seen: jax.Array
    count: list = eqx.field(static=True)

    def __call__(self, universe):
        self.count[0] += 1
        return -0.5 * ((universe.source.spectrum.index - self.seen) / 0.05) ** 2


def test_models_that_differ_in_data_share_the_compilation():
    class Count(list):
        __hash__ = object.__hash__

    count, means = Count([0]), []
    for seen in (2.3, 2.7):
        model = posterior(default_prior, Index(jnp.asarray(seen), count))
        found = sample(model, jax.random.key(KEY), sweep=64, warmup=20, draws=50, progress=False)
        means.append(float(np.mean(found.draws["index"])))
        traces = count[0] if seen == 2.3 else traces
    assert count[0] == traces
    assert means == pytest.approx([2.3, 2.7], abs=0.05)


def test_differences():
    matrix = np.asarray([[2.0, 0.5], [0.5, 1.0]])

    def quadratic(points):
        return 0.5 * np.einsum("ni,ij,nj->n", points, matrix, points)

    at, step = np.asarray([0.3, -0.2]), np.asarray([0.1, 0.2])
    np.testing.assert_allclose(gradients(quadratic, at[None], step)[0], matrix @ at, rtol=1e-9)
    np.testing.assert_allclose(hessian(quadratic, at, step), matrix, rtol=1e-10)


def test_population_is_a_normalised_density_that_can_be_drawn():
    """E_prior[q/prior] = 1 of the mixture itself, and its draws have its mean."""
    model = gaussian_model()
    functions = compiled(model)
    rng = np.random.default_rng(0)
    with jax.numpy_dtype_promotion("standard"):
        population = learn(functions, jax.random.key(0), 512)
        points = draw(population, functions, rng, 4000)
        prior = functions.log_prior(points)
    ratio = np.exp(prior - log_density(population, points, prior))
    # E_q[prior/q] = 1, with values between 0 and 1/(share of the prior)
    assert np.mean(ratio) == pytest.approx(1, abs=4 * np.std(ratio) / np.sqrt(4000))
    assert np.max(ratio) <= 10
    mean = population.weights @ population.centres
    exact = coords.coordinates(model).transforms["index"].inv(MEAN["index"])
    assert mean[2] == pytest.approx(float(exact), abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mass": (5.0, 2.0)}, "range of mass must be two finite numbers, the lower first, got 5.0 and 2.0"),
        ({"coupling": (0.0, 0.1)}, "range of coupling must be positive"),
        ({"lightest": (-1.0, 0.1)}, "range of lightest must be positive"),
        ({"amplitude": (0.0, 4.0)}, "range of amplitude must be positive"),
        ({"index": (2.0, float("nan"))}, "range of index"),
        ({"ordering": "upside-down"}, "ordering must be one of"),
        ({"mixing": "nufit-9"}, "mixing must be"),
        ({"flavour": "strange"}, "flavour must be"),
    ],
)
def test_bad_priors_are_refused_when_the_model_is_built(arguments, message):
    with pytest.raises(ValueError, match=message):
        posterior(partial(default_prior, **arguments), Gaussian())


def test_bad_models_are_refused():
    with pytest.raises(ValueError, match="cannot be combined"):
        posterior(default_prior, load(CASCADES), load("icecube-combined-2025"))
    with pytest.raises(ValueError, match="at least one likelihood term"):
        posterior(default_prior)
    with pytest.raises(ValueError, match="must return a Universe, got int"):
        posterior(lambda: 3, Gaussian())
    with pytest.raises(ValueError, match="a term is or holds Unhashable, which has no hash"):
        posterior(default_prior, Unhashable())
    with pytest.raises(ValueError, match="draws must be positive, got 0"):
        sample(gaussian_model(), jax.random.key(0), draws=0)
    with pytest.raises(ValueError, match="jumps must not be negative, got -1"):
        sample(gaussian_model(), jax.random.key(0), jumps=-1)
    with pytest.raises(ValueError, match="starts=8"):
        fit(gaussian_model(), jax.random.key(0), sweep=4, starts=8)
    with pytest.raises(ValueError, match="sweep must be at least 2"):
        fit(gaussian_model(), jax.random.key(0), sweep=1, starts=1)
    with pytest.raises(ValueError, match="not finite at any of 32 draws"):
        fit(gaussian_model(lambda universe: jnp.nan * universe.mediator.mass), jax.random.key(0), sweep=32)


@pytest.fixture(scope="module")
def real():
    """Cascades and tracks on a coarse mesh, and what the model and its terms say at given values."""
    model = posterior(partial(default_prior, channels="narrow"), load(CASCADES), load(TRACKS), resolution=SMALL)

    def at(values):
        trace = numpyro.handlers.trace(numpyro.handlers.substitute(numpyro.handlers.seed(model, 0), values)).get_trace()
        factors = {name: site["fn"].log_factor for name, site in trace.items() if name not in MEAN}
        universe = universe_at(model, values)
        chi2 = [term.chi2(term.predict(universe, SMALL)) for term in model.terms]
        return factors, [term(universe, SMALL) for term in model.terms], chi2

    return model, at


def test_the_model_is_a_numpyro_model(real):
    """The prior's sites and one factor per term, with the terms' own log-likelihoods."""
    factors, direct, _ = real[1]({"mass": 4.0, "coupling": 1e-3, "lightest": 0.01, "amplitude": 1.5, "index": 2.5})
    assert set(factors) == {"log_likelihood_0", "log_likelihood_1"}
    for number, value in enumerate(direct):
        assert factors[f"log_likelihood_{number}"] == pytest.approx(float(value), rel=1e-10)


def test_fit_finds_narrow_maxima(real):
    """There are two near 3 MeV, χ² = 12.9 and 13.9, in a few percent of the prior; the next is at 14.6."""
    assert fit(real[0], jax.random.key(2), sweep=128, starts=4, steps=20).chi2 < 14.2


def test_fit_of_real_points(real):
    """Without interactions it is the fit of a power law to cascades and tracks; with them it can only get better."""
    model, at = real
    found = fit(model, jax.random.key(0), sweep=64, starts=2, steps=10)
    comparison = found.comparison
    assert found.points == 16
    assert (comparison.parameters, comparison.parameters_power_law) == (5, 2)
    assert found.chi2 <= found.power_law.chi2
    assert comparison.ratio == pytest.approx((found.chi2 / 11) / (found.power_law.chi2 / 14))
    assert comparison.bic == pytest.approx(found.chi2 + 5 * np.log(16))
    assert [mode.chi2 for mode in found.modes] == sorted(mode.chi2 for mode in found.modes)
    # χ² of the terms themselves, at the best point and for a power law in closed form
    assert found.chi2 == pytest.approx(float(sum(at(found.best)[2])), rel=1e-6)
    index, amplitude = found.power_law.values["index"], found.power_law.values["amplitude"]

    def power_law_chi2(amplitude, index):
        total = 0.0
        for term in model.terms:
            integral = amplitude * 1e-13 * -np.diff((np.asarray(term.edges) / 1e5) ** (1 - index)) / (index - 1)
            total += float(term.chi2(term.combine(jnp.tile(jnp.asarray(integral)[None], (3, 1)))))
        return total

    assert found.power_law.chi2 == pytest.approx(power_law_chi2(amplitude, index), rel=1e-6)
    for other in (
        (amplitude + 0.05, index),
        (amplitude - 0.05, index),
        (amplitude, index + 0.05),
        (amplitude, index - 0.05),
    ):
        assert power_law_chi2(*other) > found.power_law.chi2


def test_results_are_plain_data(best):
    assert dataclasses.is_dataclass(best)
    assert "Δχ²" in best.summary() and "MeV" in best.summary() and "\nChannels: all." in best.summary()
