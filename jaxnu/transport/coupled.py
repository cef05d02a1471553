"""The march with all channels: from one node to the next, in every shell (`coupled_cell`)."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.transport import layout
from jaxnu.transport.boson_pairs import USED
from jaxnu.transport.coupled_cell import CoupledCell
from jaxnu.transport.exchange import Exchange, total
from jaxnu.transport.march import KERNEL, PowerWeights
from jaxnu.transport.powers import POWERS


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


def given_from_outside(exchange, cell: CoupledCell, state: CoupledState, entering, into):
    """The right-hand side of the six equations."""
    spread = cell.spread
    found = total([*state.moments.low, *state.moments.high])
    struck, squares = state.moments.struck, state.moments.squares
    strike = struck[0] - 2 * struck[1] + struck[2]
    square = 2 * squares[0] - 2 * squares[1] + squares[2]
    found = found + total(
        [
            spread.struck[j][None, None] * strike[:, j]
            + exchange.lose_s[:, j][:, None, None] * (spread.struck_square[j][None] * square)[None]
            for j in range(3)
        ]
    )
    enters = cell.contents.content[0] * entering[None]
    resonant = cell.contents.resonant[0] * entering[None]
    fed = total([cell.feeding[:, i][:, None] * enters[:, i][None] for i in range(3)])
    line = into[:, None, None] * (cell.own[None] * total([resonant[:, i] for i in range(3)]))[None]
    return (found + cell.emitted + fed + line).reshape(6, -1)


def solved(cell: CoupledCell, right: Float[Array, "six=6 shell"]) -> Float[Array, "mass=3 pair=2 shell"]:
    """The emission of every state."""
    return total([cell.inverse[:, c] * right[c][None] for c in range(6)]).reshape(3, 2, -1)


def contained(cell: CoupledCell, emission: Float[Array, "mass=3 pair=2 shell"], entering):
    """Contents (pair, mass), losses in the s channel (pair), what leaves, and `Tally`."""
    even, tilted = emission[:, 0], emission[:, 1]
    content, resonant = (
        kind[0] * entering[None] + kind[1] * even[None] + kind[2] * tilted[None] for kind in cell.contents
    )
    lost = entering * cell.lost + even * cell.even_lost - tilted * cell.tilted_escape
    resonant = total([resonant[:, i] for i in range(3)])
    tally = jnp.stack(
        [
            total(list(lost)),
            total([even[i] - cell.emitted[i, 0] for i in range(3)]),
            resonant[0],
            total(list(content[0] * cell.pairs)),
            total(list(content[0] * cell.bosons)),
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
        return total(
            [factors[i].T[:, :, None, None].astype(content.dtype) * content[:, i][None, None] for i in range(3)]
        )

    interference = spread.interference[None, :, None]
    swapped = flavoured(exchange.gain_tu) * spread.recoil[None, :, None]
    bosons = total(
        [
            spread.bosons[:, j][:, None] * total([exchange.lose_pair[i, j] * content[:, i] for i in range(3)])[None]
            for j in range(3)
        ]
    )
    kernel = jnp.asarray([0.0, *KERNEL, *[0.0] * (USED - 4)], dtype=content.dtype)
    return Given(
        total([exchange.lose_s[:, i][:, None, None] * content[:, i][None] for i in range(3)]),
        swapped,
        swapped + flavoured(exchange.gain_st) * interference * spread.inverse_rho_square[None, :, None],
        flavoured(exchange.gain_su) * interference,
        total([exchange.charge[i] * content[:, i] for i in range(3)]),
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
        return shared + total([spread.base[rows, j][:, None, None] * flavours[:, j][None] for j in range(3)])

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
