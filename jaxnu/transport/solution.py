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
    """(Neutrinos out − in − created)/(neutrinos scattered): each scattering creates one."""

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
    """Energy and number that leave the mesh, at Earth or below its lowest node, against what entered.

    What arrives of a node differs from what was emitted by what shells gave to it and took from it: their sums, not the
    difference of two large numbers.
    """
    branching = neutrino_branching(universe.mediator)
    scattered, fed = sums
    change = branching * fed - scattered

    def total(power, values):
        lower, upper, next_ = cell_weights(jnp.diff(x), jnp.diff(log_free) + power * jnp.diff(x))
        height = jnp.exp(log_free[:-1] - log_free[0] + power * (x[:-1] - x[0]))
        third = jnp.concatenate([values[2:], values[-1:]])
        return jnp.sum(height * (lower * values[:-1] + upper * values[1:] + next_ * third))

    # ∫ F over energies below the mesh: 3[M₀ − M₁ + ⅔M₂] in number and 3[½M₀ − ⅔M₁ + ½M₂] in energy.
    number_below = 3 * branching * (below[0] - below[1] + below[2] * 2 / 3)
    energy_below = 3 * branching * (below[0] / 2 - below[1] * 2 / 3 + below[2] / 2)
    number = total(1.0, change) + number_below - (2 * branching - 1) * total(1.0, scattered)
    energy = total(2.0, change) + energy_below + (1 - branching) * total(2.0, scattered)
    floor = 1e-6 * entered
    everything = jnp.ones_like(scattered)
    return (
        energy / (total(2.0, scattered) + floor * total(2.0, everything)),
        number / (total(1.0, scattered) + floor * total(1.0, everything)),
    )
