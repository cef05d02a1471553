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
        source = universe.source.spectrum
        if not isinstance(source, PowerLaw):
            raise ValueError(f"the gradient is by the parameters of a power law, got {type(source).__name__}")

        # Of these alone: derivatives in all that a universe holds take longer (`propagate`).
        def total(numbers):
            return self.likelihood.total(eqx.tree_at(_numbers, universe, numbers))

        value, slopes = jax.value_and_grad(total)(_numbers(universe))
        names = ("mass", "coupling", "lightest", "amplitude", "index")
        return {"log_likelihood": value} | {f"d_{name}": slope for name, slope in zip(names, slopes, strict=True)}


def _numbers(universe: Any) -> tuple[Any, ...]:
    """The five parameters of `default_prior`, for a power law."""
    mediator, spectrum = universe.mediator, universe.source.spectrum
    return mediator.mass, mediator.coupling, universe.neutrinos.lightest, spectrum.amplitude, spectrum.index


class BinnedFlux(eqx.Module):
    """∫φ dE of the three flavours over the bins between `edges` (GeV), cm⁻² s⁻¹ sr⁻¹, stored as `flux`."""

    edges: Float[Array, "edge"]
    resolution: Resolution = Resolution()

    def __call__(self, universe: Universe) -> dict[str, Float[Array, "flavour=3 bin"]]:
        return {"flux": binned_flux(universe, self.edges, self.resolution)}
