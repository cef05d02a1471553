"""Transport: limits with closed forms, conservation, precision, and finite slopes at hard points."""

from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnu import (
    LmuLtau,
    Neutrinos,
    PowerLaw,
    Relics,
    Resolution,
    SingleRedshift,
    Source,
    StarFormation,
    Universe,
    binned_flux,
    flux_at_earth,
    optical_depth,
    propagate,
)
from jaxnu.neutrinos import flavour_content
from jaxnu.transport import scans
from jaxnu.transport.mesh import shell_edges
from jaxnu.transport.solver import solutions

SMALL = Resolution(60, 8)


def build(mass=10.0, coupling=5e-4, lightest=0.02, index=2.5, z=None, ordering="normal", dark=0.0, **options):
    evolution = StarFormation() if z is None else SingleRedshift(z)
    neutrinos = Neutrinos(lightest, ordering)
    mediator = LmuLtau(mass, coupling, dark, channels="narrow")
    return Universe(mediator, neutrinos, Source(PowerLaw(1.5, index), evolution), **options)


@pytest.mark.parametrize("z", [None, 1.0])
def test_free_power_law(z):
    """Without coupling, 1.5·10⁻¹⁸ (E/100 TeV)^−γ in every mass state."""
    spectrum = propagate(build(coupling=0.0, z=z), SMALL)
    truth = 1.5e-18 * (np.asarray(spectrum.energy) / 1e5) ** -2.5
    np.testing.assert_allclose(spectrum.flux, np.broadcast_to(truth, spectrum.flux.shape), rtol=1e-11)
    np.testing.assert_allclose(spectrum.ratio, 1.0, rtol=1e-13)
    assert abs(spectrum.energy_balance) < 1e-6 and abs(spectrum.number_balance) < 1e-6


def test_conservation():
    """Energy, and number but for one more per scattering, at default resolution."""
    points = [(10.0, 5e-4, 0.02, 2.5), (6.5, 1e-4, 0.0, 2.0), (3.0, 1e-3, 0.1, 3.0), (20.0, 5e-3, 0.005, 2.3)]
    for point, z in product(points, (None, 0.5)):
        spectrum = propagate(build(*point, z=z))
        assert abs(spectrum.energy_balance) <= 1.2e-3, (point, z)
        assert abs(spectrum.number_balance) <= 1.5e-2, (point, z)


def test_absorption_only():
    """Z′ → dark: one source at z = 1 arrives as e^{−τ}, at energies that are not nodes, too."""
    universe = build(10.0, 3e-4, 0.02, z=1.0, dark=10.0)
    energy = jnp.geomspace(2e5, 3e6, 150)
    survival = jnp.exp(-jnp.sum(optical_depth(universe, energy, 1.0), axis=1))
    free = 1.5e-18 * (energy / 1e5) ** -2.5
    truth = free[None, :] * (flavour_content(universe.neutrinos) @ survival)
    assert jnp.min(survival) < 0.5
    error = np.abs(flux_at_earth(universe, energy) - truth) / free[None, :]
    assert np.max(error) < 1e-2 and np.mean(error) < 1e-3


def test_single_precision():
    universe = build()
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), universe)
    energy = jnp.geomspace(2e4, 5e6, 40)
    value = flux_at_earth(narrow, energy.astype(jnp.float32))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, flux_at_earth(universe, energy), rtol=1e-3)


def test_gradients_in_single_precision():
    """Derivatives of ln(flux), forward and reverse, against double precision: nothing underflows on the way."""
    edges = jnp.geomspace(1e4, 1e7, 10)

    def log_flux(theta):
        mass, coupling, lightest, index = theta
        universe = jax.tree.map(lambda leaf: leaf.astype(theta.dtype), build())
        universe = eqx.tree_at(
            lambda all: (
                all.mediator.mass,
                all.mediator.coupling,
                all.neutrinos.lightest,
                all.source.spectrum.index,
            ),
            universe,
            (jnp.exp(mass), jnp.exp(coupling), lightest, index),
        )
        return jnp.log(jnp.sum(binned_flux(universe, edges.astype(theta.dtype), Resolution(60, 11)), axis=0))

    def forward(theta):
        return jax.vmap(jax.linearize(log_flux, theta)[1], out_axes=1)(jnp.eye(4, dtype=theta.dtype))

    for point in ((6.5, 5e-4, 0.02, 2.5), (4.0, 3e-5, 0.0, 2.0), (10.0, 3e-2, 0.1, 3.0)):
        theta = jnp.asarray([np.log(point[0]), np.log(point[1]), *point[2:]])
        truth = np.stack([jax.jvp(log_flux, (theta,), (way,))[1] for way in jnp.eye(4)], axis=1)
        scale = np.max(np.abs(truth), axis=0)
        for slopes in (forward, jax.jacrev(log_flux)):
            found = slopes(theta.astype(jnp.float32))
            assert found.dtype == jnp.float32
            np.testing.assert_allclose(np.asarray(found) / scale, truth / scale, atol=5e-3)


HARD = list(product((0.3, 300.0), (1e-8, 0.1), (0.0, 0.5), (1.0, 4.0)))


@pytest.mark.parametrize(
    ("single", "ordering", "helicity"), [(True, "inverted", "dirac"), (False, "normal", "majorana")]
)
def test_finite_at_hard_points(single, ordering, helicity):
    """Values, and reverse-mode derivatives in every leaf."""
    relics = Relics(helicity=helicity)
    edges = jnp.geomspace(1e4, 1e8, 6)

    def total(universe):
        return jnp.sum(jnp.log(binned_flux(universe, edges, SMALL)))

    for point, z in product(HARD, (1e-3, 20.0) if single else (None,)):
        value, gradient = jax.value_and_grad(total)(build(*point, z, ordering, relics=relics))
        assert np.isfinite(value), (point, z)
        for path, leaf in jax.tree.leaves_with_path(gradient):
            assert np.all(np.isfinite(leaf)), (point, z, jax.tree_util.keystr(path))


def test_finite_at_default_resolution():
    def total(mass, coupling, lightest, index):
        return jnp.sum(jnp.log(binned_flux(build(mass, coupling, lightest, index), jnp.geomspace(1e4, 1e8, 6))))

    for point in ((0.3, 0.1, 0.0, 1.0), (10.0, 0.1, 0.5, 4.0)):
        value, slopes = jax.value_and_grad(total, (0, 1, 2, 3))(*map(jnp.asarray, point))
        assert np.isfinite(value) and np.all(np.isfinite(slopes))


def test_resonance_on_a_bin_edge():
    """The slope in ln m_Z′, where a resonance lies exactly on an edge, is that of a finer solution to 5 %."""
    heaviest = build().neutrinos.masses[2]
    edge = float(10.0**2 * 1e12 / (2 * heaviest * 1e9))
    edges = edge * jnp.asarray([0.5, 1.0, 2.0])

    def flux(log_mass, resolution):
        return jnp.log(jnp.sum(binned_flux(build(jnp.exp(log_mass)), edges, resolution), axis=0))

    # Well below the thermal width of the line, 0.3 %.
    at, step = jnp.log(jnp.asarray(10.0)), 2.5e-4
    _, push = jax.linearize(lambda m: flux(m, Resolution()), at)
    fine = [flux(at + change, Resolution(960, 256)) for change in (step, -step)]
    np.testing.assert_allclose(push(jnp.ones_like(at)), (fine[0] - fine[1]) / (2 * step), rtol=5e-2)


def test_batch_equals_loop():
    """Inside of jit and vmap, and one by one."""
    masses, coupling = jnp.asarray([1.0, 7.0, 9.0, 60.0]), jnp.asarray(5e-4)
    loop = [propagate(build(mass, coupling), SMALL).ratio for mass in masses]
    batch = jax.jit(jax.vmap(lambda mass: propagate(build(mass, coupling), SMALL).ratio))(masses)
    np.testing.assert_allclose(batch, jnp.stack(loop), rtol=1e-9, atol=1e-12)


def test_a_jitted_function_is_traced_once():
    traces = []

    @eqx.filter_jit
    def ratio(universe, coupling):
        traces.append(None)
        return propagate(eqx.tree_at(lambda u: u.mediator.coupling, universe, coupling), SMALL).ratio

    for universe in (build(8.0, 1e-4, 0.01, 2.2), build(12.0, 7e-4, 0.06, 2.9)):
        for coupling in (5e-4, 0.0):
            ratio.lower(universe, jnp.asarray(coupling))
    assert len(traces) == 1


def test_weak_coupling_is_quadratic():
    """Ratio − 1 ∝ g′²: nothing but the first scattering."""
    changes = [np.asarray(propagate(build(coupling=g), SMALL).ratio) - 1 for g in (1e-6, 2e-6, 4e-6)]
    scale = np.max(np.abs(changes[0]))
    assert scale > 1e-6
    np.testing.assert_allclose(changes[1] / scale, 4 * changes[0] / scale, atol=2e-3)
    np.testing.assert_allclose(changes[2] / scale, 16 * changes[0] / scale, atol=2e-2)


ODD = Resolution(61, 9)
"""Of tests in double precision only."""


@pytest.fixture
def double(monkeypatch):
    """All in double precision, which cells are not otherwise."""
    monkeypatch.setattr("jaxnu.transport.layout.PRECISION", np.float64)


@pytest.mark.parametrize("z", [None, 1.0])
def test_blocks_of_nodes_do_not_show(z, monkeypatch, double):
    """61 and 91 nodes, neither a multiple of the block, and one by one."""
    universe = build(z=z)
    together = propagate(universe, ODD)
    monkeypatch.setattr("jaxnu.transport.layout.ROWS", 1)
    apart = jax.jit(lambda u: scans.values.__wrapped__(u, ODD))(universe)
    for one, other in zip(jax.tree.leaves(together), jax.tree.leaves(apart), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13)


def test_universes_and_callers_of_any_precision_share_a_propagation(monkeypatch):
    traced = []
    monkeypatch.setattr("jaxnu.transport.prelude.shell_edges", lambda *of: traced.append(of) or shell_edges(*of))
    resolution = Resolution(45, 5)
    first, other = (propagate(build(*at), resolution) for at in ((8.0, 1e-4, 0.01, 2.2), (12.0, 7e-4, 0.06, 2.9)))
    with jax.default_matmul_precision("highest"):
        again = propagate(build(8.0, 1e-4, 0.01, 2.2), resolution)
    assert len(traced) == 1 and np.array_equal(first.ratio, again.ratio) and not np.allclose(first.ratio, other.ratio)


def test_spectra_are_those_of_single_universes(monkeypatch, double):
    """One after another, as on a CPU, and side by side, as elsewhere."""
    universes = jax.vmap(lambda mass, index: build(mass=mass, index=index))(jnp.asarray([4.0, 9.0]), jnp.full(2, 2.5))
    apart = solutions(universes, ODD)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    together = solutions(universes, ODD)
    for one, other in zip(jax.tree.leaves(apart), jax.tree.leaves(together), strict=True):
        assert one.shape[0] == 2
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(apart.ratio[1], propagate(build(mass=9.0), ODD).ratio, rtol=1e-9)


def test_products_in_full_precision():
    """A GPU rounds factors of single precision to 10 bits, unless each product says otherwise."""
    universe = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), build(6.5, 5e-4, 0.02, 2.5))
    edges = jnp.asarray([1e4, 1e5, 1e6], dtype=jnp.float32)
    program = str(jax.make_jaxpr(jax.grad(lambda u: jnp.sum(binned_flux(u, edges))))(universe))
    assert program.count("dot_general") > 10
    assert program.count("Precision.HIGHEST") == 2 * program.count("dot_general")
