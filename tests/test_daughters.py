"""Spectra of the daughters against explicit spinors and polarisation vectors, exact sums and tabulated numbers."""

from functools import partial
from itertools import pairwise

import amplitudes
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from charges import HARD, hermitian, universe
from numpy.polynomial.legendre import leggauss

from jaxnu.channels import area, cross_sections, f_zz
from jaxnu.daughters import boson_daughters, daughter_spectra, reduced_spectra
from jaxnu.neutrinos import charge_matrix

NODES, WEIGHTS = leggauss(60)


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
    x = np.array([0.03, 0.5, 0.9])
    result = {kind: in_units(u, y, x, kind) for kind in ("neutrino", "antineutrino", "both")}
    for kind, charge in (("neutrino", q), ("antineutrino", q.conj())):
        for k, point in enumerate(x):
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
    x, weights = (NODES + 1) / 2, WEIGHTS / 2
    odd = (in_units(u, 1.001, x, "neutrino")[0] - in_units(u, 1.001, x, "antineutrino")[0]) @ weights
    even = in_units(u, 1.001, x)[0] @ weights
    assert np.max(np.abs(odd) / even) > 1e-3
    np.testing.assert_allclose(odd.sum(-1) / even.sum(-1), 0, atol=1e-12)


@pytest.mark.parametrize("y", [1e-3, 0.9, 20.0])
def test_number_and_energy(y):
    """Each scattering gives 2 neutrinos (4 by Z′Z′) with all of the energy, for any Q, but for what goes into χχ̄."""
    u = universe(mass=0.05, coupling=0.4, charges=hermitian(4), dark_coupling=0.2)
    visible = np.sum(np.abs(u.mediator.charges) ** 2)
    branching = visible / (visible + 2 * (0.2 / 0.4) ** 2)
    sections = jax.tree.map(lambda value: value / (area(u.mediator) * 0.4**4), cross_sections(u, y * 0.05**2))
    bottom = (1 - np.sqrt(max(1 - 4 / y, 0))) / 2
    edges = (0.0, bottom, 1 - bottom, 1.0)
    x = np.concatenate([low + (high - low) * (NODES + 1) / 2 for low, high in pairwise(edges)])
    weights = np.concatenate([(high - low) * WEIGHTS / 2 for low, high in pairwise(edges)])
    same, opposite, like, bosons = (value.sum(-2) for value in in_units(u, y, x))
    pairs = branching * sections.s + sections.t + sections.st
    np.testing.assert_allclose(same @ weights, pairs, rtol=1e-9)
    np.testing.assert_allclose(opposite @ weights, pairs, rtol=1e-9)
    np.testing.assert_allclose((same + opposite) @ (x * weights), pairs, rtol=1e-9)
    np.testing.assert_allclose(like @ weights, 2 * sections.on_neutrino, rtol=1e-9)
    np.testing.assert_allclose(like @ (x * weights), sections.on_neutrino, rtol=1e-9)
    np.testing.assert_allclose(bosons @ weights, 4 * branching * sections.zz, rtol=1e-6)
    np.testing.assert_allclose(bosons @ (x * weights), branching * sections.zz, rtol=1e-6)


@pytest.mark.parametrize("y", [4.2, 30.0])
def test_bosons_from_polarisation_vectors(y):
    """∫ dζ/ζ of the numbers of Z′ of each polarisation times their decays, in ζ graded towards both ends."""
    x = np.array([0.02, 0.3, 0.6])
    beta, rapidity = np.sqrt(1 - 4 / y), np.arccosh(y / 2 - 1)
    for point, value in zip(x, jax.vmap(boson_daughters, (None, 0))(jnp.asarray(y), jnp.asarray(x)), strict=True):
        low = np.clip((2 * point - 1) / beta, -1, 1) * np.tanh(rapidity)
        low = np.clip(np.arctanh(low), -rapidity, rapidity)
        total = 0.0
        nodes, weights = leggauss(32)
        for node, weight in zip(nodes, weights, strict=True):
            tanh = np.tanh(low + (rapidity - low) * (1 + node) / 2)
            zeta = (1 + beta * tanh / np.tanh(rapidity)) / 2
            slope = beta / 2 * (1 - tanh**2) / np.tanh(rapidity) * (rapidity - low) / 2
            numbers, decays = amplitudes.bosons(y, zeta), amplitudes.decay(point / zeta)
            total += weight * slope / zeta * np.dot(numbers, decays)
        np.testing.assert_allclose(value, total, rtol=1e-8)


@pytest.mark.parametrize(("y", "share"), [(5.0, 0.362111), (8.0, 0.624155), (30.0, 0.861821)])
def test_tabulated_neutrinos_of_bosons(y, share):
    """Neutrinos with more than half of the energy, per event; all of them are 4 per event."""
    bottom = (1 - np.sqrt(1 - 4 / y)) / 2
    x = 0.5 + (0.5 - bottom) * (NODES + 1) / 2
    value = jax.vmap(boson_daughters, (None, 0))(jnp.asarray(y), jnp.asarray(x)) @ WEIGHTS * (0.5 - bottom) / 2
    np.testing.assert_allclose(value / f_zz(jnp.asarray(y)), share, atol=5.1e-7)


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
def total_and_slopes(u, s, x):
    """Sum over all spectra, mass states and points of a neutrino, and its slopes in the universe, s and x."""
    return sum(jnp.sum(value) for value in reduced_spectra(u, s, x, jnp.ones_like(s[0])))


@pytest.mark.parametrize("kind", [jnp.float64, jnp.float32])
def test_slopes_are_finite(kind):
    for coupling in (0.0, 1e-9, 1e-3):
        u = jax.tree.map(lambda leaf: leaf.astype(kind), universe(coupling=coupling, dark_coupling=1e-6, dark_mass=2.5))
        y, x = (jnp.asarray(np.ravel(grid), dtype=kind) for grid in np.meshgrid(HARD, (0, 1e-6, 0.3, 0.5, 1)))
        for leaf in jax.tree.leaves(total_and_slopes(u, 25 * y, x)):
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
    assert {value.shape for value in daughter_spectra(u, jnp.ones((2, 4)), jnp.full((2, 4), 0.5))} == {(3, 3, 3, 2, 4)}
    assert daughter_spectra(u, 25.0, 0.5).same.shape == (3, 3, 3)
    for s, x, message in (
        (0.0, 0.5, "s must be positive"),
        (1.0, 1.5, r"x must lie in \[0, 1\]"),
        ([1.0, 2.0], 0.5, "same shape"),
    ):
        with pytest.raises(ValueError, match=message):
            daughter_spectra(u, jnp.asarray(s), x)
