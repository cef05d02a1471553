"""The result of a propagation, and its conservation laws."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.constants import FLUX_UNIT
from jaxnu.mediators import neutrino_branching
from jaxnu.transport.interpolation import cell_weights
from jaxnu.universe import Universe


class Solution(eqx.Module):
    """Fluxes of the mass states at Earth on the mesh, and how well the solution keeps its conservation laws."""

    log_energy: Float[Array, "node"]
    """ln(E/GeV), ascending."""
    log_free: Float[Array, "node"]
    """ln of the flux per flavour without interactions over 10⁻¹⁸ GeV⁻¹ cm⁻² s⁻¹ sr⁻¹."""
    ratio: Float[Array, "mass=3 node"]
    """Flux of each mass state over that flux; a cubic in ln E between nodes."""
    energy_balance: Float[Array, ""]
    """(Energy out − in)/(energy scattered): zero but for discretisation."""
    number_balance: Float[Array, ""]
    """(Neutrinos out − in − created)/(neutrinos scattered): each scattering creates one, that with Z′Z′ three."""

    @property
    def energy(self) -> Float[Array, "node"]:
        """Energies today in GeV."""
        return jnp.exp(self.log_energy)

    @property
    def flux(self) -> Float[Array, "mass=3 node"]:
        """Flux of each mass state, ν+ν̄, in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹."""
        return FLUX_UNIT * jnp.exp(self.log_free)[None, :] * self.ratio


def balances(
    universe: Universe,
    x: Float[Array, "node"],
    log_free: Float[Array, "node"],
    sums: Float[Array, "two=2 node"],
    entered: Float[Array, ""],
    below: Float[Array, "moment=3"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Energy and number that leave the mesh, at Earth or below its lowest node, against what entered."""
    branching = neutrino_branching(universe.mediator)
    scattered, fed = sums
    # ∫ F over energies below the mesh: 3[M₀ − M₁ + ⅔M₂] in number and 3[½M₀ − ⅔M₁ + ½M₂] in energy.
    number_below = 3 * branching * (below[0] - below[1] + below[2] * 2 / 3)
    energy_below = 3 * branching * (below[0] / 2 - below[1] * 2 / 3 + below[2] / 2)
    kept, made = branching * scattered, 2 * branching * scattered
    return imbalances(x, log_free, scattered, branching * fed, kept, made, entered, energy_below, number_below)


def imbalances(
    x: Float[Array, "node"],
    log_free: Float[Array, "node"],
    lost: Float[Array, "node"],
    fed: Float[Array, "node"],
    kept: Float[Array, "node"],
    made: Float[Array, "node"],
    entered: Float[Array, ""],
    energy_below: Float[Array, ""],
    number_below: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """(Energy fed − kept)/(energy lost) and (number fed − made)/(number lost), with what is fed below the mesh.

    `lost` and `fed` are neutrinos of a node that all shells take and give, of which the energy `kept` remains in
    neutrinos and `made` comes out. What arrives differs from what was emitted by these sums: they are no difference of
    two large numbers.
    """

    def total(power, values):
        lower, upper, next_ = cell_weights(jnp.diff(x), jnp.diff(log_free) + power * jnp.diff(x))
        height = jnp.exp(log_free[:-1] - log_free[0] + power * (x[:-1] - x[0]))
        third = jnp.concatenate([values[2:], values[-1:]])
        return jnp.sum(height * (lower * values[:-1] + upper * values[1:] + next_ * third))

    floor, everything = 1e-6 * entered, jnp.ones_like(lost)
    return (
        (total(2.0, fed - kept) + energy_below) / (total(2.0, lost) + floor * total(2.0, everything)),
        (total(1.0, fed - made) + number_below) / (total(1.0, lost) + floor * total(1.0, everything)),
    )
