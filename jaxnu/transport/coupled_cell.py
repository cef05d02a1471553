"""A cell in which neutrinos of all mass states feed each other: six linear equations.

What a state feeds to others is proportional to its content of the cell, c = ∫ds n, and its tilt; or, for the s channel,
to what all lose there, A. So what is fed to state a obeys e_a = known + Σ_i O_ai c_i + P_a k A, with a tilt t_a = Σ_i
O_ai (tilt of c_i); contents and losses are linear in e and t, in what enters and in the sources. Tilts matter where
scattering is frequent and keeps the energy. What the s channel, and what higher energies feed counts as even.
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
    """Content, its tilt, loss, and loss in the s channel, of one neutrino of four kinds.

    One that enters, one that is emitted evenly or with tilt, and the sources' ones.
    """

    content: Float[Array, "kind=4 mass=3 *s"]
    tilt: Float[Array, "kind=4 mass=3 *s"]
    lost: Float[Array, "kind=4 mass=3 *s"]
    resonant: Float[Array, "kind=4 mass=3 *s"]


ENTERING, EVEN, TILTED, SOURCES = range(4)


def content(
    response: ShellResponse, depth: Float[Array, "mass=3 *s"], depths: Depths, emitted: Float[Array, "pair=2 mass=3 *s"]
) -> Content:
    """From the tilt of what is lost follows the content exactly, since −dn/ds = emission − loss."""
    lost, entering_tilt, even_lost, even_tilt, tilted_escape, tilted_tilt = response
    inverse = 1 / jnp.where(depth > 1e-12, depth, 1.0)
    share = depths.even * inverse

    def kinds(entering, even, tilted):
        return jnp.stack([entering, even, tilted, emitted[0] * even + emitted[1] * tilted])

    losses = kinds(lost, even_lost, -tilted_escape)
    even, tilted = (1 - even_lost - even_tilt) / 2, (1 + tilted_escape - tilted_tilt) / 2
    totals = kinds(1 - (lost + entering_tilt) / 2, even, tilted)
    # An even absorber takes τ times the content. That is as exact, and keeps its precision where τ is large.
    large = (share * jnp.clip(depth - 1, 0.0, 1.0))[None]
    totals = totals + large * (losses * inverse[None] - totals)
    tilts = (share * inverse)[None] * kinds(entering_tilt, even_tilt, tilted_tilt)
    return Content(totals, tilts, losses, losses - depths.not_resonant[None] * totals)


class OwnSums(NamedTuple):
    """What a cell gives to itself of one content, per kind of daughter (and target).

    `exchanged` and `strike` are per `interference`.
    """

    forward: Float[Array, "*s"]
    exchanged: Float[Array, "target=3 *s"]
    swapped: Float[Array, "target=3 *s"]
    strike: Float[Array, "target=3 *s"]
    squares: Float[Array, "target=3 *s"]
    bosons: Float[Array, "target=3 *s"]


def own_sums(spread: Spread, own: Float[Array, "power *s"]) -> OwnSums:
    """What a cell gives to itself, summed over powers by the weights of its own node."""
    low = [own[p][None] * spread.base[p] for p in (1, 2)]
    high = total([own[p][None] * spread.base[p] for p in range(3, POWERS.size)])
    strike = spread.struck * (own[0] - 2 * own[1] + own[2])[None]
    return OwnSums(
        total([own[p] * spread.forward[p] for p in range(1, POWERS.size)]) + spread.forward_local,
        high * spread.inverse_rho_square + spread.exchanged_local,
        (high + low[0] + low[1] + spread.struck * own[0][None]) * spread.recoil + spread.swapped_local,
        strike,
        spread.struck_square * (2 * own[0] - 2 * own[1] + own[2])[None],
        total([own[p][None] * spread.bosons[p] for p in range(USED)]),
    )


def _by_daughter(factors: Float[Array, "mass=3 target=3 daughter=3"], j: int) -> Float[Array, "daughter=3 mass=3 1 1"]:
    return factors[:, j].T[:, :, None, None]


def own_feeding(
    exchange: Exchange, into: Float[Array, "mass=3"], own: OwnSums, interference: Float[Array, "target=3 *s"]
) -> Float[Array, "daughter=3 mass=3 *s"]:
    """O_ai, what a cell gives to state a of the content of state i."""
    q2, charge = exchange.lose_s, exchange.charge
    return q2[:, :, None, None] * own.forward[None, None] + total(
        [
            _by_daughter(exchange.gain_st, j) * (interference[j] * own.exchanged[j])[None, None]
            + _by_daughter(exchange.gain_su, j) * (interference[j] * own.strike[j])[None, None]
            + _by_daughter(exchange.gain_tu, j) * own.swapped[j][None, None]
            + (q2[:, j][:, None] * charge[None, :])[:, :, None, None] * own.squares[j][None, None]
            + (into[:, None] * exchange.lose_pair[:, j][None, :])[:, :, None, None] * own.bosons[j][None, None]
            for j in range(3)
        ]
    )


class Feeding(NamedTuple):
    """What neutrinos of each kind and state (columns) feed to each state (rows), evenly and with tilt."""

    entering: Float[Array, "pair_daughter=6 mass=3 *s"]
    emitted: Float[Array, "pair_daughter=6 pair_mass=6 *s"]
    sources: Float[Array, "pair_daughter=6 *s"]


def feeding(
    own: Float[Array, "daughter=3 mass=3 *s"], line: Float[Array, "daughter=3 *s"], contents: Content
) -> Feeding:
    """O_ai c_i + P_a k A_i for O = `own` and P_a k = `line`, and O_ai times the tilt of c_i."""
    entering, even, tilted, sources = (
        jnp.concatenate(
            [
                own * contents.content[kind][None] + line[:, None] * contents.resonant[kind][None],
                own * contents.tilt[kind][None],
            ]
        )
        for kind in range(4)
    )
    return Feeding(entering, jnp.concatenate([even, tilted], axis=1), total([sources[:, i] for i in range(3)]))


def remaining(matrix: Float[Array, "six=6 six=6 *s"]) -> Float[Array, "six=6 six=6 *s"]:
    """1 − matrix."""
    return jnp.asarray(np.eye(6).reshape(6, 6, *[1] * (matrix.ndim - 2)), dtype=matrix.dtype) - matrix


def eliminated(matrix: Float[Array, "six=6 six=6 *s"], k: int) -> Float[Array, "six=6 six=6 *s"]:
    """One step of the inversion in place (Gauss and Jordan), without pivots."""
    unit = jnp.asarray(np.eye(6)[k][:, None, None], dtype=matrix.dtype)
    return matrix - (matrix[:, k] - unit)[:, None] * ((matrix[k] + unit) / matrix[k, k][None])[None]


class CoupledCell(NamedTuple):
    """What a step needs of a cell."""

    content: Float[Array, "kind=4 mass=3 *s"]
    lost: Float[Array, "kind=4 mass=3 *s"]
    resonant: Float[Array, "kind=4 mass=3 *s"]
    """Of `Content`"""
    entering: Float[Array, "pair_daughter=6 mass=3 *s"]
    sources: Float[Array, "pair_daughter=6 *s"]
    inverse: Float[Array, "six=6 six=6 *s"]
    """(1 − M)⁻¹, M being what is `emitted` in `Feeding`."""
    spread: Spread
    interference: Float[Array, "target=3 *s"]
    """−2 Re P"""
    emitted: Float[Array, "mass=3 *s"]
    """The sources' neutrinos"""
    pairs: Float[Array, "mass=3 *s"]
    """Depth of exchange with two neutrinos in the end"""
    bosons: Float[Array, "mass=3 *s"]
    """and of Z′Z′."""
