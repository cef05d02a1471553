"""The march through a block of rows: all shells at once, each at its own node."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxnu.transport import layout
from jaxnu.transport.block import Block, Setting
from jaxnu.transport.layout import row_of
from jaxnu.transport.march import State, Weights, absorb, advance
from jaxnu.transport.staging import staged


class Rows(NamedTuple):
    """What the march met in a block, row by row: neutrinos that enter, A, f + k A, and M and A⁺ before each step."""

    entering: Float[Array, "mass=3 row shell"]
    absorbed: Float[Array, "pair=2 row shell"]
    emission: Float[Array, "pair=2 row shell"]
    moments: Float[Array, "moment=3 pair=2 row shell"]
    above: Float[Array, "pair=2 row shell"]


def march(
    setting: Setting, step: Int[Array, ""], state: State, block: Block, weights: Weights, unrolled: bool = True
) -> tuple[State, Float[Array, "row mass=3"], list[Rows]]:
    """The state after a block of rows, what arrives at z = 0 in each, and what the march met.

    The loop over rows is faster unrolled, but takes longer to compile.
    """
    shells, into, dtype = state.fed.shape[-1], setting.into[:, None], state.fed.dtype
    emitted = jnp.broadcast_to(block.emitted.astype(dtype), (3, layout.ROWS, shells))

    def advanced(row, state, cells, drives, emitted, weights):
        (cell, drive, emitted), weights = row_of(row, shells, (cells, drives, emitted), weights)
        cell, drive = jax.tree.map(lambda x: x.astype(dtype), (cell, drive))
        drive = drive._replace(gained=drive.gained + emitted)
        absorbed, emission = absorb(state, cell, drive, weights)
        return advance(state, absorbed, emission, cell, drive, weights, into), emission

    def one(before, row):
        state, emission = staged(step, advanced, row, before, block.cell, block.drive, emitted, weights)
        met = Rows(before.leaving[:, 1:], state.above, emission, before.moments, before.above)
        return state, (state.leaving[:, 0], met)

    if not unrolled:
        state, (arrivals, rows) = jax.lax.scan(one, state, jnp.arange(layout.ROWS))
        return state, arrivals, [jax.tree.map(lambda x, row=row: x[row], rows) for row in range(layout.ROWS)]
    arrivals, rows = [], []
    for row in range(layout.ROWS):
        state, (arrival, met) = one(state, row)
        arrivals.append(arrival)
        rows.append(met)
    return state, jnp.stack(arrivals), rows


def absorbed_and_fed(rows: list[Rows]) -> list[Float[Array, "two=2 shell"]]:
    """What all states absorb and are fed."""
    return [jnp.stack([row.absorbed[0], row.emission[0]]) for row in rows]


def node_sums(
    step: Int[Array, ""], sums: Float[Array, "kind length"], rows: list[Float[Array, "kind shell"]]
) -> tuple[Float[Array, "kind length"], Float[Array, "row kind"]]:
    """Sums over all shells of a node, for the nodes that leave in the rows of a block.

    `sums` are those so far of the nodes that the block sees, first those that leave; they come back for the next block.
    """

    def shifted(sums, rows):
        for number, row in enumerate(rows):
            sums = sums + jnp.pad(row.astype(sums.dtype), ((0, 0), (number, layout.ROWS - 1 - number)))
        return sums

    total = staged(step, shifted, sums, rows)
    return jnp.pad(total[:, layout.ROWS :], ((0, 0), (0, layout.ROWS))), total[:, : layout.ROWS].T
