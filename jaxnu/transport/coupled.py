"""The march with all channels: cells whose neutrinos feed all mass states, solved together.

What a state feeds to others is proportional to its content of the cell, c = ∫ds n and its tilt, or, for the s channel,
to what it loses there. Emission e_a of every state, even and tilted, obeys e = known + Σ_i O_ai c_i + P_a own A, with
contents and losses linear in e and in what enters: six equations per cell.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.transport import layout
from jaxnu.transport.boson_pairs import USED
from jaxnu.transport.exchange import Depths, Exchange, Spread
from jaxnu.transport.march import KERNEL, PowerWeights
from jaxnu.transport.powers import POWERS
from jaxnu.transport.response import ShellResponse


class Moments(NamedTuple):
    """Of what daughters come from: powers of x per daughter, p < 2 and others; p = −1, 0, 1 of what strikes a relic."""

    low: Float[Array, "three=3 daughter=3 pair=2 *s"]
    high: Float[Array, "power daughter=3 pair=2 *s"]
    struck: Float[Array, "three=3 daughter=3 target=3 pair=2 *s"]
    squares: Float[Array, "three=3 pair=2 *s"]


class CoupledState(NamedTuple):
    """What the march carries, per shell."""

    leaving: Float[Array, "mass=3 edge"]
    moments: Moments


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
    high = _sum([own[p][None] * spread.base[p] for p in range(3, POWERS.size)])
    strike = spread.struck * (own[0] - 2 * own[1] + own[2])[None]
    return OwnSums(
        _sum([own[p] * spread.forward[p] for p in range(1, POWERS.size)]) + spread.forward_local,
        spread.interference * (high * spread.rho_square + spread.exchanged_local),
        (high + low[0] + low[1] + spread.struck * own[0][None]) * spread.recoil + spread.swapped_local,
        spread.interference * strike,
        spread.struck_square * (2 * own[0] - 2 * own[1] + own[2])[None],
        _sum([own[p][None] * spread.bosons[p] for p in range(USED)]),
    )


def _by_daughter(factors: Float[Array, "mass=3 target=3 daughter=3"], j: int) -> Float[Array, "daughter=3 mass=3 1 1"]:
    return factors[:, j].T[:, :, None, None]


def feeding(exchange: Exchange, into: Float[Array, "mass=3"], own: OwnSums) -> Float[Array, "daughter=3 mass=3 *s"]:
    """O_ai, what a cell gives to state a of the content of state i."""
    q2, charge = exchange.lose_s, exchange.charge
    return q2[:, :, None, None] * own.forward[None, None] + _sum(
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
    """One step of the inversion in place, without pivots: 1 − M is diagonally dominant."""
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


def _sum(parts):
    """A sum written out: a reduction would not be fused."""
    parts = list(parts)
    return sum(parts[1:], start=parts[0])


def given_from_outside(exchange, cell: CoupledCell, state: CoupledState, entering, into):
    """The right-hand side of the six equations."""
    spread = cell.spread
    found = _sum([*state.moments.low, *state.moments.high])
    struck, squares = state.moments.struck, state.moments.squares
    strike = struck[0] - 2 * struck[1] + struck[2]
    square = 2 * squares[0] - 2 * squares[1] + squares[2]
    found = found + _sum(
        [
            spread.struck[j][None, None] * strike[:, j]
            + exchange.lose_s[:, j][:, None, None] * (spread.struck_square[j][None] * square)[None]
            for j in range(3)
        ]
    )
    enters = cell.contents.content[0] * entering[None]
    resonant = cell.contents.resonant[0] * entering[None]
    fed = _sum([cell.feeding[:, i][:, None] * enters[:, i][None] for i in range(3)])
    line = into[:, None, None] * (cell.own[None] * _sum([resonant[:, i] for i in range(3)]))[None]
    return (found + cell.emitted + fed + line).reshape(6, -1)


def solved(cell: CoupledCell, right: Float[Array, "six=6 shell"]) -> Float[Array, "mass=3 pair=2 shell"]:
    """The emission of every state."""
    return _sum([cell.inverse[:, c] * right[c][None] for c in range(6)]).reshape(3, 2, -1)


def contained(cell: CoupledCell, emission: Float[Array, "mass=3 pair=2 shell"], entering):
    """Contents (pair, mass), losses in the s channel (pair), what leaves, and `Tally`."""
    even, tilted = emission[:, 0], emission[:, 1]
    content, resonant = (
        kind[0] * entering[None] + kind[1] * even[None] + kind[2] * tilted[None] for kind in cell.contents
    )
    lost = entering * cell.lost + even * cell.even_lost - tilted * cell.tilted_escape
    resonant = _sum([resonant[:, i] for i in range(3)])
    tally = jnp.stack(
        [
            _sum(list(lost)),
            _sum([even[i] - cell.emitted[i, 0] for i in range(3)]),
            resonant[0],
            _sum(list(content[0] * cell.pairs)),
            _sum(list(content[0] * cell.bosons)),
        ]
    )
    return content, resonant, entering + even - lost, tally


class Tally(NamedTuple):
    """Neutrinos lost and fed, and scatterings: by s channel over r, by exchange and with Z′Z′."""

    lost: Float[Array, "*s"]
    fed: Float[Array, "*s"]
    resonant: Float[Array, "*s"]
    pairs: Float[Array, "*s"]
    bosons: Float[Array, "*s"]


class Given(NamedTuple):
    """What a node gives to moments, before it is spread over powers."""

    forward: Float[Array, "daughter=3 pair=2 shell"]
    low: Float[Array, "daughter=3 target=3 pair=2 shell"]
    """Swapped; `high` is exchanged, too."""
    high: Float[Array, "daughter=3 target=3 pair=2 shell"]
    strike: Float[Array, "daughter=3 target=3 pair=2 shell"]
    squares: Float[Array, "pair=2 shell"]
    shared: Float[Array, "power pair=2 shell"]


def given(exchange: Exchange, cell: CoupledCell, content, resonant) -> Given:
    """From contents (pair, mass, shell) and the loss in the s channel (pair, shell)."""

    spread = cell.spread

    def flavoured(factors):  # (daughter, target, pair, shell)
        return _sum(
            [factors[i].T[:, :, None, None].astype(content.dtype) * content[:, i][None, None] for i in range(3)]
        )

    interference = spread.interference[None, :, None]
    swapped = flavoured(exchange.gain_tu) * spread.recoil[None, :, None]
    bosons = _sum(
        [
            spread.bosons[:, j][:, None] * _sum([exchange.lose_pair[i, j] * content[:, i] for i in range(3)])[None]
            for j in range(3)
        ]
    )
    kernel = jnp.asarray([0.0, *KERNEL, *[0.0] * (USED - 4)], dtype=content.dtype)
    return Given(
        _sum([exchange.lose_s[:, i][:, None, None] * content[:, i][None] for i in range(3)]),
        swapped,
        swapped + flavoured(exchange.gain_st) * interference * spread.rho_square[None, :, None],
        flavoured(exchange.gain_su) * interference,
        _sum([exchange.charge[i] * content[:, i] for i in range(3)]),
        jnp.concatenate(
            [bosons + kernel[:, None, None] * resonant[None], jnp.zeros_like(bosons[: POWERS.size - USED])]
        ),
    )


def carried(cell: CoupledCell, state: CoupledState, given: Given, into, weights: PowerWeights) -> Moments:
    """The moments at the next node."""
    spread, moments, into = cell.spread, state.moments, into[None, :, None, None]

    def step(moments, now, start):
        shape = (-1,) + (1,) * (moments.ndim - 2) + (moments.shape[-1],)
        rows = slice(start, start + moments.shape[0])
        return weights.decay[rows].reshape(shape) * moments + weights.gain[rows].reshape(shape) * now

    def daughters(rows, flavours):
        shared = given.forward[None] * spread.forward[rows, None, None] + into * given.shared[rows, None]
        return shared + _sum([spread.base[rows, j][:, None, None] * flavours[:, j][None] for j in range(3)])

    first = jnp.asarray(np.array([1.0, 0.0, 0.0])[:, None, None, None, None], dtype=given.strike.dtype)
    return Moments(
        step(moments.low, daughters(slice(0, 3), given.low), 0),
        step(moments.high, daughters(slice(3, None), given.high), 3),
        step(moments.struck, given.strike[None] + first * given.low[None], 0),
        step(moments.squares, given.squares[None], 0),
    )


def nothing(leaving: Float[Array, "mass=3 edge"]) -> CoupledState:
    """The state before the first node: no moments."""
    shells, dtype = leaving.shape[1] - 1, layout.PRECISION
    moments = Moments(
        jnp.zeros((3, 3, 2, shells), dtype),
        jnp.zeros((POWERS.size - 3, 3, 2, shells), dtype),
        jnp.zeros((3, 3, 3, 2, shells), dtype),
        jnp.zeros((3, 2, shells), dtype),
    )
    return CoupledState(leaving, moments)
