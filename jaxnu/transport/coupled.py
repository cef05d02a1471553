"""The march with all channels: cells whose neutrinos feed all mass states, solved together.

What a state feeds to others is proportional to its content of the cell, c = ∫ds n and its tilt, or, for the s channel,
to what it loses there. Emission e_a of every state, even and tilted, obeys e = known + Σ_i O_ai c_i + P_a own A, with
contents and losses linear in e and in what enters: six equations per cell.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.transport import layout
from jaxnu.transport.exchange import Depths, Exchange, Spread
from jaxnu.transport.march import KERNEL, PowerWeights
from jaxnu.transport.powers import POWERS
from jaxnu.transport.response import ShellResponse

USED = 7


class Moments(NamedTuple):
    """Of what daughters come from: powers of x from p = 0 on per daughter; p = −1, 0, 1 of what strikes a relic."""

    powers: Float[Array, "power daughter=3 pair=2 *s"]
    struck: Float[Array, "three=3 daughter=3 target=3 pair=2 *s"]
    squares: Float[Array, "three=3 pair=2 *s"]


class CoupledState(NamedTuple):
    """What the march carries, per shell."""

    leaving: Float[Array, "mass=3 edge"]
    moments: Moments
    above: Moments
    """What the last node gave to the moments."""


class Content(NamedTuple):
    """Content and loss in the s channel, as (total, tilt), of one neutrino: entering, emitted evenly or with tilt."""

    content: Float[Array, "kind=3 pair=2 mass=3 *s"]
    resonant: Float[Array, "kind=3 pair=2 mass=3 *s"]


def content(response: ShellResponse, depth: Float[Array, "mass=3 *s"], depths: Depths) -> Content:
    """From the tilt of what is lost follows the content exactly, since −dn/ds = emission − loss."""
    lost, entering_tilt, even_lost, even_tilt, tilted_escape, tilted_tilt = response
    share = depths.even / jnp.where(depth > 1e-12, depth, 1.0) ** 2
    totals = (
        1 - (lost + entering_tilt) / 2,
        (1 - even_lost - even_tilt) / 2,
        (1 + tilted_escape - tilted_tilt) / 2,
    )
    tilts = tuple(share * tilt for tilt in (entering_tilt, even_tilt, tilted_tilt))
    losses = (lost, even_lost, -tilted_escape)
    loss_tilts = (entering_tilt, even_tilt, tilted_tilt)
    other = depths.not_resonant
    return Content(
        jnp.stack([jnp.stack(pair) for pair in zip(totals, tilts, strict=True)]),
        jnp.stack(
            [
                jnp.stack([loss - other * total, loss_tilt - other * tilt])
                for loss, loss_tilt, total, tilt in zip(losses, loss_tilts, totals, tilts, strict=True)
            ]
        ),
    )


def own_feeding(
    exchange: Exchange,
    into: Float[Array, "mass=3"],
    spread: Spread,
    own: Float[Array, "moment *s"],
) -> Float[Array, "daughter=3 mass=3 *s"]:
    """O_ai, what a cell gives to state a of the content of state i."""
    fall, powers = own[:3], own[1:]
    forward = jnp.sum(powers * spread.forward[:-1], axis=0) + spread.forward[-1]
    exchanged = jnp.sum(powers[:, None] * spread.exchanged[:-1], axis=0) + spread.exchanged[-1]
    swapped = jnp.sum(powers[:, None] * spread.swapped[:-1], axis=0) + spread.swapped[-1]
    bosons = jnp.sum(powers[:USED, None] * spread.bosons, axis=0)
    strike = spread.struck * (fall[0] - 2 * fall[1] + fall[2])[None]
    swapped = swapped + spread.struck * fall[0][None] * spread.recoil
    squares = spread.struck_square * (2 * fall[0] - 2 * fall[1] + fall[2])[None]
    exchanged, strike = spread.interference * exchanged, spread.interference * strike
    q2, charge = exchange.lose_s, exchange.charge
    return jnp.stack(
        [
            jnp.stack(
                [
                    q2[a, i] * forward
                    + sum(
                        exchange.gain_st[i, j, a] * exchanged[j]
                        + exchange.gain_su[i, j, a] * strike[j]
                        + exchange.gain_tu[i, j, a] * swapped[j]
                        + q2[a, j] * charge[i] * squares[j]
                        + into[a] * exchange.lose_pair[i, j] * bosons[j]
                        for j in range(3)
                    )
                    for i in range(3)
                ]
            )
            for a in range(3)
        ]
    )


def system(
    contents: Content,
    feeding: Float[Array, "daughter=3 mass=3 *s"],
    into: Float[Array, "mass=3"],
    own: Float[Array, "*s"],
) -> Float[Array, "six=6 six=6 *s"]:
    """1 − M of the six equations; rows and columns (state, even or tilt)."""
    rows = []
    for a in range(3):
        for k in range(2):
            row = []
            for i in range(3):
                for m in range(2):
                    fed = feeding[a, i] * contents.content[1 + m, k, i] + into[a] * own * contents.resonant[1 + m, k, i]
                    row.append((1.0 if (a, k) == (i, m) else 0.0) - fed)
            rows.append(jnp.stack(row))
    return jnp.stack(rows)


def eliminated(matrix: Float[Array, "six=6 six=6 *s"], k: int) -> Float[Array, "six=6 six=6 *s"]:
    """One step of the inversion in place, without pivots: 1 − M is diagonally dominant."""
    pivot = 1 / matrix[k, k]
    row = matrix[k] * pivot
    rest = matrix - matrix[:, k][:, None] * row[None]
    rest = rest.at[:, k].set(-matrix[:, k] * pivot)
    return rest.at[k].set(row.at[k].set(pivot))


class CoupledCell(NamedTuple):
    """What a step needs of a cell."""

    lost: Float[Array, "mass=3 *s"]
    escape: Float[Array, "two=2 mass=3 *s"]
    contents: Content
    feeding: Float[Array, "daughter=3 mass=3 *s"]
    inverse: Float[Array, "six=6 six=6 *s"]
    spread: Spread
    own: Float[Array, "*s"]
    emitted: Float[Array, "pair=2 mass=3 *s"]


def _sum(parts):
    parts = list(parts)
    return sum(parts[1:], start=parts[0])


def known(exchange: Exchange, state: CoupledState, spread: Spread) -> Float[Array, "daughter=3 pair=2 shell"]:
    """What the nodes above feed to every state."""
    found = jnp.sum(state.moments.powers, axis=0)
    struck, squares = state.moments.struck, state.moments.squares
    strike = struck[0] - 2 * struck[1] + struck[2]
    square = 2 * squares[0] - 2 * squares[1] + squares[2]
    return found + jnp.stack(
        [
            _sum(spread.struck[j][None] * strike[a, j] + exchange.lose_s[a, j] * spread.struck_square[j][None] * square for j in range(3))
            for a in range(3)
        ]
    )


def solved(known, cell: CoupledCell, entering, into):
    """Emission of every state (mass, pair), contents (mass, pair) and the loss in the s channel (pair)."""
    enters = [cell.contents.content[0, k] * entering for k in range(2)]
    resonant = [_sum(list(cell.contents.resonant[0, k] * entering)) for k in range(2)]
    right = [
        known[a, k] + cell.emitted[k, a] + _sum(cell.feeding[a, i] * enters[k][i] for i in range(3)) + into[a] * cell.own * resonant[k]
        for a in range(3)
        for k in range(2)
    ]
    emission = jnp.stack([_sum(cell.inverse[r, c] * right[c] for c in range(6)) for r in range(6)])
    return emission.reshape(3, 2, -1)


def contained(emission, cell: CoupledCell, entering):
    parts = []
    for kind in cell.contents:
        parts.append(
            jnp.stack(
                [kind[0, k] * entering + kind[1, k] * emission[:, 0] + kind[2, k] * emission[:, 1] for k in range(2)],
                axis=1,
            )
        )
    leaving = entering - entering * cell.lost + emission[:, 0] * cell.escape[0] + emission[:, 1] * cell.escape[1]
    return parts[0], jnp.sum(parts[1], axis=0), leaving


def given(exchange: Exchange, into, spread: Spread, content, resonant) -> Moments:
    """What a node gives to the moments, from contents (mass, pair, shell) and the loss in the s channel (pair, shell)."""
    each = [content[i] for i in range(3)]

    def flavoured(factors, weight):
        return [[weight[j][None] * _sum(factors[i, j, a] * each[i] for i in range(3)) for j in range(3)] for a in range(3)]

    total = [_sum(exchange.lose_s[a, i] * each[i] for i in range(3)) for a in range(3)]
    exchanged = flavoured(exchange.gain_st, spread.interference)
    swapped = flavoured(exchange.gain_tu, jnp.ones_like(spread.interference))
    strike = flavoured(exchange.gain_su, spread.interference)
    pairs = [_sum(exchange.lose_pair[i, j] * each[i] for i in range(3)) for j in range(3)]
    bosons = _sum(spread.bosons[:, j, None] * pairs[j][None] for j in range(3))
    line = jnp.stack([k * resonant for k in KERNEL])
    both = bosons + jnp.pad(line, ((0, USED - 3), (0, 0), (0, 0)))
    powers = []
    for a in range(3):
        here = spread.forward[:-1, None] * total[a][None] + _sum(
            spread.exchanged[:-1, j, None] * exchanged[a][j][None] + spread.swapped[:-1, j, None] * swapped[a][j][None]
            for j in range(3)
        )
        powers.append(here + into[a] * jnp.pad(both, ((0, POWERS.size - USED), (0, 0), (0, 0))))
    strikes = jnp.stack([jnp.stack(row) for row in strike])
    recoils = jnp.stack([jnp.stack([spread.recoil[j][None] * swapped[a][j] for j in range(3)]) for a in range(3)])
    squares = _sum(exchange.charge[i] * each[i] for i in range(3))
    return Moments(
        jnp.stack(powers, axis=1),
        jnp.stack([strikes + recoils, strikes, strikes]),
        jnp.stack([squares] * 3),
    )


def carried(state: CoupledState, given: Moments, weights: PowerWeights) -> Moments:
    """The moments at the next node."""

    def step(moments, now, before, start, count):
        shape = (-1,) + (1,) * (moments.ndim - 2) + (moments.shape[-1],)
        decay, gain, bend = (part[start : start + count].reshape(shape) for part in weights[1:])
        return decay * moments + gain * now + bend * before

    m, a = state.moments, state.above
    return Moments(
        step(m.powers, given.powers, a.powers, 1, POWERS.size),
        step(m.struck, given.struck, a.struck, 0, 3),
        step(m.squares, given.squares, a.squares, 0, 3),
    )


def nothing(leaving: Float[Array, "mass=3 edge"]) -> CoupledState:
    """The state before the first node: no moments."""
    shells, dtype = leaving.shape[1] - 1, layout.PRECISION
    moments = Moments(
        jnp.zeros((POWERS.size, 3, 2, shells), dtype),
        jnp.zeros((3, 3, 3, 2, shells), dtype),
        jnp.zeros((3, 2, shells), dtype),
    )
    return CoupledState(leaving, moments, jax.tree.map(jnp.zeros_like, moments))
