"""Where the equations are solved: energy nodes that move with the resonances, and redshift shells."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.constants import GEV, MEV
from jaxnu.evolutions import SingleRedshift
from jaxnu.neutrinos import charge_couplings
from jaxnu.relics import temperature_today
from jaxnu.transport import thermal
from jaxnu.transport.line import depth_scale, path_factor, reduced_energy, reduced_masses
from jaxnu.universe import Universe

# Shares of the nodes: evenly spaced in ln E, crowded around the resonances, and where the transmission changes.
_EVEN, _CROWD, _CHANGE = 0.08, 0.82, 0.1
# Half-width in ln E of the crowds: a floor, and a multiple of the thermal width T₀/m of the line.
_CORE = (0.14, 1.67)
# What counts is the change of ln(transmission + this), for a depth of this times the mean one of the mass states.
_FLOOR, _FAINT = 0.05, 0.04
# Powers by which shells crowd towards z = 0, and towards a source at one redshift.
_CROWD_NEAR, _CROWD_FAR = 1.15, 1.5
# Energies at which the transmission is estimated, per resonance, out to this distance in ln E.
_ROUGH, _REACH = 60, 3.0
# How far the mesh goes on, where not only a resonance scatters.
_BEYOND = 100.0


class Resolution(eqx.Module):
    """How finely to solve: numbers of energy `nodes` and redshift `shells`, and the energies covered (GeV).

    With more than the mediator's narrow resonance, the mesh goes on to a hundred times `highest`: neutrinos from above
    10⁹ GeV make up to a third of the flux at 10 PeV.

    A source at one redshift gets half as many nodes again, for its second set of edges. Static and hashable: another
    resolution is another compilation. Raises ValueError for fewer than 40 nodes or 4 shells and for an empty range of
    energies.
    """

    nodes: int = eqx.field(static=True, default=256)
    shells: int = eqx.field(static=True, default=72)
    lowest: float = eqx.field(static=True, default=1e3)
    highest: float = eqx.field(static=True, default=1e10)

    @classmethod
    def fast(cls) -> Resolution:
        """A fifth of the default's cells: for first looks, to guide samplers.

        Where a tenth of the flux arrives, 0.8 % at 95 of 100 points of the prior and up to 1.2 % (one redshift: 2.5 %).
        """
        return cls(nodes=120, shells=32)

    @classmethod
    def precise(cls) -> Resolution:
        """Four times the default's cells, 0.05 % where a tenth of the flux arrives."""
        return cls(nodes=480, shells=160)

    def __check_init__(self) -> None:
        if self.nodes < 40:
            raise ValueError(f"nodes must be at least 40, got {self.nodes}")
        if self.shells < 4:
            raise ValueError(f"shells must be at least 4, got {self.shells}")
        if not 0 < self.lowest < self.highest:
            raise ValueError(f"energies must satisfy 0 < lowest < highest (GeV), got {self.lowest} and {self.highest}")


def resonance_log_energy(universe: Universe) -> Float[Array, "target=3"]:
    """ln(E/GeV) today at which each target is on resonance: E = m_Z′²/2√(m_j² + (3T₀)²), 3T₀ for light ones."""
    return 2 * jnp.log(universe.mediator.mass) - jnp.log(_relic_energy(universe)) + float(np.log(MEV**2 / (2 * GEV)))


def _relic_energy(universe: Universe) -> Float[Array, "target=3"]:
    """√(m_j² + (3T₀)²), eV."""
    return jnp.sqrt(universe.neutrinos.masses**2 + (3 * temperature_today(universe.relics)) ** 2)


def log_energy_nodes(universe: Universe, resolution: Resolution) -> Float[Array, "node"]:
    """Nodes in ln(E/GeV), ascending, dense where the spectrum changes: equal shares of a density that follows it.

    A dip has a sharp upper edge at E = m_Z′²/2m_j. On fixed nodes the edge jumps from node to node and autodiff
    differentiates the staircase; nodes that move with it make the flux in fixed bins smooth in m_Z′ and m_j. The
    density has crowds 1/√((x − x_j)² + w_j²) about the resonances (those of a single source redshift count at E/(1+z),
    too), and grows with the change of ln(transmission), estimated from the depth of each line along the line of sight.
    """
    beyond = 1.0 if universe.mediator.channels == "narrow" else _BEYOND
    low, high = float(np.log(resolution.lowest)), float(np.log(beyond * resolution.highest))
    centre = resonance_log_energy(universe)
    core = _CORE[0] + _CORE[1] * temperature_today(universe.relics) / _relic_energy(universe)
    evolution = universe.source.evolution
    count = resolution.nodes
    if isinstance(evolution, SingleRedshift):
        centre = jnp.concatenate([centre, centre - jnp.log1p(evolution.z)])
        core = jnp.concatenate([core, core * (1 + evolution.z)])
        count = 3 * count // 2

    ramp = jnp.asarray(np.linspace(-1, 1, _ROUGH), dtype=core.dtype)
    around = centre[:, None] + core[:, None] * jnp.sinh(ramp[None, :] * jnp.arcsinh(_REACH / core)[:, None])
    rough = jnp.concatenate([jnp.ravel(around), (low + high) / 2 + (high - low) / 2 * ramp])
    rough = jnp.sort(jnp.clip(rough, low, high))
    crowds = jnp.sum(jnp.arcsinh((rough[:, None] - centre[None, :]) / core[None, :]), axis=1)
    # Derivatives are more accurate at nodes that move with the resonances only.
    opacity = jax.lax.stop_gradient(_opacity(universe, rough))
    change = jnp.sum(jnp.abs(jnp.diff(opacity, axis=1, prepend=0.0)), axis=0)
    parts = ((_EVEN, rough), (_CROWD, crowds), (_CHANGE, jnp.cumsum(change)))
    below = jnp.sum(
        jnp.stack([share * (part - part[0]) / (part[-1] - part[0] + 1e-12) for share, part in parts]), axis=0
    )
    return jnp.interp(jnp.asarray(np.linspace(0, 1, count), dtype=rough.dtype) * below[-1], below, rough)


def _opacity(universe: Universe, log_energy: Float[Array, "energy"]) -> Float[Array, "target=3 energy"]:
    """−ln(transmission) through each line from z = 0 to z_max, floored and over its value for the whole line today."""
    far = universe.source.evolution.z_max
    mean = jnp.sum(charge_couplings(universe.neutrinos, universe.mediator.charges), axis=0)[:, None] / 3
    epsilon = reduced_energy(universe, log_energy)[None, :]
    recoil = (reduced_masses(universe)[:, None] / epsilon) ** 2
    today, then = (0.5 * epsilon * (nearness - recoil) for nearness in (jnp.ones_like(far), (1 + far) ** -2))
    # The slow factors are those at the redshift of the resonance.
    scale = jnp.exp(jnp.clip(resonance_log_energy(universe)[:, None] - log_energy[None, :], 0.0, jnp.log1p(far)))
    unit = _FAINT * mean * depth_scale(universe)
    crossed = jnp.maximum(thermal.line_area(today) - thermal.line_area(then), 0.0)

    def floored(depth):
        return -jnp.log1p(jnp.expm1(-depth) / (1 + _FLOOR))

    return floored(unit * path_factor(universe, scale) * crossed) / floored(jnp.maximum(unit * thermal.LINE_AREA, 1e-9))


def shell_edges(universe: Universe, resolution: Resolution) -> Float[Array, "edge"]:
    """Edges of the shells in 1 + z from 1 to 1 + z_max, about uniform in 1/(1+z), where a line's width is T₀/m.

    They crowd towards z = 0, from where an opaque resonance is seen, and those of a source at one redshift towards it,
    where all absorption begins.
    """
    far = universe.source.evolution.z_max
    place = np.linspace(0, 1, resolution.shells + 1)
    single = isinstance(universe.source.evolution, SingleRedshift)
    left = (1 - place) ** _CROWD_FAR if single else 1 - place**_CROWD_NEAR
    return (1 + far) / (1 + far * jnp.asarray(left, dtype=far.dtype))
