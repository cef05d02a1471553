"""Neutrinos scatter by all channels, unless one says otherwise."""

import jax.numpy as jnp
import numpy as np
from numpyro import handlers

import jaxnu
from jaxnu.cli.settings import KINDS
from jaxnu.cli.toml import settings_from
from jaxnu.inference import universe_at
from jaxnu.scan import standard_universe

COARSE = jaxnu.Resolution(60, 8)
STRONG = {"mass": 5.0, "coupling": 0.05, "lightest": 0.02, "amplitude": 1.5, "index": 2.5}


def test_default_of_all_that_have_one():
    assert jaxnu.LmuLtau(6.5, 5e-4).channels == "all"
    assert standard_universe().mediator.channels == "all"
    with handlers.seed(rng_seed=0):
        assert jaxnu.default_prior().mediator.channels == "all"
    assert {command: settings_from(command, {}).model.channels for command in KINDS} == dict.fromkeys(KINDS, "all")


def test_default_prior_has_what_the_narrow_width_leaves_out():
    """At strong coupling exchange absorbs above the resonance's energies, where that alone lets everything pass."""
    cascades = jaxnu.load("icecube-cascades-6yr")
    energy = jnp.asarray([3e6])

    def flux(universe):
        return float(jnp.sum(jaxnu.flux_at_earth(universe, energy, COARSE)))

    model = jaxnu.posterior(jaxnu.default_prior, cascades, resolution=COARSE)
    universe = universe_at(model, STRONG)
    assert flux(universe) < 0.8 * flux(universe.without_interactions())
    assert np.isfinite(cascades(universe, COARSE))
