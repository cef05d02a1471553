"""A cell in which neutrinos of all mass states feed each other: six linear equations.

What a state feeds to others is proportional to its content of the cell, c = ∫ds n and its tilt, or, for the s channel,
to what it loses there. Emission e_a of every state, even and tilted, obeys e = known + Σ_i O_ai c_i + P_a own A, with
contents and losses linear in e and in what enters.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.transport.boson_pairs import USED
from jaxnu.transport.exchange import Depths, Exchange, total
from jaxnu.transport.powers import POWERS
from jaxnu.transport.response import ShellResponse
from jaxnu.transport.spread import Spread


class Content(NamedTuple):
    """Content and loss in the s channel, as (total, tilt), of one neutrino: entering, emitted evenly or with tilt."""

    content: Float[Array, "kind=3 pair=2 mass=3 *s"]
    resonant: Float[Array, "kind=3 pair=2 mass=3 *s"]


def content(response: ShellResponse, depth: Float[Array, "mass=3 *s"], depths: Depths) -> Content:
    """From the tilt of what is lost follows the content exactly, since −dn/ds = emission − loss."""
    lost, entering_tilt, even_lost, even_tilt, tilted_escape, tilted_tilt = response
    inverse = 1 / jnp.where(depth > 1e-12, depth, 1.0)
    share = depths.even * inverse
    losses = jnp.stack([lost, even_lost, -tilted_escape])
    tilts = jnp.stack([entering_tilt, even_tilt, tilted_tilt])
    totals = jnp.stack(
        [1 - (lost + entering_tilt) / 2, (1 - even_lost - even_tilt) / 2, (1 + tilted_escape - tilted_tilt) / 2]
    )
    # An even absorber takes τ times the content. That is as exact, and keeps its precision where τ is large.
    large = share[None] * jnp.clip(depth - 1, 0.0, 1.0)[None]
    totals = totals + large * (losses * inverse[None] - totals)
    spent = (share * inverse)[None] * tilts
    other = depths.not_resonant[None]
    return Content(
        jnp.stack([totals, spent], axis=1), jnp.stack([losses - other * totals, tilts - other * spent], axis=1)
    )


class OwnSums(NamedTuple):
    """What a cell gives to itself of one content, per kind of daughter (and target)."""

    forward: Float[Array, "*s"]
    exchanged: Float[Array, "target=3 *s"]
    swapped: Float[Array, "target=3 *s"]
    strike: Float[Array, "target=3 *s"]
    squares: Float[Array, "target=3 *s"]
    bosons: Float[Array, "target=3 *s"]


def own_sums(spread: Spread, own: Float[Array, "power *s"]) -> OwnSums:
    """By the weights of the node itself."""
    low = [own[p][None] * spread.base[p] for p in (1, 2)]
    high = total([own[p][None] * spread.base[p] for p in range(3, POWERS.size)])
    strike = spread.struck * (own[0] - 2 * own[1] + own[2])[None]
    return OwnSums(
        total([own[p] * spread.forward[p] for p in range(1, POWERS.size)]) + spread.forward_local,
        spread.interference * (high * spread.inverse_rho_square + spread.exchanged_local),
        (high + low[0] + low[1] + spread.struck * own[0][None]) * spread.recoil + spread.swapped_local,
        spread.interference * strike,
        spread.struck_square * (2 * own[0] - 2 * own[1] + own[2])[None],
        total([own[p][None] * spread.bosons[p] for p in range(USED)]),
    )


def _by_daughter(factors: Float[Array, "mass=3 target=3 daughter=3"], j: int) -> Float[Array, "daughter=3 mass=3 1 1"]:
    return factors[:, j].T[:, :, None, None]


def feeding(exchange: Exchange, into: Float[Array, "mass=3"], own: OwnSums) -> Float[Array, "daughter=3 mass=3 *s"]:
    """O_ai, what a cell gives to state a of the content of state i."""
    q2, charge = exchange.lose_s, exchange.charge
    return q2[:, :, None, None] * own.forward[None, None] + total(
        [
            _by_daughter(exchange.gain_st, j) * own.exchanged[j][None, None]
            + _by_daughter(exchange.gain_su, j) * own.strike[j][None, None]
            + _by_daughter(exchange.gain_tu, j) * own.swapped[j][None, None]
            + (q2[:, j][:, None] * charge[None, :])[:, :, None, None] * own.squares[j][None, None]
            + (into[:, None] * exchange.lose_pair[:, j][None, :])[:, :, None, None] * own.bosons[j][None, None]
            for j in range(3)
        ]
    )


def system(
    contents: Content, feeding: Float[Array, "daughter=3 mass=3 *s"], into: Float[Array, "mass=3"], own: Array
) -> Float[Array, "six=6 six=6 *s"]:
    """1 − M of the six equations; rows and columns (state, even or tilt)."""

    def by_emission(parts):  # (pair, mass, kind)
        return jnp.moveaxis(parts[1:], 0, 2)[None]

    matrix = feeding[:, None, :, None] * by_emission(contents.content)
    matrix = matrix + (into[:, None, None] * own[None])[:, None, None, None] * by_emission(contents.resonant)
    unit = jnp.asarray(np.eye(6)[:, :, None, None], dtype=matrix.dtype)
    return unit - matrix.reshape(6, 6, *matrix.shape[-2:])


def eliminated(matrix: Float[Array, "six=6 six=6 *s"], k: int) -> Float[Array, "six=6 six=6 *s"]:
    """One step of the inversion in place (Gauss and Jordan), without pivots."""
    unit = jnp.asarray(np.eye(6)[k][:, None, None], dtype=matrix.dtype)
    return matrix - (matrix[:, k] - unit)[:, None] * ((matrix[k] + unit) / matrix[k, k][None])[None]


class CoupledCell(NamedTuple):
    """What a step needs of a cell."""

    lost: Float[Array, "mass=3 *s"]
    even_lost: Float[Array, "mass=3 *s"]
    tilted_escape: Float[Array, "mass=3 *s"]
    pairs: Float[Array, "mass=3 *s"]
    """Depth of exchange with two neutrinos in the end"""
    bosons: Float[Array, "mass=3 *s"]
    """and of Z′Z′."""
    contents: Content
    feeding: Float[Array, "daughter=3 mass=3 *s"]
    inverse: Float[Array, "six=6 six=6 *s"]
    spread: Spread
    own: Float[Array, "*s"]
    emitted: Float[Array, "mass=3 pair=2 *s"]
