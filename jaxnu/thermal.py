"""Functions of the Fermi–Dirac relics: closed forms of the narrow-width thermal average and its integrals.

A relic of comoving momentum T₀u is met on resonance if |v| ≤ u, where v = (E*² − m²)/(2E*T) and E* = m_Z′²/2E. The
average over directions is then one-dimensional, D(x) = ∫_x^∞ u/(e^u + 1) du at x = |v|, and v is *linear in
1/(1+z)²* at fixed energy today, whatever the mass: integrals of D over a redshift shell are integrals over v.
"""

from __future__ import annotations

from functools import cache, partial
from math import factorial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev
from numpy.polynomial.legendre import leggauss

PROFILE_AREA = 3.606170709478783
"""∫_{−∞}^∞ D(|v|) dv = 3ζ(3)."""

PROFILE_WIDTH = 6.852
"""Width of the box in v that lets as many neutrinos through as D(|v|), to second order in the depth."""


@cache
def _polylog_fit(order: int, terms: int = 12) -> tuple[float, ...]:
    """Chebyshev coefficients in 2y − 1 of −Li_s(−y)/y on [0, 1]: the singularity at y = −1 makes a term gain 5.8."""
    nodes = chebyshev.chebpts1(48)
    y = (nodes + 1) / 2
    # −Li_s(−y)/y = ∫ t^{s−1} e^{−t}/(1 + y e^{−t}) dt / Γ(s)
    r, w = leggauss(200)
    t, dt = 15 * (1 + r) ** 2, 30 * (1 + r) * w
    series = (dt * t ** (order - 1) * np.exp(-t) / (1 + y[:, None] * np.exp(-t))).sum(-1) / factorial(order - 1)
    return tuple(float(c) for c in chebyshev.chebfit(nodes, series, terms - 1))


def _clenshaw(coefficients, t):
    """Σ_k c_k T_k(t); the coefficients are numbers, or arrays that broadcast against t."""
    high, low = coefficients[-1] + 0.0 * t, 0.0 * t
    for c in coefficients[-2:0:-1]:
        high, low = c + 2 * t * high - low, high
    return coefficients[0] + t * high - low


def fermi_polylog(order: int, x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """L_s(x) = −Li_s(−e^{−x}) for x ≥ 0, to 1e-10; L_s′ = −L_{s−1}."""
    return jnp.exp(-x) * _over_exponential(order, x)


def _over_exponential(order: int, x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """e^x L_s(x), which stays finite where both vanish."""
    return _clenshaw(_polylog_fit(order), 2 * jnp.exp(-x) - 1)


class Profile(NamedTuple):
    """D(|v|) and its first two antiderivatives in the tails, at x = |v|."""

    value: Float[Array, "*s"]
    tail: Float[Array, "*s"]
    second_tail: Float[Array, "*s"]


@jax.custom_jvp
def profile(x: Float[Array, "*s"]) -> Profile:
    """D(x) = xL₁ + L₂, its tail ∫_x^∞ D = xL₂ + 2L₃, and the tail of that, xL₃ + 3L₄ (closed forms, x ≥ 0)."""
    l1, l2, l3, l4 = (fermi_polylog(s, x) for s in (1, 2, 3, 4))
    return Profile(x * l1 + l2, x * l2 + 2 * l3, x * l3 + 3 * l4)


@profile.defjvp
def _profile_jvp(primals, tangents):
    """Each function is minus the derivative of the next, and D′ = −x/(e^x + 1)."""
    (x,), (dx,) = primals, tangents
    line = profile(x)
    return line, Profile(-x * jax.nn.sigmoid(-x) * dx, -line.value * dx, -line.tail * dx)


def integrated_profile(v: Float[Array, "*s"], line: Profile) -> Float[Array, "*s"]:
    """C(v) = ∫_{−∞}^v D(|v′|) dv′, for `line` = `profile(|v|)`."""
    return jnp.where(v > 0, PROFILE_AREA - line.tail, line.tail)


def shell_weights(
    near_v: Float[Array, "*s"], near: Profile, far_v: Float[Array, "*s"], far: Profile
) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    """Weights (w_near, w_far) with ∫ D(|v|) f(v) dv = w_near·f(near edge) + w_far·f(far edge), exact for f linear in v.

    v falls outwards, from `near_v` to `far_v`; `near` and `far` are `profile(|v|)` there. In terms of C(v) = ∫_{−∞}^v D
    and K = ∫C: w_near = C_near − ΔK/Δv, w_far = ΔK/Δv − C_far. Both signs of v are written through the tails, so that
    small numbers keep their precision, and narrow shells use the trapezium (error Δv²/12) where the difference would
    lose it.
    """
    # C − 3ζ(3)[v > 0] and K − 3ζ(3) max(v, 0), the smooth parts of the antiderivatives.
    near_c, far_c = jnp.where(near_v > 0, -near.tail, near.tail), jnp.where(far_v > 0, -far.tail, far.tail)
    step = near_v - far_v
    thin = step < 0.05
    safe = jnp.where(thin, 1.0, step)
    slope = (near.second_tail - far.second_tail) / safe
    # A shell with v = 0 inside sees C jump by the whole area there.
    beyond = jnp.where((near_v > 0) & (far_v <= 0), PROFILE_AREA / safe, 0.0)
    w_near = jnp.where(thin, step * (2 * near.value + far.value) / 6, near_c - slope - beyond * far_v)
    w_far = jnp.where(thin, step * (near.value + 2 * far.value) / 6, slope - far_c + beyond * near_v)
    return w_near, w_far


@jax.custom_jvp
def exponential_integral(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """e^x E₁(x) = ∫₀^∞ e^{−t}/(x + t) dt for x > 0, to 4e-4: ln(1 + r(x)/x) with r rising from e^{−γ_Euler} to 1."""
    # Rational in x below 1 and in 1/x above, so that no power of x overflows.
    inverse = x > 1
    y = jnp.where(inverse, 1 / jnp.maximum(x, 1.0), x)
    up, down = (0.5614594836, 24.847383, 93.41365, 42.775159), (1.0, 40.077433, 114.25712, 42.775159)
    high, low = (jnp.where(inverse, polynomial(c[::-1], y), polynomial(c, y)) for c in (up, down))
    return jnp.log1p(high / (low * x))


@exponential_integral.defjvp
def _exponential_integral_jvp(primals, tangents):
    """(e^x E₁)′ = e^x E₁ − 1/x."""
    (x,), (dx,) = primals, tangents
    value = exponential_integral(x)
    return value, (value - 1 / x) * dx


def polynomial(coefficients, y):
    """c₀ + c₁y + c₂y² + …"""
    total = 0.0 * y
    for c in coefficients[::-1]:
        total = c + y * total
    return total


@cache
def _mean_energy_fit(kind: str, terms_x: int = 12, terms_a: int = 16) -> np.ndarray:
    """2-D Chebyshev coefficients of g/(1 + x), where √(x² + a² + g) is a mean relic energy above u = x.

    kind "moller":  1/⟨1/ω⟩ weighted with u f(u);  "energy": ⟨ω⟩ with f(u);  "inverse": 1/⟨1/ω⟩ with f(u); ω = √(u² +
    a²). Variables x/(x + 2) and a/(a + 1). Quadrature in t = u − x, graded at the threshold.
    """
    s, w = leggauss(400)
    s, w = (s + 1) / 2, w / 2
    t, dt = 60 * s**4, 240 * s**3 * w
    nodes_x, nodes_a = chebyshev.chebpts1(terms_x), chebyshev.chebpts1(terms_a)
    x = 2 * (1 + nodes_x) / (1 - nodes_x)
    a = (1 + nodes_a) / (1 - nodes_a)
    x, a, t = x[:, None, None], a[None, :, None], t[None, None, :]
    u = x + t
    weight = dt * np.exp(-t) / (1 + np.exp(-u)) * (u if kind == "moller" else 1.0)
    weight = weight / weight.sum(-1, keepdims=True)
    base = (x**2 + a**2)[..., 0]
    excess = np.log1p((u**2 - x**2) / (x**2 + a**2)) / 2
    if kind == "energy":
        g = base * np.expm1(2 * np.log1p((weight * np.expm1(excess)).sum(-1)))
    else:
        g = base * np.expm1(-2 * np.log1p((weight * np.expm1(-excess)).sum(-1)))
    fit = chebyshev.chebfit(nodes_x, g / (1 + x[..., 0]), terms_x - 1)
    return chebyshev.chebfit(nodes_a, fit.T, terms_a - 1).T


def _series(coefficients: np.ndarray, along_x, along_a):
    """Σ_kl c_kl T_k(along_x) T_l(along_a); the inner sums have the shape of along_a."""
    basis = [jnp.ones_like(along_a), along_a]
    while len(basis) < coefficients.shape[1]:
        basis.append(2 * along_a * basis[-1] - basis[-2])
    fit = jnp.asarray(coefficients, dtype=along_a.dtype)
    return _clenshaw(jnp.tensordot(fit, jnp.stack(basis), 1, precision="highest"), along_x)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _mean_energy_squared(kind: str, x: Float[Array, "*s"], a: Float[Array, "..."]) -> Float[Array, "*s"]:
    """⟨·⟩² − x² − a² of `_mean_energy_fit`; `a` has the dimensions of x or broadcasts against them."""
    return (1 + x) * _series(_mean_energy_fit(kind), 2 * x / (x + 2) - 1, 2 * a / (a + 1) - 1)


@_mean_energy_squared.defjvp
def _mean_energy_squared_jvp(kind, primals, tangents):
    """The series differentiated term by term: cheaper than through its recurrence."""
    (x, a), (dx, da) = primals, tangents
    along_x, along_a = 2 * x / (x + 2) - 1, 2 * a / (a + 1) - 1
    fit = _mean_energy_fit(kind)
    value = _series(fit, along_x, along_a)
    slope_x = value + (1 + x) * 4 / (x + 2) ** 2 * _series(chebyshev.chebder(fit, axis=0), along_x, along_a)
    slope_a = (1 + x) * 2 / (a + 1) ** 2 * _series(chebyshev.chebder(fit, axis=1), along_x, along_a)
    return (1 + x) * value, slope_x * dx + slope_a * da


def flux_factor(
    epsilon: Float[Array, "*s"], v: Float[Array, "*s"], a: Float[Array, "..."], moller: bool, helicity: str
) -> Float[Array, "*s"]:
    """Thermal average with Møller factor and helicity weight over the plain one, at ε = E*/T, v and a = m/T.

    Møller, Majorana: ρ = ε M(|v|, a)/D(|v|) with M = ∫_{|v|}^∞ u du/[√(u² + a²)(e^u + 1)]. Dirac adds the weight ½[1
    + (εω − a²)/(uε)], which is ½[1 + (β − cosθ)/(1 − β cosθ)] on resonance, where ω − u cosθ = ε. The means are fits
    to quadrature: 3e-4 for a ≥ 0.1, 1 % where a and v both vanish (there the rate does).
    """
    x = jnp.abs(v)
    # x² + a² = (ε/2 + a²/2ε)² without the cancellation.
    square = (0.5 * epsilon + 0.5 * a * (a / epsilon)) ** 2
    majorana = jnp.ones_like(x)
    if moller:
        majorana = epsilon / jnp.sqrt(square + _mean_energy_squared("moller", x, a))
    if helicity == "majorana":
        return majorana
    l1, l2 = _over_exponential(1, x), _over_exponential(2, x)
    number = l1 / (x * l1 + l2)
    if moller:
        mean = 1 / jnp.sqrt(square + _mean_energy_squared("inverse", x, a))
        return 0.5 * majorana + 0.5 * number * (epsilon - a**2 * mean)
    mean = jnp.sqrt(square + _mean_energy_squared("energy", x, a))
    return 0.5 * majorana + 0.5 * number * (mean - a**2 / epsilon)
