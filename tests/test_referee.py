"""The referee itself: its cross sections, kernels, relics, balances, and its numbers at a coarse setting."""

import itertools
import json
from pathlib import Path

import bruteforce
import numpy as np
import pytest
import referee
from scipy.integrate import quad

Q = referee.charge_matrix()
GAIN, LOSE, Q2, R_DIAGONAL = referee.flavour_factors(Q)
R = Q @ Q
REFERENCE = json.loads((Path(__file__).parent / "reference_channels.json").read_text())
M, COUPLING = 5.0, 0.05  # the case whose numbers are specified below
WIDTH = COUPLING**2 / (12 * np.pi)


def cross_sections(y, i, j):
    """s, t, st, ZZ of ν_i ν̄_j and t+u, tu of ν_i ν_j in σ₀."""
    real = (y - 1) / ((y - 1) ** 2 + WIDTH**2)
    resonant = 2 * Q2[i, j] * (y / 3) / ((y - 1) ** 2 + WIDTH**2)
    return np.array(
        [
            resonant,
            LOSE["t"][i, j] * referee.f_t(y),
            LOSE["st"][i, j] * real * referee.f_i(y),
            LOSE["zz"][i, j] * referee.f_zz(y),
            LOSE["n"][i, j] * referee.f_n(y),
            LOSE["tu"][i, j] * referee.f_tu(y),
        ]
    )


def spectrum(y, x, i, j, a, width=WIDTH):
    """dσ/dx (x may be an array) of ν_a and ν̄_a from ν_i ν̄_j and of ν_a from ν_i ν_j, word by word from N.3."""
    big_a, big_b = 1 / (1 + y * (1 - x)), 1 / (1 + y * x)
    real, square = (y - 1) / ((y - 1) ** 2 + width**2), 1 / ((y - 1) ** 2 + width**2)
    q, r = Q, R
    neutrino = abs(q[i, j]) ** 2 * r[a, a].real * square + abs(q[a, i]) ** 2 * r[j, j].real * big_a**2
    neutrino = neutrino - 2 * (q[j, i] * r[a, j] * q[i, a]).real * real * big_a
    anti = abs(q[i, j]) ** 2 * r[a, a].real * square + abs(q[j, a]) ** 2 * r[i, i].real * big_b**2
    anti = anti - 2 * (q[j, i] * r[i, a] * q[a, j]).real * real * big_b
    like = abs(q[a, i]) ** 2 * r[j, j].real * big_a**2 + abs(q[a, j]) ** 2 * r[i, i].real * big_b**2
    like = like + 2 * (q[j, a] * q[a, i] * r[i, j]).real * big_a * big_b
    return y * x**2 * neutrino, y * (1 - x) ** 2 * anti, y * like


def features(y, low, high):
    """Integrals over x from low to high of the features with all channels, without bosons."""
    a2, xa2, b2, xb2, xa, xb, ab = referee.pieces(y, np.array([1 - high]), np.array([1 - low]))[:, 0]
    return {"A2": y * (xa2 + a2), "B2": y * (xb2 + b2), "SA": xa, "SB": xb, "AB": y * ab}


@pytest.mark.parametrize(
    "y, i, j, expected",
    [
        (0.5, 0, 0, [0.0393434, 0.0137167, 0.0176085, 0, 0.0340149, 0.0331004]),
        (2.0, 0, 2, [0.3636416, 0.1099747, -0.2573915, 0, 0.2082372, 0.0082954]),
        (10.0, 1, 1, [0.0000693, 0.3320970, -0.0002435, 0.1884411, 0.4489560, 0.1973674]),
    ],
)
def test_cross_sections_of_the_specification(y, i, j, expected):
    np.testing.assert_allclose(cross_sections(y, i, j), expected, atol=6e-8)


@pytest.mark.parametrize("y", [1e-3, 0.099, 0.1, 0.101, 3.0, 1e4])
def test_cross_sections_are_the_integrals_of_their_spectra(y):
    def integral(f):
        edges = [0, 1e-4, 1e-2, 0.5, 0.99, 0.9999, 1]
        return sum(quad(f, a, b, epsrel=1e-10)[0] for a, b in itertools.pairwise(edges))

    np.testing.assert_allclose(referee.f_t(y), integral(lambda x: y * x**2 / (1 + y * (1 - x)) ** 2), rtol=1e-8)
    np.testing.assert_allclose(referee.f_i(y), integral(lambda x: y * x**2 / (1 + y * (1 - x))), rtol=1e-8)
    np.testing.assert_allclose(referee.f_n(y), integral(lambda x: y / (1 + y * x) ** 2), rtol=1e-8)
    np.testing.assert_allclose(referee.f_tu(y), integral(lambda x: y / (1 + y * x) / (1 + y * (1 - x))), rtol=1e-8)


@pytest.mark.parametrize("y", [0.05, 0.29, 0.31, 20.0, 1e5])
def test_pieces_and_flavour_factors_give_the_spectra(y):
    """Coefficients times features against N.3, for every parent, target and daughter."""
    for low, high in ((0.1, 0.3), (0.9, 0.95)):
        node, weight = np.polynomial.legendre.leggauss(40)
        x, w = (low + high) / 2 + (high - low) / 2 * node, weight * (high - low) / 2
        value = features(y, low, high)
        real, square = (y - 1) / ((y - 1) ** 2 + WIDTH**2), 1 / ((y - 1) ** 2 + WIDTH**2)
        for i, j, a in np.ndindex(3, 3, 3):
            found = sum(GAIN[name][a, i, j] * v * (y * real if name[0] == "S" else 1) for name, v in value.items())
            shape = (high**3 - low**3 + (1 - low) ** 3 - (1 - high) ** 3) / 3
            found += Q2[i, j] * R_DIAGONAL[a] * y * square * shape
            np.testing.assert_allclose(found, sum(spectrum(y, x, i, j, a)) @ w, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    "y, i, j, like, low, high, expected",
    [
        (2.0, 0, 1, False, 0.5, 1.0, [0.0230848, 0.0201844, 0.9567308]),
        (20.0, 1, 1, False, 0.9, 1.0, [0.0200562, 0.0008036, 0.7797141]),
        (20.0, 0, 2, True, 0.0, 0.5, [0.2763363, 0.6737875, 0.0498762]),
    ],
)
def test_mass_states_that_come_out(y, i, j, like, low, high, expected):
    total = cross_sections(y, i, j)
    total = total[4:].sum() if like else total[:3].sum()

    def count(a):
        return quad(lambda x: sum(spectrum(y, x, i, j, a)[2 if like else 0 : 3 if like else 2]), low, high)[0]

    np.testing.assert_allclose([count(a) / total for a in range(3)], expected, atol=2e-7)


@pytest.mark.parametrize("y, upper_half", [(5.0, 0.362111), (8.0, 0.624155), (30.0, 0.861821)])
def test_boson_pairs(y, upper_half):
    """Four neutrinos, all the energy, and the upper half of the specification."""
    x = np.linspace(0, 1, 4001)
    above = referee.boson_neutrinos(y, x) / referee.f_zz(y)
    np.testing.assert_allclose(above[[0, 2000]], [4, upper_half], atol=1e-6)
    np.testing.assert_allclose((above.sum() - above[0] / 2) * x[1], 1, rtol=1e-6)


def test_tables_conserve_number_and_energy():
    """Per row: the number of daughters in all cells, and their energy (which is of second order in the cell)."""
    width, drops = np.log(10) / 30, 330
    table = referee.Exchange(-20, 90, width, drops, 0.0, {"t", "st", "n", "tu", "zz"})
    y = np.exp(width * (np.arange(-20, 70) + 0.5))
    sums = {name: value.sum(1) for name, value in table.table.items()}
    t, n, tu, zz = (table.loss[name] for name in ("t", "n", "tu", "zz"))
    np.testing.assert_allclose(sums["A2"], t + n, rtol=1e-6)
    np.testing.assert_allclose(sums["B2"], t + n, rtol=1e-6)
    np.testing.assert_allclose(sums["SA"], table.loss["st"], rtol=1e-6)
    np.testing.assert_allclose(sums["SB"], table.loss["st"], rtol=1e-6)
    np.testing.assert_allclose(sums["AB"], tu, rtol=1e-6)
    np.testing.assert_allclose(sums["ZZ"][y > 4.5], 4 * zz[y > 4.5], rtol=2e-3)
    fall = np.exp(-width * np.arange(drops))
    energy = {name: value @ fall for name, value in table.table.items()}
    np.testing.assert_allclose(energy["A2"] + energy["B2"], t + n, rtol=5e-3)
    np.testing.assert_allclose(energy["SA"] + energy["SB"], table.loss["st"], rtol=5e-3)
    np.testing.assert_allclose(2 * energy["AB"], tu, rtol=5e-3)
    np.testing.assert_allclose(energy["ZZ"][y > 4.5], zz[y > 4.5], rtol=5e-3)


def test_core_has_its_area_on_any_lattice():
    """∫ f_s d ln y = π/3γ with the tails cut off, f_s far away, and an odd real part."""
    for width in (1e-12, 1e-6, 1e-3):
        for fine in (0.001, 0.05):
            lower = fine * (np.arange(-2000, 2000) - 0.37)
            near, _ = referee.resonance(lower, fine, width)
            low, high = np.expm1(lower[0]), np.expm1(lower[-1] + fine)
            exact = (np.arctan(high / width) - np.arctan(low / width)) / (3 * width)
            np.testing.assert_allclose(near.sum() * fine, exact, rtol=1e-9)
    middle = np.exp(lower[-500:] + fine / 2)
    np.testing.assert_allclose(near[-500:], middle / 3 / (middle - 1) ** 2, rtol=1e-2)


@pytest.mark.parametrize("mass", [0.0, 1e-4, 3e-3, 0.1])
def test_histogram_of_relics_gives_the_thermal_rate(mass):
    """The core, averaged over the histogram, is the closed thermal profile of the other solver; and its mean."""
    z, boson, fine = 0.6, 3.0, 2e-4
    kelvin = referee.BOLTZMANN * 1.95 * (1 + z)
    first, content = referee.Relics(mass, kelvin).histogram(0.0, fine)
    mu = np.exp(fine * (first + np.arange(content.size)))
    np.testing.assert_allclose(content @ mu, referee.mean_target(mass, kelvin), rtol=1e-5)
    place = np.searchsorted(np.cumsum(content), [0.03, 0.3, 0.7, 0.97])
    energy = (boson * 1e6) ** 2 / (2 * mu[place]) / 1e9
    density = 3 * referee.ZETA3 * kelvin**3 / (4 * np.pi**2)
    expected = 2 * np.pi * density / (boson * 1e6) ** 2 * content[place] / fine
    np.testing.assert_allclose(bruteforce.thermal_profile(energy, z, mass, boson), expected, rtol=2e-4)


@pytest.mark.parametrize("boson, floor", [(50.0, 1e4), (5.0, 1e7)])
def test_little_coupling_away_from_the_resonance_by_direct_quadrature(boson, floor):
    """First order in σ₀: −Γ_a + Σ_i ∫ K_ai over redshift and energy with N.3 word by word, each state on its own."""
    masses, coupling, gamma, top, z_max = np.array([0.06, 0.05, 0.08]), 1e-3, 2.3, floor * 10**1.7, 1.0
    found = referee.solve(
        boson, coupling, masses, Q, gamma=gamma, z_max=z_max, energy_max=top, cells=30, split=4,
        edges_gev=floor * np.array([1, 10.0]), without=("s", "zz"),
    )  # fmt: skip
    cells = np.array([9, 27])  # coarse cells in which the result is taken, at their middle
    energies = floor * 10 ** ((cells + 0.5) / 30)
    node, weight = np.polynomial.legendre.leggauss(12)
    log_a = np.log1p(z_max) * (node + 1) / 2
    z, w = np.expm1(log_a), weight * np.log1p(z_max) / 2
    length = referee.hubble_length(z)

    def emitted(low):
        a = low + (np.log1p(z_max) - low) * (node + 1) / 2
        shape = referee.star_formation(np.expm1(a)) * np.exp((1 - gamma) * a) * referee.hubble_length(np.expm1(a))
        return (shape @ weight) * (np.log1p(z_max) - low) / 2

    earlier = np.array([emitted(a) for a in log_a]) / emitted(0.0)
    kelvin = referee.BOLTZMANN * 1.95
    strength = 3 * referee.ZETA3 * kelvin**3 / (4 * np.pi**2) / referee.HBAR_C
    strength *= coupling**4 / (4 * np.pi * (boson * 1e6) ** 2)
    many, heavy = np.polynomial.legendre.leggauss(60)
    for cell, energy in zip(cells, energies, strict=True):
        expected = np.zeros(3)
        drop = np.log(top / energy) * ((many + 1) / 2) ** 3  # ln E′/E, dense where the exchange is forward
        dense = heavy * np.log(top / energy) * 1.5 * ((many + 1) / 2) ** 2
        for k in range(z.size):
            factor = strength * (1 + z[k]) ** 3 * length[k] * w[k] * earlier[k]
            for j in range(3):
                kappa = 2e9 * (1 + z[k]) * referee.mean_target(masses[j], kelvin * (1 + z[k])) / (boson * 1e6) ** 2
                y, x = kappa * energy * np.exp(drop), np.exp(-drop)
                for a in range(3):
                    for i in range(3):
                        resonant = sum(spectrum(y, x, i, j, a, 1e-9))
                        resonant = resonant - Q2[i, j] * R_DIAGONAL[a] * y * (x**2 + (1 - x) ** 2) / (y - 1) ** 2
                        # per ln E′ and per ln E: dσ/dx x, times (E/E′)^{γ−1} for the ratio to the power law
                        expected[a] += factor * (resonant * x**gamma) @ dense
                    here = kappa * energy
                    sigma = LOSE["t"][a, j] * referee.f_t(here) + LOSE["n"][a, j] * referee.f_n(here)
                    sigma += LOSE["tu"][a, j] * referee.f_tu(here) + LOSE["st"][a, j] * referee.f_i(here) / (here - 1)
                    expected[a] -= factor * sigma
        change = found["ratio"].reshape(3, -1, 4)[:, cell].mean(1) - 1
        scale = np.abs(expected).max()
        np.testing.assert_allclose(change / scale, expected / scale, atol=3e-3)


@pytest.mark.parametrize("without", [(), ("s", "st"), ("t", "n", "tu")])
def test_number_and_energy_balance(without):
    """A burst at high energy: its energy is kept, its number grows by 1 per event and 3 per pair of bosons."""

    def burst(energy):
        return (energy > 1e7) * (energy < 1e8) * 1.0

    result = referee.solve(
        3.0, 0.02, referee.masses(0.02), Q, gamma=2.0, profile=burst, without=without,
        edges_gev=(1e1, 1e8), energy_max=1e8, cells=15, split=2,
    )  # fmt: skip
    energy, events = result["energy"], result["scatterings"]
    growth = result["contents"].sum() - result["injected"].sum()
    charged = events.pop("charged")
    expected = sum(events.values()) + 2 * events["zz"]
    assert charged < 0.01 * expected and expected > 0.05 * result["injected"].sum()
    np.testing.assert_allclose(growth, expected, rtol=0.01)
    before, after = (result[name] @ energy for name in ("injected", "contents"))
    np.testing.assert_allclose(after.sum(), before.sum(), rtol=3e-3)


@pytest.mark.parametrize("boson, coupling, lightest, gamma", [(3.0, 0.02, 0.02, 2.5), (6.5, 5e-4, 0.0, 2.0)])
def test_narrow_limit_against_the_other_solver(boson, coupling, lightest, gamma):
    """Another scheme for the same equation, both on coarse grids."""
    masses = referee.masses(lightest)
    content, q2 = bruteforce.pmns_squared()
    other = bruteforce.solve(boson, coupling, masses, q2, content[0], gamma=gamma, nodes=300, shells=400)
    mine = referee.solve(
        boson, coupling, masses, Q, channels="narrow", gamma=gamma, energy_max=3e8, cells=30, split=12
    )  # fmt: skip
    np.testing.assert_allclose(
        mine["flux"].sum(0) / mine["free"].sum(0), (other["flux"] / other["free"]).mean(0), rtol=5e-3
    )


def test_breit_wigner_without_wings_is_narrow():
    """At small coupling wings do nothing; at any coupling other channels are absent below g′ ~ 1e-3."""
    options = {"energy_max": 2e7, "cells": 18, "split": 8}
    mass = referee.masses(0.02)
    narrow, wings, everything = (
        referee.solve(3.0, 3e-4, mass, Q, channels=c, **options)["transmission"]
        for c in ("narrow", "breit-wigner", "all")
    )
    np.testing.assert_allclose(wings, narrow, rtol=1e-3)
    np.testing.assert_allclose(everything, narrow, rtol=1e-3)


@pytest.mark.parametrize(
    "index, expected",
    [
        (0, [1.136, 1.023, 0.449, 0.432, 0.536, 0.738, 0.762, 0.819, 0.871]),
        (1, [1.080, 1.097, 1.058, 0.892, 0.564, 0.144, 0.382, 0.454, 0.461]),
    ],
)
def test_transmissions_of_the_specification(index, expected):
    """The specified ones (1 %, bin 6 of the second ± .002) and the converged numbers, on a coarse grid."""
    point = REFERENCE["points"][index]
    boson, coupling, lightest = (point[key] for key in ("mass_mev", "coupling", "lightest_ev"))
    found = referee.solve(boson, coupling, referee.masses(lightest), Q, cells=30, split=8)
    np.testing.assert_allclose(found["transmission"], expected, rtol=0.01, atol=0.001)
    np.testing.assert_allclose(found["transmission"], point["all"]["cut"]["total"], rtol=6e-3)
    np.testing.assert_allclose(found["by_state"], point["all"]["cut"]["by_state"], rtol=1.5e-2)


def test_converged_numbers_are_complete():
    """Nine bins, three states that add up, errors of .2 % wherever a hundredth arrives."""
    for point in REFERENCE["points"]:
        for channels in ("all", "breit-wigner"):
            for source in ("cut", "open"):
                total, states = (np.array(point[channels][source][key]) for key in ("total", "by_state"))
                assert states.shape == (3, 9)
                np.testing.assert_allclose(states.mean(0), total, rtol=1e-4)
                error = np.array(point[channels][source + "_error"]["total"])
                assert np.all(error[total > 1e-2] < 2e-3 * total[total > 1e-2])
