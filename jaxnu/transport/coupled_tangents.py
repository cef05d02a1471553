"""Derivatives with all channels, carried through the march beside the values, as in `tangents`.

A step is linear in the state: the derivative of the state obeys it, too, driven by how cells and weights change.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.transport import coupled, exchange, layout
from jaxnu.transport.block import Setting
from jaxnu.transport.cell_tangents import EXCHANGE_POWERS, CellSlopes, MediatorMotion, cell_slopes
from jaxnu.transport.coupled import CoupledState, Given, Moments
from jaxnu.transport.coupled_block import CoupledBlock, CoupledRows
from jaxnu.transport.exchange import Exchange
from jaxnu.transport.layout import Nodes, diagonals
from jaxnu.transport.march import PowerWeights
from jaxnu.transport.response_tangents import Motion, moving
from jaxnu.transport.spread import Spread
from jaxnu.transport.staging import pushed, staged
from jaxnu.transport.tangents import stacked


class Drives(NamedTuple):
    """What drives the tangents of the march, on a leading axis: all that cells change at fixed states."""

    above: Float[Array, "direction=4 mass=3 *s"]
    own: Float[Array, "direction=4 six=6 *s"]
    content: Float[Array, "direction=4 mass=3 *s"]
    resonant: Float[Array, "direction=4 *s"]
    gained: Float[Array, "direction=4 mass=3 *s"]
    given: Given
    moments: Moments


def drives(
    setting: Setting,
    motion: Motion,
    mediator: MediatorMotion,
    step: Int[Array, ""],
    nodes: Nodes,
    block: CoupledBlock,
    slopes: CellSlopes,
    rows: list[CoupledRows],
) -> Drives:
    """What cells and weights that move change in a block of rows that has been solved."""
    run, push, push_all = (partial(f, step) for f in (staged, pushed, partial(pushed, many=True)))
    around, cell, shells = setting.exchange, block.cell, setting.nearness.shape[0] - 1
    assert around is not None
    met = run(stacked, rows)
    above, own = run(partial(_known, around), cell.spread, slopes, mediator.into[:2], met)
    content, resonant, gained = run(_contained, slopes, met)
    given = run(partial(coupled.given, around), cell.spread, cell.interference, met.content, met.resonant)
    by_mass = push_all(
        lambda interference: coupled.given(around, cell.spread, interference, met.content, met.resonant),
        (cell.interference,),
        (slopes.interference[:2],),
    )
    some = moving(
        Spread,
        recoil=slopes.spread.recoil,
        bosons=slopes.spread.bosons,
        inverse_rho_square=slopes.spread.inverse_rho_square,
    )
    by_lightest = push(
        lambda spread, interference: coupled.given(around, spread, interference, met.content, met.resonant),
        (cell.spread, cell.interference),
        (some, slopes.interference[2]),
    )
    gives = run(_four, by_mass, by_lightest)
    added = run(coupled.spread_out, cell.spread, given)
    others = moving(Spread, forward=slopes.spread.forward, base=slopes.spread.base)
    spreads = push(lambda spread: coupled.spread_out(spread, given), (cell.spread,), (others,))
    weights = PowerWeights(*(diagonals(part, layout.ROWS + 1, shells)[:, 1:] for part in nodes.weights))
    weights = jax.tree.map(lambda part: part.astype(layout.PRECISION), weights)
    moves = PowerWeights(*(diagonals(part, layout.ROWS + 1, shells)[:, :, 1:] for part in motion.weights))
    moments = run(_moments, weights, moves, met, given, added, spreads)
    return Drives(above, own, content, resonant, gained, gives, moments)


def _known(around: Exchange, spread: Spread, slopes: CellSlopes, into_moves, met: CoupledRows):
    """What changes in what is fed, from above and by the cell itself, at fixed states."""
    parts = met.moments
    above = coupled.struck_by_above(around, spread, parts.struck, parts.squares)
    moved = coupled.struck_by_above(around, slopes.spread, parts.struck, parts.squares)
    shared = exchange.total(list(parts.shared))[None]
    by_mass, by_coupling = (
        float(power) * above + way[:, None, None] * shared
        for power, way in zip(EXCHANGE_POWERS, into_moves, strict=True)
    )
    fed = slopes.feeding
    own = [
        coupled.applied(fed.entering[k], met.entering) + coupled.applied(fed.emitted[k], met.fed) + fed.sources[k]
        for k in range(4)
    ]
    return jnp.stack([by_mass, by_coupling, moved, jnp.zeros_like(above)]), jnp.stack(own)


def _contained(slopes: CellSlopes, met: CoupledRows):
    """What changes in contents, A, and in what leaves."""
    parts = slopes.contents
    content, lost, resonant = (
        jax.vmap(lambda part: coupled.within(part, met.entering, met.fed))(part)
        for part in (parts.content, parts.lost, parts.resonant)
    )
    gained = jnp.concatenate([-lost[:3], slopes.emitted[None] - lost[3:]])
    return content, exchange.total([resonant[:, i] for i in range(3)]), gained


def _four(two: Any, third: Any) -> Any:
    return jax.tree.map(lambda pair, one: jnp.concatenate([pair, one[None], jnp.zeros_like(one)[None]]), two, third)


def _moments(weights, moves, met: CoupledRows, given: Given, added: Moments, spreads: Moments):
    """What changes in moments: what is spread out, and by weights that move."""
    line = coupled.beside(jnp.asarray(coupled.LINE), met.resonant) * met.resonant[None]
    powers = [float(power) * added.powers for power in EXCHANGE_POWERS]
    shared = [float(power) * (added.shared - line) for power in EXCHANGE_POWERS]

    def per_moment(weights, like):
        weights = weights[..., : like.shape[0], :, :]
        return weights.reshape(*weights.shape[:-2], *[1] * (like.ndim - 3), *weights.shape[-2:])

    def by_weights(moments, added):
        moved = [
            per_moment(moves.decay[k], moments) * moments + per_moment(moves.gain[k], moments) * added for k in range(2)
        ]
        none = jnp.zeros_like(moved[0])
        return jnp.stack([none, none, *moved])

    def spread(two, third):
        return per_moment(weights.gain, third)[None] * jnp.stack([*two, third, jnp.zeros_like(third)])

    by_move = jax.tree.map(by_weights, met.moments, added)
    return by_move._replace(
        powers=by_move.powers + spread(powers, spreads.powers), shared=by_move.shared + spread(shared, spreads.shared)
    )


def coupled_slopes(
    mediator: MediatorMotion,
    setting: Setting,
    motion: Motion,
    step: Int[Array, ""],
    nodes: Nodes,
    block: CoupledBlock,
    rows: list[CoupledRows],
    state: CoupledState,
) -> tuple[CoupledState, Float[Array, "row direction=4 mass=3"]]:
    """The derivatives of the state after a block of rows, axes (direction, …), and of what arrives at z = 0."""
    around, shells = setting.exchange, setting.nearness.shape[0] - 1
    assert around is not None
    into = setting.into.astype(layout.PRECISION)[:, None]
    slopes = cell_slopes(setting, motion, mediator, step, nodes, block)
    driven = drives(setting, motion, mediator, step, nodes, block, slopes, rows)

    def run(stage, row, *others):
        def of_row(row, cell, driven, *others):
            cell, driven = layout.of_row(row, (cell, driven))
            return jax.vmap(lambda driven, *others: stage(cell, driven, *others))(driven, *others)

        return staged(step, of_row, row, block.cell, driven, *others)

    def fed_by(cell, driven, moments, entering):
        above = coupled.from_above(around, cell.spread, into, moments)
        return above + driven.above, coupled.applied(cell.entering, entering) + driven.own

    def fed(cell, driven, above, own):
        return coupled.fed(cell, above, own)

    def contained(cell, driven, fed, entering):
        content, lost, resonant = (
            coupled.of_one(part, entering, fed) for part in (cell.content, cell.lost, cell.resonant)
        )
        leaving = entering + fed[:3] - lost + driven.gained
        return content + driven.content, exchange.total(list(resonant)) + driven.resonant, leaving

    def given(cell, driven, content, resonant):
        parts = coupled.given(around, cell.spread, cell.interference, content, resonant)
        return jax.tree.map(jnp.add, parts, driven.given)

    arrivals = []
    for row in range(layout.ROWS):
        entering = state.leaving[:, :, 1:]
        feeds = run(fed, row, *run(fed_by, row, state.moments, entering))
        content, resonant, leaving = run(contained, row, feeds, entering)
        parts = run(given, row, content, resonant)
        now = jax.tree.map(lambda x: x.astype(layout.PRECISION), layout.weights_of_row(row, shells, nodes.weights))

        def carried(cell, driven, moments, given, now=now):
            moved = coupled.carried(moments, coupled.spread_out(cell.spread, given), now)
            return jax.tree.map(jnp.add, moved, driven.moments)

        moments = run(carried, row, state.moments, parts)
        state = CoupledState(jnp.concatenate([leaving, state.leaving[:, :, -1:]], axis=2), moments)
        arrivals.append(leaving[:, :, 0])
    return state, jnp.stack(arrivals)
