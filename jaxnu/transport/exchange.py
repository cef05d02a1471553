"""What all channels do in a cell, apart from the narrow resonance: depths, and what comes out of a scattering.

Relics count as one target at the mean of their effective mass (`targets`), at y = s/m_Z′²; near the resonance its
propagator is spread over two poles that keep variance and area. Depths are those of a shell, even across it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.channels import Exchanged, Logarithms, exchanged, f_zz, flavour_factors, relative_width
from jaxnu.daughters import daughter_flavours
from jaxnu.mediators import LmuLtau, neutrino_branching, pair_strength
from jaxnu.neutrinos import charge_matrix
from jaxnu.relics import temperature_today
from jaxnu.transport import boson_pairs, layout
from jaxnu.transport.line import depth_scale, path_factor
from jaxnu.transport.powers import POWERS, TERMS
from jaxnu.transport.targets import target
from jaxnu.transport.thermal import LINE_AREA
from jaxnu.universe import Universe


class Exchange(NamedTuple):
    """What all cells share: y ε₀ and relative thermal widths at the edges, y ε₀ in the middle, depths, flavours."""

    mediator: LmuLtau
    edge_mass: Float[Array, "target=3 1 edge"]
    spread: Float[Array, "target=3 1 edge"]
    width: Float[Array, ""]
    mass: Float[Array, "target=3 1 shell"]
    depth: Float[Array, "target=3 1 shell"]
    """n₀ σ₀ times path over g′², of which 1e4/g′² count: more than that is as opaque."""
    branching: Float[Array, ""]
    other: Float[Array, ""]
    """1 if there are other channels than the s channel."""
    lose_s: Float[Array, "mass=3 target=3"]
    lose_t: Float[Array, "mass=3 target=3"]
    lose_st: Float[Array, "mass=3 target=3"]
    lose_pair: Float[Array, "mass=3 target=3"]
    charge: Float[Array, "mass=3"]
    """R_ii"""
    gain_st: Float[Array, "mass=3 target=3 daughter=3"]
    gain_su: Float[Array, "mass=3 target=3 daughter=3"]
    gain_tu: Float[Array, "mass=3 target=3 daughter=3"]


def exchange(universe: Universe, one_plus_z: Float[Array, "edge"]) -> Exchange:
    """The setting of a universe, for shells between `one_plus_z`."""
    mediator, relics = universe.mediator, universe.relics
    q = charge_matrix(universe.neutrinos, mediator.charges)
    lose, gain = flavour_factors(q), daughter_flavours(q)
    alpha = (universe.neutrinos.masses / temperature_today(relics))[:, None]
    near, far = one_plus_z[:-1] ** -2, one_plus_z[1:] ** -2
    middle = ((near + far) / 2) ** -0.5
    edges, inside = target(relics, alpha / one_plus_z[None, :]), target(relics, alpha / middle[None, :])
    # (1+z)² dz/H = (1+z)³/H · (1+z)² d(1+z)^{−2}/2, by Gauss–Legendre.
    nodes, weights = np.polynomial.legendre.leggauss(3)
    path = jnp.zeros_like(middle)
    for node, weight in zip(nodes, weights, strict=True):
        scale = ((near + far) / 2 + (near - far) / 2 * float(node)) ** -0.5
        path = path + float(weight) / 4 * path_factor(universe, scale) * scale**2 * (near - far)
    unit = LINE_AREA / (8 * np.pi**2) * depth_scale(universe)

    def cells(x):
        return x[:, None, :].astype(layout.PRECISION)

    def single(x):
        return jnp.asarray(x, dtype=layout.PRECISION)

    def rounded(x):
        return x.astype(np.result_type(layout.PRECISION, np.complex64) if jnp.iscomplexobj(x) else layout.PRECISION)

    return Exchange(
        jax.tree.map(rounded, mediator),
        cells(edges.mean * one_plus_z[None, :] ** 2),
        cells(edges.spread),
        single(relative_width(mediator)),
        cells(inside.mean * middle[None, :] ** 2),
        cells(jnp.minimum(unit * path[None, :] * inside.weight, 1e4 / jnp.maximum(mediator.coupling**2, 1e-20))),
        single(neutrino_branching(mediator)),
        single(1.0 if mediator.channels == "all" else 0.0),
        single(lose.s),
        single(lose.t),
        single(lose.st),
        single(lose.pair),
        single(jnp.diagonal(q @ q).real),
        single(gain.st.real),
        single(gain.su.real),
        single(gain.tu),
    )


class Poles(NamedTuple):
    """Real and imaginary part of 1/(y − 1 + iδ) at the edges, at two places that keep the variance of the relics."""

    y: Float[Array, "target=3 row edge"]
    real: Float[Array, "two=2 target=3 row edge"]
    imaginary: Float[Array, "two=2 target=3 row edge"]


def poles(exchange: Exchange, epsilon: Float[Array, "1 row _"]) -> Poles:
    """At the edges of a block."""
    y = exchange.edge_mass / epsilon
    spread = exchange.spread * y
    # ±s + iδ with s² − δ² the variance.
    offset, width = float(np.sqrt(2.0)) * spread, spread + exchange.width
    places = jnp.stack([y - 1 - offset, y - 1 + offset])
    square = 1 / (places**2 + width[None] ** 2)
    return Poles(y, places * square, width[None] * square)


class Rates(NamedTuple):
    """Functions of y in the cells, of the exchange channels, and the depth of the s channel's wings."""

    y: Float[Array, "target=3 row shell"]
    log_rho: Float[Array, "target=3 row shell"]
    """ρ = y/(1 + y)"""
    exchanged: Exchanged
    f_zz: Float[Array, "target=3 row shell"]
    loss: Float[Array, "target=3 row shell"]
    """∫(1 − x) y (1 + x²)/[1 + y(1 − x)]² dx for large y."""
    simple_loss: Float[Array, "target=3 row shell"]
    """∫(1 − x) y/[1 + y(1 − x)] dx, too."""
    real: Float[Array, "target=3 row shell"]
    """Re P"""
    resonant: Float[Array, "target=3 row shell"]
    """Depth of the wings of the s channel per |q_ij|²."""
    neutrinos: Float[Array, "target=3 row shell"]
    """And what of it makes neutrinos."""


def pairs(exchange: Exchange, epsilon: Float[Array, "1 row _"]) -> Float[Array, "target=3 row shell"]:
    """g′² N(s) of `pair_strength`."""
    return pair_strength(exchange.mediator, exchange.mass / epsilon * exchange.mediator.mass**2)


def wings(
    exchange: Exchange, near: Poles, far: Poles, pairs: Float[Array, "target=3 row shell"]
) -> tuple[Array, Array]:
    """The depth of the wings of the s channel per |q_ij|², and Re P.

    In a shell 1/(y − 1)² counts as the product of 1/(y − 1) at its edges: exact for a pole that y crosses evenly.
    """
    square = jnp.sum(near.real * far.real - near.imaginary * far.imaginary, axis=0) / 2
    edge = (near.y + far.y) / 2
    wing = exchange.depth * pairs * square * edge / 3
    return jnp.minimum(wing, 1e5), jnp.sum(near.real + far.real, axis=0) / 4


def rates(exchange: Exchange, epsilon: Float[Array, "1 row _"], logarithms: Logarithms, pairs, wings) -> Rates:
    """In the cells of a block; `epsilon` is ε₀ there."""
    y = exchange.mass / epsilon
    found, (wing, real) = exchanged(y, logarithms), wings
    # ∫ wᵏ A² dw times y, k = 1, 2, 3, for large y
    inverse, log, rho = 1 / jnp.maximum(y, 1.0), logarithms.log, found.f_n
    i1 = (log - rho) * inverse
    i2 = (1 - (2 * log - rho) * inverse) * inverse
    i3 = (0.5 - (2 - (3 * log - rho) * inverse) * inverse) * inverse
    norm = pair_strength(exchange.mediator, jnp.zeros_like(exchange.mediator.mass))
    part = norm / jnp.where(pairs > 0, pairs, 1.0)
    return Rates(
        y,
        logarithms.log_share,
        found,
        f_zz(y),
        2 * i1 - 2 * i2 + i3,
        1 - log * inverse,
        real,
        wing,
        wing * part,
    )


def _total(parts: Any) -> Any:
    return sum(parts[1:], start=parts[0])


class Depths(NamedTuple):
    """Per mass state: the even depth of a cell, and what of it the s channel does not turn into neutrinos."""

    even: Float[Array, "mass=3 row shell"]
    not_resonant: Float[Array, "mass=3 row shell"]
    pairs: Float[Array, "mass=3 row shell"]
    """Of `not_resonant`, what ends in two neutrinos"""
    bosons: Float[Array, "mass=3 row shell"]
    """and in Z′Z′."""


def exchange_depth(exchange: Exchange, rates: Rates, i: int, j: int) -> tuple[Array, Array]:
    """The depth of state i on target j by two-neutrino final states without the s channel, and by Z′Z′."""
    unit = exchange.other * exchange.depth[j] * exchange.mediator.coupling**2
    f_t, f_i, f_n, f_tu = (part[j] for part in rates.exchanged)
    pairs = exchange.lose_t[i, j] * (f_t + f_n) - 2 * exchange.lose_st[i, j] * rates.real[j] * f_i
    return unit * (pairs + exchange.lose_pair[i, j] * f_tu), unit * exchange.lose_pair[i, j] * rates.f_zz[j]


def depths(exchange: Exchange, rates: Rates) -> Depths:
    """Of the cells of a block."""
    even, other, pairs, bosons = [], [], [], []
    for i in range(3):
        by_pairs, by_bosons = zip(*(exchange_depth(exchange, rates, i, j) for j in range(3)), strict=True)
        pairs.append(_total(by_pairs))
        bosons.append(_total(by_bosons))
        out = pairs[-1] + bosons[-1]
        wing, made = (
            _total([exchange.lose_s[i, j] * part[j] for j in range(3)]) for part in (rates.resonant, rates.neutrinos)
        )
        even.append(jnp.maximum(out + wing, 0.0))
        other.append(out + wing - made / exchange.branching)
    return Depths(*(jnp.stack(part) for part in (even, other, pairs, bosons)))


class Spread(NamedTuple):
    """How daughters of one scattered neutrino are spread over the powers of x, times depths; A = 1/[1 + y(1 − x)].

    `forward` is that of Σ_j R_jj y(1 + x²)A², `base` that of ρA y/ρ: 2yA/(2 + y) is base · recoil, and yx²A is base/ρ²
    without p < 2. What keeps its energy is in `forward_local` and, for these two, `swapped_local` and
    `exchanged_local`. `bosons` is that of Z′Z′.
    """

    forward: Float[Array, "power row shell"]
    base: Float[Array, "power target=3 row shell"]
    bosons: Float[Array, "some=8 target=3 row shell"]
    forward_local: Float[Array, "row shell"]
    exchanged_local: Float[Array, "target=3 row shell"]
    swapped_local: Float[Array, "target=3 row shell"]
    rho_square: Float[Array, "target=3 row shell"]
    """1/ρ²"""
    recoil: Float[Array, "target=3 row shell"]
    """2/(2 + y)"""
    struck: Float[Array, "target=3 row shell"]
    """yB, B = 1/(1 + yx), at the daughter's y x, times depth."""
    struck_square: Float[Array, "target=3 row shell"]
    """yB², times depth."""
    interference: Float[Array, "target=3 row shell"]
    """−2 Re P"""


# What of the number and of the energy loss of `base`, without and with p < 2, and of its product with p + 1 and p − 1
# the powers give.
_NUMBER = np.where(POWERS >= 0, 1 / np.maximum(POWERS + 1, 1.0), 0.0)
_LOSS = _NUMBER / (POWERS + 2 + (POWERS < 0))
_HIGH = np.maximum(POWERS - 1, 0.0)
_SUMS = np.stack(
    [
        _NUMBER,
        _NUMBER * (POWERS >= 2),
        _LOSS,
        _NUMBER * (POWERS + 1),
        _NUMBER * _HIGH,
        _LOSS * (POWERS + 1),
        _LOSS * _HIGH,
    ]
)


def series(exchange: Exchange, rates: Rates) -> Float[Array, "power target=3 row shell"]:
    """The base of `Spread`."""
    powers, terms = (jnp.asarray(x, dtype=rates.y.dtype).reshape(-1, 1, 1, 1) for x in (POWERS, TERMS))
    unit = exchange.other * exchange.depth * exchange.mediator.coupling**2
    return (terms * unit[None]) * jnp.exp((powers + 1) * rates.log_rho[None])


def sums(base: Float[Array, "power target=3 row shell"]) -> Float[Array, "sum=7 target=3 row shell"]:
    """`_SUMS` over powers."""
    return jnp.tensordot(jnp.asarray(_SUMS, dtype=base.dtype), base, 1)


class Peaks(NamedTuple):
    """What powers miss of the forward peak: in the highest power, and of what keeps its energy."""

    forward: Float[Array, "row shell"]
    base: Float[Array, "target=3 row shell"]
    forward_local: Float[Array, "row shell"]
    exchanged_local: Float[Array, "target=3 row shell"]
    swapped_local: Float[Array, "target=3 row shell"]


def peaks(exchange: Exchange, rates: Rates, sums: Float[Array, "sum=7 target=3 row shell"]) -> Peaks:
    """So that number and, where the peak is narrower than all powers, energy are kept."""
    unit = exchange.other * exchange.depth * exchange.mediator.coupling**2
    f_t, f_i, f_n, f_tu = rates.exchanged
    charge, rest, inverse = exchange.charge[:, None, None], 1 / (1 + rates.y), 1 / f_n**2
    number, high_number, loss, forward_number, more_number, forward_loss, more_loss = sums
    last = float(POWERS[-1])
    peaked = (last + 1) * (last + 2) * jnp.clip((rates.y - 20) / (rates.y + 80), 0.0, 1.0)
    missing = peaked * (unit * rates.loss - rest * (forward_loss + inverse * more_loss))
    simple = peaked * (unit * rates.simple_loss - loss)
    local = unit * (f_t + f_n) - rest * (forward_number + inverse * more_number) - missing / (last + 1)
    return Peaks(
        _total(list(charge * missing)),
        simple,
        _total(list(charge * local)),
        unit * f_i - (high_number + simple / (last + 1)) * inverse,
        unit * f_tu - (number + simple / (last + 1)) * (2 / (2 + rates.y)),
    )


def spread(exchange: Exchange, rates: Rates, base, peaks: Peaks) -> Spread:
    """In the cells of a block."""
    powers = jnp.asarray(POWERS, dtype=base.dtype)[:, None, None]
    unit = exchange.other * exchange.depth * exchange.mediator.coupling**2
    inverse = 1 / rates.exchanged.f_n**2
    weight = exchange.charge[:, None, None] / (1 + rates.y)
    more, above = weight * inverse, jnp.maximum(powers - 1, 0.0)
    is_last = jnp.asarray(np.arange(POWERS.size) == POWERS.size - 1, dtype=base.dtype)[:, None, None]
    return Spread(
        is_last * peaks.forward[None]
        + _total([base[:, j] * (weight[j][None] * (powers + 1) + more[j][None] * above) for j in range(3)]),
        base + is_last[:, None] * peaks.base[None],
        unit[None] * boson_pairs.boson_powers(rates.y, rates.f_zz),
        peaks.forward_local,
        peaks.exchanged_local,
        peaks.swapped_local,
        inverse,
        2 / (2 + rates.y),
        unit * rates.y / (1 + rates.y),
        unit * rates.y / (1 + rates.y) ** 2,
        -2 * rates.real,
    )
