"""A posterior that is known in closed form: normals in the logarithms and a correlated pair."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from jaxnu.inference import default_prior, posterior

MEAN = {"mass": np.log(4.0), "coupling": np.log(1e-3), "lightest": np.log(0.01), "amplitude": 1.6, "index": 2.5}
SD = {"mass": 0.1, "coupling": 0.4, "lightest": 0.2, "amplitude": 0.2, "index": 0.08}
CORRELATION = 0.6
"""Of amplitude and index."""


class Gaussian:
    """ln L normal in ln m, ln g′, ln m_lightest, amplitude and index; counts how often it is traced."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift, self.traces = shift, 0

    def __call__(self, universe):
        self.traces += 1
        values = {
            "mass": jnp.log(universe.mediator.mass) + self.shift,
            # finite without interactions, where ln g′ is not
            "coupling": jnp.log(universe.mediator.coupling + 1e-12),
            "lightest": jnp.log(universe.neutrinos.lightest),
            "amplitude": universe.source.spectrum.amplitude,
            "index": universe.source.spectrum.index,
        }
        pulls = {name: (values[name] - MEAN[name]) / SD[name] for name in MEAN}
        pair = pulls["amplitude"] ** 2 + pulls["index"] ** 2 - 2 * CORRELATION * pulls["amplitude"] * pulls["index"]
        rest = pulls["mass"] ** 2 + pulls["coupling"] ** 2 + pulls["lightest"] ** 2
        return -0.5 * (pair / (1 - CORRELATION**2) + rest)


def gaussian_model(term=None):
    return posterior(default_prior, Gaussian() if term is None else term)
