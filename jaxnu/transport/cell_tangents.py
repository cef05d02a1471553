"""How cells change with all channels, in the directions of `COUPLED_DIRECTIONS`.

For a power law the ratio of each flux to the free one depends on E/m_Z′² and, at fixed E/m_Z′², on m_Z′ and g′: the
resonance by κ ~ g′²/m_Z′², exchange by κ g′², wings by κ N(y m_Z′²) and the width. The other directions are those of
the narrow resonance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxnu.channels import logarithms
from jaxnu.transport import coupled_cell, exchange, layout
from jaxnu.transport.block import Setting, both_edges
from jaxnu.transport.coupled_block import CoupledBlock
from jaxnu.transport.coupled_cell import Content, Feeding
from jaxnu.transport.exchange import Depths, Exchange
from jaxnu.transport.layout import Nodes, diagonals
from jaxnu.transport.march import kernel_sum
from jaxnu.transport.response import Absorber, with_even
from jaxnu.transport.response_tangents import Motion, along, depth_slopes, moving, shape_slopes, with_lightest
from jaxnu.transport.spread import Spread, peaks, series, spread, sums
from jaxnu.transport.staging import pushed, staged
from jaxnu.universe import Universe

COUPLED_DIRECTIONS = ("ln m_Z′ at fixed E/m_Z′²", "ln g′", "lightest mass", "index")
"""In which derivatives are carried."""

# Powers of m_Z′ and g′ in the depth of the resonance, at fixed E/m_Z′², and in that of exchange.
_NARROW_POWERS, EXCHANGE_POWERS = np.array([-2.0, 2.0], np.float32), np.array([-2.0, 4.0], np.float32)


class MediatorMotion(NamedTuple):
    """What moves besides `Motion`, in the first three directions on a leading axis: `Exchange` and P_i."""

    exchange: Exchange
    into: Float[Array, "direction=3 mass=3"]


def mediator_motion(universe: Universe, setting_at: Callable[[Universe], Setting]) -> MediatorMotion:
    """How the setting of a universe moves."""
    leaves = universe.mediator.mass, universe.mediator.coupling, universe.neutrinos.lightest

    def at(*values):
        moved = eqx.tree_at(
            lambda u: (u.mediator.mass, u.mediator.coupling, u.neutrinos.lightest), universe, list(values)
        )
        setting = setting_at(moved)
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
    return MediatorMotion(moving(Exchange, mediator=mediator, **fields), into)


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
    setting: Setting, motion: Motion, mediator: MediatorMotion, step: Int[Array, ""], nodes: Nodes, block: CoupledBlock
) -> CellSlopes:
    """The derivatives of the cells of a block, stage by stage as `coupled_block` makes them."""
    run, push, push_all = (partial(f, step) for f in (staged, pushed, partial(pushed, many=True)))
    around, ways, shells = setting.exchange, mediator.exchange, setting.nearness.shape[0] - 1
    assert around is not None
    alone = jax.tree.map(lambda part: part[2], ways._replace(mediator=None))
    edges = diagonals(motion.epsilon, layout.ROWS + 1, shells + 1)[None].astype(layout.PRECISION)
    epsilon = diagonals(motion.epsilon[1:], layout.ROWS, shells)[None].astype(layout.PRECISION)

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

    narrow = run(_narrow, block.lines.absorber, with_lightest(setting, motion, step, nodes, block.lines))
    absorbers = push_all(with_even, (block.lines.absorber, block.depths.even), (narrow, smooth.even))
    by_depth, by_share = depth_slopes(step, block.absorber, block.responses)
    others = shape_slopes(step, block.absorber, block.responses, absorbers, by_share, many=True)
    responses = run(jax.vmap(along, (None, 0, None, 0)), block.absorber, absorbers, by_depth, others)
    shares = jnp.broadcast_to(motion.shares, (2, layout.ROWS, shells))
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
    own = diagonals(motion.weights.own, layout.ROWS + 1, shells)[:, :, 1:]
    own_sums = run(
        _directions,
        block.own_sums,
        push(coupled_cell.own_sums, (block.cell.spread, block.own), (daughters, own[0])),
        push(coupled_cell.own_sums, (block.cell.spread, block.own), (moving(Spread), own[1])),
    )
    into, interference = setting.into.astype(layout.PRECISION), -2 * line.real
    none = jnp.zeros_like(interference[:1])
    into_moves = jnp.concatenate([mediator.into, jnp.zeros_like(mediator.into[:1])])
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
    depth = jnp.concatenate([_NARROW_POWERS.reshape(2, 1, 1, 1) * absorbers.depth[None], by_lightest.depth[None]])
    return slopes._replace(depth=depth)


def _joined(three: Any, fourth: Any) -> Any:
    return jax.tree.map(lambda all_, one: jnp.concatenate([all_, one[None]]), three, fourth)


def _directions(value: Any, by_lightest: Any, by_index: Any) -> Any:
    """In four directions, of what is proportional to the depth of exchange."""

    def each(value, *others):
        scaled = EXCHANGE_POWERS.reshape(2, *[1] * value.ndim) * value[None]
        return jnp.concatenate([scaled, *(other[None] for other in others)])

    return jax.tree.map(each, value, by_lightest, by_index)
