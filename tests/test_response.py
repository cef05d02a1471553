"""The response of a shell against integration along the true Fermi–Dirac line, and of cells against quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator
from scipy.special import expit

from jaxnu.transport import response as shell
from jaxnu.transport.interpolation import cell_of, cell_weights, monotone_curve, values_at
from jaxnu.transport.line import Line, crossing, crossing_slopes, shell_depth
from jaxnu.transport.thermal import line_shape

GRID = np.linspace(0, 60, 60001)
TAIL = np.concatenate([[0.0], np.cumsum((lambda f: (f[1:] + f[:-1]) / 2 * np.diff(GRID))(GRID * expit(-GRID)))])
DENSITY = TAIL[-1] - TAIL  # D(x) = ∫_x^∞ u/(e^u + 1) du


def line(v, unit):
    """One target that is on resonance at v, and two that are nowhere near."""
    at = jnp.asarray([[[v]], [[1e4]], [[1e4]]])
    return Line(at, line_shape(jnp.abs(at)), unit * jnp.asarray([[[1.0]], [[0.0]], [[0.0]]]))


def shell_response(near, far):
    """The response of a shell between the lines at two redshifts, for |q_ij|² = δ_ij."""
    step = near.v[:1] - far.v[:1]
    absorber = shell.absorber(jnp.eye(3), shell_depth(crossing(near, far, step), near, far, step))
    moments = shell.moments(absorber.depth, *shell.second_moment(absorber.depth))
    wing, thickness = shell.wing(absorber), shell.thickness(absorber.depth)
    escape = shell.wing_escape(absorber.depth, wing.share, moments.lost)
    return shell.response(shell.box(absorber, thickness, wing, escape, moments.even), moments)


def respond(near, far, depth):
    """The shell's response as a dictionary of numbers, and τ(s) on a fine grid of places, for a given total depth."""
    s = np.linspace(0, 1, 4001)
    density = np.interp(np.abs(near + (far - near) * s), GRID, DENSITY)
    tau = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    unit = depth / (tau[-1] * abs(near - far) / 4000)
    response = shell_response(line(near, unit), line(far, unit))
    return {name: float(part[0, 0, 0]) for name, part in response._asdict().items()}, s, depth * tau / tau[-1]


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
    np.testing.assert_allclose(response["lost"], -np.expm1(-depth), rtol=1e-5)
    np.testing.assert_allclose(1 - response["lost"], np.exp(-depth), rtol=1e-5, atol=2e-16)
    np.testing.assert_allclose(1 - response["even_lost"], mean(s, np.exp(-tau)), atol=0.013)
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
        "lost": -np.expm1(-depth),
        "even_lost": mean(s, 1 - escape),
        "tilted_escape": mean(s, 3 * tilt * escape),
        "entering_tilt": mean(s, tilt * depth * np.exp(tau - depth)),
        "even_tilt": mean(s, tilt * inside(np.ones_like(s))),
        "tilted_tilt": mean(s, tilt * inside(3 * tilt)),
    }
    for name, value in truth.items():
        np.testing.assert_allclose(response[name], value, rtol=2e-3, atol=1e-7, err_msg=name)


def test_slopes_of_the_response_are_finite():
    def total(near, far, unit):
        return sum(jnp.sum(part) for part in shell_response(line(near, unit), line(far, unit)))

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
    nodes, at_ = jnp.asarray(x), jnp.asarray(at)
    found = values_at(monotone_curve(nodes, jnp.asarray(y)), cell_of(nodes, at_), at_)
    np.testing.assert_allclose(found, PchipInterpolator(x, y)(at), atol=1e-12)


PAIRS = [(30.0, -40.0), (3.0, -25.0), (0.6, -0.4), (6.0, 1.0), (12.0, 9.0), (-1.0, -5.0), (0.3, 0.25), (0.01, -0.01)]


@pytest.mark.parametrize("edges", PAIRS)
def test_slopes_of_a_crossing(edges):
    """Written out, against plain differentiation (of the cubic where shells are thin: to 1e-4)."""
    near_v, far_v = (jnp.full((1, 1, 1), edge) for edge in edges)
    moves = jnp.full((1, 1, 1), 0.8), jnp.full((1, 1, 1), 0.5)

    def of(near_v, far_v):
        lines = tuple(Line(v, line_shape(jnp.abs(v)), jnp.ones_like(v)) for v in (near_v, far_v))
        return lines, crossing(*lines, near_v - far_v)

    ((near, far), crossed), ((by_near, by_far), truth) = jax.jvp(of, (near_v, far_v), moves)
    found = crossing_slopes(crossed, near, far, near_v - far_v, by_near, by_far)
    for one, other in zip(found, truth, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


def test_slopes_of_moments_and_wings():
    """Those written out, against plain differentiation."""
    depth = jnp.asarray([1e-3, 0.2, 0.99, 1.01, 4.0, 60.0, 1e4])

    def both(depth):
        moments = shell.moments(depth, *shell.second_moment(depth))
        return (
            moments,
            shell.wing_escape(depth, share, moments.lost).value,
            shell.wing_escape(depth, share, moments.lost),
        )

    for share in (1e-6, 0.1, 0.8, 0.99):
        share = jnp.full_like(depth, share)
        (moments, _, escape), (truth, by_depth, _) = jax.jvp(both, (depth,), (depth,))
        for one, other in zip(shell.moment_slopes(depth, moments), truth, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-12)
        found = shell.wing_escape_slopes(depth, share, moments.lost, escape)
        _, by_share = jax.jvp(
            lambda s, lost=moments.lost: shell.wing_escape(depth, s, lost).value, (share,), (jnp.ones_like(share),)
        )
        # e^x E₁ is a fit, good to 4e-4.
        np.testing.assert_allclose(found[0], by_depth, atol=2e-3)
        np.testing.assert_allclose(share * found[1], share * by_share, atol=2e-3)
