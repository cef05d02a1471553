"""The march with all channels: from one node to the next, in every shell (`coupled_cell`)."""

from __future__ import annotations

from functools import partial
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
    """Moments of what was scattered at higher energies: powers of x per daughter, p = −1, 0, 1 of what strikes a relic.

    `shared` are the first powers of what falls to daughters in the proportion P_i: from the s channel and Z′Z′.
    """

    powers: Float[Array, "power daughter=3 *s"]
    shared: Float[Array, "some=8 *s"]
    struck: Float[Array, "three=3 daughter=3 target=3 *s"]
    squares: Float[Array, "three=3 *s"]


class CoupledState(NamedTuple):
    """What the march carries, per shell."""

    leaving: Float[Array, "mass=3 edge"]
    moments: Moments


def beside(factors: Float[Array, "..."], cells: Float[Array, "*s"]) -> Float[Array, "..."]:
    """Factors that all cells share, beside arrays of cells."""
    return factors.astype(cells.dtype).reshape(*factors.shape, *[1] * cells.ndim)


def from_above(
    exchange: Exchange, spread: Spread, into: Float[Array, "mass=3 *one"], moments: Moments
) -> Float[Array, "daughter=3 *s"]:
    """What neutrinos of higher energies feed to a cell."""
    powers, shared, struck, squares = moments
    return total(list(powers)) + into * total(list(shared))[None] + struck_by_above(exchange, spread, struck, squares)


def struck_by_above(exchange: Exchange, spread: Spread, struck, squares) -> Float[Array, "daughter=3 *s"]:
    """What relics feed to a cell that neutrinos of higher energies have struck."""
    strike = struck[0] - 2 * struck[1] + struck[2]
    square = 2 * squares[0] - 2 * squares[1] + squares[2]
    return total(
        [
            spread.struck[j][None] * strike[:, j]
            + beside(exchange.lose_s[:, j], square) * (spread.struck_square[j] * square)[None]
            for j in range(3)
        ]
    )


def applied(matrix: Float[Array, "row column *s"], states: Float[Array, "column *s"]) -> Float[Array, "row *s"]:
    """Matrix times vector."""
    return total([matrix[:, i] * states[i][None] for i in range(matrix.shape[1])])


def fed(cell: CoupledCell, above: Float[Array, "mass=3 *s"], own: Float[Array, "six=6 *s"]) -> Float[Array, "six=6 *s"]:
    """What every state is fed, evenly and with tilt: from above, evenly, and by the cell itself."""
    known = [*(own[i] + above[i] for i in range(3)), *(own[i] for i in range(3, 6))]
    return total([cell.inverse[:, i] * known[i][None] for i in range(6)])


def by_itself(cell: CoupledCell, entering: Float[Array, "mass=3 *s"]) -> Float[Array, "six=6 *s"]:
    """What a cell is fed by what enters and by the sources."""
    return applied(cell.entering, entering) + cell.sources


def of_one(parts: Float[Array, "kind=4 mass=3 *s"], entering: Float[Array, "mass=3 *s"], fed: Float[Array, "six=6 *s"]):
    """Content or loss of a cell, by one of the parts of `Content`, of neutrinos that enter and that are fed."""
    return parts[ENTERING] * entering + parts[EVEN] * fed[:3] + parts[TILTED] * fed[3:]


def within(parts: Float[Array, "kind=4 mass=3 *s"], entering: Float[Array, "mass=3 *s"], fed: Float[Array, "six=6 *s"]):
    """Content or loss of a cell, by one of the parts of `Content`, of all neutrinos, also those of the sources."""
    return of_one(parts, entering, fed) + parts[SOURCES]


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
    """What a node gives to moments, before it is spread over powers; `exchanged` to p > 1 only."""

    forward: Float[Array, "daughter=3 *s"]
    swapped: Float[Array, "daughter=3 target=3 *s"]
    exchanged: Float[Array, "daughter=3 target=3 *s"]
    strike: Float[Array, "daughter=3 target=3 *s"]
    squares: Float[Array, "*s"]
    shared: Float[Array, "some=8 *s"]


def given(exchange: Exchange, spread: Spread, interference: Float[Array, "target=3 *s"], content, resonant) -> Given:
    """From contents (mass) and A."""
    shaped = partial(beside, cells=resonant)

    def flavoured(factors):  # (daughter, target, …)
        return total([shaped(factors[i].T) * content[i][None, None] for i in range(3)])

    bosons = total(
        [spread.bosons[:, j] * total(list(shaped(exchange.lose_pair[:, j]) * content))[None] for j in range(3)]
    )
    return Given(
        total([shaped(exchange.lose_s[:, i]) * content[i][None] for i in range(3)]),
        flavoured(exchange.gain_tu) * spread.recoil[None],
        flavoured(exchange.gain_st) * (interference * spread.inverse_rho_square)[None],
        flavoured(exchange.gain_su) * interference[None],
        total(list(shaped(exchange.charge) * content)),
        bosons + shaped(jnp.asarray(LINE)) * resonant[None],
    )


# The s channel's k_m among the shared powers; where there are powers of exchange; and p = −1 of what strikes relics.
LINE = np.array([0.0, *KERNEL, *[0.0] * (USED - 4)])
_HIGH, _FIRST = (POWERS > 1).astype(float), np.array([1.0, 0.0, 0.0])


def spread_out(spread: Spread, given: Given) -> Moments:
    """What a node adds to the moments, before the weights of the way to the next one."""
    high = beside(jnp.asarray(_HIGH), given.forward)
    daughters = total(
        [
            spread.base[:, j][:, None] * (given.swapped[:, j][None] + high * given.exchanged[:, j][None])
            for j in range(3)
        ]
    )
    return Moments(
        given.forward[None] * spread.forward[:, None] + daughters,
        given.shared,
        given.strike[None] + beside(jnp.asarray(_FIRST), given.strike) * given.swapped[None],
        jnp.broadcast_to(given.squares[None], (3, *given.squares.shape)),
    )


def carried(moments: Moments, added: Moments, weights: PowerWeights) -> Moments:
    """The moments at the next node."""

    def step(moments, added):
        shape = (-1,) + (1,) * (moments.ndim - 2) + (moments.shape[-1],)
        decay, gain = (part[: moments.shape[0]].reshape(shape) for part in (weights.decay, weights.gain))
        return decay * moments + gain * added

    return jax.tree.map(step, moments, added)


def nothing(leaving: Float[Array, "mass=3 edge"]) -> CoupledState:
    """The state before the first node: no moments."""
    shapes = (POWERS.size, 3), (USED,), (3, 3, 3), (3,)
    shells = leaving.shape[1] - 1
    return CoupledState(leaving, Moments(*(jnp.zeros((*shape, shells), layout.PRECISION) for shape in shapes)))
