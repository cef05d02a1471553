"""Universes of any charges for the tests of the channels."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxnu

HARD = (*(10.0**k for k in range(-30, 13, 3)), 0.5, 0.999, 1.0, 1.001, 2.0, 3.99, 4.0, 4.01, 5.0, 8.0, 30.0)
"""Values of y = s/M² from far below to far above everything, on and beside the resonance and the threshold of Z′Z′."""


def universe(mass=5.0, coupling=0.05, charges=(0.0, 1.0, -1.0), **options):
    """A universe whose charges are a complex matrix whatever they are, so that one compilation serves them all."""
    matrix = jnp.asarray(np.diag(charges) if np.ndim(charges) == 1 else charges, dtype=complex)
    mediator = jaxnu.LmuLtau(mass, coupling, charges=matrix, **options)
    source = jaxnu.Source(jaxnu.PowerLaw(1.0, 2.5), jaxnu.StarFormation())
    return jaxnu.Universe(mediator, jaxnu.Neutrinos(0.02, "normal", "nufit-5.0"), source)


def mediator_numbers(u):
    """(m_Z′, g′, g_χ, m_χ), in which slopes are tested: those in the charges are of polynomials."""
    return u.mediator.mass, u.mediator.coupling, u.mediator.dark_coupling, u.mediator.dark_mass


def in_precision(u, kind):
    """The universe in that floating-point type."""
    both = {jnp.float32: (jnp.float32, jnp.complex64), jnp.float64: (jnp.float64, jnp.complex128)}[kind]
    return jax.tree.map(lambda leaf: leaf.astype(both[jnp.iscomplexobj(leaf)]), u)


def hermitian(seed):
    """A random complex Hermitian charge matrix."""
    parts = np.random.default_rng(seed).normal(size=(2, 3, 3))
    matrix = parts[0] + 1j * parts[1]
    return (matrix + matrix.conj().T) / 2
