"""The response of a shell against integration along the true Fermi–Dirac line, and of cells against quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator
from scipy.special import expit

from jaxnu.transport.interpolation import cell_weights, monotone_cubic
from jaxnu.transport.rates import Line
from jaxnu.transport.response import shell_response
from jaxnu.transport.thermal import profile

GRID = np.linspace(0, 60, 60001)
TAIL = np.concatenate([[0.0], np.cumsum((lambda f: (f[1:] + f[:-1]) / 2 * np.diff(GRID))(GRID * expit(-GRID)))])
DENSITY = TAIL[-1] - TAIL  # D(x) = ∫_x^∞ u/(e^u + 1) du


def line(v, unit):
    """One target that is on resonance at v, and two that are nowhere near."""
    at = jnp.asarray([[v], [1e4], [1e4]])
    return Line(at, profile(jnp.abs(at)), unit * jnp.asarray([[1.0], [0.0], [0.0]]))


def respond(near, far, depth):
    """The shell's response as a dictionary of numbers, and τ(s) on a fine grid of places, for a given total depth."""
    s = np.linspace(0, 1, 4001)
    density = np.interp(np.abs(near + (far - near) * s), GRID, DENSITY)
    tau = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    unit = depth / (tau[-1] * abs(near - far) / 4000)
    response = shell_response(jnp.eye(3), line(near, unit), line(far, unit))
    return {name: float(part[0, 0]) for name, part in response._asdict().items()}, s, depth * tau / tau[-1]


def mean(s, values):
    """∫ ds over the shell."""
    return float(np.sum((values[1:] + values[:-1]) / 2 * np.diff(s)))


# (v at the near edge, v at the far edge): the line inside, its halves, broad and narrow, and both wings.
SHELLS = [(30.0, -40.0), (3.0, -25.0), (0.6, -0.4), (0.1, -30.0), (6.0, 1.0), (12.0, 9.0), (-1.0, -5.0), (-0.5, -1.0)]


@pytest.mark.parametrize("edges", SHELLS)
@pytest.mark.parametrize("depth", [1e-3, 0.1, 1.0, 5.0, 50.0])
def test_response(edges, depth):
    """Survival exactly, escape to 0.013 and tilts to 0.12 and 0.05 of 1, at any depth, width and place of the line."""
    response, s, tau = respond(*edges, depth)
    np.testing.assert_allclose(response["survival"], np.exp(-depth), rtol=1e-5)
    np.testing.assert_allclose(response["escape"], mean(s, np.exp(-tau)), atol=0.013)
    tilted = mean(s, 3 * (2 * s - 1) * np.exp(-tau))
    np.testing.assert_allclose(response["tilted_escape"], tilted, atol=0.12 * (1 - np.exp(-depth)))
    # Of those that enter, e^{τ(s) − τ} are left at s; the rest was absorbed farther out.
    left = np.exp(tau - depth)
    entering = left[-1] - left[0] - 2 * (mean(s, left) - left[0])
    np.testing.assert_allclose(response["entering_tilt"], entering, atol=0.05 * (1 - np.exp(-depth)))


@pytest.mark.parametrize("depth", [1e-4, 0.3, 0.49, 0.51, 3.0, 40.0])
def test_even_density(depth):
    """A shell much narrower than the line is an even absorber, for which all six numbers are elementary integrals."""
    response, s, tau = respond(1e-4, -1e-4, depth)
    escape, tilt = np.exp(-tau), 2 * s - 1

    def inside(emitted):
        """What is absorbed at each place: n′ = τn − emitted, inwards from n(1) = 0."""
        n = np.zeros_like(s)
        for i in range(s.size - 2, -1, -1):
            middle, h = (emitted[i] + emitted[i + 1]) / 2, s[1]
            n[i] = n[i + 1] * np.exp(-depth * h) + middle * -np.expm1(-depth * h) / depth
        return depth * n

    truth = {
        "survival": np.exp(-depth),
        "escape": mean(s, escape),
        "tilted_escape": mean(s, 3 * tilt * escape),
        "entering_tilt": mean(s, tilt * depth * np.exp(tau - depth)),
        "even_tilt": mean(s, tilt * inside(np.ones_like(s))),
        "tilted_tilt": mean(s, tilt * inside(3 * tilt)),
    }
    for name, value in truth.items():
        np.testing.assert_allclose(response[name], value, rtol=2e-3, atol=1e-7, err_msg=name)


def test_slopes_of_the_response_are_finite():
    def total(near, far, unit):
        return sum(jnp.sum(part) for part in shell_response(jnp.eye(3), line(near, unit), line(far, unit)))

    slope = jax.jit(jax.grad(total, (0, 1, 2)))
    for near, far in [*SHELLS, (0.0, -1.0), (1.0, 0.0), (1e4, -1e4), (1e-12, -1e-12), (400.0, 350.0), (-350.0, -400.0)]:
        for unit in (0.0, 1e-30, 1e-3, 1.0, 1e12):
            assert np.all(np.isfinite(slope(near, far, unit))), (near, far, unit)


def test_cells_integrate_parabolas():
    """Weights of a cell against quadrature of a parabola times an exponential, where the next cell is not narrower."""
    x, growth = np.array([0.0, 0.1, 0.25, 0.6]), np.array([0.3, -1.2, 0.0])
    values = 2 - 3 * x + 5 * x**2
    lower, upper, beyond = (np.asarray(part) for part in cell_weights(jnp.diff(jnp.asarray(x)), jnp.asarray(growth)))
    for i in (0, 1):
        a, b = x[i], x[i + 1]
        truth = quad(lambda t, a=a, b=b, g=growth[i]: (2 - 3 * t + 5 * t**2) * np.exp(g * (t - a) / (b - a)), a, b)[0]
        found = lower[i] * values[i] + upper[i] * values[i + 1] + beyond[i] * values[i + 2]
        np.testing.assert_allclose(found, truth, rtol=1e-7)
    assert beyond[2] == 0


def test_monotone_cubic_is_pchip():
    """SciPy's PCHIP, away from the outermost cells, where the slopes at the ends are taken otherwise."""
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.uniform(0, 10, 40)), rng.normal(size=40)
    at = np.linspace(x[1], x[-2], 500)
    found = monotone_cubic(jnp.asarray(at), jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(found, PchipInterpolator(x, y)(at), atol=1e-12)
