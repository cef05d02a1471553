"""Which cells are solved together: a wavefront that runs through all shells, each one node behind the next.

A cell is a node in a shell, nodes counted from the highest energy, shells from z = 0. It needs the neutrinos that leave
the shell behind it at the same node, and what the same shell absorbed at higher nodes. So all cells with node + (shells
− 1 − shell) = row are independent: row after row, each shell works on its next node. Rows come in blocks; all that does
not depend on other cells is computed for a block at once, stage by stage. In this layout the far edge of a cell is the
near edge of the cell above it in the next column, so that each edge is computed once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.transport.march import Weights

ROWS = 8
"""Rows in a block: as many as keep its arrays in a CPU's cache."""

PRECISION = np.float32
"""Of what cells do with one neutrino. That is small where it is weak, so that a single rounding does not show."""


class Nodes(NamedTuple):
    """What nodes bring along, from the highest energy: ln(E/GeV), ln of the free flux, ε₀ and the march's weights."""

    log_energy: Float[Array, "*s node"]
    log_free: Float[Array, "*s node"]
    epsilon: Float[Array, "*s node"]
    weights: Any
    """`Weights` or `PowerWeights`"""


def windows(nodes: Nodes, shells: int, last: float = 1.0) -> Nodes:
    """The nodes that each block of rows sees, (block, rows + 1 + shells): see `diagonals`.

    Before the first node nothing is carried on. After the last one the moments stay as they are.
    """
    count = nodes.epsilon.shape[0]
    blocks = -(-(count + shells - 1) // ROWS)
    length = ROWS + 1 + shells
    # Whole rows of blocks side by side, instead of an index that XLA looks up number by number.
    pieces = -(-length // ROWS)
    missing = (blocks + pieces - 1) * ROWS - shells - count

    def seen(values, before, after):
        padding = [(0, 0)] * (values.ndim - 1)
        for width, kind in (((shells, 0), before), ((0, missing), after)):
            mode = {"mode": "edge"} if kind == "edge" else {"constant_values": kind}
            values = jnp.pad(values, [*padding, width], **mode)
        rows = values.reshape(*values.shape[:-1], -1, ROWS)
        window = jnp.concatenate([rows[..., k : k + blocks, :] for k in range(pieces)], axis=-1)
        return jnp.moveaxis(window[..., :length], -2, 0)

    weights = (seen(values, 0.0, after) for values, after in zip(nodes.weights, (0.0, last, 0.0, 0.0), strict=False))
    log_energy, log_free, epsilon = (seen(values, "edge", "edge") for values in nodes[:3])
    return Nodes(log_energy, log_free, epsilon, type(nodes.weights)(*weights))


def diagonals(window: Float[Array, "*s length"], rows: int, columns: int) -> Float[Array, "*s row column"]:
    """x[r, c] = window[r + c]."""
    return jnp.stack([window[..., row : row + columns] for row in range(rows)], axis=-2)


def per_cell(states: Float[Array, "mass=3"]) -> Float[Array, "mass=3 1 1"]:
    """One number per mass state, beside arrays of cells."""
    return states.astype(PRECISION)[:, None, None]


def row_of(row: int | Array, shells: int, cells: Any, weights: Weights) -> tuple[Any, Weights]:
    """Arrays of cells, and windows of weights, in one row of a block."""
    return of_row(row, cells), weights_of_row(row, shells, weights)


def of_row(row: int | Array, cells: Any) -> Any:
    """Arrays of cells in one row of a block."""
    return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, row, x.ndim - 2, keepdims=False), cells)


def weights_of_row(row: int | Array, shells: int, weights: Any) -> Any:
    """Windows of weights in one row of a block."""
    return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, row + 1, shells, x.ndim - 1), weights)
