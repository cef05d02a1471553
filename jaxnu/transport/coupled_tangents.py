"""Derivatives with all channels, carried through the march beside the values, as in `tangents`.

For a power law the ratio of each flux to the free one depends on E/m_Z′² and, at fixed E/m_Z′², on m_Z′ and g′: the
resonance by κ ~ g′²/m_Z′², exchange by κ g′², wings by κ N(y m_Z′²) and the width. The other directions are those of
the narrow resonance.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxnu.channels import logarithms
from jaxnu.transport import coupled, coupled_cell, exchange, layout
from jaxnu.transport.block import Setting, both_edges
from jaxnu.transport.coupled import CoupledState, Given, Moments
from jaxnu.transport.coupled_block import CoupledBlock, CoupledRows
from jaxnu.transport.coupled_cell import Content, Feeding
from jaxnu.transport.exchange import Depths, Exchange
from jaxnu.transport.layout import Nodes, diagonals
from jaxnu.transport.march import PowerWeights, kernel_sum
from jaxnu.transport.response import Absorber, with_even
from jaxnu.transport.response_tangents import Motion, along, depth_slopes, moving, shape_slopes, with_lightest
from jaxnu.transport.spread import Spread, peaks, series, spread, sums
from jaxnu.transport.staging import pushed, staged
from jaxnu.universe import Universe

COUPLED_DIRECTIONS = ("ln m_Z′ at fixed E/m_Z′²", "ln g′", "lightest mass", "index")
"""In which derivatives are carried."""

# Powers of m_Z′ and g′ in the depth of the resonance, at fixed E/m_Z′², and in that of exchange.
_NARROW, _EXCHANGE = np.array([-2.0, 2.0], np.float32), np.array([-2.0, 4.0], np.float32)


class CoupledMotion(NamedTuple):
    """What moves: `Motion`, and in the first three directions, on a leading axis, `Exchange` and P_i."""

    resonance: Motion
    exchange: Exchange
    into: Float[Array, "direction=3 mass=3"]


def coupled_motion(universe: Universe, resonance: Motion, one_plus_z, setting_of) -> CoupledMotion:
    """How `setting_of` a universe moves."""
    leaves = universe.mediator.mass, universe.mediator.coupling, universe.neutrinos.lightest

    def at(*values):
        moved = eqx.tree_at(
            lambda u: (u.mediator.mass, u.mediator.coupling, u.neutrinos.lightest), universe, list(values)
        )
        setting = setting_of(moved, one_plus_z)
        return setting.exchange, setting.into.astype(layout.PRECISION)

    ways = jnp.diag(jnp.stack([leaves[0], leaves[1], jnp.ones_like(leaves[2])]))
    around, into = jax.vmap(lambda way: jax.jvp(at, leaves, tuple(way))[1])(ways)
    nothing = jax.tree.map(lambda _: None, around.mediator)
    mediator = eqx.tree_at(
        lambda m: (m.mass, m.coupling),
        nothing,
        (around.mediator.mass, around.mediator.coupling),
        is_leaf=lambda x: x is None,
    )
    names = ("edge_mass", "spread", "width", "mass", "depth", "exchange_depth")
    fields = {name: getattr(around, name) for name in names}
    return CoupledMotion(resonance, moving(Exchange, mediator=mediator, **fields), into)


def _third(part):
    """Along the third of three directions only."""
    return jnp.concatenate([jnp.zeros_like(part)[None]] * 2 + [part[None]])


def _of_third(part: Any) -> Any:
    return jax.tree.map(_third, part)


class CellSlopes(NamedTuple):
    """The derivatives of what the march needs of a cell, on a leading axis but for `spread`, by the lightest mass."""

    contents: Content
    feeding: Feeding
    spread: Spread
    interference: Float[Array, "direction=3 target=3 *s"]
    emitted: Float[Array, "mass=3 *s"]
    """By the index."""


def cell_slopes(
    setting: Setting, motion: CoupledMotion, step: Int[Array, ""], nodes: Nodes, block: CoupledBlock
) -> CellSlopes:
    """Stage by stage, as in `coupled_block`."""
    run, push, push_all = (partial(f, step) for f in (staged, pushed, partial(pushed, many=True)))
    around, ways, shells = setting.exchange, motion.exchange, setting.nearness.shape[0] - 1
    assert around is not None
    alone = jax.tree.map(lambda part: part[2], ways._replace(mediator=None))
    edges = diagonals(motion.resonance.epsilon, layout.ROWS + 1, shells + 1)[None].astype(layout.PRECISION)
    epsilon = diagonals(motion.resonance.epsilon[1:], layout.ROWS, shells)[None].astype(layout.PRECISION)

    def rates(mass, epsilon):
        return exchange.rates(mass, epsilon, logarithms(mass / epsilon))

    still = jax.tree.map(lambda _: None, around.mediator)
    only_depth = moving(Exchange, mediator=still, exchange_depth=ways.exchange_depth)
    places = moving(Exchange, mediator=still, edge_mass=ways.edge_mass, spread=ways.spread, width=ways.width)
    places = push_all(exchange.poles, (around, block.edges), (places, _third(edges)))
    strength = moving(Exchange, mediator=ways.mediator, mass=ways.mass)
    strength = push_all(exchange.pairs, (around, block.epsilon), (strength, _third(epsilon)))
    line = push_all(
        exchange.wings,
        (around, *both_edges(block.poles), block.pairs),
        (moving(Exchange, mediator=still, depth=ways.depth, width=ways.width), *both_edges(places), strength),
    )
    found = push(rates, (around.mass, block.epsilon), (alone.mass, epsilon))
    smooth = push_all(exchange.depths, (around, block.rates, block.wings), (only_depth, _of_third(found), line))

    narrow = run(_narrow, block.lines.absorber, with_lightest(setting, motion.resonance, step, nodes, block.lines))
    absorbers = push_all(with_even, (block.lines.absorber, block.depths.even), (narrow, smooth.even))
    by_depth, by_share = depth_slopes(step, block.absorber, block.responses)
    others = shape_slopes(step, block.absorber, block.responses, absorbers, by_share, many=True)
    responses = run(jax.vmap(along, (None, 0, None, 0)), block.absorber, absorbers, by_depth, others)
    shares = jnp.broadcast_to(motion.resonance.shares, (2, layout.ROWS, shells))
    emitted = setting.fractions.astype(layout.PRECISION)[None, :, None, None] * shares[:, None]
    start = block.responses.response, block.absorber.depth, block.depths, block.emitted
    depths = moving(Depths, even=smooth.even, not_resonant=smooth.not_resonant)
    contents = push_all(coupled_cell.content, start, (responses, absorbers.depth, depths, None))
    by_index = push(coupled_cell.content, start, (*jax.tree.map(lambda _: None, start[:3]), emitted))
    contents = run(_joined, contents, by_index)

    only_depth = moving(Exchange, mediator=still, exchange_depth=alone.exchange_depth)
    powers = push(series, (around, block.rates), (only_depth, found))
    by_sums = run(sums, powers)
    ends = push(peaks, (around, block.rates, block.sums), (only_depth, found, by_sums))
    daughters = push(spread, (around, block.rates, block.base, block.peaks), (only_depth, found, powers, ends))
    own = diagonals(motion.resonance.weights.own, layout.ROWS + 1, shells)[:, :, 1:]
    own_sums = run(
        _directions,
        block.own_sums,
        push(coupled_cell.own_sums, (block.cell.spread, block.own), (daughters, own[0])),
        push(coupled_cell.own_sums, (block.cell.spread, block.own), (moving(Spread), own[1])),
    )
    into, interference = setting.into.astype(layout.PRECISION), -2 * line.real
    none = jnp.zeros_like(interference[:1])
    into_moves = jnp.concatenate([motion.into, jnp.zeros_like(motion.into[:1])])
    feeds = push_all(
        partial(coupled_cell.own_feeding, around),
        (into, block.own_sums, block.cell.interference),
        (into_moves, own_sums, jnp.concatenate([interference, none])),
    )
    kernel = jnp.stack([kernel_sum(part[1:4]) for part in own])
    by_line = into_moves[:, :, None, None] * kernel_sum(block.own[1:4])[None, None]
    by_line = by_line + jnp.concatenate([jnp.zeros_like(by_line[:2]), into[None, :, None, None] * kernel[:, None]])
    start = block.own_feeding, block.by_line, block.contents
    feeding = push_all(coupled_cell.feeding, start, (feeds, by_line, contents))
    return CellSlopes(contents, feeding, daughters, interference, emitted[0])


def _narrow(absorbers: Absorber, by_lightest: Absorber) -> Absorber:
    """Of the resonance's absorbers, in three directions: m_Z′ and g′ change depths alone."""
    slopes = jax.tree.map(_third, by_lightest)
    depth = jnp.concatenate([_NARROW.reshape(2, 1, 1, 1) * absorbers.depth[None], by_lightest.depth[None]])
    return slopes._replace(depth=depth)


def _joined(three: Any, fourth: Any) -> Any:
    return jax.tree.map(lambda all_, one: jnp.concatenate([all_, one[None]]), three, fourth)


def _directions(value: Any, by_lightest: Any, by_index: Any) -> Any:
    """In four directions, of what is proportional to the depth of exchange."""

    def each(value, *others):
        scaled = _EXCHANGE.reshape(2, *[1] * value.ndim) * value[None]
        return jnp.concatenate([scaled, *(other[None] for other in others)])

    return jax.tree.map(each, value, by_lightest, by_index)


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
    setting: Setting, motion: CoupledMotion, step: Int[Array, ""], nodes: Nodes, block: CoupledBlock, slopes, rows
) -> Drives:
    """After a block of rows that has been solved."""
    run, push, push_all = (partial(f, step) for f in (staged, pushed, partial(pushed, many=True)))
    around, cell, shells = setting.exchange, block.cell, setting.nearness.shape[0] - 1
    assert around is not None
    met = run(_stacked, rows)
    above, own = run(partial(_known, around), cell.spread, slopes, motion.into[:2], met)
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
    moves = PowerWeights(*(diagonals(part, layout.ROWS + 1, shells)[:, :, 1:] for part in motion.resonance.weights))
    moments = run(_moments, weights, moves, met, given, added, spreads)
    return Drives(above, own, content, resonant, gained, gives, moments)


def _stacked(rows: list[CoupledRows]) -> CoupledRows:
    """Rows side by side, as arrays of cells."""
    return jax.tree.map(lambda *parts: jnp.stack(parts, axis=-2), *rows)


def _known(around: Exchange, spread: Spread, slopes: CellSlopes, into_moves, met: CoupledRows):
    """What changes in what is fed, from above and by the cell itself, at fixed states."""
    parts = met.moments
    above = coupled.struck_by_above(around, spread, parts.struck, parts.squares)
    moved = coupled.struck_by_above(around, slopes.spread, parts.struck, parts.squares)
    shared = exchange.total(list(parts.shared))[None]
    by_mass, by_coupling = (
        float(power) * above + way[:, None, None] * shared for power, way in zip(_EXCHANGE, into_moves, strict=True)
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
    powers = [float(power) * added.powers for power in _EXCHANGE]
    shared = [float(power) * (added.shared - line) for power in _EXCHANGE]

    def beside(weights, like):
        weights = weights[..., : like.shape[0], :, :]
        return weights.reshape(*weights.shape[:-2], *[1] * (like.ndim - 3), *weights.shape[-2:])

    def by_weights(moments, added):
        moved = [beside(moves.decay[k], moments) * moments + beside(moves.gain[k], moments) * added for k in range(2)]
        none = jnp.zeros_like(moved[0])
        return jnp.stack([none, none, *moved])

    def spread(two, third):
        return beside(weights.gain, third)[None] * jnp.stack([*two, third, jnp.zeros_like(third)])

    by_move = jax.tree.map(by_weights, met.moments, added)
    return by_move._replace(
        powers=by_move.powers + spread(powers, spreads.powers), shared=by_move.shared + spread(shared, spreads.shared)
    )


def coupled_slopes(
    setting: Setting,
    motion: CoupledMotion,
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
    slopes = cell_slopes(setting, motion, step, nodes, block)
    driven = drives(setting, motion, step, nodes, block, slopes, rows)

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
