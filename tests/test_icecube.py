"""IceCube's flux points against the numbers of the papers, with power laws integrated in closed form."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import quad
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import chi2 as chi2_distribution
from scipy.stats import norm

from jaxnu.evolutions import StarFormation
from jaxnu.icecube import FluxPoints, check_overlaps, datasets, load, table
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.transport.mesh import Resolution
from jaxnu.universe import Universe

CASCADES, TRACKS, HESE = "icecube-cascades-6yr", "icecube-tracks-9.5yr", "icecube-hese-7.5yr"
ESTES, GLOBAL = "icecube-estes-10.3yr", "icecube-global-2015"
COMBINED, MESE = "icecube-combined-2025", "icecube-mese-2025"
ALL = (CASCADES, TRACKS, HESE, ESTES, COMBINED, MESE, GLOBAL)


def power_law(edges, amplitude, index):
    """∫φ dE of amplitude·1e-18 (E/100 TeV)^−index over bins."""
    antiderivative = 1e5 * 1e-18 * amplitude * (edges / 1e5) ** (1 - index) / (1 - index)
    return antiderivative[1:] - antiderivative[:-1]


def broken_power_law(edges, amplitude, low, high, break_energy):
    """The same with two indices, `amplitude` at 100 TeV above the break."""
    at_break = amplitude * (break_energy / 1e5) ** -high
    below = power_law(np.minimum(edges, break_energy), at_break * (break_energy / 1e5) ** low, low)
    return below + power_law(np.maximum(edges, break_energy), amplitude, high)


def equal_flavours(points, integral):
    """What the sample sees if its own quantity (sum or mean) is `integral`, shared equally by the flavours."""
    return points.combine(jnp.tile(jnp.asarray(integral) / jnp.sum(points.weights), (3, 1)))


def power_law_chi2(points, amplitude, index):
    return points.chi2(equal_flavours(points, power_law(points.edges, amplitude, index)))


def one_bin(convention="split-normal", value=0.0, minus=0.0, plus=1e-8, level=0.6827, is_limit=False):
    columns = {"value": [value], "minus": [minus], "plus": [plus], "level": [level], "is_limit": [is_limit]}
    return FluxPoints(
        name="one", convention=convention, overlaps=(), weights=[0.0, 1.0, 0.0], low=[1e4], high=[1e5], **columns
    )


# E²φ in 1e-8 GeV cm⁻² s⁻¹ sr⁻¹ as printed or plotted
@pytest.mark.parametrize(
    ("name", "bins", "low", "value", "minus", "plus"),
    [
        (CASCADES, 13, 21544.3, 4.42, 0.78, 0.94),
        (CASCADES, 13, 464159.0, 0.055, 0.055, 0.421),
        (CASCADES, 13, 215444.0, 0, 0, 0.173),
        (TRACKS, 3, 1.5e4, 2.22, 0.80, 0.80),
        (TRACKS, 3, 7.21e5, 0.33, 0.18, 0.22),
        # 2011.03545 prints φ summed over flavours: 3.89e-18 +0.99e-18 −0.87e-18, at the geometric centre
        (HESE, 7, 8.83e4, *(phi * 1e-18 * 88.3e3 * 186e3 / 3 * 1e8 for phi in (3.89, 0.87, 0.99))),
        (ESTES, 8, 1e4, 3.86, 0.85, 0.85),
        (COMBINED, 13, 21500.0, 4.42, 0.48, 0.74),
        (MESE, 13, 21500.0, 5.51, 0.66, 0.72),
        (GLOBAL, 9, 21544.3, 22.56, 5.56, 5.94),
        (GLOBAL, 9, 464159.0, 0, 0, 3.5),
    ],
)
def test_spot_values(name, bins, low, value, minus, plus):
    points = load(name)
    row = int(np.argmin(np.abs(np.asarray(points.low) - low)))
    assert points.low.shape == (bins,)
    assert points.low[row] == pytest.approx(low, rel=1e-5)
    assert bool(points.is_limit[row]) == (value == 0)
    found = np.asarray([points.value[row], points.minus[row], points.plus[row]]) * 1e8
    np.testing.assert_allclose(found, [value, minus, plus], rtol=0.02, atol=1e-3)


def test_flavours():
    flux = jnp.asarray([[1.0], [10.0], [100.0]])
    seen = {CASCADES: 50.5, TRACKS: 10, ESTES: 10, HESE: 37, MESE: 37, COMBINED: 37, GLOBAL: 111}
    for name, expected in seen.items():
        assert load(name).combine(flux)[0] == pytest.approx(expected)


def test_unused_bins_stay_in_the_table():
    rows = table(TRACKS)["bins"]
    assert [("unused" in row, "limit" in row) for row in rows] == [(True, True)] + 3 * [(False, False)] + [(True, True)]


@pytest.mark.parametrize("name", ALL)
def test_own_fit_of_the_collaboration_describes_the_points(name):
    points, data = load(name), table(name)
    fit = {key: number["value"] for key, number in (data.get("power_law") or data["broken_power_law"]).items()}
    edges = np.asarray(points.edges)
    integral = power_law(edges, **fit) if "index" in fit else broken_power_law(edges, *fit.values())
    chi2 = float(points.chi2(equal_flavours(points, integral)))
    assert chi2_distribution.sf(chi2, points.low.size) > 0.01


# IceCube fits events, the points are a lossy summary of them; that of HESE is worst, 1.4σ low in amplitude
@pytest.mark.parametrize(("name", "sigmas"), [(CASCADES, 1), (TRACKS, 1), (ESTES, 1), (GLOBAL, 1), (HESE, 1.5)])
def test_power_law_fit_of_the_points_agrees_with_the_fit_of_the_events(name, sigmas):
    points, published = load(name), table(name)["power_law"]
    chi2 = jax.jit(lambda at: power_law_chi2(points, at[0], at[1]))
    best = minimize(lambda at: float(chi2(at)), np.asarray([2.0, 2.5]), method="Nelder-Mead").x
    for found, number in zip(best, published.values(), strict=True):
        bar = number["plus"] if found > number["value"] else number["minus"]
        assert abs(found - number["value"]) < sigmas * bar


def test_chi2_of_2302_03571():
    points = load(CASCADES, "hooper2023")
    chi2 = jax.jit(lambda amplitude: power_law_chi2(points, amplitude, 2.65))
    best = minimize_scalar(lambda amplitude: float(chi2(amplitude)), bounds=(0.3, 3), method="bounded")
    assert best.fun == pytest.approx(25.2, rel=0.03)


def test_chi2_of_2406_19968():
    terms = [load(CASCADES, "delavega2024"), load(TRACKS, "delavega2024")]
    assert sum(term.low.size for term in terms) == 16
    assert sum(float(power_law_chi2(term, 1.4, 2.6)) for term in terms) == pytest.approx(27.4, rel=0.03)


@pytest.mark.parametrize(
    ("term", "lowest"),
    [
        (one_bin(value=2e-8, minus=0.5e-8, plus=1.5e-8), -np.inf),
        (one_bin(plus=3e-8, level=0.9, is_limit=True), 0),
        (one_bin("hooper2023", value=2e-8, minus=0.5e-8, plus=1.5e-8), -np.inf),
        (one_bin("hooper2023", plus=3e-8, is_limit=True), -np.inf),
        (one_bin("delavega2024", value=2e-8, minus=0.5e-8, plus=1.5e-8), -np.inf),
        (one_bin("delavega2024", plus=3e-8, is_limit=True), 0),
    ],
)
def test_density_is_normalised(term, lowest):
    log_likelihood = jax.jit(lambda prediction: term.log_likelihood(prediction))
    segment = 1e-8 * (1 / 1e4 - 1 / 1e5)

    def density(height):
        return float(jnp.exp(log_likelihood(jnp.asarray([height * segment]))))

    edges = [max(lowest, -20), 2, 3, 60]
    total = sum(quad(density, a, b, epsabs=1e-10)[0] for a, b in pairwise(edges))
    assert total == pytest.approx(1, abs=1e-8)


def test_two_piece_normal_has_the_published_interval():
    term = one_bin(value=2e-8, minus=0.5e-8, plus=1.5e-8)
    heights = jnp.asarray([1.5e-8, 2e-8, 3.5e-8]) * (1 / 1e4 - 1 / 1e5)
    drop = [term.log_likelihood(height[None]) - term.log_likelihood(heights[1:2]) for height in heights]
    np.testing.assert_allclose(drop, [-0.5, 0, -0.5], atol=1e-12)


@pytest.mark.parametrize("level", [0.6827, 0.9])
def test_limit_lies_where_the_profile_likelihood_puts_it(level):
    term = one_bin(plus=3e-8, level=level, is_limit=True)
    segment = 1 / 1e4 - 1 / 1e5
    # a limit at this level is where −2 ln L has grown by z², the square of the two-sided quantile
    assert term.chi2(jnp.asarray([3e-8 * segment])) == pytest.approx(norm.ppf((1 + level) / 2) ** 2)
    assert term.chi2(jnp.asarray([0.0])) == 0


@pytest.mark.parametrize(("low", "limit68"), [(464159, 1.5e-8), (2.15443e6, 1.5e-8), (4.64159e6, 0.6e-8)])
def test_limits_of_1507_03991_grow_linearly(low, limit68):
    """The release gives the 68 % limit of the same bins too; a half-normal would have χ² between 0.4 and 0.5 there."""
    points = load(GLOBAL)
    row = points.low == low
    chi2 = points.chi2(jnp.where(row, limit68, points.value) * points.segment)
    assert chi2 == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("convention", ["split-normal", "hooper2023", "delavega2024"])
@pytest.mark.parametrize("name", ALL)
def test_gradients(name, convention):
    points = load(name, convention)

    def log_likelihood(amplitude, index):
        return points.log_likelihood(equal_flavours(points, power_law(points.edges, amplitude, index)))

    check_grads(jax.jit(log_likelihood), (1.3, 2.45), order=1, modes=["rev"], rtol=1e-5)
    gradient = jax.jit(jax.grad(lambda prediction: points.log_likelihood(prediction)))
    for prediction in (jnp.zeros(points.low.shape), points.value * points.segment):
        assert np.all(np.isfinite(gradient(prediction)))


def test_traces_and_single_precision():
    points = load(CASCADES)
    chi2 = jax.jit(jax.vmap(power_law_chi2, in_axes=(None, 0, None)))(points, jnp.asarray([1.0, 1.66]), 2.53)
    assert chi2[1] == pytest.approx(float(power_law_chi2(points, 1.66, 2.53)))
    single = jax.tree.map(lambda leaf: leaf if leaf.dtype == bool else leaf.astype(jnp.float32), points)
    assert float(power_law_chi2(single, 1.66, 2.53)) == pytest.approx(float(chi2[1]), rel=1e-4)


def test_universe():
    """Without interactions every sample sees the power law itself; calling the term is predicting and comparing."""
    universe = Universe(
        mediator=LmuLtau(mass=6.5, coupling=5e-4),
        neutrinos=Neutrinos.from_sum(0.10, mixing="nufit-5.0"),
        source=Source(PowerLaw(amplitude=1.66, index=2.53), StarFormation()),
    )
    resolution = Resolution(nodes=60, shells=8)
    points = load(CASCADES)
    free, absorbed = (points.predict(at, resolution) for at in (universe.without_interactions(), universe))
    np.testing.assert_allclose(free, power_law(points.edges, 1.66, 2.53), rtol=2e-3)

    direct = float(points(universe, resolution))
    assert direct == pytest.approx(float(points.log_likelihood(absorbed)))
    # the dip of this mediator is where the points are low (2406.19968)
    assert direct > points.log_likelihood(free)
    with pytest.raises(ValueError, match="mesh"):
        points(universe, Resolution(highest=1e7))


def test_overlaps():
    check_overlaps([load(CASCADES), load(TRACKS), lambda universe: 0.0])
    check_overlaps([load(CASCADES), load(ESTES)])
    with pytest.raises(ValueError, match="the 2025 fit contains the cascade sample"):
        check_overlaps([load(CASCADES), load(COMBINED)])
    with pytest.raises(ValueError, match="the 2025 fit contains the cascade sample"):
        check_overlaps([load(COMBINED), len, load(CASCADES)])
    with pytest.raises(ValueError, match="same data"):
        check_overlaps([load(TRACKS), load(TRACKS, "delavega2024")])
    for name in ALL[:-1]:
        with pytest.raises(ValueError, match=GLOBAL):
            check_overlaps([load(GLOBAL), load(name)])


def test_overlap_tables_name_data_sets():
    assert {other for name in ALL for other in table(name)["overlaps"]} <= set(datasets())


def test_errors():
    assert set(datasets()) == set(ALL)
    with pytest.raises(ValueError, match="icecube-cascades-6yr"):
        load("icecube-cascades")
    with pytest.raises(ValueError, match="hooper2023"):
        load(CASCADES, "gaussian")
    with pytest.raises(ValueError, match="errors of one"):
        one_bin(value=1e-8, minus=0.0)
    with pytest.raises(ValueError, match="levels of one"):
        one_bin(level=90.0, is_limit=True)
