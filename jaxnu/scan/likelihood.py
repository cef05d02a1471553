"""What is usually swept, as functions of a universe: likelihoods, their gradients, and binned fluxes."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.earth import binned_flux
from jaxnu.inference.posterior import term_values
from jaxnu.spectra import PowerLaw
from jaxnu.transport.mesh import Resolution
from jaxnu.universe import Universe


class LogLikelihood(eqx.Module):
    """Σ_t ln L_t of a universe, stored as `log_likelihood`; flux points share one propagation.

    Raises ValueError for no terms.
    """

    terms: tuple[Any, ...]
    resolution: Resolution = Resolution()

    def __check_init__(self) -> None:
        if not self.terms:
            raise ValueError("a likelihood needs at least one term, got none")

    def __call__(self, universe: Universe) -> dict[str, Float[Array, ""]]:
        return {"log_likelihood": self.total(universe)}

    def total(self, universe: Universe) -> Float[Array, ""]:
        """The sum alone."""
        return jnp.sum(jnp.stack(term_values(self.terms, universe, self.resolution)))


class Gradient(eqx.Module):
    """ln L and its derivatives by the five parameters of `default_prior`, stored as `d_mass` and so on."""

    likelihood: LogLikelihood

    def __call__(self, universe: Universe) -> dict[str, Float[Array, ""]]:
        value, slope = jax.value_and_grad(self.likelihood.total)(universe)
        source = slope.source.spectrum
        if not isinstance(source, PowerLaw):
            raise ValueError(f"the gradient is by the parameters of a power law, got {type(source).__name__}")
        return {
            "log_likelihood": value,
            "d_mass": slope.mediator.mass,
            "d_coupling": slope.mediator.coupling,
            "d_lightest": slope.neutrinos.lightest,
            "d_amplitude": source.amplitude,
            "d_index": source.index,
        }


class BinnedFlux(eqx.Module):
    """∫φ dE of the three flavours over the bins between `edges` (GeV), cm⁻² s⁻¹ sr⁻¹, stored as `flux`."""

    edges: Float[Array, "edge"]
    resolution: Resolution = Resolution()

    def __call__(self, universe: Universe) -> dict[str, Float[Array, "flavour=3 bin"]]:
        return {"flux": binned_flux(universe, self.edges, self.resolution)}
