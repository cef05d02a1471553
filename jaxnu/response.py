"""What one redshift shell does with the neutrinos that enter it and with those emitted inside it.

A place in a shell is s, from 0 at its near edge to 1 at the far one, evenly in 1/(1+z)², where a line has a fixed
shape. What is emitted or absorbed inside is known by its total and its tilt ∫ds (2s − 1): total e and tilt t stand for
the density e + 3t(2s − 1). Even emission alone would need shells thinner than the mean free path.
"""

from __future__ import annotations

from math import factorial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.rates import Line, shell_depth
from jaxnu.thermal import exponential_integral, polynomial


class ShellResponse(NamedTuple):
    """What leaves a shell per neutrino that enters it, or is emitted in it evenly, or tilted; and tilts of the rest.

    Absorbed are 1 − survival of those that enter, and 1 − escape and −tilted_escape of those emitted.
    """

    survival: Float[Array, "*shell mass=3 energy"]
    escape: Float[Array, "*shell mass=3 energy"]
    tilted_escape: Float[Array, "*shell mass=3 energy"]
    entering_tilt: Float[Array, "*shell mass=3 energy"]
    even_tilt: Float[Array, "*shell mass=3 energy"]
    tilted_tilt: Float[Array, "*shell mass=3 energy"]


def shell_response(couplings: Float[Array, "mass=3 target=3"], near: Line, far: Line) -> ShellResponse:
    """Response of the shell between two redshifts, for |q_ij|² = `couplings`.

    The line of depth τ is put in a box from s = a to b = a + w, for which all has a closed form in φ₀ = ∫₀¹e^{−τy}dy,
    φ₁ = ∫₀¹(2y − 1)e^{−τy}dy and φ₂ = ⅓ + φ₁ + 2φ₁/τ: with m = a + b − 1, escape a + wφ₀ + (1 − b)e^{−τ} and tilted
    escape 3[a(a − 1) + w(mφ₀ + wφ₁) + b(1 − b)e^{−τ}]. The box is that whose escape is the line's (`_box`). Those that
    enter are absorbed with tilt 1 + e^{−τ} − 2e, where e is the escape towards the *far* edge, from a second box: what
    is left of them at s is what a neutrino emitted at s would keep on its way outwards.
    """
    parts = (jnp.tensordot(couplings, part, 1) for part in shell_depth(near, far))
    near_depth, far_depth, width, middle, rising, falling, leaving, entering = parts
    depth = near_depth + far_depth
    present = jnp.where(depth > 1e-15, depth, 1.0)  # depths that no precision tells from zero
    inside = depth - rising - falling
    middle = middle / jnp.where(inside > depth / 2, inside, 1.0)
    line = _Lumped(depth, present, width / present, *_moments(depth))
    rises, falls, within = (_dominance(part / present) for part in (rising, falling, inside))

    thin, thick = jnp.where(rises > 0, jnp.stack([leaving, entering]), jnp.stack([entering, leaving]))
    clear = _clear(line, thin, thick)
    a, b = _box(line, far_depth / present, middle, leaving, clear, rises, falls, within)
    backward = _escape(line, *_box(line, near_depth / present, 1 - middle, entering, clear, falls, rises, within))
    w, m = b - a, a + b - 1
    entering_tilt = 1 + line.survival - 2 * backward
    in_box = m * (1 - line.phi0) + w * line.phi1
    return ShellResponse(
        line.survival,
        _escape(line, a, b),
        3 * (a * (a - 1) + w * (m * line.phi0 + w * line.phi1) + b * (1 - b) * line.survival),
        entering_tilt,
        (1 - b) * entering_tilt + w * in_box,
        3 * (b * (1 - b) * entering_tilt + w * m * in_box + w * w * (w * line.phi2 - m * line.phi1)),
    )


class _Lumped(NamedTuple):
    """Optical depth (and the same, 1 where there is none), width over that of the shell, and moments of e^{−τy}."""

    depth: Array
    present: Array
    width: Array
    survival: Array
    phi0: Array
    phi1: Array
    phi2: Array


def _moments(depth):
    """e^{−τ}, and φ₀, φ₁, φ₂ of `shell_response`: power series below τ = ½, where the closed forms cancel."""
    small = depth < 0.5
    x, safe = jnp.where(small, depth, 0.0), jnp.where(small, 1.0, depth)
    orders = range(9)
    zeroth = [(-1) ** n / factorial(n + 1) for n in orders]
    first = [(-1) ** n * n / (factorial(n) * (n + 1) * (n + 2)) for n in range(10)]
    second = [0.0, 0.0] + [first[n] + 2 * first[n + 1] for n in orders[2:]]
    series = (polynomial(coefficients, x) for coefficients in (zeroth, first[:9], second))
    survival = jnp.exp(-depth)
    phi0 = (1 - survival) / safe
    phi1 = (2 * phi0 - 1 - survival) / safe
    closed = phi0, phi1, 1 / 3 + phi1 + 2 * phi1 / safe
    return survival, *(jnp.where(small, *both) for both in zip(series, closed, strict=True))


def _escape(line: _Lumped, a, b):
    return a + (b - a) * line.phi0 + (1 - b) * line.survival


def _dominance(share):
    """From 0 for a share of one half to 1 for all."""
    return jnp.clip(2 * share - 1, 0.0, 1.0)


def _clear(line: _Lumped, thin, thick):
    """Where the box of an opaque wing begins, from the wing's densities per shell at its two edges.

    The wing is an exponential, seen from its thin edge: ∫ds e^{−τ(s)} = [e^q E₁(q) − e^{−τ} e^{q+τ} E₁(q + τ)]/κ with
    e^κ = thick/thin and q = τ/(e^κ − 1).
    """
    share = jnp.clip(thin / jnp.maximum(thick, line.present), 1e-10, 0.99)
    growth, start = -jnp.log(share), line.present * share / (1 - share)
    escape = (exponential_integral(start) - line.survival * exponential_integral(start + line.present)) / growth
    return jnp.clip((escape - line.phi0) / (1 - line.phi0 + 1e-6), 0.0, 1.0)


@jax.jit  # traced once for both directions
def _box(line: _Lumped, mean, middle, leaving, clear, rises, falls, within):
    """The box (a, b) that lets as many neutrinos escape to s = 0 as the line does.

    For τ → 0 only the mean place of absorption counts: a box of the line's width about it, cut at the edges of the
    shell. Opaque lines differ: one inside the shell, at `middle`, becomes wider, as its wings become opaque; a wing
    that rises outwards begins at `clear` (`_clear`); one that falls, from the density `leaving`, ends at b = [2 mean +
    τ²/(3 leaving)]/(1 + τ/3). The weights `rises`, `falls`, `within` say which it is. The escape is right to 0.013 of 1
    in the tests.
    """
    depth, safe = line.depth, line.present
    half = jnp.minimum(line.width / 2, jnp.minimum(mean, 1 - mean))
    a, b = mean - half, mean + half

    end = jnp.minimum((2 * mean + depth * (safe / jnp.maximum(leaving, safe)) / 3) / (1 + depth / 3), 1.0)
    # ½ width of the box that lets as many escape as D(|v|) does grows like ln τ (fit to quadrature, 1 %).
    reach = line.width / 2 * (1 + 0.315 * jnp.log1p(depth * depth / (68 + 8.42 * depth)))
    from_, to = jnp.clip(middle - reach, 0.0, 1.0), jnp.clip(middle + reach, 0.0, 1.0)

    opaque = jnp.minimum(depth, 1e4) ** 4
    opaque = opaque / (0.1 + opaque)
    a = a + opaque * (rises * (clear - a) - falls * a + within * (from_ - a))
    b = b + opaque * (rises * (1 - b) + falls * (end - b) + within * (to - b))
    return a, b
