"""Universes of any charges for the tests of the channels."""

import jax.numpy as jnp
import numpy as np

import jaxnu

HARD = (*(10.0**k for k in range(-30, 13, 3)), 0.5, 0.999, 1.0, 1.001, 2.0, 3.99, 4.0, 4.01, 5.0, 8.0, 30.0)
"""Values of y = s/M² from far below to far above everything, on and beside the resonance and the threshold of Z′Z′."""


def universe(mass=5.0, coupling=0.05, charges=(0.0, 1.0, -1.0), **options):
    mediator = jaxnu.LmuLtau(mass, coupling, charges=jnp.asarray(charges), **options)
    source = jaxnu.Source(jaxnu.PowerLaw(1.0, 2.5), jaxnu.StarFormation())
    return jaxnu.Universe(mediator, jaxnu.Neutrinos(0.02, "normal", "nufit-5.0"), source)


def hermitian(seed):
    """A random complex Hermitian charge matrix."""
    parts = np.random.default_rng(seed).normal(size=(2, 3, 3))
    matrix = parts[0] + 1j * parts[1]
    return (matrix + matrix.conj().T) / 2
