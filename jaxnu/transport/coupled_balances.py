"""Conservation laws with all channels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.mediators import neutrino_branching
from jaxnu.transport.boson_pairs import USED
from jaxnu.transport.coupled import CoupledState, Tally
from jaxnu.transport.powers import POWERS
from jaxnu.transport.prelude import Prelude
from jaxnu.transport.solution import imbalances
from jaxnu.universe import Universe


def coupled_balances(
    universe: Universe, before: Prelude, tally: Tally, state: CoupledState
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Energy and number that leave the mesh, at Earth or below its lowest node, against what entered."""
    r = neutrino_branching(universe.mediator)
    kept = r * tally.resonant + tally.pairs + r * tally.bosons
    made = 2 * r * tally.resonant + 2 * tally.pairs + 4 * r * tally.bosons
    below = _below(before, state)
    entered = jnp.sum(before.setting.fractions)
    return imbalances(before.log_energy, before.log_free, tally.lost, tally.fed, kept, made, entered, *below)


def _below(before: Prelude, state: CoupledState) -> tuple[Array, Array]:
    """Energy and number per E₀ of what the moments give to energies below the lowest node, E₀.

    The soft end of Z′Z′, which goes as 1/E, counts as energy only.
    """
    exchange, dtype = before.setting.exchange, before.log_energy.dtype
    assert exchange is not None
    moments = jax.tree.map(lambda x: x.astype(dtype), state.moments)
    powers = jnp.sum(moments.powers, axis=(1, 2))
    powers = powers.at[:USED].add(jnp.sum(before.setting.into) * jnp.sum(moments.shared, axis=1))
    energy = jnp.sum(powers / jnp.asarray(POWERS + 2, dtype=dtype))
    number = jnp.sum(powers[1:] / jnp.asarray(POWERS[1:] + 1, dtype=dtype))
    # What strikes relics is no sum of powers: by quadrature over u = E/E₀, dense at small ones.
    nodes, weights = np.polynomial.legendre.leggauss(24)
    u = jnp.asarray(((nodes + 1) / 2) ** 4, dtype=dtype)[:, None, None]
    w = jnp.asarray(2 * weights * ((nodes + 1) / 2) ** 3, dtype=dtype)
    y = (exchange.mass[:, 0].astype(dtype) / before.seen.epsilon[-1, -1])[None]
    unit = exchange.exchange_depth[:, 0].astype(dtype)
    b = 1 / (1 + u * y)
    struck = jnp.sum(moments.struck, axis=1)[:, None]
    squares = moments.squares[:, None, None]
    flavours = jnp.sum(exchange.lose_s, axis=0)[None, :, None].astype(dtype)
    density = b * (struck[0] - 2 * u * struck[1] + u**2 * struck[2])
    density = density + b**2 * flavours * (2 * squares[0] - 2 * u * squares[1] + u**2 * squares[2])
    density = jnp.sum(unit[None] * y * density, axis=(1, 2))
    return energy + jnp.sum(w * u[:, 0, 0] * density), number + jnp.sum(w * density)
