"""Widths, branching and cross section of the Z′ against the formulas of 1409.4180 and 2302.03571."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from jaxnu import LmuLtau
from jaxnu.mediators import charged_lepton_width, cross_section, dark_width, neutrino_branching, neutrino_width

MUON, TAU = 105.6583755, 1776.93


def test_neutrino_width():
    """Γ = g′² m_Z′/12π."""
    np.testing.assert_allclose(neutrino_width(LmuLtau(7.0, 3e-4)), 3e-4**2 * 7.0 / (12 * np.pi), rtol=1e-12)


def test_width_of_any_charges():
    """A rotated charge matrix has the same width; one flavour alone, half of it."""
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    rotated = LmuLtau(7.0, 3e-4, charges=jnp.asarray(rotation @ np.diag([0.0, 1.0, -1.0]) @ rotation.T))
    np.testing.assert_allclose(neutrino_width(rotated), neutrino_width(LmuLtau(7.0, 3e-4)), rtol=1e-12)
    one = LmuLtau(7.0, 3e-4, charges=jnp.asarray([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(neutrino_width(one), neutrino_width(LmuLtau(7.0, 3e-4)) / 2, rtol=1e-12)


def test_dark_channel_opens_at_threshold():
    assert dark_width(LmuLtau(9.999, 1e-4, 0.3, 5.0)) == 0
    assert dark_width(LmuLtau(10.001, 1e-4, 0.3, 5.0)) > 0
    r = (4.0 / 10.0) ** 2
    truth = 0.3**2 * 10.0 / (12 * np.pi) * (1 + 2 * r) * np.sqrt(1 - 4 * r)
    np.testing.assert_allclose(dark_width(LmuLtau(10.0, 1e-4, 0.3, 4.0)), truth, rtol=1e-12)


def test_charged_leptons_open_at_threshold():
    assert charged_lepton_width(LmuLtau(2 * MUON * 0.9999, 1e-3)) == 0
    assert charged_lepton_width(LmuLtau(2 * MUON * 1.0001, 1e-3)) > 0

    def channel(m, lepton):
        r = (lepton / m) ** 2
        return 1e-3**2 * m / (12 * np.pi) * (1 + 2 * r) * np.sqrt(1 - 4 * r)

    np.testing.assert_allclose(charged_lepton_width(LmuLtau(300.0, 1e-3)), channel(300.0, MUON), rtol=1e-12)
    both = channel(5000.0, MUON) + channel(5000.0, TAU)
    np.testing.assert_allclose(charged_lepton_width(LmuLtau(5000.0, 1e-3)), both, rtol=1e-12)


def test_electrons_open_for_charges_of_the_electron():
    """L_e−L_μ above 2m_e and well below 2m_μ: one charged channel of twice a neutrino's width; L_μ−L_τ has none."""
    mediator = LmuLtau(50.0, 1e-3, charges=jnp.asarray([1.0, -1.0, 0.0]))
    np.testing.assert_allclose(charged_lepton_width(mediator), 1e-6 * 50.0 / (12 * np.pi), rtol=1e-6)
    np.testing.assert_allclose(neutrino_branching(mediator), 1 / 2, rtol=1e-6)
    assert charged_lepton_width(LmuLtau(1.02, 1e-3, charges=mediator.charges)) == 0
    assert charged_lepton_width(LmuLtau(50.0, 1e-3)) == 0


def test_branching():
    """Massless χ of equal coupling: half; far above 2m_τ: Γ_νν/(Γ_νν + Γ_μμ + Γ_ττ) → 1/3; no other channel: 1."""
    np.testing.assert_allclose(neutrino_branching(LmuLtau(10.0, 1e-4, 1e-4)), 0.5, rtol=1e-12)
    np.testing.assert_allclose(neutrino_branching(LmuLtau(1e6, 1e-4)), 1 / 3, rtol=1e-5)
    for coupling in (0.0, 1e-8, 0.1):
        assert neutrino_branching(LmuLtau(10.0, coupling)) == 1
        assert neutrino_branching(LmuLtau(10.0, coupling, 1.0, 6.0)) == 1
    assert neutrino_branching(LmuLtau(10.0, 0.0, 1e-3)) == 0
    mediator = LmuLtau(400.0, 1e-3, 2e-3, 30.0)
    widths = [float(width(mediator)) for width in (neutrino_width, charged_lepton_width, dark_width)]
    np.testing.assert_allclose(neutrino_branching(mediator), widths[0] / sum(widths), rtol=1e-12)


def test_slopes_are_finite_at_zero_coupling_and_thresholds():
    for numbers in ((10.0, 0.0, 0.0, 0.0), (10.0, 1e-4, 0.3, 5.0), (2 * MUON, 1e-3, 0.0, 0.0), (10.0, 0.0, 0.1, 1.0)):
        leaves = [jnp.asarray(number) for number in numbers]
        for function in (neutrino_branching, dark_width, charged_lepton_width, neutrino_width):
            slopes = jax.grad(lambda *y, f=function: f(LmuLtau(*y)), (0, 1, 2, 3))(*leaves)
            assert np.all(np.isfinite(slopes)), (function.__name__, numbers)


def test_cross_section():
    """1409.4180 eq. 3: (1/6π)|q_ij|² g′⁴ s/[(s − m²)² + m²Γ²]."""
    m, g, q2 = 8.0, 0.05, 0.37
    s = np.array([1.0, 30.0, 63.9, 64.0, 64.1, 200.0, 1e6])
    width = g**2 * m / (12 * np.pi)
    truth = q2 * g**4 * s / (6 * np.pi) / ((s - m**2) ** 2 + m**2 * width**2)
    np.testing.assert_allclose(cross_section(LmuLtau(m, g), jnp.asarray(s), jnp.asarray(q2)), truth, rtol=1e-10)


@pytest.mark.parametrize("dark", [0.0, 3e-3])
def test_narrow_width_integral(dark):
    """∫σ ds → 2π|q|²g′², whatever the width: integrated over |s/m² − 1| < 10⁴ Γ/m in t, s = m² + mΓ tan t."""
    m, g, q2 = 8.0, 1e-3, 0.37
    mediator = LmuLtau(m, g, dark)
    width = (g**2 + dark**2) * m / (12 * np.pi)

    def integrand(t):
        s = jnp.asarray(m**2 + m * width * np.tan(t))
        return float(cross_section(mediator, s, jnp.asarray(q2))) * m * width / np.cos(t) ** 2

    limit = np.arctan(1e4)
    value = quad(integrand, -limit, limit, epsrel=1e-6)[0]
    np.testing.assert_allclose(value, 2 * np.pi * q2 * g**2, rtol=2e-4)


def test_prefactor():
    """4: 2/(3π) instead of 1/(6π), 2302.03571 eq. 5."""
    s, q2 = jnp.asarray(63.0), jnp.asarray(0.5)
    width = 0.01**2 * 8.0 / (12 * np.pi)
    truth = 2 / (3 * np.pi) * 0.5 * 0.01**4 * 63.0 / (1 + 64 * width**2)
    np.testing.assert_allclose(
        cross_section(LmuLtau(8.0, 0.01, prefactor=4.0, channels="narrow"), s, q2), truth, rtol=1e-10
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mass": -1.0}, "mass of the Z′ must be positive"),
        ({"mass": 0.0}, "mass of the Z′ must be positive"),
        ({"coupling": -1e-4}, "coupling g′ must not be negative"),
        ({"dark_coupling": -1.0}, "dark_coupling must not be negative"),
        ({"dark_mass": -1.0}, "dark_mass must not be negative"),
        ({"prefactor": -1.0}, "prefactor must not be negative"),
        ({"charges": jnp.asarray([1.0, 2.0])}, "charges must be 3 numbers or a 3×3 matrix"),
        ({"charges": jnp.asarray([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])}, "Hermitian"),
        ({"charges": jnp.asarray([[0.0, 1.0j, 0.0], [1.0j, 0.0, 0.0], [0.0, 0.0, 0.0]])}, "Hermitian"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LmuLtau(**({"mass": 10.0, "coupling": 1e-4} | options))


def test_complex_hermitian_charges_accepted():
    charges = jnp.asarray([[0.0, 1.0j, 0.0], [-1.0j, 0.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(
        neutrino_width(LmuLtau(7.0, 3e-4, charges=charges)), 3 * 3e-4**2 * 7.0 / (24 * np.pi), rtol=1e-12
    )
