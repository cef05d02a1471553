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


# Clusters of nodes, tuned against the brute-force solver of the tests: the share of all nodes that they take, the half-width of
# their dense core and their reach above and below the resonance, in ln E. The core and the reach above follow the thermal width T₀/m of
# the line; below lies the dip, as far as sources are seen.
_SHARE = 0.6
_CORE = (0.01, 5.0)
_ABOVE = (0.05, 20.0)
_BELOW = 2.0


class Resolution(eqx.Module):
    """How finely to solve: numbers of energy `nodes` and redshift `shells`, and the energies covered (GeV).

    Static and hashable: another resolution is another compilation. Raises ValueError for fewer than 40 nodes or 4 shells and
    for an empty range of energies.
    """

    nodes: int = eqx.field(static=True, default=320)
    shells: int = eqx.field(static=True, default=64)
    lowest: float = eqx.field(static=True, default=1e3)
    highest: float = eqx.field(static=True, default=1e9)

    def __check_init__(self) -> None:
        if self.nodes < 40:
            raise ValueError(f"nodes must be at least 40, got {self.nodes}")
        if self.shells < 4:
            raise ValueError(f"shells must be at least 4, got {self.shells}")
        if not 0 < self.lowest < self.highest:
            raise ValueError(f"energies must satisfy 0 < lowest < highest (GeV), got {self.lowest} and {self.highest}")


def resonance_log_energy(universe: Universe) -> Float[Array, "target=3"]:
    """ln(E/GeV) today at which each target is on resonance: E = m_Z′²/2√(m_j² + (3T₀)²), its typical energy if light."""
    energy = jnp.sqrt(universe.neutrinos.masses**2 + (3 * temperature_today(universe.relics)) ** 2)
    return 2 * jnp.log(universe.mediator.mass) - jnp.log(energy) + float(np.log(MEV**2 / (2 * GEV)))


def log_energy_nodes(universe: Universe, resolution: Resolution) -> Float[Array, "node"]:
    """Nodes in ln(E/GeV), ascending: a uniform base and sinh-spaced clusters, both of which move with the resonances.

    A dip has a sharp upper edge at E = m_Z′²/2m_j. On fixed nodes the edge jumps from node to node and autodiff
    differentiates the staircase; nodes that move with it make the flux in fixed bins smooth in m_Z′ and m_j. The base is
    anchored to the heaviest target, one cluster sits at each target, and for one source redshift another at E/(1+z).
    Nodes outside the range collapse on its ends.
    """
    low, high = float(np.log(resolution.lowest)), float(np.log(resolution.highest))
    centre = resonance_log_energy(universe)
    temperature = temperature_today(universe.relics)
    thermal = temperature / jnp.sqrt(universe.neutrinos.masses**2 + (3 * temperature) ** 2)
    width = _CORE[0] + _CORE[1] * thermal
    above = _ABOVE[0] + _ABOVE[1] * thermal
    evolution = universe.source.evolution
    if isinstance(evolution, SingleRedshift):
        centre = jnp.concatenate([centre, centre - jnp.log1p(evolution.z)])
        width = jnp.concatenate([width, width * (1 + evolution.z)])
        above = jnp.concatenate([above, above * (1 + evolution.z)])
    per_cluster = int(resolution.nodes * _SHARE) // centre.size
    base_count = resolution.nodes - per_cluster * centre.size
    step = (high - low) / (base_count - 2)
    anchor = jnp.min(centre[:3])
    offset = jnp.mod((anchor - low) / step, 1.0)
    base = low + step * (jnp.asarray(np.arange(base_count - 1), dtype=anchor.dtype) + offset)
    ramp = jnp.asarray(np.linspace(0, 1, per_cluster), dtype=anchor.dtype)[None, :]
    start, stop = (jnp.arcsinh(span / width)[:, None] for span in (_BELOW, above))
    clusters = centre[:, None] + width[:, None] * jnp.sinh(ramp * (start + stop) - start)
    floor = jnp.full((1,), low, dtype=anchor.dtype)
    return jnp.sort(jnp.clip(jnp.concatenate([floor, base, clusters.ravel()]), low, high))


def shell_edges(universe: Universe, resolution: Resolution) -> Float[Array, "edge"]:
    """Edges of the shells in 1 + z from 1 to 1 + z_max, uniform in 1/(1+z), in which a line has the constant width T₀/m."""
    far = universe.source.evolution.z_max
    ramp = jnp.asarray(np.linspace(0, 1, resolution.shells + 1), dtype=far.dtype)
    return (1 + far) / (1 + far * (1 - ramp))
