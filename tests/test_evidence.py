"""Evidence by importance sampling, and calibration, against closed forms."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from gaussian import CORRELATION, MEAN, SD, gaussian_model

from jaxnu.evolutions import StarFormation
from jaxnu.icecube import load
from jaxnu.inference import calibrate, default_prior, evidence, measurement, posterior, sample
from jaxnu.inference.calibration import Calibration, SimulatedPoints
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.transport.mesh import Resolution
from jaxnu.transport.solver import propagate
from jaxnu.universe import Universe

VOLUME = {
    "mass": math.log(20),
    "coupling": math.log(1e4),
    "lightest": math.log(1e3),
    "amplitude": 3.9,
    "index": 1.7,
}
"""Of the default prior, in the coordinates in which the likelihood is normal."""


@pytest.fixture(scope="module")
def gaussian():
    return evidence(gaussian_model(), jax.random.key(0), draws=4096, sweep=512, progress=False)


def test_evidence_of_a_normal_likelihood(gaussian):
    """The likelihood lies within the prior's ranges but for 1e-5 of it, so Z is its volume over the prior's."""
    volume = (2 * math.pi) ** 2.5 * math.prod(SD.values()) * math.sqrt(1 - CORRELATION**2)
    exact = math.log(volume / math.prod(VOLUME.values()))
    assert gaussian.error < 0.03
    assert gaussian.log_evidence == pytest.approx(exact, abs=4 * gaussian.error)


def test_weighted_draws_have_the_quantiles_of_the_posterior(gaussian):
    assert np.sum(gaussian.weights) == pytest.approx(1)
    for name, mean in MEAN.items():
        low, middle, high = gaussian.quantiles(name, np.array([0.1587, 0.5, 0.8413]))
        if name not in ("amplitude", "index"):
            low, middle, high = np.log([low, middle, high])
        assert middle == pytest.approx(mean, abs=0.15 * SD[name])
        assert (high - low) / 2 == pytest.approx(SD[name], rel=0.1)


def test_two_modes_share_the_evidence():
    """Two narrow modes far apart, the second of three times the mass of the first."""

    def prior():
        mass = numpyro.sample("mass", dist.Uniform(1.0, 21.0))
        index = numpyro.sample("index", dist.Uniform(2.0, 3.0))
        return Universe(LmuLtau(mass, 1e-4), Neutrinos(0.01), Source(PowerLaw(1.0, index), StarFormation()))

    def term(universe):
        mass, index = universe.mediator.mass, universe.source.spectrum.index
        at = jnp.stack([(mass - 5) / 0.3, (mass - 15) / 0.3])
        return jnp.logaddexp(-0.5 * at[0] ** 2, math.log(3) - 0.5 * at[1] ** 2) - 0.5 * ((index - 2.5) / 0.05) ** 2

    found = evidence(posterior(prior, term), jax.random.key(1), draws=4096, sweep=512, progress=False)
    exact = math.log(4 * 2 * math.pi * 0.3 * 0.05 / 20)
    assert found.log_evidence == pytest.approx(exact, abs=4 * found.error)
    first = np.sum(found.weights[found.values["mass"] < 10])
    assert first == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / found.effective))


def test_error_of_few_draws_is_not_known():
    assert evidence(gaussian_model(), jax.random.key(0), draws=64, sweep=64, progress=False).error == math.inf


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="draws ≥ 1 and sweep ≥ 1, got draws=0"):
        evidence(gaussian_model(), jax.random.key(0), draws=0)
    with pytest.raises(ValueError, match="experiments and draws must be positive, got 0 and 9"):
        calibrate(gaussian_model(), jax.random.key(0), sample, experiments=0, draws=9)


SMALL = Resolution(40, 4)


@pytest.fixture(scope="module")
def calibrated():
    """Posteriors of 24 simulated data sets, on a mesh that is coarse for the simulation and the fit alike."""
    model = posterior(partial(default_prior, channels="narrow"), load("icecube-tracks-9.5yr"), resolution=SMALL)
    sampler = partial(sample, sweep=256, warmup=10, draws=20, jumps=8, progress=False)
    return calibrate(model, jax.random.key(2), sampler, experiments=24, draws=19, progress=False)


def test_sampler_is_calibrated(calibrated):
    """Ranks are uniform; 1e-3 for each of five parameters fails by chance once in 200 codes that are right."""
    assert set(calibrated.ranks) == set(VOLUME)
    assert all(np.all((ranks >= 0) & (ranks <= 19)) for ranks in calibrated.ranks.values())
    for name, p in calibrated.uniformity(bins=4).items():
        assert p > 1e-3, name


def test_ranks_that_are_not_uniform_are_seen():
    """A posterior twice too narrow puts truths too often into the outermost ranks."""
    rng = np.random.default_rng(0)
    truths, draws = rng.normal(size=300), rng.normal(size=(300, 99)) / 2
    ranks = np.sum(draws < truths[:, None], axis=1)
    assert Calibration({"narrow": ranks}, {}, 99).uniformity()["narrow"] < 1e-6


def test_term_of_simulated_data_is_that_of_the_data():
    """With the published data in the place of simulated ones, ln L differs between points as that of the tables."""
    terms = (load("icecube-tracks-9.5yr"), load("icecube-cascades-6yr"))
    simulated = SimulatedPoints(terms, measurement(terms))
    universes = [
        Universe(
            LmuLtau(5.0, coupling, channels="narrow"), Neutrinos(0.03), Source(PowerLaw(1.5, 2.4), StarFormation())
        )
        for coupling in (1e-3, 1e-5)
    ]
    spectra = [propagate(universe, Resolution(60, 8)) for universe in universes]
    pairs = list(zip(spectra, universes, strict=True))
    from_tables = [sum(term.from_spectrum(*pair) for term in terms) for pair in pairs]
    from_simulated = [simulated.from_spectrum(*pair) for pair in pairs]
    difference = float(from_tables[1] - from_tables[0])
    assert abs(difference) > 0.1
    assert float(from_simulated[1] - from_simulated[0]) == pytest.approx(difference, rel=1e-9)
