"""The parts of the transport with all channels, each against quadrature or a closed form."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from charges import universe
from scipy.integrate import quad

import jaxnu
from jaxnu.channels import cross_sections, f_zz
from jaxnu.transport.boson_pairs import USED, boson_powers
from jaxnu.transport.interpolation import line_weights
from jaxnu.transport.powers import POWERS, TERMS
from jaxnu.transport.targets import target


@pytest.mark.parametrize("y", [1e-3, 0.1, 1.0, 10.0, 99.0])
def test_powers_give_the_propagator(y):
    """1/[1 + y(1 − x)] and its square for all x."""
    rho, x = y / (1 + y), np.linspace(0, 1, 201)
    terms = (
        TERMS[:, None] * np.where(TERMS > 0, rho ** (POWERS + 1), 0.0)[:, None] * x ** np.maximum(POWERS, 0)[:, None]
    )
    exact = 1 / (1 + y * (1 - x))
    np.testing.assert_allclose(terms.sum(0) / y, exact, rtol=2e-4)
    np.testing.assert_allclose((terms * (POWERS + 1)[:, None]).sum(0) * (1 - rho) / y, exact**2, rtol=2e-4)


@pytest.mark.parametrize(("y", "upper_half"), [(5.0, 0.362111), (8.0, 0.624155), (30.0, 0.861821), (1e5, None)])
def test_boson_pairs_keep_their_energy(y, upper_half):
    """And of their four neutrinos those with x > ½, to 0.02."""
    coefficients = np.asarray(boson_powers(jnp.asarray(y), f_zz(jnp.asarray(y)))) / float(f_zz(jnp.asarray(y)))
    powers = POWERS[:USED]
    np.testing.assert_allclose((coefficients / (powers + 2)).sum(), 1, atol=2e-3)
    if upper_half:
        above = coefficients[1:] * (1 - 0.5 ** (powers[1:] + 1)) / (powers[1:] + 1)
        np.testing.assert_allclose(above.sum() + coefficients[0] * np.log(2), upper_half, atol=0.02)


@pytest.mark.parametrize("growth", [-800.0, -30.0, -2.0, -0.0999, 0.0, 0.05, 1.5])
def test_weights_of_straight_lines(growth):
    lower, upper, _ = line_weights(jnp.asarray([0.3]), jnp.asarray([growth]))
    for weight, line in ((lower, lambda u: 1 - u), (upper, lambda u: u)):
        pieces = np.concatenate([[0], np.geomspace(1e-6, 1, 12)])
        exact = sum(
            quad(lambda u, line=line: np.exp(growth * u) * line(u), a, b, epsrel=1e-12)[0]
            for a, b in itertools.pairwise(pieces)
        )
        np.testing.assert_allclose(float(weight[0]), 0.3 * exact, rtol=1e-7)


@pytest.mark.parametrize("helicity", ["majorana", "dirac"])
@pytest.mark.parametrize("moller", [True, False])
def test_moments_of_the_relics(helicity, moller):
    """Of ω(1 − β cosθ), by adaptive quadrature over momenta and angles, which end in a peak for Dirac relics."""
    for a in (0.0, 1.0, 30.0):
        found = target(jaxnu.Relics(moller=moller, helicity=helicity), jnp.asarray(a))

        def moment(k, a=a):
            def at(u):
                omega = np.hypot(u, a)
                beta = u / omega

                def of(c):
                    flux = 1 - beta * c
                    weight = (flux if moller else 1.0) * (0.5 * (1 + (beta - c) / flux) if helicity == "dirac" else 1.0)
                    return weight * (omega * flux) ** k / 2

                return u**2 / (np.exp(u) + 1) * quad(of, -1, 1 - 1e-12)[0]

            return quad(at, 1e-9, 40)[0]

        zero, one, two = (moment(k) for k in range(3))
        np.testing.assert_allclose(float(found.weight), zero / (1.5 * 1.2020569), rtol=3e-3)
        np.testing.assert_allclose(float(found.mean), one / zero, rtol=3e-3)
        np.testing.assert_allclose(float(found.spread), np.sqrt(two * zero / one**2 - 1), rtol=5e-3)


def cold(**options):
    """Relics at rest, with the density of today's."""
    u = universe(**options)
    return jaxnu.Universe(u.mediator, u.neutrinos, u.source, jaxnu.Relics(1.95 / 256, overdensity=256.0**3))


@pytest.mark.parametrize("channels", ["breit-wigner", "all"])
def test_mean_free_path_is_the_sum_of_cross_sections(channels):
    """1/λ_i = n₀(1+z)³ Σ_j [σ(ν_i ν̄_j) + σ(ν_i ν_j)] for relics at rest, apart from the resonances."""
    u, z = cold(mass=5.0, coupling=0.03, channels=channels), 0.4
    energy = np.array([3e4, 1e6, 3e7, 1e9])
    masses = np.asarray(u.neutrinos.masses)
    s = 2e-3 * energy[None] * (1 + z) * masses[:, None]  # MeV²
    sigma = np.zeros((3, energy.size))
    for j in range(3):
        found = cross_sections(u, jnp.asarray(s[j]))
        each = found.s if channels == "breit-wigner" else found.on_antineutrino + found.on_neutrino
        sigma += np.asarray(each[:, j])
    density = 3 * 1.2020569 * (8.617333e-5 * 1.95 / 1.9732698e-5) ** 3 / (4 * np.pi**2)  # cm⁻³
    expected = 1 / (density * (1 + z) ** 3 * sigma) / 3.0856776e24
    found = jax.jit(lambda energy: jaxnu.mean_free_path(u, energy, z))(jnp.asarray(energy))
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_optical_depth_is_the_integral_of_the_rate():
    """τ_i = ∫ c dz/[(1+z) H λ_i], far above the resonances."""
    u = universe(mass=5.0, coupling=0.03, channels="all")
    energy = np.array([1e8, 1e9])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    z, w = (nodes + 1) / 2, weights / 2
    mean_free_path = jax.jit(lambda z: jaxnu.mean_free_path(u, energy, z))
    rate = np.array([1 / np.asarray(mean_free_path(jnp.asarray(at))) for at in z])
    length = 299792.458 / 67.4 / np.sqrt(0.315 * (1 + z) ** 3 + 0.685) / (1 + z)
    found = np.asarray(jax.jit(lambda z: jaxnu.optical_depth(u, energy, z))(jnp.asarray(1.0))).sum(1)
    np.testing.assert_allclose(found, np.einsum("k,kie->ie", w * length, rate), rtol=1e-3)


def test_what_is_refused():
    with pytest.raises(ValueError, match="channels must be one of narrow, breit-wigner, all, got 'every'"):
        jaxnu.LmuLtau(5.0, 0.01, channels="every")
    with pytest.raises(ValueError, match="prefactor must be 1"):
        jaxnu.LmuLtau(5.0, 0.01, prefactor=4.0, channels="all")
