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
    """∫D dv across a shell, in weights of its near and far edge."""

    near: Float[Array, "*s"]
    far: Float[Array, "*s"]


def crossing(near: Line, far: Line, step: Float[Array, "..."]) -> Crossing:
    """How the line is crossed between two redshifts, between which v falls by `step`."""
    return Crossing(*thermal.shell_weights(near.v, near.shape, far.v, far.shape, step))


def crossing_slopes(
    crossing: Crossing, near: Line, far: Line, step: Float[Array, "..."], by_near: Line, by_far: Line
) -> Crossing:
    """The derivative of `crossing` along those of the lines.

    Exactly, w′_near = D v′_near − c and w′_far = c − D v′_far with c = (w_near v′_near + w_far v′_far)/Δv.
    """
    common = (crossing.near * by_near.v + crossing.far * by_far.v) / jnp.maximum(step, 1e-12)
    return Crossing(near.shape.value * by_near.v - common, common - far.shape.value * by_far.v)


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
    """The parts of a crossing between the lines at two redshifts.

    A shell holds the centre of the line, v = 0, or one of its wings. The switch is a hard one: what is written for the
    two meets to a few 1e-4 of a flux, and a smooth passage would put that difference into derivatives.
    """
    at_near, at_far = crossing.near * near.depth, crossing.far * far.depth
    depth = at_near + at_far
    rises, falls = far.v > 0, near.v < 0
    wing = rises | falls
    density = jnp.where(wing, step, 0.0)
    return ShellDepth(
        at_near,
        at_far,
        depth * thermal.LINE_WIDTH / jnp.maximum(step, 1e-3),
        jnp.where(wing, 0.0, depth * jnp.clip(near.v, 0.0, step) / jnp.maximum(step, 1e-3)),
        jnp.where(rises, depth, 0.0),
        jnp.where(falls, depth, 0.0),
        density * near.shape.value * near.depth,
        density * far.shape.value * far.depth,
    )
