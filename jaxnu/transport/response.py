"""What one redshift shell does with the neutrinos that enter it and with those emitted inside it.

A place in a shell is s, from 0 at its near edge to 1 at the far one, evenly in 1/(1+z)², where a line has a fixed
shape. What is emitted or absorbed inside is known by its total and its tilt ∫ds (2s − 1): total e and tilt t stand for
the density e + 3t(2s − 1). Even emission alone would need shells thinner than the mean free path.

Everything here is what is *lost* of one neutrino: as small as the depth, so that single precision keeps weak effects.
"""

from __future__ import annotations

from math import factorial
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.transport.line import ShellDepth
from jaxnu.transport.special import exponential_integral, exponential_slope, polynomial


class Box(NamedTuple):
    """An even absorber from s = `start` to `end` that lets as many neutrinos escape to z = 0 as the line does.

    And from `back_start` to `back_end`, counted from the far edge, for neutrinos on their way outwards.
    """

    start: Float[Array, "*s"]
    end: Float[Array, "*s"]
    back_start: Float[Array, "*s"]
    back_end: Float[Array, "*s"]


class Moments(NamedTuple):
    """1 − e^{−τ}, 1 − φ₀, φ₁ and φ₂ of `moments`."""

    lost: Float[Array, "*s"]
    even: Float[Array, "*s"]
    first: Float[Array, "*s"]
    second: Float[Array, "*s"]


class ShellResponse(NamedTuple):
    """What a shell absorbs of one neutrino that enters it, or is emitted in it evenly, or with tilt 1.

    Per neutrino that enters, `lost` with tilt `entering_tilt`; per even one, `even_lost` with `even_tilt`; per unit of
    tilt −`tilted_escape` (as many more escape) with `tilted_tilt`.
    """

    lost: Float[Array, "*s"]
    entering_tilt: Float[Array, "*s"]
    even_lost: Float[Array, "*s"]
    even_tilt: Float[Array, "*s"]
    tilted_escape: Float[Array, "*s"]
    tilted_tilt: Float[Array, "*s"]


class Absorber(NamedTuple):
    """What mass states meet in a shell: the depth τ, and of it the rest in units that do not depend on g′.

    `mean` is where in the shell the absorption sits and `width` that of the line over the shell's; `rising` and
    `falling` are the shares in wings, `exit` and `entry` their densities per shell at the near and far edge over τ;
    `middle` is the place of the line's centre, if it is inside.
    """

    depth: Float[Array, "*s"]
    mean: Float[Array, "*s"]
    width: Float[Array, "*s"]
    middle: Float[Array, "*s"]
    rising: Float[Array, "*s"]
    falling: Float[Array, "*s"]
    exit: Float[Array, "*s"]
    entry: Float[Array, "*s"]


def absorber(couplings: Float[Array, "mass=3 target=3"], targets: ShellDepth) -> Absorber:
    """All targets together, Σ_j |q_ij|² of each part; axes (target, row, shell) become (mass, row, shell)."""

    def mixed(part):
        return jnp.stack([row[0] * part[0] + row[1] * part[1] + row[2] * part[2] for row in couplings])

    near, far, width, middle, rising, falling, exit, entry = (mixed(part) for part in targets)
    depth = near + far
    inside = jnp.maximum(depth - rising - falling, 0.0)
    inverse = 1 / _present(depth)
    parts = (part * inverse for part in (far, width, middle / _present(inside) * depth, rising, falling, exit, entry))
    return Absorber(depth, *parts)


def with_even(absorber: Absorber, even: Float[Array, "*s"]) -> Absorber:
    """The same with a depth that is even across the shell, which counts half as rising and half as falling."""
    depth, mean, width, middle, rising, falling, exit, entry = absorber
    total = depth + even
    line, even = depth / _present(total), even / _present(total)
    return Absorber(
        total,
        line * mean + even / 2,
        line * width + even,
        middle,
        line * rising + even / 2,
        line * falling + even / 2,
        line * exit + even,
        line * entry + even,
    )


def _present(depth):
    """The depth, or 1 where no precision tells it from zero."""
    return jnp.where(depth > 1e-15, depth, 1.0)


_FIRST = [(-1) ** n * n / (factorial(n) * (n + 1) * (n + 2)) for n in range(12)]
# φ₂/τ² in powers of τ.
_SECOND = [_FIRST[n] + 2 * _FIRST[n + 1] for n in range(2, 11)]


def moments(depth: Float[Array, "*s"], second: Float[Array, "*s"], survival: Float[Array, "*s"]) -> Moments:
    """φ₀ = ∫₀¹e^{−τy}dy, φ₁ = ∫₀¹(2y − 1)e^{−τy}dy and φ₂ = ⅓ + φ₁ + 2φ₁/τ, as 1 − e^{−τ}, 1 − φ₀, φ₁, φ₂.

    From φ₂ follow φ₁ = (φ₂ − ⅓)τ/(τ + 2), 1 − φ₀ = τ(1 − φ₁)/(τ + 2) and, for thin shells, 1 − e^{−τ} = τφ₀ without
    cancellation.
    """
    share = depth / (depth + 2)
    first = (second - 1 / 3) * share
    even = (1 - first) * share
    return Moments(jnp.where(depth < 1.0, depth * (1 - even), 1 - survival), even, first, second)


def second_moment(depth: Float[Array, "*s"]) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    """φ₂ of `moments`, by a power series below τ = 1, where the closed form cancels; and e^{−τ}."""
    small = depth < 1.0
    thin, inverse = jnp.where(small, depth, 0.0), 1 / jnp.where(small, 1.0, depth)
    survival = jnp.exp(-depth)
    first = (2 * (1 - survival) * inverse - 1 - survival) * inverse
    second = jnp.where(small, thin * thin * polynomial(_SECOND, thin), 1 / 3 + first + 2 * first * inverse)
    return second, survival


def moment_slopes(depth: Float[Array, "*s"], moments: Moments) -> Moments:
    """τ d/dτ of `moments`, in forms that do not cancel, neither in thin nor in opaque shells.

    Of 1 − e^{−τ} τe^{−τ}; of 1 − φ₀ τ(φ₀ + φ₁)/2 = 1 − e^{−τ} − (1 − φ₀); of φ₁ −τ(φ₀ + 2φ₂ − ⅔ − φ₁)/2 = 2φ₀′ + e^{−τ}
    − φ₁; of φ₂ by its series or φ₁′ + 2(φ₁′ − φ₁/τ)/τ.
    """
    lost, even, first, second = moments
    small = depth < 1.0
    thin, inverse = jnp.where(small, depth, 0.0), 1 / jnp.where(small, 1.0, depth)
    first_slope = jnp.where(
        small,
        -0.5 * thin * (1 / 3 - even + 2 * second - first),
        1 - lost - first - 2 * (lost - even) * inverse,
    )
    series = thin * thin * polynomial([(n + 2) * c for n, c in enumerate(_SECOND)], thin)
    second_slope = jnp.where(small, series, first_slope + 2 * (first_slope - first) * inverse)
    even_slope = jnp.where(small, 0.5 * thin * (1 - even + first), lost - even)
    return Moments(depth * (1 - lost), even_slope, first_slope, second_slope)


class Thickness(NamedTuple):
    """How opaque a shell is, from 0 to 1, and by what the box of a line grows as its wings become opaque."""

    opaque: Float[Array, "*s"]
    spread: Float[Array, "*s"]


def thickness(depth: Float[Array, "*s"]) -> Thickness:
    """τ⁴/(0.1 + τ⁴), and a growth like ln τ (fit to quadrature of the escape through D(|v|), 1 %)."""
    opaque = jnp.minimum(depth, 1e4) ** 4
    return Thickness(opaque / (0.1 + opaque), 1 + 0.315 * jnp.log(1 + depth * (depth / (68 + 8.42 * depth))))


class Wing(NamedTuple):
    """An opaque wing is an exponential across the shell: its density at the thin edge over that at the thick one.

    `last` and `back_last` are where its box ends, seen from the near and from the far edge, if it is dense there.
    """

    share: Float[Array, "*s"]
    last: Float[Array, "*s"]
    back_last: Float[Array, "*s"]


def wing(absorber: Absorber) -> Wing:
    """The exponential through the densities at both edges; its ends, b = [2 mean + τ²/(3 density)]/(1 + τ/3)."""
    depth, mean, _, _, rising, falling, exit, entry = absorber
    rises = rising > falling
    thin, thick = jnp.where(rises, exit, entry), jnp.where(rises, entry, exit)
    near = 1 / (1 + depth / 3)

    def end(mean, density):
        return jnp.minimum((2 * mean + depth / (3 * jnp.maximum(density, 1.0))) * near, 1.0)

    return Wing(jnp.clip(thin / jnp.maximum(thick, 1.0), 1e-10, 0.99), end(mean, exit), end(1 - mean, entry))


class Escape(NamedTuple):
    """What escapes through the thin edge of an exponential wing; f(q) and f(q + τ) of `wing_escape`."""

    value: Float[Array, "*s"]
    thin: Float[Array, "*s"]
    thick: Float[Array, "*s"]


def wing_escape(depth: Float[Array, "*s"], share: Float[Array, "*s"], lost: Float[Array, "*s"]) -> Escape:
    """∫ds e^{−τ(s)} = [f(q) − e^{−τ} f(q + τ)]/L, f(x) = e^x E₁(x), e^{−L} = `share` and q = τ/(e^L − 1)."""
    present = _present(depth)
    start = present * share / (1 - share)
    thin, thick = exponential_integral(start), exponential_integral(start + present)
    return Escape((thin - (1 - lost) * thick) / -jnp.log(share), thin, thick)


def wing_escape_slopes(
    depth: Float[Array, "*s"], share: Float[Array, "*s"], lost: Float[Array, "*s"], escape: Escape
) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    """τ d/dτ and d/ds of the escape e, s = `share`, with h(x) = x f′(x).

    [h(q) + e^{−τ}(τ f(q + τ) − h(q + τ))]/L and [h(q)/s − e^{−τ} h(q + τ)]/[(1 − s)L] + e/(sL).
    """
    present = _present(depth)
    start, survival, growth = present * share / (1 - share), 1 - lost, -1 / jnp.log(share)
    thin, thick = exponential_slope(start, escape.thin), exponential_slope(start + present, escape.thick)
    by_depth = (thin + survival * (present * escape.thick - thick)) * growth
    by_share = ((thin / share - survival * thick) / (1 - share) + escape.value / share) * growth
    return by_depth, by_share


def box(absorber: Absorber, thickness: Thickness, wing: Wing, escape: Escape, even: Float[Array, "*s"]) -> Box:
    """The box of a line in a shell, and the one for the other direction; `even` is 1 − φ₀.

    For τ → 0 only the mean place of absorption counts: a box of the line's width about it, cut at the edges of the
    shell. Opaque lines differ: one with its centre inside becomes wider, as its wings become opaque; a wing that rises
    outwards begins where as many escape as `wing_escape` says; one that falls ends at `wing.last`. The escape is right
    to 0.013 of 1 in the tests.
    """
    _, mean, width, middle, rising, falling, _, _ = absorber
    rises, falls, within = (
        thickness.opaque * jnp.clip(2 * part - 1, 0.0, 1.0) for part in (rising, falling, 1 - rising - falling)
    )
    half = jnp.minimum(width / 2, jnp.minimum(mean, 1 - mean))
    start, end = mean - half, mean + half
    reach = width / 2 * thickness.spread
    near, far = jnp.clip(middle - reach, 0.0, 1.0), jnp.clip(middle + reach, 0.0, 1.0)
    clear = jnp.clip((escape.value - 1 + even) / (even + 1e-6), 0.0, 1.0)
    return Box(
        start + rises * (clear - start) - falls * start + within * (near - start),
        end + rises * (1 - end) + falls * (wing.last - end) + within * (far - end),
        1 - end + falls * (clear - 1 + end) - rises * (1 - end) + within * (end - far),
        1 - start + falls * start + rises * (wing.back_last - 1 + start) + within * (start - near),
    )


def response(box: Box, moments: Moments) -> ShellResponse:
    """The response of a box, w = b − a wide and with m = a + b − 1 twice off the middle.

    Lost of those emitted evenly are w(1 − φ₀) + (1 − b)(1 − e^{−τ}); the tilted escape is 3[w²φ₁ − wm(1 − φ₀) − b(1 −
    b)(1 − e^{−τ})]. Those that enter are absorbed with tilt 1 + e^{−τ} − 2e, where e is the escape towards the *far*
    edge: what is left of them at s is what a neutrino emitted at s would keep on its way outwards.
    """
    lost, even, first, second = moments
    start, end, back_start, back_end = box
    w, m, beyond = end - start, start + end - 1, 1 - end
    entering_tilt = 2 * (back_end - back_start) * even + (1 - 2 * back_end) * lost
    in_box = m * even + w * first
    return ShellResponse(
        lost,
        entering_tilt,
        w * even + beyond * lost,
        beyond * entering_tilt + w * in_box,
        3 * (w * w * first - w * m * even - end * beyond * lost),
        3 * (end * beyond * entering_tilt + w * m * in_box + w * w * (w * second - m * first)),
    )
