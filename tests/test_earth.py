"""Flavours, fluxes and bins at Earth: closed forms without interactions, additivity, and refused input."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxnu import (
    LmuLtau,
    Neutrinos,
    PowerLaw,
    Resolution,
    SingleRedshift,
    Source,
    StarFormation,
    Universe,
    binned_flux,
    flux_at_earth,
    propagate,
)
from jaxnu.neutrinos import pmns

SMALL = Resolution(60, 8)


def build(coupling=5e-4, index=2.5, flavour="equal", evolution=None):
    source = Source(PowerLaw(1.5, index), evolution or StarFormation(), flavour)
    return Universe(LmuLtau(10.0, coupling, channels="narrow"), Neutrinos(0.02), source)


def binned(universe, edges):
    return binned_flux(universe, edges, SMALL)


def arriving(universe, energy):
    return flux_at_earth(universe, energy, SMALL)


def test_bins_add_up():
    """Two bins are the bin without the edge between them, wherever it lies: off, and on, nodes."""
    universe = build()
    nodes = propagate(universe, SMALL).energy
    edges = jnp.sort(jnp.concatenate([jnp.asarray([1e4, 2e4, 3.3e5, 9e5, 1e7]), nodes[25:28]]))
    fine = np.asarray(binned(universe, edges))
    for i in range(1, 7):
        merged = binned(universe, jnp.delete(edges, i, assume_unique_indices=True))
        truth = np.delete(fine, i, axis=1)
        truth[:, i - 1] += fine[:, i]
        np.testing.assert_allclose(merged, truth, rtol=1e-6)


def test_bins_hold_the_flux():
    """A narrow bin around any energy, the sharp dip included, is the flux there times its width."""
    universe = build()
    energy = jnp.geomspace(5e4, 3e6, 12)
    edges = jnp.sort(jnp.concatenate([energy * (1 - 1e-6), energy * (1 + 1e-6)]))
    narrow = binned(universe, edges)[:, ::2]
    np.testing.assert_allclose(narrow, arriving(universe, energy) * (2e-6 * energy)[None, :], rtol=1e-4)


def test_free_power_law_integral():
    """∫A(E/E₀)^−γ dE in closed form, in each flavour; the default nodes and few shells."""
    edges = np.array([1.2e3, 5e4, 6e4, 1e7, 9e9])
    resolution = Resolution(Resolution().nodes, 4)
    x = edges / 1e5
    for index in (1.0, 2.5, 4.0):
        area = np.diff(np.log(x)) if index == 1 else np.diff(x ** (1 - index)) / (1 - index)
        truth = np.broadcast_to(1.5e-13 * area, (3, 4))
        np.testing.assert_allclose(binned_flux(build(0.0, index), edges, resolution), truth, rtol=1e-6)


@pytest.mark.parametrize(
    ("flavour", "composition"),
    [("neutron", (1, 0, 0)), ("muon-damped", (0, 1, 0)), ("pp", (1 / 3, 2 / 3, 0)), ("equal", (1 / 3, 1 / 3, 1 / 3))],
)
@pytest.mark.parametrize("evolution", [StarFormation(), SingleRedshift(0.5)], ids=["evolving", "single"])
def test_flavours_without_interactions(flavour, composition, evolution):
    """Averaged oscillations: φ_α = Σ_βi |U_αi|²|U_βi|² f_β, of three times the amplitude per flavour."""
    universe = build(0.0, 2.5, flavour, evolution)
    content = np.abs(np.asarray(pmns(universe.neutrinos))) ** 2
    energy = jnp.asarray([3e4, 1e5, 2e6])
    free = 1.5e-18 * (np.asarray(energy) / 1e5) ** -2.5
    truth = 3 * (content @ content.T @ np.asarray(composition, float))[:, None] * free[None, :]
    np.testing.assert_allclose(arriving(universe, energy), truth, rtol=1e-9)


@pytest.mark.parametrize("energy", [[1e2, 1e5], [1e5, 1e11]])
def test_energies_outside_the_mesh_refused(energy):
    with pytest.raises(ValueError, match="energy must lie within the mesh, 1000 to 1e\\+10 GeV"):
        flux_at_earth(build(), jnp.asarray(energy))
    with pytest.raises(ValueError, match="edges must lie within the mesh, 1000 to 1e\\+10 GeV"):
        binned_flux(build(), jnp.asarray(energy))


def test_scalar_energy_refused():
    with pytest.raises(ValueError, match="energy must be one-dimensional, got shape \\(\\)"):
        flux_at_earth(build(), jnp.asarray(1e5))


@pytest.mark.parametrize("edges", [[1e6, 1e5], [1e5, 1e5, 1e6]])
def test_edges_that_do_not_ascend_refused(edges):
    with pytest.raises(ValueError, match="edges must ascend"):
        binned_flux(build(), jnp.asarray(edges))


@pytest.mark.parametrize("edges", [[1e5], [[1e5, 1e6]]])
def test_too_few_edges_refused(edges):
    with pytest.raises(ValueError, match="edges must be at least two energies in one dimension"):
        binned_flux(build(), jnp.asarray(edges))


def test_resolution_refused():
    for options, message in (({"nodes": 39}, "nodes"), ({"shells": 3}, "shells"), ({"lowest": 1e11}, "lowest <")):
        with pytest.raises(ValueError, match=message):
            Resolution(**options)
