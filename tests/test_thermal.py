"""Closed forms of the thermal average against quadrature, multiprecision polylogarithms and published means."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import exp1, expit

from jaxnu import Relics
from jaxnu.transport import thermal
from jaxnu.transport.special import exponential_integral

MASSES = (0.0, 0.1, 1.0, 5.0, 300.0)


def fermi_line(x):
    return quad(lambda u: u * expit(-u), x, x + 60, epsabs=0, epsrel=1e-11)[0]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_polylogarithm(order):
    x = np.array([0.0, 1e-3, 0.3, 1.0, 4.0, 20.0, 200.0])
    with mpmath.workdps(120):
        truth = [float(-mpmath.polylog(order, -mpmath.exp(-mpmath.mpf(v))).real) for v in x]
    np.testing.assert_allclose(thermal.fermi_polylog(order, jnp.asarray(x)), truth, rtol=2e-10)


def test_profile_and_its_antiderivatives():
    """D, ∫_x^∞ D = ∫_x^∞ (u − x) u f du and ∫∫ D = ∫_x^∞ ½(u − x)² u f du (order of integration exchanged)."""
    for x in (0.0, 0.2, 1.0, 3.0, 12.0, 40.0):
        line = thermal.line_shape(jnp.asarray(x))
        np.testing.assert_allclose(line.slope, -x * expit(-x), rtol=1e-14)
        for power, value in enumerate(line[:3]):
            factor = (1.0, 1.0, 0.5)[power]
            truth = quad(
                lambda u, p=power, x=x, c=factor: c * (u - x) ** p * u * expit(-u), x, x + 60, epsrel=1e-12, epsabs=0
            )
            np.testing.assert_allclose(value, truth[0], rtol=1e-9)


def test_area_and_width():
    """∫D(|v|)dv = 3ζ(3), and two places drawn from a box of that width are as far apart, w/3, as two drawn from D."""
    area = 2 * quad(fermi_line, 0, 60)[0]

    # The mean distance is 2∫C(1 − C)dv, with C the normalised integral of D.
    def beyond(x):
        return quad(lambda u: (u - x) * u * expit(-u), x, x + 60)[0] / area

    distance = 4 * quad(lambda x: beyond(x) * (1 - beyond(x)), 0, 60, epsrel=1e-6)[0]
    np.testing.assert_allclose([thermal.LINE_AREA, 3 * float(mpmath.zeta(3))], area, rtol=1e-8)
    np.testing.assert_allclose(thermal.LINE_WIDTH, 3 * distance, rtol=1e-3)


@pytest.mark.parametrize(
    "edges",
    [
        (7.0, 2.0, 1.0, 0.5, 0.49, -0.3, -0.31, -4.0, -30.0),  # v = 0 inside, thin shells on both sides
        (0.02, -0.02, -0.05),  # v = 0 inside a thin shell
        (200.0, -200.0),  # the whole line in one shell
        (1e4, 3.0, -1e5),  # very wide shells on either side
        (5.0, 0.0, -5.0),  # v = 0 on an edge
        (20.0, 19.96, 19.9),  # far in the wing, thin and wide
    ],
)
def test_shell_weights(edges):
    v = jnp.asarray(edges)
    inner, outer = v[:-1], v[1:]
    shapes = (thermal.line_shape(jnp.abs(edge)) for edge in (inner, outer))
    (near_shape, far_shape) = shapes
    near, far = thermal.shell_weights(inner, near_shape, outer, far_shape, inner - outer)
    for s, (a, b) in enumerate(pairwise(edges)):
        breaks = [p for p in (b, -60.0, -20.0, -5.0, 0.0, 5.0, 20.0, 60.0, a) if b <= p <= a]
        for value, hat in (
            (near[s], lambda t, a=a, b=b: (t - b) / (a - b)),
            (far[s], lambda t, a=a, b=b: (a - t) / (a - b)),
        ):
            pieces = pairwise(breaks)
            truth = sum(
                quad(lambda t, h=hat: fermi_line(abs(t)) * h(t), *piece, epsrel=1e-7, limit=100)[0] for piece in pieces
            )
            np.testing.assert_allclose(value, truth, rtol=1e-6)


def flux_factor_by_quadrature(epsilon, v, a, moller, helicity):
    """⟨(1 − βc) w⟩ over u: on resonance √(u² + a²) − uc = ε fixes the direction c of each momentum u ≥ |v|."""
    x = abs(v)

    def weight(u):
        omega = np.hypot(u, a)
        # u c = ω − ε with the cancellation taken out, ω² − ε² = u² + a² − ε².
        c = ((u - epsilon) * (u + epsilon) + a**2) / (omega + epsilon) / u
        beta = u / omega
        collinear = epsilon / omega  # = 1 − βc
        dirac = 0.5 * (1 + (beta - c) / collinear)
        return (collinear if moller else 1.0) * (dirac if helicity == "dirac" else 1.0)

    def mean(f):
        # f(u) over e^{−x}, so that large x does not underflow.
        return sum(
            quad(lambda t: f(x + t) * (x + t) * np.exp(-t) / (1 + np.exp(-x - t)), lo, hi, epsabs=0, epsrel=1e-9)[0]
            for lo, hi in ((0, 1e-4), (1e-4, 1e-2), (1e-2, 1), (1, 10), (10, 50))
        )

    return mean(weight) / mean(lambda u: 1.0)


def flux_factor(epsilon, v, a, moller, helicity):
    """ρ at ε, v and a = m/T, which broadcasts."""
    relics = Relics(moller=moller, helicity=helicity)
    a = jnp.broadcast_to(a, jnp.shape(v))
    return thermal.flux_factor(relics, jnp.abs(v), epsilon, a * (a / epsilon), thermal.mean_energies(relics, a))


@pytest.mark.parametrize("a", MASSES)
@pytest.mark.parametrize("helicity", ["majorana", "dirac"])
@pytest.mark.parametrize("moller", [True, False])
def test_flux_factor(a, helicity, moller):
    points = [0.02, 0.3, 1.5, 6.0, 30.0] + ([-0.02, -0.3, -1.5, -6.0] if a > 0 else [])
    # ε from v, without the cancellation at negative v.
    epsilon = [v + np.hypot(v, a) if v > 0 else a**2 / (np.hypot(v, a) - v) for v in points]
    value = flux_factor(jnp.asarray(epsilon), jnp.asarray(points), jnp.asarray(a), moller, helicity)
    truth = [flux_factor_by_quadrature(e, v, a, moller, helicity) for e, v in zip(epsilon, points, strict=True)]
    np.testing.assert_allclose(value, truth, rtol=3e-4 if a > 0 else 1e-2)


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
@pytest.mark.parametrize("a", MASSES)
def test_flux_factor_far_from_the_line(a, dtype):
    """|v| = 1000, both sides: finite values and slopes, in single precision too."""
    for v in (1e3, -1e3) if a > 0 else (1e3,):
        epsilon = v + np.hypot(v, a) if v > 0 else a**2 / (np.hypot(v, a) - v)
        arguments = [jnp.asarray(y, dtype=dtype) for y in (epsilon, v, a)]
        for moller in (True, False):
            for helicity in ("majorana", "dirac"):
                value, slopes = jax.value_and_grad(flux_factor, (0, 1, 2))(*arguments, moller, helicity)
                assert value.dtype == dtype
                assert np.all(np.isfinite([value, *slopes]))


def dirac_mean(beta):
    """½[1 + (β − c)/(1 − βc)] averaged over c, isotropic."""
    return quad(lambda c: 0.25 * (1 + (beta - c) / (1 - beta * c)), -1, 1)[0]


def test_dirac_weight_published():
    means = [dirac_mean(beta) for beta in (0.0, 0.25, 0.5, 0.75, 1.0)]
    np.testing.assert_allclose(means, [0.500, 0.584, 0.676, 0.788, 1.0], atol=5e-4)


@pytest.mark.parametrize("a", [0.1, 1.0, 5.0, 300.0])
def test_dirac_weight_is_isotropic_in_all(a):
    """Integrated over ε = ω − uc, the line meets every direction of every relic: the mean is that of w(β(u))."""
    epsilon = np.concatenate(
        [np.linspace(1e-6, max(a - 40, 0) + 1e-3, 50), np.linspace(max(a - 40, 0) + 2e-3, a + 80, 6001)]
    )
    v = (epsilon**2 - a**2) / (2 * epsilon)
    line = np.asarray(thermal.line_shape(jnp.asarray(np.abs(v))).value)
    rho = np.asarray(flux_factor(jnp.asarray(epsilon), jnp.asarray(v), jnp.asarray(a), False, "dirac"))
    value = np.trapezoid(line * rho, epsilon) / np.trapezoid(line, epsilon)
    truth = quad(lambda u: u**2 * expit(-u) * dirac_mean(u / np.hypot(u, a)), 0, 40)[0]
    np.testing.assert_allclose(value, truth / quad(lambda u: u**2 * expit(-u), 0, 40)[0], rtol=1e-3)


def test_exponential_integral():
    x = np.logspace(-12, 2.5, 200)
    np.testing.assert_allclose(exponential_integral(jnp.asarray(x)), np.exp(x) * exp1(x), rtol=4e-4)
    np.testing.assert_allclose(exponential_integral(jnp.asarray([1e8, 1e20])), [1e-8, 1e-20], rtol=1e-6)


def test_exponential_integral_falls_in_single_precision():
    slope = jax.grad(exponential_integral)
    for x in (1e-6, 1e-2, 1.0, 30.0, 1e5):
        value = slope(jnp.asarray(x, dtype=jnp.float32))
        assert np.isfinite(value) and value < 0
    # −1e-40 is below the smallest normal number.
    assert -1e-30 < slope(jnp.asarray(1e20, dtype=jnp.float32)) <= 0


def test_profile_derivatives():
    x, step = jnp.asarray([0.05, 0.7, 2.0, 9.0]), 1e-4
    _, slopes = jax.jvp(thermal.line_shape, (x,), (jnp.ones_like(x),))
    for slope, high, low in zip(slopes, thermal.line_shape(x + step), thermal.line_shape(x - step), strict=True):
        np.testing.assert_allclose(slope, (high - low) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("helicity", ["majorana", "dirac"])
@pytest.mark.parametrize("moller", [True, False])
def test_flux_factor_derivatives(moller, helicity):
    """In each of ε, v and a, the others fixed."""
    point = (jnp.asarray([0.6, 3.0, 12.0]), jnp.asarray([-1.5, 0.8, 4.0]), jnp.asarray([1.2, 2.0, 5.0]))
    for argument in range(3):

        def along(y, argument=argument):
            return flux_factor(*point[:argument], y, *point[argument + 1 :], moller, helicity)

        y, step = point[argument], 1e-5
        _, slope = jax.jvp(along, (y,), (jnp.ones_like(y),))
        np.testing.assert_allclose(slope, (along(y + step) - along(y - step)) / (2 * step), rtol=1e-5, atol=1e-8)
