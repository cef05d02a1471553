"""Values and slopes of the channels at hard points: against 120 digits, finite differences, and in single precision."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from charges import HARD, hermitian, in_precision, mediator_numbers, universe

import jaxnu
from jaxnu.channels import area, cross_sections, exchanged, f_zz, logarithms, reduced_cross_sections


def f_t(y):
    return exchanged(y, logarithms(y)).f_t


def f_i(y):
    return exchanged(y, logarithms(y)).f_i


def f_n(y):
    return exchanged(y, logarithms(y)).f_n


def f_tu(y):
    return exchanged(y, logarithms(y)).f_tu


CLOSED_FORMS = {
    f_t: lambda y: (y * (y + 2) - 2 * (1 + y) * mpmath.log(1 + y)) / y**2,
    f_i: lambda y: ((1 + y) ** 2 * mpmath.log(1 + y) - y - 3 * y**2 / 2) / y**2,
    f_n: lambda y: y / (1 + y),
    f_tu: lambda y: 2 * mpmath.log(1 + y) / (2 + y),
    f_zz: lambda y: (
        (
            (y * y + 4) / (y * (y - 2)) * 2 * mpmath.log((y - 2 + mpmath.sqrt(y * y - 4 * y)) / 2)
            - 2 * mpmath.sqrt(1 - 4 / y)
        )
        / y
    ),
}


@pytest.mark.parametrize(("kind", "tolerance"), [(jnp.float64, 2e-14), (jnp.float32, 1e-5)])
def test_functions_of_y(kind, tolerance):
    """Values and slopes from y = 1e-30 to 1e12 against 120 digits."""
    y = jnp.asarray(HARD, dtype=kind)
    results = jax.jit(lambda y: [jax.vmap(jax.value_and_grad(function))(y) for function in CLOSED_FORMS])(y)
    for (function, exact), (values, slopes) in zip(CLOSED_FORMS.items(), results, strict=True):
        assert values.dtype == slopes.dtype == kind
        below = (y <= 4) & (function is f_zz)
        assert np.all(values[below] == 0) and np.all(slopes[below] == 0)
        numbers = np.asarray(y[~below], float)
        with mpmath.workdps(120):
            points = [mpmath.mpf(float(number)) for number in numbers]
            truth = [float(exact(point)) for point in points]
            tangents = [float(mpmath.diff(exact, point, h=point * mpmath.mpf(10) ** -40)) for point in points]
        np.testing.assert_allclose(values[~below], truth, rtol=tolerance, err_msg=function.__name__)
        np.testing.assert_allclose(slopes[~below], tangents, rtol=tolerance, err_msg=function.__name__)


@jax.jit
@partial(jax.value_and_grad, argnums=(0, 1))
def total_and_slopes(numbers, s, u):
    """Sum over all channels, mass states and points, and its slopes in m_Z′, g′, g_χ, m_χ and s."""
    u = eqx.tree_at(mediator_numbers, u, numbers)
    return sum(jnp.sum(value) for value in reduced_cross_sections(u, s))


@pytest.mark.parametrize("kind", [jnp.float64, jnp.float32])
def test_slopes_are_finite(kind):
    """At every hard y, far below and above all thresholds, for g′ → 0 and with a dark channel at its threshold."""
    for coupling in (0.0, 1e-9, 1e-3):
        for dark in ({}, {"dark_coupling": 1e-3}, {"dark_coupling": 1e-3, "dark_mass": 2.5}):
            u = in_precision(universe(coupling=coupling, **dark), kind)
            for leaf in jax.tree.leaves(total_and_slopes(mediator_numbers(u), 25 * jnp.asarray(HARD, dtype=kind), u)):
                assert np.all(np.isfinite(leaf)), (coupling, dark)
                assert leaf.real.dtype == kind


def test_slopes():
    """In ln of the mass, the coupling and s, against central differences of fourth order, for a 1 on 2 collision."""
    charges = universe(charges=hermitian(7)).mediator.charges

    def channels_at(logs):
        mass, coupling, s = jnp.exp(logs)
        u = eqx.tree_at(lambda u: u.mediator, universe(), jaxnu.LmuLtau(mass, coupling, charges=charges))
        values = jnp.stack([value[0, 1] / area(u.mediator) for value in cross_sections(u, s)])
        return values, values

    at_points = jax.jit(jax.vmap(jax.jacfwd(channels_at, has_aux=True)))
    points = np.log([(5.0, 0.3, 25 * y) for y in (1e-4, 0.3, 0.999, 1.0005, 4.01, 300.0)])
    slopes, values = at_points(points)
    scale = np.maximum(np.abs(values), 1e-30)  # no Z′Z′ below threshold
    h = 1e-5
    for k, step in enumerate(h * np.eye(3)):
        one, two = (at_points(points + n * step)[1] - at_points(points - n * step)[1] for n in (1, 2))
        differences = (8 * one - two) / (12 * h)
        np.testing.assert_allclose(slopes[..., k] / scale, differences / scale, rtol=1e-6, atol=1e-8)
