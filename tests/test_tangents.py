"""Derivatives that are carried beside the values, against plain differentiation of the same march."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxnu import LmuLtau, Neutrinos, PowerLaw, Resolution, SingleRedshift, Source, StarFormation, Universe, binned_flux
from jaxnu.transport import solver

MESH = Resolution(60, 11)
NAMES = ("ln mass", "ln coupling", "lightest", "index", "ln amplitude")


def build(theta, z=None, dark=0.0):
    evolution = StarFormation() if z is None else SingleRedshift(z)
    mass, coupling, amplitude = jnp.exp(theta[0]), jnp.exp(theta[1]), jnp.exp(theta[4])
    mediator = LmuLtau(mass, coupling, jnp.asarray(dark), jnp.asarray(1.0))
    return Universe(mediator, Neutrinos(theta[2]), Source(PowerLaw(amplitude, theta[3]), evolution))


@pytest.mark.parametrize(("z", "dark"), [(None, 0.0), (1.0, 1e-3)])
def test_slopes_are_those_of_the_march(z, dark):
    """Of the ratios at nodes that move: what the rule says, along each parameter, and `jax.jvp` through every stage.

    A dark channel makes the branching ratio depend on g′. Slopes of lines across thin shells are exact where values
    are those of a cubic.
    """

    def both(theta, way):
        def ratio(solve):
            return jax.jvp(lambda t: solve(build(t, z, dark), MESH).ratio, (theta,), (way,))[1]

        return ratio(solver.propagate), ratio(lambda *problem: solver._values(*problem, unrolled=False))

    compiled = jax.jit(both)
    for mass, coupling, lightest, index in ((6.5, 5e-4, 0.02, 2.5), (4.0, 2e-2, 0.0, 2.0), (12.0, 3e-3, 0.1, 3.0)):
        theta = jnp.asarray([np.log(mass), np.log(coupling), lightest, index, 0.3])
        # ln m_Z′ moves the nodes as a whole in one, and as the mesh says in the other.
        for name in NAMES[1:]:
            way = jnp.asarray([float(name == other) for other in NAMES])
            found, truth = compiled(theta, way)
            np.testing.assert_allclose(found, truth, atol=1e-4 * np.max(np.abs(truth)) + 1e-9, err_msg=name)


def test_a_heavier_boson_shifts_the_axis():
    """The slope in ln m_Z′ at fixed g′/m_Z′, against a difference of the discrete problem at shifted energies."""
    edges, step = jnp.geomspace(2e4, 2e6, 4), 1e-3

    def flux(shift, edges, index=2.5):
        theta = jnp.asarray([np.log(6.5), np.log(5e-4), 0.02, index, 0.0])
        moved = theta.at[:2].add(shift)
        return jnp.log(jnp.sum(binned_flux(build(moved), edges, Resolution(120, 24)), axis=0))

    _, slope = jax.jit(lambda y: jax.jvp(lambda shift: flux(shift, edges), (y,), (jnp.ones_like(y),)))(jnp.asarray(0.0))
    at_zero = jax.jit(lambda edges: flux(jnp.asarray(0.0), edges))
    # φ/φ_free at E is that at E e^{−2 shift}: move the bins instead of the boson, and undo what the power law does.
    difference = (at_zero(edges * np.exp(-2 * step)) - at_zero(edges * np.exp(2 * step))) / (2 * step)
    np.testing.assert_allclose(slope, difference - 2 * (2.5 - 1), atol=2e-3)


def test_without_coupling_only_the_source_has_slopes():
    free = build(jnp.asarray([2.0, 0.0, 0.02, 2.5, 0.0])).without_interactions()
    slopes = jax.jit(jax.jacfwd(lambda u: solver.propagate(u, MESH).ratio))(free)
    assert all(np.all(leaf == 0) for leaf in (slopes.mediator.coupling, slopes.neutrinos.lightest))


def test_only_few_leaves_are_carried(monkeypatch):
    """The five parameters of a posterior take the short way, Ω_m the long one."""
    universe, calls = build(jnp.asarray([2.0, -7.0, 0.02, 2.5, 0.0])), []
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
        universe = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), build(theta))
        return jnp.sum(jnp.log(binned_flux(universe, edges, MESH)))

    theta = jax.ShapeDtypeStruct((5,), jnp.float32)
    for function in (total, jax.value_and_grad(total)):
        program = export.export(jax.jit(function), platforms=["cuda"])(theta).mlir_module()
        assert "stablehlo" in program and "custom_call" not in program
