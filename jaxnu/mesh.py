"""Where the equations are solved: energy nodes that move with the resonances, and redshift shells."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.constants import GEV, MEV
from jaxnu.evolutions import SingleRedshift
from jaxnu.relics import temperature_today
from jaxnu.universe import Universe

# Shares of the nodes: evenly spaced at low and at high energies, in the dip below the lowest resonance, in the wing of
# the highest one; and of those between two resonances, in the wing of the lower one.
_LOW, _DIP, _WING, _HIGH, _LOWER_WING = 0.1, 0.18, 0.11, 0.11, 0.33
# Spacing grows from a core of this half-width in ln E (a floor, and a multiple of the thermal width T₀/m of the line).
_CORE = (0.01, 4.0)
# How far above a resonance its wing reaches, likewise; and its dip below.
_ABOVE = (0.05, 20.0)
_BELOW = 2.0


class Resolution(eqx.Module):
    """How finely to solve: numbers of energy `nodes` and redshift `shells`, and the energies covered (GeV).

    A source at one redshift gets half as many nodes again, for its second set of edges. Static and hashable: another
    resolution is another compilation. Raises ValueError for fewer than 40 nodes or 4
    shells and for an empty range of energies.
    """

    nodes: int = eqx.field(static=True, default=320)
    shells: int = eqx.field(static=True, default=64)
    lowest: float = eqx.field(static=True, default=1e3)
    highest: float = eqx.field(static=True, default=1e10)

    def __check_init__(self) -> None:
        if self.nodes < 40:
            raise ValueError(f"nodes must be at least 40, got {self.nodes}")
        if self.shells < 4:
            raise ValueError(f"shells must be at least 4, got {self.shells}")
        if not 0 < self.lowest < self.highest:
            raise ValueError(f"energies must satisfy 0 < lowest < highest (GeV), got {self.lowest} and {self.highest}")


def resonance_log_energy(universe: Universe) -> Float[Array, "target=3"]:
    """ln(E/GeV) today at which each target is on resonance: E = m_Z′²/2√(m_j² + (3T₀)²), 3T₀ for light ones."""
    energy = jnp.sqrt(universe.neutrinos.masses**2 + (3 * temperature_today(universe.relics)) ** 2)
    return 2 * jnp.log(universe.mediator.mass) - jnp.log(energy) + float(np.log(MEV**2 / (2 * GEV)))


def log_energy_nodes(universe: Universe, resolution: Resolution) -> Float[Array, "node"]:
    """Nodes in ln(E/GeV), ascending, from resonance to resonance, on each of which lies a node.

    A dip has a sharp upper edge at E = m_Z′²/2m_j. On fixed nodes the edge jumps from node to node and autodiff
    differentiates the staircase; nodes that move with it make the flux in fixed bins smooth in m_Z′ and m_j. A fixed
    number of nodes lies between neighbouring resonances (those of a single source redshift count at E/(1+z), too),
    spaced by sinh away from them. Resonances outside the range collapse on its ends.
    """
    low, high = float(np.log(resolution.lowest)), float(np.log(resolution.highest))
    edge = resonance_log_energy(universe)
    temperature = temperature_today(universe.relics)
    thermal = temperature / jnp.sqrt(universe.neutrinos.masses**2 + (3 * temperature) ** 2)
    evolution = universe.source.evolution
    if isinstance(evolution, SingleRedshift):
        edge = jnp.concatenate([edge, edge - jnp.log1p(evolution.z)])
        thermal = jnp.concatenate([thermal, thermal * (1 + evolution.z)])
    order = jnp.argsort(edge)
    edge, thermal = jnp.clip(edge[order], low, high), thermal[order]
    core, above = _CORE[0] + _CORE[1] * thermal, _ABOVE[0] + _ABOVE[1] * thermal

    def even(length, count):
        """`count` steps of the same size, to the end of `length`."""
        return length * jnp.asarray(np.arange(1, count + 1) / count, dtype=length.dtype)

    def away(start, reach, width, count):
        """`count` nodes from `start` (not included) to `start` + `reach`, ever farther apart."""
        ramp = jnp.asarray(np.arange(1, count + 1) / count, dtype=start.dtype)
        return start + jnp.sign(reach) * width * jnp.sinh(ramp * jnp.arcsinh(jnp.abs(reach) / width))

    # One redshift has twice as many edges.
    count = resolution.nodes * edge.size // 6 + resolution.nodes // 2
    in_low, in_dip, in_wing, in_high = (int(share * count) for share in (_LOW, _DIP, _WING, _HIGH))
    between = (count - in_low - in_dip - in_wing - in_high - edge.size) // (edge.size - 1)
    lower = int(_LOWER_WING * between)
    gap = jnp.diff(edge, prepend=low, append=high)
    reach = gap[1:] * above / (above + gap[1:])
    dip = gap[0] * _BELOW / (_BELOW + gap[0])
    parts = [edge[0] - dip - even(gap[0] - dip, in_low), away(edge[0], -dip, core[0], in_dip), edge]
    for i in range(edge.size - 1):
        parts.append(away(edge[i], reach[i], core[i], lower))
        parts.append(away(edge[i + 1], reach[i] - gap[i + 1], core[i + 1], between - lower)[:-1])
    parts += [away(edge[-1], reach[-1], core[-1], in_wing), edge[-1] + reach[-1] + even(gap[-1] - reach[-1], in_high)]
    return jnp.sort(jnp.concatenate(parts))


def shell_edges(universe: Universe, resolution: Resolution) -> Float[Array, "edge"]:
    """Edges of the shells in 1 + z from 1 to 1 + z_max, uniform in 1/(1+z), where a line's width is T₀/m."""
    far = universe.source.evolution.z_max
    ramp = jnp.asarray(np.linspace(0, 1, resolution.shells + 1), dtype=far.dtype)
    return (1 + far) / (1 + far * (1 - ramp))
