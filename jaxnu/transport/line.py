"""The resonance line of each target, at the edges of a redshift shell and across it.

In the narrow-width limit σ_ij = 2π|q_ij|² g′² δ(s − m_Z′²), and with ε = E*/T, E* = m_Z′²/2E, a = m_j/T, v = (ε² −
a²)/2ε the rate per length is Γ_ij = 2π|q_ij|² g′² T²/(8π²E) D(|v|) ρ, ρ the flux factor of `thermal`. At fixed energy
today v = ε₀/2(1+z)² − α²/2ε₀ (ε₀ and α being ε and a at z = 0), so that the optical depth τ_ij = |q_ij|² g′² T₀³/(2π
m_Z′² H₀) ∫ D ρ (1+z)³ (H₀/H) dv is integrated exactly across a shell, however narrow the line.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.constants import GEV, HBAR_C_MPC, MEV
from jaxnu.cosmology import expansion, hubble_distance
from jaxnu.relics import Relics, temperature_today
from jaxnu.transport import thermal
from jaxnu.universe import Universe


class Line(NamedTuple):
    """The resonance of each target at one redshift: v, D(|v|) with its antiderivatives, and depth per ∫D dv."""

    v: Float[Array, "*s"]
    shape: thermal.LineShape
    depth: Float[Array, "*s"]


def reduced_masses(universe: Universe) -> Float[Array, "target=3"]:
    """α = m_j/T₀."""
    return universe.neutrinos.masses / temperature_today(universe.relics)


def reduced_energy(universe: Universe, log_energy: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """ε₀ = m_Z′²/(2 E T₀) at ln(E/GeV) today."""
    scale = MEV**2 / GEV / 2 * universe.mediator.mass**2 / temperature_today(universe.relics)
    return scale * jnp.exp(-log_energy)


def depth_scale(universe: Universe) -> Float[Array, ""]:
    """κ = g′² T₀³/(2π m_Z′² H₀), the depth per |q_ij|² and unit of ∫D dv at z = 0, ordered so that float32 holds it."""
    temperature = temperature_today(universe.relics)
    mediator = universe.mediator
    length = hubble_distance(universe.cosmology) * (temperature / HBAR_C_MPC)
    squared = (mediator.coupling * (temperature / (MEV * mediator.mass))) ** 2
    return mediator.prefactor * universe.relics.overdensity * squared * length / (2 * jnp.pi)


def path_factor(universe: Universe, one_plus_z: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """(1+z)³ H₀/H, with one more power of 1 + z for a comoving path (`Cosmology.path`)."""
    path = one_plus_z**3 / expansion(universe.cosmology, one_plus_z)
    return path * one_plus_z if universe.cosmology.path == "comoving" else path


def detuning(
    epsilon: Float[Array, "..."], ratio: Float[Array, "*s"], nearness: Float[Array, "..."], offset: Float[Array, "*s"]
) -> Float[Array, "*s"]:
    """v = ε₀/2 [1/(1+z) − α/ε₀] [1/(1+z) + α/ε₀] for `ratio` = α/ε₀, `nearness` = 1/(1+z), `offset` the first bracket.

    The offset comes separately: on resonance it is the difference of two numbers that needs more digits than the rest.
    """
    return 0.5 * epsilon * offset * (nearness + ratio)


def rate_factor(
    relics: Relics,
    v: Float[Array, "*s"],
    epsilon: Float[Array, "..."],
    ratio: Float[Array, "*s"],
    nearness: Float[Array, "..."],
    series: tuple[Float[Array, "term ..."], ...],
) -> Float[Array, "*s"]:
    """ρ of `thermal.flux_factor`, from ε₀, α/ε₀, 1/(1+z) and the `thermal.mean_energies`."""
    return thermal.flux_factor(relics, jnp.abs(v), epsilon * nearness**2, epsilon * ratio**2, series)


class Crossing(NamedTuple):
    """∫D dv across a shell in weights of its near and far edge, the share with v > 0, and how central the line is."""

    near: Float[Array, "*s"]
    far: Float[Array, "*s"]
    above: Float[Array, "*s"]
    central: Float[Array, "*s"]


def crossing(near: Line, far: Line, step: Float[Array, "..."]) -> Crossing:
    """How the line is crossed between two redshifts, between which v falls by `step`.

    A shell may hold the centre of the line, v = 0, or one of its wings. As the centre moves out of the shell it becomes
    a wing smoothly: with shares p and n of the depth on either side of it, the line counts as inside with h³(10
    − 15h + 6h²), h = 4pn.
    """
    weight_near, weight_far = thermal.shell_weights(near.v, near.shape, far.v, far.shape, step)
    above = _beyond(far.v, far.shape.tail) - _beyond(near.v, near.shape.tail)
    below = _beyond(-near.v, near.shape.tail) - _beyond(-far.v, far.shape.tail)
    both = above + below
    share = jnp.clip(above / jnp.where(both > 1e-18, both, 1.0), 0.0, 1.0)  # a smaller square has no inverse
    central = 4 * share * (1 - share)
    return Crossing(weight_near, weight_far, share, central**3 * (10 - 15 * central + 6 * central**2))


def crossing_slopes(
    crossing: Crossing, near: Line, far: Line, step: Float[Array, "..."], by_near: Line, by_far: Line
) -> Crossing:
    """The derivative of `crossing` along those of the lines.

    Of the weights, exactly: w′_near = D v′_near − c and w′_far = c − D v′_far, c = (w_near v′_near + w_far v′_far)/Δv.
    """
    rise, fall = near.shape.value * by_near.v, far.shape.value * by_far.v
    common = (crossing.near * by_near.v + crossing.far * by_far.v) / jnp.maximum(step, 1e-12)
    above = jnp.where(near.v > 0, rise, 0.0) - jnp.where(far.v > 0, fall, 0.0)
    below = jnp.where(near.v < 0, rise, 0.0) - jnp.where(far.v < 0, fall, 0.0)
    both = crossing.near + crossing.far
    share = (above * (1 - crossing.above) - below * crossing.above) / jnp.where(both > 1e-18, both, 1.0)
    central = 4 * crossing.above * (1 - crossing.above)
    return Crossing(
        rise - common, common - fall, share, 120 * (central * (1 - central)) ** 2 * (1 - 2 * crossing.above) * share
    )


def _beyond(v, tail):
    """∫ D over the half-line beyond v, and over no more than that of its sign: half of the area for v < 0."""
    return jnp.where(v > 0, tail, 0.5 * thermal.LINE_AREA)


class ShellDepth(NamedTuple):
    """Optical depth across a shell for |q_ij|² = 1, and where in the shell it sits.

    near + far is the depth τ; far/τ is where in the shell the absorption sits, from 0 at the near edge to 1; width/τ is
    the width of the line over that of the shell. The depth of wings is in `rising` (denser outwards, v > 0) and
    `falling`, and `exit`, `entry` are their densities per shell at the near and the far edge. The centre of a line that
    is inside is at middle/(τ − rising − falling).
    """

    near: Float[Array, "*s"]
    far: Float[Array, "*s"]
    width: Float[Array, "*s"]
    middle: Float[Array, "*s"]
    rising: Float[Array, "*s"]
    falling: Float[Array, "*s"]
    exit: Float[Array, "*s"]
    entry: Float[Array, "*s"]


def shell_depth(crossing: Crossing, near: Line, far: Line, step: Float[Array, "..."]) -> ShellDepth:
    """The parts of a crossing between the lines at two redshifts."""
    at_near, at_far = crossing.near * near.depth, crossing.far * far.depth
    depth, outside = at_near + at_far, 1 - crossing.central
    wing, density = outside * depth, outside * step
    return ShellDepth(
        at_near,
        at_far,
        depth * thermal.LINE_WIDTH / jnp.maximum(step, 1e-3),
        crossing.central * depth * jnp.clip(near.v, 0.0, step) / jnp.maximum(step, 1e-3),
        crossing.above * wing,
        (1 - crossing.above) * wing,
        density * near.shape.value * near.depth,
        density * far.shape.value * far.depth,
    )
