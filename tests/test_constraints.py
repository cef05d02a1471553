"""Other measurements against mpmath, limits and published numbers."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaxnu.constants import MUON_MASS_MEV
from jaxnu.constraints import MEASUREMENTS, MuonMoment, coupling_band, coupling_for, delta_a_mu
from jaxnu.evolutions import Flat
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.universe import Universe


@pytest.mark.parametrize("mass", [1e-4, 1.0, 10.0, 100.0, 1000.0, 1e6])
def test_muon_moment_is_the_loop_integral(mass):
    ratio = mpmath.mpf(mass) ** 2 / mpmath.mpf(MUON_MASS_MEV) ** 2
    small = [mpmath.mpf(10) ** -power for power in range(14, 0, -2)]
    edges = [0, *small, 0.5, *(1 - x for x in reversed(small)), 1]
    with mpmath.workdps(30):
        integral = mpmath.quad(lambda x: 2 * x**2 * (1 - x) / (x**2 + (1 - x) * ratio), edges)
        truth = integral / (8 * mpmath.pi**2)
    assert float(delta_a_mu(mass, 1.0)) == pytest.approx(float(truth), rel=1e-10)


def test_limits_of_light_and_heavy_bosons():
    assert float(delta_a_mu(1e-4, 3e-4)) == pytest.approx(9e-8 / (8 * np.pi**2), rel=1e-4)
    assert float(delta_a_mu(1e5, 0.1)) == pytest.approx(0.01 * (MUON_MASS_MEV / 1e5) ** 2 / (12 * np.pi**2), rel=1e-3)


def test_couplings_that_explain_published_discrepancies():
    """At 10 MeV: 288e-11 (PDG 2014), 251(59)e-11, the upper 2σ of 107(70)e-11 and of 38(63)e-11."""
    found = coupling_for(10.0, jnp.asarray([288e-11, 251e-11, 107e-11, 38e-11, 247e-11, 164e-11]))
    np.testing.assert_allclose(found, [5.390e-4, 5.032e-4, 3.286e-4, 1.958e-4, 4.992e-4, 4.068e-4], rtol=2e-4)
    np.testing.assert_allclose(coupling_band(10.0, "wp2020-fnal2021"), [4.401e-4, 5.592e-4], rtol=2e-4)
    low, high = coupling_band(10.0, "wp2025", sigmas=2.0)
    assert float(low) == 0.0 and float(high) == pytest.approx(4.068e-4, rel=2e-4)


def test_moment_as_a_term_is_normal_in_the_moment():
    """At the coupling that explains the value plus twice the error, ln L = −2; its slope is finite without coupling."""
    known = MEASUREMENTS["wp2020-fnal2021"]
    term = MuonMoment(known.value, known.error)

    def log_likelihood(coupling):
        source = Source(PowerLaw(1.5, 2.5), Flat())
        return term(Universe(LmuLtau(10.0, coupling), Neutrinos(0.02), source))

    assert float(log_likelihood(coupling_for(10.0, 251e-11))) == pytest.approx(0, abs=1e-20)
    assert float(log_likelihood(coupling_for(10.0, 369e-11))) == pytest.approx(-2)
    assert float(jax.grad(log_likelihood)(jnp.asarray(0.0))) == 0


def test_shapes_broadcast_and_unknown_names_are_refused():
    assert delta_a_mu(jnp.ones((4, 1)), jnp.ones(3)).shape == (4, 3)
    with pytest.raises(ValueError, match="bmw2020"):
        coupling_band(10.0, "bnl")
    with pytest.raises(ValueError, match="positive"):
        MuonMoment(1e-9, 0.0)
