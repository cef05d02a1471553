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

from jaxnu.relics import Relics
from jaxnu.transport.special import polynomial

LINE_AREA = 3.606170709478783
"""∫_{−∞}^∞ D(|v|) dv = 3ζ(3)."""

LINE_WIDTH = 6.852
"""Width of the box in v that lets as many neutrinos through as D(|v|), to second order in the depth."""


# Terms along x of the mean energies, by the bytes of a number.
_MEAN_TERMS = {4: 8, 8: 12}

# Terms of −Li_s(−y)/y, s = 1 to 4, by the bytes of a number: the singularity at y = −1 makes a term gain 5.8.
_TERMS = {4: (8, 7, 6, 6), 8: (13, 12, 12, 12)}


@cache
def _polylog_fit(order: int, terms: int) -> tuple[float, ...]:
    """Coefficients in powers of 2y − 1 of −Li_s(−y)/y on [0, 1], from its Chebyshev series."""
    nodes = chebyshev.chebpts1(48)
    y = (nodes + 1) / 2
    # −Li_s(−y)/y = ∫ t^{s−1} e^{−t}/(1 + y e^{−t}) dt / Γ(s)
    r, w = leggauss(200)
    t, dt = 15 * (1 + r) ** 2, 30 * (1 + r) * w
    series = (dt * t ** (order - 1) * np.exp(-t) / (1 + y[:, None] * np.exp(-t))).sum(-1) / factorial(order - 1)
    return tuple(float(c) for c in chebyshev.cheb2poly(chebyshev.chebfit(nodes, series, terms - 1)))


def fermi_polylog(order: int, x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """L_s(x) = −Li_s(−e^{−x}) for x ≥ 0, to 1e-10 (single precision: 1e-6); L_s′ = −L_{s−1}."""
    y = jnp.exp(-x)
    return y * _over_exponential(order, y)


def _over_exponential(order: int, y: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """L_s/y at y = e^{−x}, which stays finite where both vanish."""
    return polynomial(_polylog_fit(order, _TERMS[y.dtype.itemsize][order - 1]), 2 * y - 1)


class LineShape(NamedTuple):
    """D(|v|) at x = |v|, its first two antiderivatives in the tails, and its slope in x."""

    value: Float[Array, "*s"]
    tail: Float[Array, "*s"]
    second_tail: Float[Array, "*s"]
    slope: Float[Array, "*s"]


@jax.custom_jvp
def line_shape(x: Float[Array, "*s"]) -> LineShape:
    """D(x) = xL₁ + L₂, its tail ∫_x^∞ D = xL₂ + 2L₃, and the tail of that, xL₃ + 3L₄ (closed forms, x ≥ 0)."""
    y = jnp.exp(-x)
    return line_shape_of(x, y, polylogs(y))


def polylogs(y: Float[Array, "*s"]) -> tuple[Float[Array, "*s"], ...]:
    """L₁ to L₄ over y = e^{−x}."""
    return tuple(_over_exponential(order, y) for order in (1, 2, 3, 4))


def line_shape_of(x: Float[Array, "*s"], y: Float[Array, "*s"], polylogs: tuple[Float[Array, "*s"], ...]) -> LineShape:
    """`line_shape` at x from y = e^{−x} and its `polylogs`."""
    l1, l2, l3, l4 = polylogs
    return LineShape(y * (x * l1 + l2), y * (x * l2 + 2 * l3), y * (x * l3 + 3 * l4), -x * (y / (1 + y)))


@line_shape.defjvp
def _line_shape_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    shape = line_shape(x)
    return shape, line_shape_slopes(x, jnp.exp(-x), shape, dx)


def line_shape_slopes(
    x: Float[Array, "*s"], y: Float[Array, "*s"], shape: LineShape, dx: Float[Array, "*s"]
) -> LineShape:
    """The derivative of `shape` = `line_shape(x)` along dx, from y = e^{−x}.

    Each function is minus the derivative of the next, and D′ = −x/(e^x + 1).
    """
    occupied = y / (1 + y)
    curvature = occupied * (x * (1 - occupied) - 1)
    return LineShape(shape.slope * dx, -shape.value * dx, -shape.tail * dx, curvature * dx)


def line_area(v: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """C(v) = ∫_{−∞}^v D(|v′|) dv′."""
    tail = line_shape(jnp.abs(v)).tail
    return jnp.where(v > 0, LINE_AREA - tail, tail)


def shell_weights(
    near_v: Float[Array, "*s"],
    near: LineShape,
    far_v: Float[Array, "*s"],
    far: LineShape,
    step: Float[Array, "..."],
) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    """Weights (w_near, w_far) with ∫ D(|v|) f(v) dv = w_near·f(near edge) + w_far·f(far edge), exact for f linear in v.

    v falls by `step` outwards, from `near_v` to `far_v`; `near` and `far` are the `line_shape` there. In terms of C(v)
    = ∫_{−∞}^v D and K = ∫C: w_near = C_near − ΔK/Δv, w_far = ΔK/Δv − C_far. Both signs of v are written through the
    tails, so that small numbers keep their precision, and narrow shells use the cubic through values and slopes at both
    edges (relative error 1e-3 Δv⁴), where the difference would lose it.
    """
    # C − 3ζ(3)[v > 0] and K − 3ζ(3) max(v, 0), the smooth parts of the antiderivatives.
    near_c, far_c = jnp.where(near_v > 0, -near.tail, near.tail), jnp.where(far_v > 0, -far.tail, far.tail)
    thin = step < 0.15
    safe = jnp.where(thin, 1.0, step)
    slope = (near.second_tail - far.second_tail) / safe
    # A shell with v = 0 inside sees C jump by the whole area there.
    beyond = jnp.where((near_v > 0) & (far_v <= 0), LINE_AREA / safe, 0.0)
    rise, fall = jnp.where(near_v > 0, near.slope, -near.slope), jnp.where(far_v > 0, far.slope, -far.slope)
    cubic_near = step * (0.35 * near.value + 0.15 * far.value + step * (fall / 30 - rise / 20))
    cubic_far = step * (0.15 * near.value + 0.35 * far.value + step * (fall / 20 - rise / 30))
    w_near = jnp.where(thin, cubic_near, near_c - slope - beyond * far_v)
    w_far = jnp.where(thin, cubic_far, slope - far_c + beyond * near_v)
    return w_near, w_far


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


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _collapsed(kind: str, terms: int, a: Float[Array, "*s"]) -> Float[Array, "term *s"]:
    """The series of `_mean_energy_fit` at a = m/T, as coefficients in powers of 2x/(x + 2) − 1."""
    return _along_a(_powers(kind, terms), a)


@_collapsed.defjvp
def _collapsed_jvp(kind, terms, primals, tangents):
    """The series differentiated term by term: cheaper than through its recurrence."""
    (a,), (da,) = primals, tangents
    slope = _along_a(chebyshev.chebder(_powers(kind, terms), axis=1), a) * (2 / (a + 1) ** 2 * da)[None]
    return _collapsed(kind, terms, a), slope


@cache
def _powers(kind: str, terms: int) -> np.ndarray:
    """The series with powers instead of Chebyshev polynomials along x, cut after `terms`."""
    fit = _mean_energy_fit(kind)[:terms]
    return np.stack([chebyshev.cheb2poly(column) for column in fit.T], axis=1)


def _along_a(coefficients: np.ndarray, a: Float[Array, "*s"]) -> Float[Array, "term *s"]:
    """Σ_l c_kl T_l(2a/(a + 1) − 1)."""
    along = 2 * a / (a + 1) - 1
    basis = [jnp.ones_like(along), along]
    while len(basis) < coefficients.shape[1]:
        basis.append(2 * along * basis[-1] - basis[-2])
    fit = jnp.asarray(coefficients, dtype=a.dtype)
    return jnp.tensordot(fit, jnp.stack(basis[: coefficients.shape[1]]), 1, precision="highest")


_MEANS = {
    (False, "majorana"): (),
    (True, "majorana"): ("moller",),
    (False, "dirac"): ("energy",),
    (True, "dirac"): ("moller", "inverse"),
}


def mean_energies(relics: Relics, a: Float[Array, "*s"]) -> tuple[Float[Array, "term *s"], ...]:
    """What `flux_factor` needs to know of the relics' energies at a = m/T: a short series in |v| for each mean."""
    terms = _MEAN_TERMS[a.dtype.itemsize]
    return tuple(_collapsed(kind, terms, a) for kind in _MEANS[relics.moller, relics.helicity])


def flux_factor(
    relics: Relics,
    x: Float[Array, "*s"],
    epsilon: Float[Array, "..."],
    recoil: Float[Array, "*s"],
    series: tuple[Float[Array, "term ..."], ...],
) -> Float[Array, "*s"]:
    """Thermal average with Møller factor and helicity weight over the plain one, at x = |v|, ε = E*/T and a²/ε.

    Møller, Majorana: ρ = ε M(|v|, a)/D(|v|) with M = ∫_{|v|}^∞ u du/[√(u² + a²)(e^u + 1)]. Dirac adds the weight ½[1
    + (εω − a²)/(uε)], which is ½[1 + (β − cosθ)/(1 − β cosθ)] on resonance, where ω − u cosθ = ε. `recoil` is a²/ε and
    `series` are the `mean_energies`, fits to quadrature: 3e-4 for a ≥ 0.1, 1 % where a and v both vanish (there the
    rate does).
    """
    # √(x² + a²) = (ε + a²/ε)/2 without the cancellation.
    square = (0.5 * (epsilon + recoil)) ** 2
    along = 2 * x / (x + 2) - 1
    squares = [square + (1 + x) * polynomial(coefficients, along) for coefficients in series]
    majorana = epsilon * jax.lax.rsqrt(squares[0]) if relics.moller else jnp.ones_like(x)
    if relics.helicity == "majorana":
        return majorana
    y = jnp.exp(-x)
    l1, l2 = _over_exponential(1, y), _over_exponential(2, y)
    number = l1 / (x * l1 + l2)
    if relics.moller:
        return 0.5 * majorana + 0.5 * number * (epsilon - epsilon * recoil * jax.lax.rsqrt(squares[1]))
    return 0.5 * majorana + 0.5 * number * (jnp.sqrt(squares[0]) - recoil)
