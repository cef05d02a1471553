"""The march with all channels: from one node to the next, in every shell (`coupled_cell`)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.transport import layout
from jaxnu.transport.boson_pairs import USED
from jaxnu.transport.coupled_cell import CoupledCell, fed, within
from jaxnu.transport.exchange import Exchange, total
from jaxnu.transport.march import KERNEL, PowerWeights
from jaxnu.transport.powers import POWERS


class Moments(NamedTuple):
    """Of what daughters come from: powers of x per daughter, and p = −1, 0, 1 of what strikes a relic."""

    powers: Float[Array, "power daughter=3 *s"]
    struck: Float[Array, "three=3 daughter=3 target=3 *s"]
    squares: Float[Array, "three=3 *s"]


class CoupledState(NamedTuple):
    """What the march carries, per shell."""

    leaving: Float[Array, "mass=3 edge"]
    moments: Moments


def from_above(exchange: Exchange, cell: CoupledCell, moments: Moments) -> Float[Array, "daughter=3 *s"]:
    """What neutrinos of higher energies feed to a cell."""
    spread, (powers, struck, squares) = cell.spread, moments
    strike = struck[0] - 2 * struck[1] + struck[2]
    square = 2 * squares[0] - 2 * squares[1] + squares[2]
    return total(list(powers)) + total(
        [
            spread.struck[j][None] * strike[:, j]
            + exchange.lose_s[:, j][:, None] * (spread.struck_square[j] * square)[None]
            for j in range(3)
        ]
    )


def known(exchange: Exchange, cell: CoupledCell, moments: Moments, entering) -> Float[Array, "daughter=3 shell"]:
    """What is fed but by what is fed itself."""
    content, _, resonant = (within(part, entering) for part in cell.contents)
    return from_above(exchange, cell, moments) + fed(cell.feeding, cell.line, content, resonant)


def solved(cell: CoupledCell, known: Float[Array, "daughter=3 shell"]) -> Float[Array, "mass=3 shell"]:
    """What every state is fed."""
    return total([cell.inverse[:, c] * known[c][None] for c in range(3)])


def contained(cell: CoupledCell, fed: Float[Array, "mass=3 shell"], entering):
    """Contents (mass), A, what leaves (mass), and `Tally`."""
    content, lost, resonant = (within(part, entering, fed) for part in cell.contents)
    resonant = total(list(resonant))
    tally = jnp.stack(
        [
            total(list(lost)),
            total(list(fed)),
            resonant,
            total(list(content * cell.pairs)),
            total(list(content * cell.bosons)),
        ]
    )
    return content, resonant, entering + cell.emitted + fed - lost, tally


class Tally(NamedTuple):
    """Neutrinos lost and fed, and scatterings: by s channel over r, by exchange and with Z′Z′."""

    lost: Float[Array, "*s"]
    fed: Float[Array, "*s"]
    resonant: Float[Array, "*s"]
    pairs: Float[Array, "*s"]
    bosons: Float[Array, "*s"]


class Given(NamedTuple):
    """What a node gives to moments, before it is spread over powers."""

    forward: Float[Array, "daughter=3 *s"]
    low: Float[Array, "daughter=3 target=3 *s"]
    high: Float[Array, "daughter=3 target=3 *s"]
    strike: Float[Array, "daughter=3 target=3 *s"]
    squares: Float[Array, "*s"]
    shared: Float[Array, "power *s"]


def given(exchange: Exchange, cell: CoupledCell, content, resonant) -> Given:
    """From contents (mass) and A."""
    spread = cell.spread

    def flavoured(factors):  # (daughter, target, …)
        return total([factors[i].T[:, :, None].astype(content.dtype) * content[i][None, None] for i in range(3)])

    interference = spread.interference[None]
    swapped = flavoured(exchange.gain_tu) * spread.recoil[None]
    bosons = total(
        [
            spread.bosons[:, j] * total([exchange.lose_pair[i, j] * content[i] for i in range(3)])[None]
            for j in range(3)
        ]
    )
    kernel = jnp.asarray([0.0, *KERNEL, *[0.0] * (USED - 4)], dtype=content.dtype)[:, None]
    return Given(
        total([exchange.lose_s[:, i][:, None] * content[i][None] for i in range(3)]),
        swapped,
        swapped + flavoured(exchange.gain_st) * interference * spread.inverse_rho_square[None],
        flavoured(exchange.gain_su) * interference,
        total([exchange.charge[i] * content[i] for i in range(3)]),
        jnp.concatenate([bosons + kernel * resonant[None], jnp.zeros_like(bosons[: POWERS.size - USED])]),
    )


def spread_out(cell: CoupledCell, given: Given, into) -> Moments:
    """What a node adds to the moments, before the weights of the way to the next one."""
    spread = cell.spread
    low, high = given.low[None], given.high[None]
    daughters = total(
        [
            jnp.concatenate([spread.base[:3, j][:, None] * low[:, :, j], spread.base[3:, j][:, None] * high[:, :, j]])
            for j in range(3)
        ]
    )
    first = jnp.asarray(np.array([1.0, 0.0, 0.0])[:, None, None, None], dtype=low.dtype)
    return Moments(
        given.forward[None] * spread.forward[:, None] + into[None, :, None] * given.shared[:, None] + daughters,
        given.strike[None] + first * low,
        jnp.broadcast_to(given.squares[None], (3, *given.squares.shape)),
    )


def carried(moments: Moments, added: Moments, weights: PowerWeights) -> Moments:
    """The moments at the next node."""

    def step(moments, added):
        shape = (-1,) + (1,) * (moments.ndim - 2) + (moments.shape[-1],)
        rows = slice(0, moments.shape[0])
        return weights.decay[rows].reshape(shape) * moments + weights.gain[rows].reshape(shape) * added

    return jax.tree.map(step, moments, added)


def carried_on(cell: CoupledCell, moments: Moments, given: Given, into, weights: PowerWeights) -> Moments:
    """The moments at the next node, from what this one gives."""
    return carried(moments, spread_out(cell, given, into), weights)


def nothing(leaving: Float[Array, "mass=3 edge"]) -> CoupledState:
    """The state before the first node: no moments."""
    shapes = (POWERS.size, 3), (3, 3, 3), (3,)
    shells = leaving.shape[1] - 1
    return CoupledState(leaving, Moments(*(jnp.zeros((*shape, shells), layout.PRECISION) for shape in shapes)))
