"""Optical depths and mean free paths against published numbers, the cold limit, and the Z-burst survival."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnu import (
    Cosmology,
    LmuLtau,
    Neutrinos,
    PowerLaw,
    Relics,
    SingleRedshift,
    Source,
    Universe,
    mean_free_path,
    optical_depth,
)
from jaxnu.neutrinos import charge_couplings

resonance = partial(LmuLtau, channels="narrow")
SOURCE = Source(PowerLaw(1.0, 2.5), SingleRedshift(0.2))
BOLTZMANN, HBAR_C, MPC, LIGHT = 8.617333262e-5, 1.973269804e-5, 3.0856775814913673e24, 299792.458
"""eV/K, eV cm, cm, km/s"""


def araki(cosmology=None, moller=True):
    """The point of 1409.4180: m_Z′ = 1.9 MeV, g′ = 5·10⁻⁴, m3 = 3 meV, inverted ordering."""
    neutrinos = Neutrinos(0.003, "inverted", "araki-2014")
    return Universe(resonance(1.9, 5e-4), neutrinos, SOURCE, Relics(moller=moller), cosmology or Cosmology())


def hubble_per_cm(h, omega_m, z):
    """H/c in cm⁻¹."""
    return 100 * h / LIGHT / MPC * np.sqrt(omega_m * (1 + z) ** 3 + 1 - omega_m)


def relic_density(temperature):
    """3ζ(3)T₀³/4π² in cm⁻³, T₀ in K."""
    return 3 * 1.2020569031595942 * (BOLTZMANN * temperature / HBAR_C) ** 3 / (4 * np.pi**2)


def test_mean_free_paths_of_1409_4180():
    """Minima (Mpc) near 30 TeV, where the two heavy targets resonate, and near 497 TeV, where ν3 does; z = 0.2."""
    low = mean_free_path(araki(moller=False), jnp.geomspace(2.5e4, 3.6e4, 400), 0.2)
    np.testing.assert_allclose(jnp.min(low[1]), 12.9, rtol=0.02)
    energy = jnp.geomspace(4e5, 6.5e5, 400)
    high = mean_free_path(araki(moller=False), energy, 0.2)
    np.testing.assert_allclose(jnp.min(high, axis=1), (18.7, 8.9, 282.0), rtol=0.02)
    np.testing.assert_allclose(energy[jnp.argmin(high, axis=1)], 4.97e5, rtol=0.02)


def test_survival_of_1409_4180():
    """ν2 on ν̄3 only, comoving path, average without the Møller factor."""
    universe = araki(Cosmology(h=0.673, omega_m=0.315, path="comoving"), moller=False)
    depth = optical_depth(universe, jnp.asarray([3e5, 4e5, 5e5, 7e5, 8e5, 1e6]), 0.2)[1, 2]
    published = np.array([0.876, 0.0014, 0.0, 4e-4, 0.361, 0.979])
    np.testing.assert_allclose(jnp.exp(-depth), published, rtol=0.02, atol=5e-5)


@pytest.mark.parametrize(
    ("mass", "coupling", "published"),
    [(10.0, 5e-4, 4.74), (6.5, 5e-4, 11.2), (6.5, 1e-4, 0.448), (13.0, 5e-4, 2.80)],
)
def test_depth_today(mass, coupling, published):
    """τ/|q|² of a cold target in resonance today; the resonance is put at z = 0.01, and its growth taken out."""
    universe = Universe(resonance(mass, coupling), Neutrinos(0.5), SOURCE)
    scale = 1.01
    energy = mass**2 * 1e12 / (2 * universe.neutrinos.masses[0] * 1e9) / scale
    depth = optical_depth(universe, energy[None], 0.05)[0, 0, 0]
    couplings = charge_couplings(universe.neutrinos, universe.mediator.charges)
    growth = scale**3 * hubble_per_cm(0.674, 0.315, 0.0) / hubble_per_cm(0.674, 0.315, scale - 1)
    np.testing.assert_allclose(depth / couplings[0, 0] / growth, published, rtol=3e-3)


def test_cold_limit():
    """2π|q_ij|²g′²n₀c(1+z_j)³/(H(z_j) m_Z′²) at each target's own z_j, for relics sixteen times colder."""
    mass, coupling, temperature = 8.0, 2e-4, 1.95 / 16
    universe = Universe(resonance(mass, coupling), Neutrinos(0.03), SOURCE, Relics(temperature=temperature))
    masses = np.asarray(universe.neutrinos.masses)
    energy = np.array([1.2e5, 3.0e5, 4.5e5, 7.0e5, 9.0e5, 2e6])
    z = mass**2 * 1e12 / (2 * masses[:, None] * energy * 1e9) - 1
    couplings = np.asarray(charge_couplings(universe.neutrinos, universe.mediator.charges))
    inside = (z > 0) & (z < 3.0)
    assert np.all(np.any(inside, axis=1)) and np.all(np.any(~inside, axis=1))
    length = relic_density(temperature) * (1 + z) ** 3 / hubble_per_cm(0.674, 0.315, np.where(inside, z, 0.0))
    cold = np.where(inside, 2 * np.pi * coupling**2 * (HBAR_C / (mass * 1e6)) ** 2 * length, 0.0)
    depth = optical_depth(universe, jnp.asarray(energy), 3.0)
    np.testing.assert_allclose(depth, couplings[:, :, None] * cold[None], rtol=3e-3, atol=1e-9)


@pytest.mark.parametrize("y", [1.5, 3.0, 6.0])
def test_z_burst_golden(y):
    """Eberle et al. (hep-ph/0401203): exp[−0.0294 (0.71/h) y³/√(Ω_m y³ + Ω_Λ)] on the Z, n = 56 cm⁻³.

    The Standard Model's ∫σ ds/M_Z² = 2π√2 G_F is 2π g′²/m_Z′² here, with unit charges.
    """
    fermi, z_mass = 1.1663788e-5, 91.1876
    h, omega_m = 0.71, 0.27
    universe = Universe(
        resonance(z_mass * 1e3, np.sqrt(np.sqrt(2) * fermi) * z_mass, charges=jnp.eye(3)),
        Neutrinos(1.0),
        SOURCE,
        Relics(overdensity=56.0 / relic_density(1.95)),
        Cosmology(h=h, omega_m=omega_m),
    )
    energy = (z_mass * 1e9) ** 2 / (2 * universe.neutrinos.masses[0] * 1e9) / y
    depth = optical_depth(universe, energy[None], 10.0)[0, 0, 0]
    np.testing.assert_allclose(depth, 0.0294 * (0.71 / h) * y**3 / np.sqrt(omega_m * y**3 + 1 - omega_m), rtol=5e-3)


def test_paths():
    """A comoving path is 1 + z longer where the collision happens: here at z_j = 1."""
    cold = [
        Universe(resonance(8.0, 2e-4), Neutrinos(0.5), SOURCE, Relics(), Cosmology(path=path))
        for path in ("proper", "comoving")
    ]
    energy = 8.0**2 * 1e12 / (2 * 0.5 * 1e9) / 2.0
    proper, comoving = (optical_depth(universe, jnp.asarray([energy]), 3.0)[0, 0, 0] for universe in cold)
    np.testing.assert_allclose(comoving / proper, 2.0, rtol=2e-3)


def test_free_path_and_depth_agree():
    """∫ c dz/((1+z)H λ) is the total depth: the two functions share the line, not the integral."""
    universe = araki()
    energy = jnp.asarray([3e4, 2e5, 5e5])
    z = np.linspace(0, 0.2, 4001)
    lengths = np.asarray(jax.vmap(lambda z: mean_free_path(universe, energy, z))(jnp.asarray(z)))
    path = LIGHT / 67.4 / np.sqrt(0.315 * (1 + z) ** 3 + 0.685) / (1 + z)
    depth = np.trapezoid(path[:, None, None] / lengths, z, axis=0)
    np.testing.assert_allclose(jnp.sum(optical_depth(universe, energy, 0.2), axis=1), depth, rtol=3e-3)


def test_prefactor_and_overdensity_multiply_the_depth():
    energy = jnp.asarray([1e5, 5e5])
    base, neutrinos = optical_depth(araki(), energy, 0.2), Neutrinos(0.003, "inverted", "araki-2014")
    four = Universe(resonance(1.9, 5e-4, prefactor=4.0), neutrinos, SOURCE)
    dense = Universe(resonance(1.9, 5e-4), neutrinos, SOURCE, Relics(overdensity=3.0))
    np.testing.assert_allclose(optical_depth(four, energy, 0.2), 4 * base, rtol=1e-10)
    np.testing.assert_allclose(optical_depth(dense, energy, 0.2), 3 * base, rtol=1e-10)


def depth_at(theta):
    """Total depths at ln m_Z′, ln g′, lightest mass and z_source."""
    universe = Universe(resonance(jnp.exp(theta[0]), jnp.exp(theta[1])), Neutrinos(theta[2]), SOURCE)
    return jnp.sum(optical_depth(universe, jnp.asarray([2e5, 5.1e5, 6e5, 9e5]), theta[3]), axis=1)


def test_derivatives_and_vmap():
    theta = jnp.asarray([np.log(8.0), np.log(5e-4), 0.02, 0.4])
    compiled = jax.jit(jax.vmap(depth_at))
    step = 1e-5
    shifts = jnp.concatenate([step * jnp.eye(4), -step * jnp.eye(4), jnp.zeros((1, 4))])
    values = compiled(theta[None, :] + shifts)
    numeric = jnp.moveaxis(values[:4] - values[4:8], 0, -1) / (2 * step)
    exact = jax.jit(jax.jacfwd(depth_at))(theta)
    np.testing.assert_allclose(exact, numeric, rtol=1e-4, atol=1e-5 * float(jnp.max(jnp.abs(exact))))
    np.testing.assert_allclose(values[-1], depth_at(theta), rtol=1e-10)


def test_derivative_in_the_coupling():
    """Depth ∝ g′²: the slope in ln g′ is twice the depth."""
    theta = jnp.asarray([np.log(8.0), np.log(5e-4), 0.02, 0.4])
    _, slope = jax.jvp(depth_at, (theta,), (jnp.asarray([0.0, 1.0, 0.0, 0.0]),))
    np.testing.assert_allclose(slope, 2 * depth_at(theta), rtol=1e-10)


def test_nothing_scatters_without_coupling():
    universe = araki().without_interactions()
    assert np.all(np.isinf(mean_free_path(universe, jnp.asarray([1e5]), 0.2)))
    assert np.all(optical_depth(universe, jnp.asarray([1e5]), 0.2) == 0)


@pytest.mark.parametrize(
    ("energy", "z", "message"),
    [([-1.0], 0.2, "energy must be positive"), ([1e5], 0.0, "z_source must be positive")],
)
def test_refused(energy, z, message):
    with pytest.raises(ValueError, match=message):
        optical_depth(araki(), jnp.asarray(energy), z)


def test_negative_redshift_refused():
    with pytest.raises(ValueError, match="z must not be negative"):
        mean_free_path(araki(), jnp.asarray([1e5]), -0.1)
