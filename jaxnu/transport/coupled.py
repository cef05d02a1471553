"""The march with all channels: from one node to the next, in every shell (`coupled_cell`)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.transport import layout
from jaxnu.transport.boson_pairs import USED
from jaxnu.transport.coupled_cell import ENTERING, EVEN, SOURCES, TILTED, CoupledCell
from jaxnu.transport.exchange import Exchange, total
from jaxnu.transport.march import KERNEL, PowerWeights
from jaxnu.transport.powers import POWERS
from jaxnu.transport.spread import Spread


class Moments(NamedTuple):
    """Of what daughters come from: powers of x per daughter, and p = −1, 0, 1 of what strikes a relic."""

    powers: Float[Array, "power daughter=3 *s"]
    struck: Float[Array, "three=3 daughter=3 target=3 *s"]
    squares: Float[Array, "three=3 *s"]


class CoupledState(NamedTuple):
    """What the march carries, per shell."""

    leaving: Float[Array, "mass=3 edge"]
    moments: Moments


def from_above(exchange: Exchange, spread: Spread, moments: Moments) -> Float[Array, "daughter=3 *s"]:
    """What neutrinos of higher energies feed to a cell."""
    powers, struck, squares = moments
    strike = struck[0] - 2 * struck[1] + struck[2]
    square = 2 * squares[0] - 2 * squares[1] + squares[2]
    return total(list(powers)) + total(
        [
            spread.struck[j][None] * strike[:, j]
            + exchange.lose_s[:, j][:, None] * (spread.struck_square[j] * square)[None]
            for j in range(3)
        ]
    )


def applied(matrix: Float[Array, "row column *s"], states: Float[Array, "column *s"]) -> Float[Array, "row *s"]:
    """Matrix times vector."""
    return total([matrix[:, i] * states[i][None] for i in range(matrix.shape[1])])


def known(exchange: Exchange, cell: CoupledCell, moments: Moments, entering) -> Float[Array, "six=6 *s"]:
    """What is fed but by what is fed itself."""
    above = from_above(exchange, cell.spread, moments)
    return applied(cell.entering, entering) + cell.sources + jnp.concatenate([above, jnp.zeros_like(above)])


def solved(cell: CoupledCell, known: Float[Array, "six=6 *s"]) -> Float[Array, "six=6 *s"]:
    """What every state is fed, evenly and with tilt."""
    return applied(cell.inverse, known)


def within(parts: Float[Array, "kind=4 mass=3 *s"], entering: Float[Array, "mass=3 *s"], fed: Float[Array, "six=6 *s"]):
    """One of the parts of `Content`."""
    return parts[ENTERING] * entering + parts[EVEN] * fed[:3] + parts[TILTED] * fed[3:] + parts[SOURCES]


def contained(cell: CoupledCell, fed: Float[Array, "six=6 *s"], entering):
    """Contents (mass), A, what leaves (mass), and `Tally`."""
    content, lost, resonant = (within(part, entering, fed) for part in (cell.content, cell.lost, cell.resonant))
    resonant = total(list(resonant))
    tally = jnp.stack(
        [
            total(list(lost)),
            total(list(fed[:3])),
            resonant,
            total(list(content * cell.pairs)),
            total(list(content * cell.bosons)),
        ]
    )
    return content, resonant, entering + cell.emitted + fed[:3] - lost, tally


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


def given(exchange: Exchange, spread: Spread, interference: Float[Array, "target=3 *s"], content, resonant) -> Given:
    """From contents (mass) and A."""

    def beside(factors):
        return factors.astype(content.dtype).reshape(*factors.shape, *[1] * (content.ndim - 1))

    def flavoured(factors):  # (daughter, target, …)
        return total([beside(factors[i].T) * content[i][None, None] for i in range(3)])

    swapped = flavoured(exchange.gain_tu) * spread.recoil[None]
    bosons = total(
        [spread.bosons[:, j] * total(list(beside(exchange.lose_pair[:, j]) * content))[None] for j in range(3)]
    )
    kernel = beside(jnp.asarray([0.0, *KERNEL, *[0.0] * (USED - 4)]))
    return Given(
        total([beside(exchange.lose_s[:, i]) * content[i][None] for i in range(3)]),
        swapped,
        swapped + flavoured(exchange.gain_st) * (interference * spread.inverse_rho_square)[None],
        flavoured(exchange.gain_su) * interference[None],
        total(list(beside(exchange.charge) * content)),
        jnp.concatenate([bosons + kernel * resonant[None], jnp.zeros_like(bosons[: POWERS.size - USED])]),
    )


def spread_out(spread: Spread, given: Given, into: Float[Array, "mass=3 *one"]) -> Moments:
    """What a node adds to the moments, before the weights of the way to the next one."""
    low, high = given.low[None], given.high[None]
    daughters = total(
        [
            jnp.concatenate([spread.base[:3, j][:, None] * low[:, :, j], spread.base[3:, j][:, None] * high[:, :, j]])
            for j in range(3)
        ]
    )
    first = jnp.asarray(np.array([1.0, 0.0, 0.0]).reshape(3, *[1] * (low.ndim - 1)), dtype=low.dtype)
    return Moments(
        given.forward[None] * spread.forward[:, None] + into[None] * given.shared[:, None] + daughters,
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


def nothing(leaving: Float[Array, "mass=3 edge"]) -> CoupledState:
    """The state before the first node: no moments."""
    shapes = (POWERS.size, 3), (3, 3, 3), (3,)
    shells = leaving.shape[1] - 1
    return CoupledState(leaving, Moments(*(jnp.zeros((*shape, shells), layout.PRECISION) for shape in shapes)))
