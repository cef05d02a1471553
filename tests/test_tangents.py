"""Derivatives that are carried beside the values, against plain differentiation of the same march."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxnu import LmuLtau, Neutrinos, PowerLaw, Resolution, SingleRedshift, Source, StarFormation, Universe, binned_flux
from jaxnu.transport import scans, solver

MESH = Resolution(60, 11)
NUMBERS = {
    "mass": lambda u: u.mediator.mass,
    "coupling": lambda u: u.mediator.coupling,
    "lightest": lambda u: u.neutrinos.lightest,
    "index": lambda u: u.source.spectrum.index,
    "amplitude": lambda u: u.source.spectrum.amplitude,
}


def build(mass, coupling, lightest, index, z=None, dark=0.0):
    evolution = StarFormation() if z is None else SingleRedshift(z)
    mediator = LmuLtau(mass, coupling, dark, 1.0, channels="narrow")
    return Universe(mediator, Neutrinos(lightest), Source(PowerLaw(1.3, index), evolution))


def by_rule(universe):
    return solver.propagate(universe, MESH).ratio


def by_stages(universe):
    return scans.values(universe, MESH, unrolled=False).ratio


def slopes(solve, universe):
    """The derivatives along each of the numbers."""

    def moved(*numbers):
        return solve(eqx.tree_at(lambda u: [number(u) for number in NUMBERS.values()], universe, numbers))

    at, ways = [number(universe) for number in NUMBERS.values()], jnp.eye(len(NUMBERS))
    return {name: jax.jvp(moved, at, list(way))[1] for name, way in zip(NUMBERS, ways, strict=True)}


@pytest.mark.parametrize(("z", "dark"), [(None, 0.0), (1.0, 1e-3)])
def test_slopes_are_those_of_the_march(z, dark):
    """What the rule says, along each parameter, and plain differentiation through every stage.

    A dark channel makes the branching ratio depend on g′. Slopes of lines across thin shells are exact where values
    are those of a cubic.
    """
    for point in ((6.5, 5e-4, 0.02, 2.5), (4.0, 2e-2, 0.0, 2.0), (12.0, 3e-3, 0.1, 3.0)):
        universe = build(*point, z, dark)
        found, truth = slopes(by_rule, universe), slopes(by_stages, universe)
        # m_Z′ moves the nodes as a whole in one, and as the mesh says in the other.
        for name in list(NUMBERS)[1:]:
            limit = 1e-4 * np.max(np.abs(truth[name])) + 1e-9
            np.testing.assert_allclose(found[name], truth[name], atol=limit, err_msg=name)


def test_a_heavier_boson_shifts_the_axis():
    """The slope in ln m_Z′ at fixed g′/m_Z′, against a difference of the discrete problem at shifted energies."""
    edges, step = jnp.geomspace(2e4, 2e6, 4), 1e-3

    def flux(shift, edges):
        moved = build(6.5 * jnp.exp(shift), 5e-4 * jnp.exp(shift), 0.02, 2.5)
        return jnp.log(jnp.sum(binned_flux(moved, edges, Resolution(120, 24)), axis=0))

    def at_zero(edges):
        return flux(jnp.asarray(0.0), edges)

    _, slope = jax.jvp(lambda shift: flux(shift, edges), (jnp.asarray(0.0),), (jnp.asarray(1.0),))
    # φ/φ_free at E is that at E e^{−2 shift}: move the bins instead of the boson, and undo what the power law does.
    difference = (at_zero(edges * np.exp(-2 * step)) - at_zero(edges * np.exp(2 * step))) / (2 * step)
    np.testing.assert_allclose(slope, difference - 2 * (2.5 - 1), atol=2e-3)


def test_without_coupling_only_the_source_has_slopes():
    free = build(7.4, 0.0, 0.02, 2.5)
    for solve in (by_rule, by_stages):
        found = slopes(solve, free)
        assert np.all(found["coupling"] == 0) and np.all(found["lightest"] == 0)


def test_only_few_leaves_are_carried(monkeypatch):
    """The five parameters of a posterior take the short way, Ω_m the long one."""
    universe, calls = build(7.4, 9e-4, 0.02, 2.5), []
    along = solver._along
    monkeypatch.setattr(solver, "_along", lambda *problem: calls.append(problem) or along(*problem))

    def total(mass, omega_m):
        moved = eqx.tree_at(lambda u: (u.mediator.mass, u.cosmology.omega_m), universe, (mass, omega_m))
        return jnp.sum(solver.propagate(moved, Resolution(40, 5)).ratio)

    at = universe.mediator.mass, universe.cosmology.omega_m
    jax.eval_shape(jax.grad(total), *at)
    assert len(calls) == 1
    jax.eval_shape(jax.grad(total, 1), *at)
    assert len(calls) == 1


def test_exports_for_gpus():
    """Value and gradient lower for CUDA on a machine without one, and call nothing that XLA does not have itself."""
    edges = jnp.geomspace(1e4, 1e6, 4).astype(jnp.float32)

    def total(theta):
        universe = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), build(*theta))
        return jnp.sum(jnp.log(binned_flux(universe, edges, MESH)))

    theta = jax.ShapeDtypeStruct((4,), jnp.float32)
    for function in (total, jax.value_and_grad(total)):
        program = export.export(jax.jit(function), platforms=["cuda"])(theta).mlir_module()
        assert "stablehlo" in program and "custom_call" not in program
