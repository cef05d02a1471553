"""A cell in which neutrinos of all mass states feed each other: three linear equations.

What a state feeds to others is proportional to its content of the cell, c = ∫ds n, or, for the s channel, to what all
lose there, A. What state a is fed is e_a = known + Σ_i O_ai c_i + P_a k A; contents and losses are linear in e and in
what enters. What is fed counts as even across the cell: carrying its tilt along, as the narrow march does, makes the
bins no better where straight lines join the nodes.
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
    """Content, loss, and loss in the s channel: of one neutrino that enters or is fed evenly, and of the sources'."""

    content: Float[Array, "kind=3 mass=3 *s"]
    lost: Float[Array, "kind=3 mass=3 *s"]
    resonant: Float[Array, "kind=3 mass=3 *s"]


def content(
    response: ShellResponse, depth: Float[Array, "mass=3 *s"], depths: Depths, emitted: Float[Array, "pair=2 mass=3 *s"]
) -> Content:
    """From the tilt of what is lost follows the content exactly, since −dn/ds = emission − loss."""
    lost, entering_tilt, even_lost, even_tilt, tilted_escape, tilted_tilt = response
    inverse = 1 / jnp.where(depth > 1e-12, depth, 1.0)
    losses = jnp.stack([lost, even_lost, emitted[0] * even_lost - emitted[1] * tilted_escape])
    even = (1 - even_lost - even_tilt) / 2
    tilted = (1 + tilted_escape - tilted_tilt) / 2
    totals = jnp.stack([1 - (lost + entering_tilt) / 2, even, emitted[0] * even + emitted[1] * tilted])
    # An even absorber takes τ times the content. That is as exact, and keeps its precision where τ is large.
    large = (depths.even * inverse * jnp.clip(depth - 1, 0.0, 1.0))[None]
    totals = totals + large * (losses * inverse[None] - totals)
    return Content(totals, losses, losses - depths.not_resonant[None] * totals)


def within(parts: Float[Array, "kind=3 mass=3 *s"], entering: Float[Array, "mass=3 *s"], even=None):
    """One of the parts of `Content`, of what enters, what is fed (None: nothing) and the sources'."""
    outside = parts[0] * entering + parts[2]
    return outside if even is None else outside + parts[1] * even


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


def fed(
    feeding: Float[Array, "daughter=3 mass=3 *s"],
    line: Float[Array, "daughter=3 *s"],
    content: Float[Array, "mass=3 *s"],
    resonant: Float[Array, "mass=3 *s"],
) -> Float[Array, "daughter=3 *s"]:
    """What a cell feeds to itself: Σ_i O_ai c_i + P_a k A, P_a k = `line`."""
    return total([feeding[:, i] * content[i][None] + line * resonant[i][None] for i in range(3)])


def system(
    contents: Content, feeding: Float[Array, "daughter=3 mass=3 *s"], line: Float[Array, "daughter=3 *s"]
) -> Float[Array, "daughter=3 mass=3 *s"]:
    """1 − M of the equations."""
    matrix = feeding * contents.content[1][None] + line[:, None] * contents.resonant[1][None]
    return jnp.asarray(np.eye(3).reshape(3, 3, *[1] * (matrix.ndim - 2)), dtype=matrix.dtype) - matrix


def eliminated(matrix: Float[Array, "daughter=3 mass=3 *s"], k: int) -> Float[Array, "daughter=3 mass=3 *s"]:
    """One step of the inversion in place (Gauss and Jordan), without pivots."""
    unit = jnp.asarray(np.eye(3)[k][:, None, None], dtype=matrix.dtype)
    return matrix - (matrix[:, k] - unit)[:, None] * ((matrix[k] + unit) / matrix[k, k][None])[None]


class CoupledCell(NamedTuple):
    """What a step needs of a cell."""

    contents: Content
    feeding: Float[Array, "daughter=3 mass=3 *s"]
    line: Float[Array, "daughter=3 *s"]
    """P_a k"""
    inverse: Float[Array, "daughter=3 mass=3 *s"]
    spread: Spread
    emitted: Float[Array, "mass=3 *s"]
    """The sources' neutrinos"""
    pairs: Float[Array, "mass=3 *s"]
    """Depth of exchange with two neutrinos in the end"""
    bosons: Float[Array, "mass=3 *s"]
    """and of Z′Z′."""
