"""What the sources inject in each redshift shell, and the flux that would arrive without interactions."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.constants import PIVOT_ENERGY_GEV
from jaxnu.cosmology import expansion
from jaxnu.evolutions import SingleRedshift
from jaxnu.spectra import PowerLaw, Spectrum
from jaxnu.universe import Universe

_LOG_PIVOT = float(np.log(PIVOT_ENERGY_GEV))
# ln of a weight that is none.
_NOTHING = -1e30


class Injection(NamedTuple):
    """The sources of each shell at three places: ln of their weights, ln(1+z), and where in the shell.

    The flux that would arrive without interactions is φ(E) = Σ weight · Q(E(1+z)) for a spectrum Q. `place` runs from 0
    at the near edge to 1 at the far one, evenly in 1/(1+z)².
    """

    log_weight: Float[Array, "shell place"]
    log_scale: Float[Array, "shell place"]
    place: Float[Array, "place"]


def shell_injection(universe: Universe, one_plus_z: Float[Array, "edge"]) -> Injection:
    """Sources of the shells between `one_plus_z`; a single redshift is one source at the far edge.

    The weights are ∝ ∫dz W(z)(1+z)^k/H, normalised so that φ(100 TeV) is what the spectrum gives there: a power law
    arrives as A (E/100 TeV)^−γ exactly.
    """
    source, spectrum = universe.source, universe.source.spectrum
    nodes, weights = (jnp.asarray(x, dtype=one_plus_z.dtype) for x in np.polynomial.legendre.leggauss(3))
    near, far = one_plus_z[:-1, None] ** -2, one_plus_z[1:, None] ** -2
    place = (nodes + 1) / 2
    u = (near + (far - near) * place[None, :]) ** -0.5
    if isinstance(source.evolution, SingleRedshift):
        log_weight = jnp.full_like(u, _NOTHING).at[-1, 0].set(0.0)
        log_scale = jnp.log(u).at[-1, 0].set(jnp.log(one_plus_z[-1]))
    else:
        density = source.evolution.density(u - 1) * u ** (3 + source.source_k) / expansion(universe.cosmology, u)
        density = (near - far) * weights[None, :] * density
        log_weight = jnp.where(density > 0, jnp.log(jnp.where(density > 0, density, 1.0)), _NOTHING)
        log_scale = jnp.log(u)
    pivot = jnp.asarray(_LOG_PIVOT, dtype=u.dtype)
    emitted = jax.nn.logsumexp(log_weight + spectrum.log_flux(pivot + log_scale))
    return Injection(log_weight + spectrum.log_flux(pivot) - emitted, log_scale, place)


def log_free_flux(spectrum: Spectrum, sources: Injection, log_energy: Float[Array, "energy"]) -> Float[Array, "energy"]:
    """ln of the flux per flavour without interactions, over 10⁻¹⁸ GeV⁻¹cm⁻²s⁻¹sr⁻¹, at ln(E/GeV) today."""
    if isinstance(spectrum, PowerLaw):
        return spectrum.log_flux(log_energy)
    log_weight, log_scale = (jnp.ravel(part)[None, :] for part in (sources.log_weight, sources.log_scale))
    return jax.nn.logsumexp(log_weight + spectrum.log_flux(log_energy[:, None] + log_scale), axis=1)


def shell_shares(
    spectrum: Spectrum, sources: Injection, log_energy: Float[Array, "row shell"], log_free: Float[Array, "row shell"]
) -> Float[Array, "pair=2 row shell"]:
    """Each shell's part of the free flux, whose ln is `log_free`, and its tilt, ∫(2s − 1) over places s."""
    place = (2 * sources.place - 1)[None, None, :]
    log_emitted = spectrum.log_flux(log_energy[:, :, None] + sources.log_scale[None])
    terms = jnp.exp(sources.log_weight[None] + log_emitted - log_free[:, :, None])
    return jnp.stack([jnp.sum(terms, axis=2), jnp.sum(place * terms, axis=2)])


def power_law_shares(spectrum: PowerLaw, sources: Injection) -> Float[Array, "pair=2 1 shell"]:
    """`shell_shares` of a power law, which are the same at every energy."""
    pivot = jnp.full((1, sources.log_scale.shape[0]), _LOG_PIVOT, dtype=sources.log_scale.dtype)
    return shell_shares(spectrum, sources, pivot, spectrum.log_flux(pivot))
