"""Masses, mixing and charges against published tables, exact identities and finite differences."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.optimize import brentq

from jaxnu.neutrinos import Mixing, Neutrinos, charge_couplings, flavour_content, pmns

MU_TAU = jnp.array([0.0, 1.0, -1.0])
ORDERINGS = ("normal", "inverted")
PRESETS = ("nufit-5.0", "nufit-5.2", "nufit-6.0", "kamada-yu-2015", "araki-2014")


def random_mixing(seed):
    sin2, delta = jax.random.uniform(jax.random.key(seed), (3,)), 2 * jnp.pi * seed / 5
    return Mixing(sin2[0], sin2[1], sin2[2], delta, 7.5e-5, 2.5e-3)


@pytest.mark.parametrize(
    ("ordering", "table"),
    [
        ("inverted", [[0.054, 0.163, 0.555], [0.163, 0.088, 0.806], [0.555, 0.806, 0.143]]),
        ("normal", [[0.051, 0.158, 0.556], [0.158, 0.082, 0.808], [0.556, 0.808, 0.133]]),
    ],
)
def test_couplings_of_1409_4180_eq_4(ordering, table):
    couplings = charge_couplings(Neutrinos(0.003, ordering, "araki-2014"), MU_TAU)
    np.testing.assert_allclose(np.sqrt(couplings), table, rtol=0, atol=5.1e-4)


def test_masses_of_1409_4180():
    """Σm = 0.102 eV and ⟨m_ee⟩ up to 4.81e-2 eV for m3 = 3 meV, inverted ordering (end of the paper)."""
    neutrinos = Neutrinos(0.003, "inverted", "araki-2014")
    assert float(neutrinos.masses.sum()) == pytest.approx(0.102, abs=5e-4)
    assert float(flavour_content(neutrinos)[0] @ neutrinos.masses) == pytest.approx(4.81e-2, abs=6e-5)


def test_probabilities_of_1504_00711_eq_24():
    """Far behind an optically thick resonance of L_μ−L_τ only Σ_i |U_ℓi|²|U_ei|² Σ_k |U_ek|²|U_ℓ′k|² is left."""
    content = np.asarray(flavour_content(Neutrinos(0.05, "normal", "kamada-yu-2015")))
    left = content @ content[0]
    expected = [[0.30, 0.13, 0.12], [0.13, 0.06, 0.05], [0.12, 0.05, 0.04]]
    np.testing.assert_allclose(np.outer(left, left), expected, rtol=0, atol=5.1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_unitarity_identities_and_jarlskog(seed):
    mixing = random_mixing(seed)
    neutrinos = Neutrinos(0.01, "normal", mixing)
    u = np.asarray(pmns(neutrinos))
    np.testing.assert_allclose(u @ u.conj().T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(flavour_content(neutrinos), np.abs(u) ** 2, atol=1e-15)

    q2 = np.asarray(charge_couplings(neutrinos, MU_TAU))
    np.testing.assert_allclose(q2.sum(1), 1 - np.abs(u[0]) ** 2, atol=1e-14)
    assert q2.sum() == pytest.approx(2, abs=1e-14)
    np.testing.assert_allclose(q2, q2.T, atol=1e-15)
    q = u.conj().T @ np.diag([0, 1, -1]) @ u
    assert abs(np.trace(q)) < 1e-14
    np.testing.assert_allclose(q2, np.abs(q) ** 2, atol=1e-15)

    # PDG review of neutrino masses and mixing: J = Im(U_μ3 U*_e3 U_e2 U*_μ2) = ⅛ cos θ13 Π sin 2θ_ij sin δ.
    angles = [math.asin(math.sqrt(s)) for s in (mixing.sin2_12, mixing.sin2_23, mixing.sin2_13)]
    jarlskog = math.cos(angles[2]) * math.prod(math.sin(2 * a) for a in angles) * math.sin(mixing.delta) / 8
    assert (u[1, 2] * u[0, 2].conj() * u[0, 1] * u[1, 1].conj()).imag == pytest.approx(jarlskog, abs=1e-15)
    assert u[0, 2] == pytest.approx(math.sin(angles[2]) * np.exp(-1j * float(mixing.delta)))


def test_hermitian_charges():
    """A charge matrix, complex or real, transforms as U† Q U; the diagonal form is its special case."""
    neutrinos = Neutrinos(0.01)
    np.testing.assert_allclose(
        charge_couplings(neutrinos, jnp.diag(MU_TAU)), charge_couplings(neutrinos, MU_TAU), atol=1e-16
    )
    charges = np.array([[1.0, 0.3 - 0.2j, 0], [0.3 + 0.2j, -1.0, 0.5j], [0, -0.5j, 2.0]])
    couplings = np.asarray(charge_couplings(neutrinos, jnp.asarray(charges)))
    # A unitary rotation keeps tr Q² and the eigenvalues.
    assert couplings.sum() == pytest.approx(np.trace(charges @ charges).real)
    identity = charge_couplings(neutrinos, jnp.eye(3))
    np.testing.assert_allclose(identity, np.eye(3), atol=1e-14)


def test_nufit_5_masses():
    """Σm = 0.10 eV, normal ordering: the masses from scipy's root finder (21.8, 23.5 and 54.7 meV)."""
    lightest = brentq(
        lambda m: m + math.hypot(m, math.sqrt(7.42e-5)) + math.hypot(m, math.sqrt(2.517e-3)) - 0.1, 0, 0.1
    )
    masses = np.asarray(Neutrinos.from_sum(0.10, "normal", "nufit-5.0").masses)
    assert masses[0] == pytest.approx(lightest, rel=1e-10)
    np.testing.assert_allclose(1e3 * masses, [21.8, 23.5, 54.7], rtol=0, atol=0.05)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("lightest", [0.0, 1e-5, 0.02, 0.5])
def test_splittings_and_order(preset, lightest):
    m1, m2, m3 = (float(m) for m in Neutrinos(lightest, "normal", preset).masses)
    mixing = Neutrinos(lightest, "normal", preset).mixing
    assert m1 == lightest and m1 < m2 < m3
    assert m2**2 - m1**2 == pytest.approx(float(mixing.dm2_21), rel=1e-9)
    assert m3**2 - m1**2 == pytest.approx(float(mixing.dm2_3l), rel=1e-9)

    m1, m2, m3 = (float(m) for m in Neutrinos(lightest, "inverted", preset).masses)
    mixing = Neutrinos(lightest, "inverted", preset).mixing
    assert m3 == lightest and m3 < m1 < m2
    assert m2**2 - m1**2 == pytest.approx(float(mixing.dm2_21), rel=1e-9)
    assert m3**2 - m2**2 == pytest.approx(float(mixing.dm2_3l), rel=1e-9)
    assert 7.3e-5 < float(mixing.dm2_21) < 7.7e-5
    assert -2.52e-3 < float(mixing.dm2_3l) < -2.4e-3


@pytest.mark.parametrize(
    ("preset", "degrees"),
    [
        ("nufit-5.0", {"normal": (33.44, 49.2, 8.57, 197), "inverted": (33.45, 49.3, 8.60, 282)}),
        ("nufit-5.2", {"normal": (33.41, 42.2, 8.58, 232), "inverted": (33.41, 49.0, 8.57, 276)}),
        ("nufit-6.0", {"normal": (33.68, 43.3, 8.56, 212), "inverted": (33.68, 47.9, 8.59, 274)}),
    ],
)
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_nufit_angles_in_degrees(preset, degrees, ordering):
    """NuFIT tabulates the angles in degrees too: an independent row of the same tables."""
    mixing = Neutrinos(0.0, ordering, preset).mixing
    sin2 = np.array([mixing.sin2_12, mixing.sin2_23, mixing.sin2_13])
    *angles, delta = degrees[ordering]
    # θ12 of NuFIT 5.x is printed from more digits than sin²θ12.
    np.testing.assert_allclose(np.degrees(np.arcsin(np.sqrt(sin2))), angles, atol=0.06)
    assert math.degrees(mixing.delta) == pytest.approx(delta)


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("lightest", [0.0, 1e-9, 1e-4, 3e-3, 0.03, 1.0])
def test_sum_round_trip(ordering, lightest):
    total = Neutrinos(lightest, ordering).masses.sum()
    assert float(Neutrinos.from_sum(total, ordering).lightest) == pytest.approx(lightest, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_sum_derivatives(ordering):
    """First and second derivatives of the lightest mass in Σm and in the splittings, against finite differences."""
    mixing = Neutrinos(0.0, ordering).mixing
    sign = 1 if ordering == "normal" else -1

    def lightest(x):
        moved = eqx.tree_at(lambda m: (m.dm2_21, m.dm2_3l), mixing, (7.5e-5 * x[1], sign * 2.5e-3 * x[2]))
        return 100 * Neutrinos.from_sum(0.11 * x[0], ordering, moved).lightest

    check_grads(jax.jit(lightest), (jnp.ones(3),), order=2, modes=("rev",), rtol=1e-5, eps=1e-5)


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("sin2", [0.0, 0.3, 1.0])
def test_gradients_are_finite_for_a_massless_neutrino_and_special_angles(ordering, sin2):
    preset = Neutrinos(0.0, ordering).mixing
    mixing = Mixing(sin2, 0.5, 0.0, 0.0, preset.dm2_21, preset.dm2_3l)

    def observables(neutrinos):
        return neutrinos.masses.sum() + charge_couplings(neutrinos, MU_TAU)[0, 1] + flavour_content(neutrinos)[1, 2]

    gradient = jax.grad(observables)(Neutrinos(0.0, ordering, mixing))
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient))
    # Only the lightest mass itself is of first order in it.
    assert float(gradient.lightest) == pytest.approx(1)
    minimum = Neutrinos(0.0, ordering).masses.sum()
    assert np.isfinite(jax.grad(lambda total: Neutrinos.from_sum(total, ordering).lightest)(minimum))


def test_gradient_of_the_couplings():
    neutrinos = Neutrinos(0.01, "normal", random_mixing(2))
    check_grads(jax.jit(lambda n: charge_couplings(n, MU_TAU)), (neutrinos,), order=1, rtol=1e-6)


def test_single_precision():
    neutrinos = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), Neutrinos(0.003, "inverted", "araki-2014"))
    assert pmns(neutrinos).dtype == jnp.complex64
    couplings = charge_couplings(neutrinos, MU_TAU.astype(jnp.float32))
    assert couplings.dtype == neutrinos.masses.dtype == jnp.float32
    np.testing.assert_allclose(
        couplings, charge_couplings(Neutrinos(0.003, "inverted", "araki-2014"), MU_TAU), atol=1e-6
    )
    again = Neutrinos.from_sum(neutrinos.masses.sum(), "inverted", neutrinos.mixing)
    assert float(again.lightest) == pytest.approx(0.003, rel=1e-4)


def test_sum_inside_jit_and_vmap():
    totals = jnp.array([0.07, 0.1, 0.2])
    masses = jax.jit(jax.vmap(lambda total: Neutrinos.from_sum(total).masses))(totals)
    np.testing.assert_allclose(masses.sum(1), totals, rtol=1e-14)
    # A traced sum below the minimum is taken as the minimum.
    assert float(jax.jit(lambda total: Neutrinos.from_sum(total).lightest)(0.01)) == 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Neutrinos(0.01, "reversed"), "normal, inverted"),
        (lambda: Neutrinos(0.01, "normal", "nufit"), "nufit-5.0, nufit-5.2, nufit-6.0, kamada-yu-2015, araki-2014"),
        (lambda: Neutrinos(-0.01), "lightest"),
        (lambda: Neutrinos(math.nan), "lightest"),
        (lambda: Neutrinos(0.01, "normal", Neutrinos(0.0, "inverted").mixing), "dm2_3l must be positive"),
        (lambda: Neutrinos(0.01, "inverted", Neutrinos(0.0, "normal").mixing), "dm2_3l must be negative"),
        (lambda: Neutrinos.from_sum(0.05), "at least 0.058"),
        (lambda: Neutrinos.from_sum(0.09, "inverted"), "at least 0.098"),
        (lambda: Neutrinos.from_sum(math.nan), "total"),
        (lambda: Neutrinos.from_sum(math.inf), "total"),
        (lambda: Mixing(1.3, 0.5, 0.02, 0.0, 7.5e-5, 2.5e-3), "sin2_12"),
        (lambda: Mixing(0.3, math.nan, 0.02, 0.0, 7.5e-5, 2.5e-3), "sin2_23"),
        (lambda: Mixing(0.3, 0.5, 0.02, math.inf, 7.5e-5, 2.5e-3), "delta"),
        (lambda: Mixing(0.3, 0.5, 0.02, 0.0, -7.5e-5, 2.5e-3), "dm2_21"),
        (lambda: Mixing(0.3, 0.5, 0.02, 0.0, 7.5e-5, 1e-5), "dm2_3l"),
        (lambda: charge_couplings(Neutrinos(0.01), jnp.ones(2)), "charges"),
    ],
)
def test_wrong_input_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
