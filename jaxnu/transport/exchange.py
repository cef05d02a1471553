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
from jaxnu.mediators import LmuLtau, pair_strength
from jaxnu.neutrinos import charge_matrix
from jaxnu.relics import temperature_today
from jaxnu.transport import layout
from jaxnu.transport.line import depth_scale, path_factor
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
    exchange_depth: Float[Array, "target=3 1 shell"]
    """n₀ σ₀ times path, 0 if there is no other channel than the s channel."""
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

    capped = jnp.minimum(unit * path[None, :] * inside.weight, 1e4 / jnp.maximum(mediator.coupling**2, 1e-20))
    depth, inner = cells(capped), jax.tree.map(rounded, mediator)
    return Exchange(
        inner,
        cells(edges.mean * one_plus_z[None, :] ** 2),
        cells(edges.spread),
        single(relative_width(mediator)),
        cells(inside.mean * middle[None, :] ** 2),
        depth,
        depth * inner.coupling**2 if mediator.channels == "all" else jnp.zeros_like(depth),
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
    """Functions of y in the cells, of the exchange channels."""

    y: Float[Array, "target=3 row shell"]
    log_rho: Float[Array, "target=3 row shell"]
    """ρ = y/(1 + y)"""
    exchanged: Exchanged
    f_zz: Float[Array, "target=3 row shell"]
    loss: Float[Array, "target=3 row shell"]
    """∫(1 − x) y (1 + x²)/[1 + y(1 − x)]² dx for large y."""
    simple_loss: Float[Array, "target=3 row shell"]
    """∫(1 − x) y/[1 + y(1 − x)] dx, too."""


class Wings(NamedTuple):
    """Of the s channel: Re P, and per |q_ij|² the depth of the wings, and what of it makes neutrinos, over r."""

    real: Float[Array, "target=3 row shell"]
    resonant: Float[Array, "target=3 row shell"]
    neutrinos: Float[Array, "target=3 row shell"]


def pairs(exchange: Exchange, epsilon: Float[Array, "1 row _"]) -> Float[Array, "target=3 row shell"]:
    """g′² N(s) of `pair_strength`."""
    return pair_strength(exchange.mediator, exchange.mass / epsilon * exchange.mediator.mass**2)


def wings(exchange: Exchange, near: Poles, far: Poles, pairs: Float[Array, "target=3 row shell"]) -> Wings:
    """In the cells of a block, from both edges.

    In a shell 1/(y − 1)² counts as the product of 1/(y − 1) at its edges: exact for a pole that y crosses evenly.
    """
    square = total(near.real * far.real - near.imaginary * far.imaginary) / 2
    edge = (near.y + far.y) / 2
    wing = jnp.minimum(exchange.depth * pairs * square * edge / 3, 1e5)
    on_resonance = float(24 * np.pi) * exchange.width / jnp.where(pairs > 0, pairs, 1.0)
    return Wings(total(near.real + far.real) / 4, wing, wing * on_resonance)


def rates(mass: Float[Array, "target=3 1 shell"], epsilon: Float[Array, "1 row _"], logarithms: Logarithms) -> Rates:
    """In the cells of a block; `epsilon` is ε₀ there."""
    y = mass / epsilon
    found = exchanged(y, logarithms)
    # ∫ wᵏ A² dw times y, k = 1, 2, 3, for large y
    inverse, log, rho = 1 / jnp.maximum(y, 1.0), logarithms.log, found.f_n
    i1 = (log - rho) * inverse
    i2 = (1 - (2 * log - rho) * inverse) * inverse
    i3 = (0.5 - (2 - (3 * log - rho) * inverse) * inverse) * inverse
    return Rates(y, logarithms.log_share, found, f_zz(y), 2 * i1 - 2 * i2 + i3, 1 - log * inverse)


def total(parts: Any) -> Any:
    """A sum written out: a reduction would not be fused."""
    parts = list(parts)
    return sum(parts[1:], start=parts[0])


class Depths(NamedTuple):
    """Per mass state: the even depth of a cell, and what of it the s channel does not turn into neutrinos."""

    even: Float[Array, "mass=3 row shell"]
    not_resonant: Float[Array, "mass=3 row shell"]
    pairs: Float[Array, "mass=3 row shell"]
    """Of `not_resonant`, what ends in two neutrinos"""
    bosons: Float[Array, "mass=3 row shell"]
    """and in Z′Z′."""


def exchange_depth(exchange: Exchange, rates: Rates, wings: Wings, i: int, j: int) -> tuple[Array, Array]:
    """The depth of state i on target j by two-neutrino final states without the s channel, and by Z′Z′."""
    unit = exchange.exchange_depth[j]
    f_t, f_i, f_n, f_tu = (part[j] for part in rates.exchanged)
    pairs = exchange.lose_t[i, j] * (f_t + f_n) - 2 * exchange.lose_st[i, j] * wings.real[j] * f_i
    return unit * (pairs + exchange.lose_pair[i, j] * f_tu), unit * exchange.lose_pair[i, j] * rates.f_zz[j]


def depths(exchange: Exchange, rates: Rates, wings: Wings) -> Depths:
    """Of the cells of a block."""
    even, other, pairs, bosons = [], [], [], []
    for i in range(3):
        by_pairs, by_bosons = zip(*(exchange_depth(exchange, rates, wings, i, j) for j in range(3)), strict=True)
        pairs.append(total(by_pairs))
        bosons.append(total(by_bosons))
        out = pairs[-1] + bosons[-1]
        wing, made = (
            total([exchange.lose_s[i, j] * part[j] for j in range(3)]) for part in (wings.resonant, wings.neutrinos)
        )
        even.append(jnp.maximum(out + wing, 0.0))
        other.append(out + wing - made)
    return Depths(*(jnp.stack(part) for part in (even, other, pairs, bosons)))
