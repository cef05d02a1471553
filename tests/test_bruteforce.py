"""The brute-force reference itself, against closed forms, tabulated transmissions and a stiff ODE solver."""

import itertools

import bruteforce as brute
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

CONTENT, Q2 = brute.pmns_squared()
PE = CONTENT[0]
ZETA3 = 1.2020569031595942
SUM_012 = brentq(lambda lightest: brute.masses_normal(lightest).sum() - 0.12, 0.0, 0.1)
TEV = np.array([20, 50, 100, 200, 300, 500, 700, 1000, 2000, 5000]) * 1e3
# Transmission at the energies above for relics without thermal motion, from a semi-analytic calculation (0.55 %).
TABLE = [
    (
        6.5,
        5e-4,
        0.0218,
        None,
        [1.004, 1.029, 1.104, 1.053, 0.742, 0.936, 0.719, 1, 1, 1],
    ),
    (
        6.5,
        1e-4,
        0.0218,
        None,
        [1.002, 1.012, 1.038, 0.983, 0.917, 0.959, 0.904, 1, 1, 1],
    ),
    (
        13,
        5e-4,
        SUM_012,
        1.0,
        [1.000, 1.001, 1.005, 1.022, 1.051, 1.168, 1.487, 0.798, 0.759, 1],
    ),
]


def transmission(result, energy):
    return np.interp(np.log(energy), np.log(result["energy"]), result["ratio"].sum(0) / 3)


def cold_depth(mass_mev, coupling, z):
    """2π g′² n₀ c (1+z)³/(H m_Z′²): the optical depth of a cold target for |q|² = 1."""
    density = 3 * ZETA3 * (brute.BOLTZMANN * 1.95) ** 3 / (4 * np.pi**2)
    area = 2 * np.pi * (coupling / (mass_mev * 1e6)) ** 2
    return area * density * (1 + z) ** 3 * brute.hubble_length(z) / brute.HBAR_C


def cooled(mass_mev, coupling, lightest, factor, **options):
    """Relics colder by `factor` at the same density."""
    return brute.solve(
        mass_mev,
        coupling,
        brute.masses_normal(lightest),
        Q2,
        PE,
        t0_kelvin=1.95 / factor,
        prefactor=factor**3,
        **options,
    )


def test_cold_optical_depths_of_the_literature():
    points = [(10, 5e-4), (6.5, 5e-4), (6.5, 1e-4), (13, 5e-4)]
    np.testing.assert_allclose(
        [cold_depth(*point, 0.0) for point in points],
        [4.74, 11.2, 0.448, 2.80],
        rtol=3e-3,
    )


@pytest.mark.parametrize("a", [0.0, 1e-3, 0.3, 5.0, 300.0])
@pytest.mark.parametrize("v", [0.0, 0.01, -0.5, 3.0, -12.0, 30.0])
def test_thermal_integral(a, v):
    start = abs(v)
    marks = [start + step for step in (1e-3, 1e-2, 0.1, 1.0)]

    def kernel(u):
        return (u / np.hypot(u, a) if a else 1.0) / (np.exp(u - start) + np.exp(-start))

    exact = quad(kernel, start, start + 60, epsabs=0, epsrel=1e-11, points=marks, limit=500)[0] * np.exp(-start)
    np.testing.assert_allclose(brute._TABLE(np.array([v]), a, True), exact, rtol=1e-6)


@pytest.mark.parametrize("mass_ev", [0.0, 3e-4, 2e-3])
def test_rate_is_the_thermal_average_over_relic_momenta(mass_ev):
    """∫Γ dE over bins = π g′² ⟨1/ε⟩ over the momenta p for which m_Z′² = 2E(ε − p cosθ), counted on a dense grid."""
    z, mass_mev = 0.7, 3.0
    temperature = brute.BOLTZMANN * 1.95 * (1 + z)
    p = temperature * (np.arange(2000) + 0.5) * 0.015
    cosine = (np.arange(2000) + 0.5) / 1000 - 1
    relic = np.hypot(p, mass_ev)
    density = p**2 / (2 * np.pi**2) / (np.exp(p / temperature) + 1) * 0.015 * temperature / 2000
    resonance = (mass_mev * 1e6) ** 2 / (2 * (relic[:, None] - p[:, None] * cosine)) / 1e9
    edges = np.quantile(resonance, [0.05, 0.3, 0.5, 0.7, 0.95])
    weight = np.broadcast_to((np.pi * density / relic)[:, None], resonance.shape)
    counted = np.histogram(resonance, bins=edges, weights=weight)[0]

    def rate(x):
        return 1e9 * np.exp(x) * brute.thermal_profile(np.exp(x), z, mass_ev, mass_mev)

    marks = np.log(edges)
    integrals = [quad(rate, a, b, epsrel=1e-8)[0] for a, b in itertools.pairwise(marks)]
    np.testing.assert_allclose(counted, integrals, rtol=2e-3)


@pytest.mark.parametrize("mass_mev, coupling, lightest, z_source, expected", TABLE)
def test_reference_table_of_cold_relics(mass_mev, coupling, lightest, z_source, expected):
    result = cooled(mass_mev, coupling, lightest, 16, nodes=1800, shells=2400, z_source=z_source)
    np.testing.assert_allclose(transmission(result, TEV), expected, rtol=6e-3)


def test_survival_of_cold_relics():
    """Without regeneration, ∫ W (1+z)^−γ/H e^−τ dz with τ a sum of steps; the thermal correction is linear in T."""
    masses, energy, coupling = brute.masses_normal(0.0218), TEV[2:7], 5e-4

    def weight(z):
        return float(brute.star_formation(z) * (1 + z) ** -2.5 * brute.hubble_length(z))

    def fraction(low, high):
        marks = sorted({low, high, *(x for x in (1.0, 4.0) if low < x < high)})
        return sum(quad(weight, i, j, epsrel=1e-9)[0] for i, j in itertools.pairwise(marks))

    expected = []
    for e in energy * 1e9:
        crossing = (6.5e6) ** 2 / (2 * masses * e) - 1
        met = sorted((z, j) for j, z in enumerate(crossing) if 0 < z < 5)
        marks = [0.0, *(z for z, _ in met), 5.0]
        shares = np.array([fraction(i, j) for i, j in itertools.pairwise(marks)])
        steps = [np.zeros(3)] + [Q2[:, j] * cold_depth(6.5, coupling, z) for z, j in met]
        expected.append((shares / shares.sum()) @ np.exp(-np.cumsum(steps, 0)).mean(1))
    warm, cool = (
        transmission(
            cooled(6.5, coupling, 0.0218, k, nodes=150, shells=200 * k, regen_fraction=0.0),
            energy,
        )
        for k in (8, 16)
    )
    np.testing.assert_allclose(2 * cool - warm, expected, rtol=2e-3)


def test_survival_from_a_single_redshift():
    masses, z_source = brute.masses_normal(0.05), 0.5
    result = brute.solve(8.0, 1e-4, masses, Q2, PE, z_source=z_source, regen_fraction=0.0)
    resonance = 3.2e13 / masses / 1e9
    energy = resonance[2] / np.array([1.6, 1.25, 0.9])
    inside = np.array([ratio < 1.5 for ratio in resonance[:, None] / energy]) & (energy < resonance[:, None])
    depth = np.zeros((3, 3))
    for j in range(3):
        depth[j] = inside[j] * cold_depth(8.0, 1e-4, resonance[j] / energy - 1)
    for state in range(3):
        found = np.interp(np.log(energy), np.log(result["energy"]), result["ratio"][state])
        np.testing.assert_allclose(-np.log(found), Q2[state] @ depth, rtol=3e-3, atol=1e-7)


@pytest.mark.parametrize(
    "mass_mev, coupling, lightest, gamma",
    [(6.5, 5e-4, 0.0218, 2.5), (1.2, 1e-2, 1e-3, 2.0), (2.0, 0.1, 0.0, 2.5)],
)
def test_number_and_energy_balance(mass_mev, coupling, lightest, gamma):
    """One more neutrino per scattering and the same energy, with what falls below the grid counted in closed form."""
    masses = brute.masses_normal(lightest)
    result = brute.solve(
        mass_mev,
        coupling,
        masses,
        Q2,
        PE,
        gamma=gamma,
        edges_gev=(1e3, 1e7),
        nodes=300,
        shells=400,
    )
    energy = result["energy"]
    spacing = np.log(energy[1] / energy[0])
    number = spacing * (energy / 1e5) ** (1 - gamma)
    number[[0, -1]] /= 2
    x = energy[0] / energy
    events = result["scatterings"]
    change = number * (result["ratio"] - 1).sum(0)
    scattered = number @ events
    below = number @ (events * (3 * x - 3 * x**2 + 2 * x**3))
    assert scattered > 0
    np.testing.assert_allclose(change.sum() + below, scattered, rtol=1e-4)
    energy_below = (number * energy) @ (events * (1.5 * x**2 - 2 * x**3 + 1.5 * x**4))
    np.testing.assert_allclose(change @ energy + energy_below, 0, atol=1e-4 * (number * energy) @ events)


def test_opaque_light_relics_agree_with_a_stiff_ode_solver():
    """Optical depths of 1e5 and cascades: Radau IIA in z with a dense regeneration matrix on few nodes."""
    masses, gamma, z_max, mass_mev, coupling = (
        np.array([0.0, 5e-4, 8e-4]),
        2.2,
        0.5,
        1.2,
        2e-2,
    )
    size, top = 220, 3e9
    result = brute.solve(
        mass_mev,
        coupling,
        masses,
        Q2,
        PE,
        gamma=gamma,
        z_max=z_max,
        evolution=lambda z: 1 + z,
        nodes=150,
        shells=800,
        energy_max=top,
    )
    grid = np.exp(np.linspace(np.log(1e4), np.log(top), size))
    spacing = np.log(grid[1] / grid[0])
    x = np.minimum(grid[:, None] / grid, 1.0)
    # Gregory weights 3/8, 7/6, 23/24, 1, 1, … on the regeneration kernel
    ends = sum(w * np.eye(size, k=k) for k, w in enumerate((3 / 8 - 1, 7 / 6 - 1, 23 / 24 - 1)))
    kernel = spacing * np.triu(3 * x - 6 * x**2 + 6 * x**3) * x ** (gamma - 1) * (1 + ends)
    split = (1 - PE) / 2

    def weight(z):
        return (1 + z) ** (1 - gamma) * brute.hubble_length(z)

    total = quad(weight, 0, z_max)[0]

    def attenuation(z):
        profile = np.array([brute.thermal_profile(grid * (1 + z), z, m, mass_mev) for m in masses])
        return Q2 @ profile * coupling**2 / brute.HBAR_C * brute.hubble_length(z) / (1 + z)

    def slope(t, state):
        rate, state = attenuation(z_max - t), state.reshape(3, size)
        gain = split[:, None] * (kernel @ (rate * state).sum(0))
        return (weight(z_max - t) / total - rate * state + gain).ravel()

    def jacobian(t, _):
        rate = attenuation(z_max - t)
        gain = split[:, None, None, None] * kernel[:, None, :] * rate
        return gain.reshape(3 * size, 3 * size) - np.diag(rate.ravel())

    answer = solve_ivp(
        slope,
        (0, z_max),
        np.zeros(3 * size),
        "Radau",
        jac=jacobian,
        rtol=1e-5,
        atol=1e-9,
    )
    assert answer.success
    inside = grid < 1e7
    expected = answer.y[:, -1].reshape(3, size)[:, inside]
    found = [np.interp(np.log(grid[inside]), np.log(result["energy"]), row) for row in result["ratio"]]
    assert expected.min() < 1e-4 and expected.max() > 2
    np.testing.assert_allclose(found, expected, rtol=5e-3)


def test_no_coupling_changes_nothing_and_little_coupling_is_linear():
    masses = brute.masses_normal(0.01)
    change = [
        brute.solve(6.5, g, masses, Q2, PE, nodes=90, shells=200)["ratio"][:, ::10] - 1 for g in (1e-7, 2e-7, 0.0)
    ]
    assert np.abs(change[0]).max() < 1e-5
    np.testing.assert_allclose(change[1], 4 * change[0], rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(change[2], 0, atol=1e-12)


def test_the_free_flux_is_the_power_law_integral():
    edges = np.array([1e4, 3e4, 1e5, 2e6])
    for gamma in (2.0, 2.5, 3.2):
        result = brute.solve(
            6.5, 0.0, brute.masses_normal(0.01), Q2, PE, gamma=gamma, edges_gev=edges, nodes=300, shells=20,
            composition=(0.5, 1.0, 1.5),
        )  # fmt: skip
        expected = [1e5**gamma * quad(pow, a, b, (-gamma,), epsabs=0)[0] for a, b in itertools.pairwise(edges)]
        np.testing.assert_allclose(result["free"][1], expected, rtol=1e-9)
        np.testing.assert_allclose(result["flux"], result["free"], rtol=1e-9)


def test_halving_steps_and_grid():
    masses = brute.masses_normal(0.0218)
    coarse, middle, fine = (
        brute.solve(6.5, 5e-4, masses, Q2, PE, nodes=n, shells=s)["flux"]
        for n, s in ((225, 250), (450, 500), (900, 1000))
    )
    assert np.abs(coarse / fine - 1).max() < 1e-3
    # second order in the steps: the error falls at least by three
    assert np.abs(middle / fine - 1).max() < np.abs(coarse / fine - 1).max() / 3
