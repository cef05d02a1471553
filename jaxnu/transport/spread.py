"""How the daughters of all channels are spread over energies, in the cells of a block."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.transport.boson_pairs import boson_powers
from jaxnu.transport.exchange import Exchange, Rates, total
from jaxnu.transport.powers import POWERS, TERMS


class Spread(NamedTuple):
    """How daughters of one scattered neutrino are spread over the powers of x, times depths; A = 1/[1 + y(1 − x)].

    `forward` is that of Σ_j R_jj y(1 + x²)A², `base` that of yA: 2yA/(2 + y) is base · recoil, and yx²A is base/ρ²
    without p < 2. What keeps its energy is in `forward_local` and, for these two, `swapped_local` and
    `exchanged_local`. `bosons` is that of Z′Z′.
    """

    forward: Float[Array, "power row shell"]
    base: Float[Array, "power target=3 row shell"]
    bosons: Float[Array, "some=8 target=3 row shell"]
    forward_local: Float[Array, "row shell"]
    exchanged_local: Float[Array, "target=3 row shell"]
    swapped_local: Float[Array, "target=3 row shell"]
    inverse_rho_square: Float[Array, "target=3 row shell"]
    """1/ρ²"""
    recoil: Float[Array, "target=3 row shell"]
    """2/(2 + y)"""
    struck: Float[Array, "target=3 row shell"]
    """yB, B = 1/(1 + yx), at the daughter's y x, times depth."""
    struck_square: Float[Array, "target=3 row shell"]
    """yB², times depth."""


# What of the number and of the energy loss of `base`, without and with p < 2, and of its product with p + 1 and p − 1
# the powers give.
_NUMBER = np.where(POWERS >= 0, 1 / np.maximum(POWERS + 1, 1.0), 0.0)
_LOSS = _NUMBER / (POWERS + 2 + (POWERS < 0))
_HIGH = np.maximum(POWERS - 1, 0.0)
_SUMS = np.stack(
    [
        _NUMBER,
        _NUMBER * (POWERS >= 2),
        _LOSS,
        _NUMBER * (POWERS + 1),
        _NUMBER * _HIGH,
        _LOSS * (POWERS + 1),
        _LOSS * _HIGH,
    ]
)


def series(exchange: Exchange, rates: Rates) -> Float[Array, "power target=3 row shell"]:
    """The base of `Spread`."""
    powers, terms = (jnp.asarray(x, dtype=rates.y.dtype).reshape(-1, 1, 1, 1) for x in (POWERS, TERMS))
    unit = exchange.exchange_depth
    return (terms * unit[None]) * jnp.exp((powers + 1) * rates.log_rho[None])


def sums(base: Float[Array, "power target=3 row shell"]) -> Float[Array, "sum=7 target=3 row shell"]:
    """`_SUMS` over powers."""
    return jnp.tensordot(jnp.asarray(_SUMS, dtype=base.dtype), base, 1)


class Peaks(NamedTuple):
    """What powers miss of the forward peak: in the highest power, and of what keeps its energy."""

    forward: Float[Array, "row shell"]
    base: Float[Array, "target=3 row shell"]
    forward_local: Float[Array, "row shell"]
    exchanged_local: Float[Array, "target=3 row shell"]
    swapped_local: Float[Array, "target=3 row shell"]


def peaks(exchange: Exchange, rates: Rates, sums: Float[Array, "sum=7 target=3 row shell"]) -> Peaks:
    """So that number and, where the peak is narrower than all powers, energy are kept."""
    unit = exchange.exchange_depth
    f_t, f_i, f_n, f_tu = rates.exchanged
    charge, rest, inverse = exchange.charge[:, None, None], 1 / (1 + rates.y), 1 / f_n**2
    number, high_number, loss, forward_number, more_number, forward_loss, more_loss = sums
    last = float(POWERS[-1])
    peaked = (last + 1) * (last + 2) * jnp.clip((rates.y - 20) / (rates.y + 80), 0.0, 1.0)
    missing = peaked * (unit * rates.loss - rest * (forward_loss + inverse * more_loss))
    simple = peaked * (unit * rates.simple_loss - loss)
    local = unit * (f_t + f_n) - rest * (forward_number + inverse * more_number) - missing / (last + 1)
    return Peaks(
        total(list(charge * missing)),
        simple,
        total(list(charge * local)),
        unit * f_i - (high_number + simple / (last + 1)) * inverse,
        unit * f_tu - (number + simple / (last + 1)) * (2 / (2 + rates.y)),
    )


def spread(exchange: Exchange, rates: Rates, base, peaks: Peaks) -> Spread:
    """In the cells of a block."""
    powers = jnp.asarray(POWERS, dtype=base.dtype)[:, None, None]
    unit = exchange.exchange_depth
    inverse = 1 / rates.exchanged.f_n**2
    weight = exchange.charge[:, None, None] / (1 + rates.y)
    more, above = weight * inverse, jnp.maximum(powers - 1, 0.0)
    is_last = jnp.asarray(np.arange(POWERS.size) == POWERS.size - 1, dtype=base.dtype)[:, None, None]
    return Spread(
        is_last * peaks.forward[None]
        + total([base[:, j] * (weight[j][None] * (powers + 1) + more[j][None] * above) for j in range(3)]),
        base + is_last[:, None] * peaks.base[None],
        unit[None] * boson_powers(rates.y, rates.f_zz),
        peaks.forward_local,
        peaks.exchanged_local,
        peaks.swapped_local,
        inverse,
        2 / (2 + rates.y),
        unit * rates.y / (1 + rates.y),
        unit * rates.y / (1 + rates.y) ** 2,
    )
