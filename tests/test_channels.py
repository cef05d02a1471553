"""Cross sections of every channel against explicit spinors, exact limits, tabulated numbers and finite differences."""

import amplitudes
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from charges import hermitian, universe
from numpy.polynomial.legendre import leggauss

import jaxnu
from jaxnu import channels
from jaxnu.channels import area, cross_sections, reduced_cross_sections
from jaxnu.mediators import cross_section
from jaxnu.neutrinos import charge_couplings, charge_matrix


def in_units(u, y):
    """All channels in units of g′⁴/4πM², at y = s/M²."""
    unit = area(u.mediator) * u.mediator.coupling**4
    return jax.tree.map(lambda value: value / unit, cross_sections(u, jnp.asarray(y) * u.mediator.mass**2))


def integral(function, nodes=60):
    """∫₀¹ function(x) dx."""
    points, weights = leggauss(nodes)
    return sum(w / 2 * function((1 + r) / 2) for r, w in zip(points, weights, strict=True))


@pytest.mark.parametrize(("y", "seed"), [(0.3, 1), (0.99, 2), (1.002, 3), (7.0, 4), (30.0, 5)])
def test_pairs_from_spinors(y, seed):
    """σ from |M|² of s, t and u diagrams, over the mean of the process and its conjugate, for any Hermitian Q."""
    u = universe(mass=0.05, coupling=0.4, charges=hermitian(seed))  # all charged leptons are closed
    q = np.asarray(charge_matrix(u.neutrinos, u.mediator.charges))
    gamma = 0.4**2 * np.sum(np.abs(q) ** 2) / (24 * np.pi)

    def squares(x):
        s, t = amplitudes.pair_amplitudes(y, x, q, gamma)
        conjugate = sum(amplitudes.pair_amplitudes(y, x, q.conj(), gamma))
        like_t, like_u = amplitudes.like_amplitudes(y, x, q)
        both = [amplitudes.density(m, y) for m in (s + t, conjugate, s, t, like_t, like_u, like_t + like_u)]
        return np.sum(both, axis=(-1, -2))

    total, conjugate, s, t, like_t, like_u, like = integral(squares)
    result = in_units(u, y)
    np.testing.assert_allclose(result.s, s, rtol=1e-9)
    np.testing.assert_allclose(result.t, t, rtol=1e-9)
    np.testing.assert_allclose(result.st, (total + conjugate) / 2 - s - t, rtol=1e-9, atol=1e-12 * np.max(s + t))
    np.testing.assert_allclose(result.t_u, (like_t + like_u) / 2, rtol=1e-9)
    np.testing.assert_allclose(result.on_neutrino, like / 2, rtol=1e-9)


@pytest.mark.parametrize("y", [4.01, 9.0, 60.0])
def test_bosons_from_polarisation_vectors(y):
    u = universe(charges=hermitian(6))
    q = np.asarray(charge_matrix(u.neutrinos, u.mediator.charges))
    beta, rapidity = np.sqrt(1 - 4 / y), np.arccosh(y / 2 - 1)

    def per_rapidity(r):
        """dσ/dr with cos θ = tanh(η)/tanh(ℓ), η = ℓ(2r − 1), which flattens the peaks."""
        tanh = np.tanh(rapidity * (2 * r - 1))
        slope = beta * rapidity * (1 - tanh**2) / np.tanh(rapidity)
        return slope * sum(amplitudes.bosons(y, (1 + beta * tanh / np.tanh(rapidity)) / 2))

    spectrum = integral(per_rapidity, 40)
    np.testing.assert_allclose(in_units(u, y).zz, np.abs(q @ q) ** 2 * spectrum / 2, rtol=1e-9)
    assert np.all(in_units(u, 4.0).zz == 0)


def test_massive_pairs_from_spinors():
    """μ⁺μ⁻ and χχ̄ at √s = 300 MeV, where M itself is below their thresholds."""
    s, muon = 300.0**2, 105.6583755
    u = universe(coupling=0.3, dark_coupling=0.2, dark_mass=130.0)
    gamma = 0.3**2 / (12 * np.pi)
    muons, dark = (amplitudes.fermion_pair(s / 25, mass / 5, gamma) for mass in (muon, 130.0))
    neutrinos = amplitudes.fermion_pair(s / 25, 0.0, gamma) / 2
    expected = np.asarray(charge_couplings(u.neutrinos, u.mediator.charges)) * (
        2 * neutrinos + muons + (0.2 / 0.3) ** 2 * dark
    )
    np.testing.assert_allclose(in_units(u, s / 25).s, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("y", "i", "j", "row"),
    [
        (0.5, 0, 0, (0.0393434, 0.0137167, 0.0176085, 0, 0.0706686, 0.0340149, 0.0331004, 0.0671153)),
        (2.0, 0, 2, (0.3636416, 0.1099747, -0.2573915, 0, 0.2162248, 0.2082372, 0.0082954, 0.2165325)),
        (10.0, 1, 1, (0.0000693, 0.3320970, -0.0002435, 0.1884411, 0.5203638, 0.4489560, 0.1973674, 0.6463234)),
    ],
)
def test_tabulated_cross_sections(y, i, j, row):
    result = in_units(universe(), y)
    numbers = (*result[:4], result.on_antineutrino, *result[4:], result.on_neutrino)
    np.testing.assert_allclose([number[i, j] for number in numbers], row, rtol=0, atol=5.1e-8)
    np.testing.assert_allclose(area(universe().mediator) * 0.05**4, 7.74646e-30, rtol=1e-6)


def test_couplings_of_mu_minus_tau():
    """c_ij = |q_ij|², (R)_ii = 1 − |U_ei|²; and |q_ij|² is the modulus of q."""
    u = universe()
    q = charge_matrix(u.neutrinos, u.mediator.charges)
    factors = channels.flavour_factors(q)
    np.testing.assert_allclose(factors.st, factors.s, atol=1e-15)
    np.testing.assert_allclose(factors.s, charge_couplings(u.neutrinos, u.mediator.charges), atol=1e-15)
    np.testing.assert_allclose(np.sqrt(np.diagonal(factors.t)), [0.319444, 0.702746, 0.977810], atol=5.1e-7)
    np.testing.assert_allclose(q, np.asarray(q).conj().T, atol=1e-15)


@pytest.mark.parametrize(
    ("charges", "pairs", "others"), [(np.diag([1.0, 0, 0]), 2 / 3, 0), (np.eye(3), 2 / 3 + 2 / 6, 1)]
)
def test_contact_limit(charges, pairs, others):
    """y → 0 with g′²/M² = √2 G_F: G_F² s/π × (1 for ν_aν_a, ½ for ν_aν_b, ⅔ + ⅙ per other flavour for ν_aν̄_a)."""
    y = 1e-6
    result = in_units(unmixed(charges), y)
    unit = y * 2  # G_F² s/π in g′⁴/4πM²
    np.testing.assert_allclose(result.on_neutrino[0, 0], unit, rtol=1e-5)
    np.testing.assert_allclose(result.on_antineutrino[0, 0], pairs * unit, rtol=1e-5)
    np.testing.assert_allclose(result.on_neutrino[0, 1], others * unit / 2, rtol=1e-5)
    np.testing.assert_allclose(result.on_antineutrino[0, 1], others * unit / 6, rtol=1e-5)


def unmixed(charges, **options):
    """Mass states that are flavours."""
    mixing = jaxnu.Mixing(0.0, 0.0, 0.0, 0.0, 7.4e-5, 2.5e-3)
    u = universe(charges=charges, **options)
    return eqx.tree_at(lambda u: u.neutrinos.mixing, u, mixing)


@pytest.mark.parametrize("coupling", [1e-6, 1e-3, 0.5])
def test_unitarity_on_resonance(coupling):
    """One flavour alone fills the J = 1 wave of definite helicities: σ_s = (4π/k²)(2J + 1) = 48π/M², k = M/2."""
    s = reduced_cross_sections(unmixed(np.diag([0, 0, 1.0]), coupling=coupling), jnp.asarray(25.0, dtype=float)).s
    np.testing.assert_allclose(s[2, 2] / (4 * np.pi), 48 * np.pi, rtol=1e-9)


def test_narrow_limit():
    """∫ σ_s ds → 2π|q|²g′², and the cross section is the Breit–Wigner of `mediators`, prefactor and dark width too."""
    u = universe(coupling=1e-3, prefactor=4.0, dark_coupling=2e-3, channels="narrow")
    couplings = charge_couplings(u.neutrinos, u.mediator.charges)
    gamma = float(channels.relative_width(u.mediator))
    edge = np.arctan(1e4)
    angles, weights = (edge * number for number in leggauss(400))
    s = jnp.asarray(25 * (1 + gamma * np.tan(angles)))
    sections = reduced_cross_sections(u, s).s / (100 * np.pi)
    np.testing.assert_allclose(sections[0, 2], cross_section(u.mediator, s, couplings[0, 2]), rtol=1e-6)
    area_below = np.asarray(sections) @ (weights * 25 * gamma / np.cos(angles) ** 2)
    np.testing.assert_allclose(area_below, 4 * 2 * np.pi * np.asarray(couplings) * 1e-6, rtol=2e-4)


def test_shapes_and_refusals():
    sections = jax.eval_shape(cross_sections, universe(), jnp.ones((2, 4)))
    assert {value.shape for value in sections} == {(3, 3, 2, 4)}
    with pytest.raises(ValueError, match="s must be positive"):
        cross_sections(universe(), 0.0)
