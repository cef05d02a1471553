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
from jaxnu.universe import Universe

_LOG_PIVOT = float(np.log(PIVOT_ENERGY_GEV))


class Injection(NamedTuple):
    """Per shell: the weight ∫dz W(z)(1+z)^k/H, and the mean ln(1+z) at which its sources sit."""

    weight: Float[Array, "shell"]
    log_scale: Float[Array, "shell"]


def shell_injection(universe: Universe, scale: Float[Array, "edge"]) -> Injection:
    """Source weights of the shells between `scale` = 1 + z; a single redshift is one source at the far edge."""
    source = universe.source
    if isinstance(source.evolution, SingleRedshift):
        at_far_edge = jnp.zeros_like(scale[1:]).at[-1].set(1.0)
        return Injection(at_far_edge, jnp.log(scale[1:]))
    nodes, weights = (jnp.asarray(x, dtype=scale.dtype)[:, None] for x in np.polynomial.legendre.leggauss(3))
    edges = jnp.log(scale)[None, :]
    centre, half = (edges[:, 1:] + edges[:, :-1]) / 2, (edges[:, 1:] - edges[:, :-1]) / 2
    u = jnp.exp(centre + half * nodes)
    density = source.evolution.density(u - 1) * u ** (1 + source.source_k) / expansion(universe.cosmology, u)
    share = half * weights * density
    weight = jnp.sum(share, axis=0)
    empty = weight == 0
    mean = jnp.sum(share * jnp.log(u), axis=0) / jnp.where(empty, 1.0, weight)
    return Injection(weight, jnp.where(empty, centre[0], mean))


def free_flux(
    universe: Universe, shells: Injection, log_energy: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, "shell"]]:
    """ln of the flux per flavour without interactions, over 10⁻¹⁸ GeV⁻¹cm⁻²s⁻¹sr⁻¹, and each shell's share of it.

    φ(E) ∝ ∫dz W(z)(1+z)^k/H · Q(E(1+z)), normalised so that φ(100 TeV) is what the spectrum gives there: a power law
    arrives as A (E/100 TeV)^−γ exactly. `log_energy` is ln(E/GeV) today.
    """
    spectrum = universe.source.spectrum
    pivot, _ = _redshifted(spectrum, shells, jnp.asarray(_LOG_PIVOT, dtype=log_energy.dtype))
    here, share = _redshifted(spectrum, shells, log_energy)
    return here - pivot + spectrum.log_flux(jnp.asarray(_LOG_PIVOT, dtype=log_energy.dtype)), share


def _redshifted(spectrum, shells: Injection, log_energy: Float[Array, ""]):
    """ln Σ_s w_s Q(E(1+z_s)) and the shares of the sum, scaled so that cutoffs do not underflow."""
    log_emitted = spectrum.log_flux(log_energy + shells.log_scale)
    largest = jax.lax.stop_gradient(jnp.max(jnp.where(shells.weight > 0, log_emitted, -jnp.inf)))
    terms = shells.weight * jnp.exp(jnp.where(shells.weight > 0, log_emitted - largest, 0.0))
    total = jnp.sum(terms)
    return largest + jnp.log(total), terms / total
