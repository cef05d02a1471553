"""The march: one node in every shell at a time, with what a cell absorbs and feeds to itself solved exactly.

A cell is fed with f + k A: f = Σ_m k_m M_m, k_m = 3 (1, −2, 2), comes from the nodes above, M_m = ∫dE′/E′ x^m
Σ_k(absorbed), and k A from the cell itself, A = (total, tilt) being what all states absorb in it. State i is emitted as
P_i (f + k A) + φ_i (share of the sources), and absorbed as the shell's response says. So A = a + D f + k D A with a 2 ×
2 matrix D, and A = (1 − k D)⁻¹ (a + D f). From one node to the next the moments decay and gain what the two nodes at
the ends of the cell absorbed, and a little of the one before (`cell_weights`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.transport.response import ShellResponse

KERNEL = (3.0, -6.0, 6.0)
"""k_m of E₀ F = Σ_m k_m x^{m+1}, x = E₀/E′ (vector mediator)."""


class Weights(NamedTuple):
    """On the way to the next node: M ← decay M + gain A + bend A⁺, A⁺ of the node above; and k = `own` of this one."""

    own: Float[Array, "*s"]
    decay: Float[Array, "moment=3 *s"]
    gain: Float[Array, "moment=3 *s"]
    bend: Float[Array, "moment=3 *s"]


class PowerWeights(NamedTuple):
    """The same for many moments and straight lines between nodes: M ← decay M + gain P, and the weight of the node."""

    own: Float[Array, "moment *s"]
    decay: Float[Array, "moment *s"]
    gain: Float[Array, "moment *s"]


class State(NamedTuple):
    """What the march carries, per shell; pairs are (total, tilt)."""

    leaving: Float[Array, "mass=3 edge"]
    """Neutrinos that leave each shell, and last those that enter the farthest."""
    moments: Float[Array, "moment=3 pair=2 shell"]
    fed: Float[Array, "pair=2 shell"]
    """f = Σ_m k_m M_m."""
    above: Float[Array, "pair=2 shell"]
    """A of the last node."""


def kernel_sum(parts: Float[Array, "moment=3 *s"]) -> Float[Array, "*s"]:
    """Σ_m k_m parts_m."""
    return KERNEL[0] * parts[0] + KERNEL[1] * parts[1] + KERNEL[2] * parts[2]


def _total(parts):
    """The sum over the first axis, written out: a reduction would not be fused."""
    return sum(parts[1:], start=parts[0])


def feedback(
    response: ShellResponse, into: Float[Array, "mass=3 1 1"], own: Float[Array, "*s"]
) -> tuple[Float[Array, "four=4 *s"], Float[Array, "four=4 *s"]]:
    """D, what a cell absorbs (rows: total, tilt) of what all states are fed (columns), and (1 − k D)⁻¹, k = `own`."""
    d00, d01 = _total(into * response.even_lost), -_total(into * response.tilted_escape)
    d10, d11 = _total(into * response.even_tilt), _total(into * response.tilted_tilt)
    x00, x01, x10, x11 = own * d00, own * d01, own * d10, own * d11
    scale = 1 / ((1 - x00) * (1 - x11) - x01 * x10)
    return jnp.stack([d00, d01, d10, d11]), jnp.stack([scale * (1 - x11), scale * x01, scale * x10, scale * (1 - x00)])


class Cell(NamedTuple):
    """What a step needs of a cell: what is lost, and A = Σ_i absorbs_i · entering_i + absorbs_fed · f + …"""

    lost: Float[Array, "mass=3 *s"]
    even_lost: Float[Array, "mass=3 *s"]
    tilted_escape: Float[Array, "mass=3 *s"]
    absorbs: Float[Array, "pair=2 mass=3 *s"]
    absorbs_fed: Float[Array, "pair=2 pair=2 *s"]


class Drive(NamedTuple):
    """What drives the linear step: what is added to A (pair=2) and f (pair=2), to what leaves (mass=3), and to M."""

    absorbed: Any
    fed: Any = None
    gained: Any = None
    moments: Any = None


def prepare(
    response: ShellResponse,
    matrix: Float[Array, "four=4 *s"],
    inverse: Float[Array, "four=4 *s"],
    into: Float[Array, "mass=3 1 1"],
) -> Cell:
    """The local solution of each cell for P_i = `into`."""
    d00, d01, d10, d11 = matrix
    rows = (inverse[0], inverse[1]), (inverse[2], inverse[3])
    return Cell(
        response.lost,
        into * response.even_lost,
        into * response.tilted_escape,
        jnp.stack([total[None] * response.lost + tilt[None] * response.entering_tilt for total, tilt in rows]),
        jnp.stack([jnp.stack([total * d00 + tilt * d10, total * d01 + tilt * d11]) for total, tilt in rows]),
    )


def source_drive(
    response: ShellResponse,
    inverse: Float[Array, "four=4 *s"],
    fractions: Float[Array, "mass=3 1 1"],
    share: Float[Array, "pair=2 ..."],
) -> Drive:
    """What is absorbed of the sources, φ_i = `fractions` of the `share` and its tilt, and lost, as a negative gain."""
    even, tilted = share[0][None], share[1][None]
    lost = fractions * (even * response.even_lost - tilted * response.tilted_escape)
    tilt = _total(fractions * (even * response.even_tilt + tilted * response.tilted_tilt))
    total = _total(lost)
    i00, i01, i10, i11 = inverse
    return Drive(jnp.stack([i00 * total + i01 * tilt, i10 * total + i11 * tilt]), None, -lost, None)


def absorb(
    state: State, cell: Cell, drive: Drive, weights: Weights
) -> tuple[Float[Array, "pair=2 shell"], Float[Array, "pair=2 shell"]]:
    """What the next node in every shell absorbs, A, and is fed, f + k A."""
    entering, fed = state.leaving[:, 1:], state.fed if drive.fed is None else state.fed + drive.fed
    absorbed = drive.absorbed + jnp.stack(
        [_total(entering * each) + _total(fed * by_fed) for each, by_fed in zip(*cell[3:], strict=True)]
    )
    return absorbed, fed + weights.own[None] * absorbed


def advance(
    state: State,
    absorbed: Float[Array, "pair=2 shell"],
    emission: Float[Array, "pair=2 shell"],
    cell: Cell,
    drive: Drive,
    weights: Weights,
    into: Float[Array, "mass=3 1"],
) -> State:
    """The state after that node."""
    entering = state.leaving[:, 1:]
    regenerated = (into - cell.even_lost) * emission[:1] + cell.tilted_escape * emission[1:]
    leaving = entering - entering * cell.lost + drive.gained + regenerated
    moments = (
        weights.decay[:, None] * state.moments
        + weights.gain[:, None] * absorbed[None]
        + weights.bend[:, None] * state.above[None]
    )
    moments = moments if drive.moments is None else moments + drive.moments
    leaving = jnp.concatenate([leaving, state.leaving[:, -1:]], axis=1)
    return State(leaving, moments, kernel_sum(moments), absorbed)
