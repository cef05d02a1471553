"""Spectra of the daughters against explicit spinors and polarisation vectors, exact sums and tabulated numbers."""

from functools import partial
from itertools import pairwise

import amplitudes
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from charges import HARD, hermitian, in_precision, mediator_numbers, universe
from numpy.polynomial.legendre import leggauss

from jaxnu.channels import area, cross_sections, f_zz
from jaxnu.daughters import boson_daughters, daughter_spectra, reduced_spectra
from jaxnu.neutrinos import charge_matrix

NODES, WEIGHTS = leggauss(60)
X, DX = (NODES + 1) / 2, WEIGHTS / 2
bosons_at = jax.jit(jax.vmap(boson_daughters, (None, 0)))


def in_units(u, y, x, projectile="both"):
    """Spectra in units of g′⁴/4πM² at one y and many x."""
    unit = area(u.mediator) * u.mediator.coupling**4
    s = jnp.full(np.shape(x), y * u.mediator.mass**2)
    return jax.tree.map(lambda value: np.asarray(value / unit), tuple(daughter_spectra(u, s, x, projectile)))


@pytest.mark.parametrize(("y", "seed"), [(0.2, 1), (1.001, 2), (30.0, 3)])
def test_spectra_from_spinors(y, seed):
    """dσ/dx of ν_a and ν̄_a from |M|² for any Hermitian Q: of ν, of ν̄ (q → q*), and their mean; none is negative."""
    u = universe(mass=0.05, coupling=0.4, charges=hermitian(seed))
    q = np.asarray(charge_matrix(u.neutrinos, u.mediator.charges))
    gamma = 0.4**2 * np.sum(np.abs(q) ** 2) / (24 * np.pi)
    result = {kind: in_units(u, y, X, kind) for kind in ("neutrino", "antineutrino", "both")}
    for kind, charge in (("neutrino", q), ("antineutrino", q.conj())):
        for k in (8, 25, 45):
            point = X[k]
            pairs = amplitudes.density(sum(amplitudes.pair_amplitudes(y, point, charge, gamma)), y)
            mirrored = amplitudes.density(sum(amplitudes.pair_amplitudes(y, 1 - point, charge, gamma)), y)
            like = amplitudes.density(sum(amplitudes.like_amplitudes(y, point, charge)), y)
            same, opposite, both, _ = (value[..., k] for value in result[kind])
            np.testing.assert_allclose(same, pairs.sum(-1), rtol=1e-9)
            np.testing.assert_allclose(opposite, mirrored.sum(-2), rtol=1e-9)
            np.testing.assert_allclose(both, like.sum(-1), rtol=1e-9)
        assert min(np.min(value) for value in result[kind]) >= 0
    for mean, one, other in zip(result["both"], result["neutrino"], result["antineutrino"], strict=True):
        np.testing.assert_allclose(mean, (one + other) / 2, rtol=1e-9)


def test_cp_odd_part():
    """Of L_μ−L_τ near resonance: present in single mass states, absent from their sum and from the cross section."""
    u = universe(coupling=0.4)
    odd = (in_units(u, 1.001, X, "neutrino")[0] - in_units(u, 1.001, X, "antineutrino")[0]) @ DX
    even = in_units(u, 1.001, X)[0] @ DX
    assert np.max(np.abs(odd) / even) > 1e-3
    np.testing.assert_allclose(odd.sum(-1) / even.sum(-1), 0, atol=1e-12)


@pytest.mark.parametrize("y", [1e-3, 0.9, 20.0])
def test_number_and_energy(y):
    """Each scattering gives 2 neutrinos (4 by Z′Z′) with all of the energy, for any Q, but for what goes into χχ̄."""
    u = universe(mass=0.05, coupling=0.4, charges=hermitian(4), dark_coupling=0.2)
    visible = np.sum(np.abs(u.mediator.charges) ** 2)
    branching = visible / (visible + 2 * (0.2 / 0.4) ** 2)
    sections = jax.tree.map(lambda value: value / (area(u.mediator) * 0.4**4), cross_sections(u, y * 0.05**2))
    same, opposite, like, bosons = (value.sum(-2) for value in in_units(u, y, X))
    pairs = branching * sections.s + sections.t + sections.st
    np.testing.assert_allclose(same @ DX, pairs, rtol=1e-9)
    np.testing.assert_allclose(opposite @ DX, pairs, rtol=1e-9)
    np.testing.assert_allclose((same + opposite) @ (X * DX), pairs, rtol=1e-9)
    np.testing.assert_allclose(like @ DX, 2 * sections.on_neutrino, rtol=1e-9)
    np.testing.assert_allclose(like @ (X * DX), sections.on_neutrino, rtol=1e-9)
    # The spectrum of Z′Z′ has kinks: its sums are those of the next test.
    number = branching * sections.zz / np.maximum(f_zz(jnp.asarray(y)), 1e-30)
    np.testing.assert_allclose(bosons, number[..., None] * bosons_at(jnp.asarray(y), X)[None, None], rtol=1e-9)


@pytest.mark.parametrize(("y", "share"), [(5.0, 0.362111), (8.0, 0.624155), (30.0, 0.861821)])
def test_number_and_energy_of_bosons(y, share):
    """Four neutrinos with all of the energy per event, and the tabulated number above half of it."""
    bottom = (1 - np.sqrt(1 - 4 / y)) / 2
    edges = (0.0, bottom, 0.5, 1 - bottom)
    x = [low + (high - low) * X for low, high in pairwise(edges)]
    spectra = [bosons_at(jnp.asarray(y), points) / f_zz(jnp.asarray(y)) for points in x]
    numbers = [spectrum @ DX * (high - low) for spectrum, (low, high) in zip(spectra, pairwise(edges), strict=True)]
    energies = [s @ (p * DX) * (high - low) for s, p, (low, high) in zip(spectra, x, pairwise(edges), strict=True)]
    np.testing.assert_allclose(sum(numbers), 4, rtol=1e-6)
    np.testing.assert_allclose(sum(energies), 1, rtol=1e-6)
    np.testing.assert_allclose(numbers[2], share, atol=5.1e-7)
    assert np.all(bosons_at(jnp.asarray(y), 1 - bottom * X) == 0)


@pytest.mark.parametrize("y", [4.2, 30.0])
def test_bosons_from_polarisation_vectors(y):
    """∫ dζ/ζ of the numbers of Z′ of each polarisation times their decays, in ζ graded towards both ends."""
    beta, rapidity = np.sqrt(1 - 4 / y), np.arccosh(y / 2 - 1)
    nodes, weights = leggauss(32)
    values = bosons_at(jnp.asarray(y), X)
    for k in (7, 22, 32):
        point, value = X[k], values[k]
        low = np.clip((2 * point - 1) / beta, -1, 1) * np.tanh(rapidity)
        low = np.clip(np.arctanh(low), -rapidity, rapidity)
        total = 0.0
        for node, weight in zip(nodes, weights, strict=True):
            tanh = np.tanh(low + (rapidity - low) * (1 + node) / 2)
            zeta = (1 + beta * tanh / np.tanh(rapidity)) / 2
            slope = beta / 2 * (1 - tanh**2) / np.tanh(rapidity) * (rapidity - low) / 2
            numbers, decays = amplitudes.bosons(y, zeta), amplitudes.decay(point / zeta)
            total += weight * slope / zeta * np.dot(numbers, decays)
        np.testing.assert_allclose(value, total, rtol=1e-8)


@pytest.mark.parametrize(
    ("y", "i", "j", "low", "high", "row"),
    [
        (2.0, 0, 1, 0.5, 1.0, (0.0230848, 0.0201844, 0.9567308)),
        (20.0, 1, 1, 0.9, 1.0, (0.0200562, 0.0008036, 0.7797141)),
        (20.0, 0, 2, 0.0, 0.5, (0.2763363, 0.6737875, 0.0498762)),
    ],
)
def test_tabulated_daughters(y, i, j, low, high, row):
    """Per scattering (without Z′Z′) by mass state, on antineutrinos for the first two and on neutrinos for the last."""
    u = universe()
    x = low + (high - low) * (NODES + 1) / 2
    same, opposite, like, _ = (value[i, j] @ WEIGHTS * (high - low) / 2 for value in in_units(u, y, x))
    sections = jax.tree.map(lambda value: value / (area(u.mediator) * 0.05**4), cross_sections(u, 25 * y))
    pairs, others = sections.on_antineutrino - sections.zz, sections.on_neutrino
    numbers = like / others[i, j] if high < 1 else (same + opposite) / pairs[i, j]
    np.testing.assert_allclose(numbers, row, rtol=0, atol=5.1e-8)


@jax.jit
@partial(jax.value_and_grad, argnums=(0, 1, 2))
def total_and_slopes(numbers, s, x, u):
    """Sum over all spectra, mass states and points of a neutrino, and its slopes in m_Z′, g′, g_χ, m_χ, s and x."""
    u = eqx.tree_at(mediator_numbers, u, numbers)
    return sum(jnp.sum(value) for value in reduced_spectra(u, s, x, jnp.ones_like(s[0])))


@pytest.mark.parametrize("kind", [jnp.float64, jnp.float32])
def test_slopes_are_finite(kind):
    for coupling in (0.0, 1e-9, 1e-3):
        u = in_precision(universe(coupling=coupling, dark_coupling=1e-6, dark_mass=2.5), kind)
        y, x = (jnp.asarray(np.ravel(grid), dtype=kind) for grid in np.meshgrid(HARD, (0, 1e-6, 0.3, 0.5, 1)))
        for leaf in jax.tree.leaves(total_and_slopes(mediator_numbers(u), 25 * y, x, u)):
            assert np.all(np.isfinite(leaf)), coupling


def test_slopes_of_bosons():
    """In y and x against central differences: inside, outside and beyond the range of ζ, and near threshold."""
    points = [(4.02, 0.4), (4.02, 0.499), (9.0, 0.05), (9.0, 0.5), (9.0, 0.87), (300.0, 0.001), (300.0, 0.2)]
    y, x = jnp.asarray(points).T
    slopes = jax.jit(jax.vmap(jax.grad(boson_daughters, (0, 1))))(y, x)
    value = jax.jit(jax.vmap(boson_daughters))
    h = 1e-6
    along_y = (value(y * (1 + h), x) - value(y * (1 - h), x)) / (2 * h * y)
    along_x = (value(y, x + h) - value(y, x - h)) / (2 * h)
    np.testing.assert_allclose(slopes[0], along_y, rtol=2e-6, atol=1e-9)
    np.testing.assert_allclose(slopes[1], along_x, rtol=2e-6, atol=1e-8)


def test_shapes_and_refusals():
    u = universe()
    spectra = jax.eval_shape(daughter_spectra, u, jnp.ones((2, 4)), jnp.ones((2, 4)))
    assert {value.shape for value in spectra} == {(3, 3, 3, 2, 4)}
    for s, x, message in (
        (0.0, 0.5, "s must be positive"),
        (1.0, 1.5, r"x must lie in \[0, 1\]"),
        ([1.0, 2.0], 0.5, "same shape"),
    ):
        with pytest.raises(ValueError, match=message):
            daughter_spectra(u, jnp.asarray(s), x)
