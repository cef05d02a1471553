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
    """The sources of each shell at three places: weights ∫dz W(z)(1+z)^k/H, ln(1+z), and where in the shell.

    `place` runs from 0 at the near edge to 1 at the far one, evenly in 1/(1+z)².
    """

    weight: Float[Array, "shell place"]
    log_scale: Float[Array, "shell place"]
    place: Float[Array, "place"]


def shell_injection(universe: Universe, scale: Float[Array, "edge"]) -> Injection:
    """Sources of the shells between `scale` = 1 + z; a single redshift is one source at the far edge."""
    source = universe.source
    nodes, weights = (jnp.asarray(x, dtype=scale.dtype) for x in np.polynomial.legendre.leggauss(3))
    near, far = scale[:-1, None] ** -2, scale[1:, None] ** -2
    place = (nodes + 1) / 2
    u = (near + (far - near) * place[None, :]) ** -0.5
    if isinstance(source.evolution, SingleRedshift):
        return Injection(jnp.zeros_like(u).at[-1, 0].set(1.0), jnp.log(u).at[-1, 0].set(jnp.log(scale[-1])), place)
    density = source.evolution.density(u - 1) * u ** (3 + source.source_k) / expansion(universe.cosmology, u)
    return Injection((near - far) * weights[None, :] * density, jnp.log(u), place)


def free_flux(
    universe: Universe, shells: Injection, log_energy: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, "2 shell"]]:
    """ln of the flux per flavour without interactions, over 10⁻¹⁸ GeV⁻¹cm⁻²s⁻¹sr⁻¹, and each shell's part of it.

    φ(E) ∝ ∫dz W(z)(1+z)^k/H · Q(E(1+z)), normalised so that φ(100 TeV) is what the spectrum gives there: a power law
    arrives as A (E/100 TeV)^−γ exactly. The parts are the shells' shares and their tilts, ∫(2s − 1) over places s.
    `log_energy` is ln(E/GeV) today.
    """
    spectrum = universe.source.spectrum
    pivot, _ = _redshifted(spectrum, shells, jnp.asarray(_LOG_PIVOT, dtype=log_energy.dtype))
    here, share = _redshifted(spectrum, shells, log_energy)
    parts = jnp.stack([jnp.sum(share, axis=1), share @ (2 * shells.place - 1)])
    return here - pivot + spectrum.log_flux(jnp.asarray(_LOG_PIVOT, dtype=log_energy.dtype)), parts


def _redshifted(spectrum, shells: Injection, log_energy: Float[Array, ""]):
    """ln Σ_s w_s Q(E(1+z_s)) and the shares of the sum, scaled so that cutoffs do not underflow."""
    log_emitted = spectrum.log_flux(log_energy + shells.log_scale)
    largest = jax.lax.stop_gradient(jnp.max(jnp.where(shells.weight > 0, log_emitted, -jnp.inf)))
    terms = shells.weight * jnp.exp(jnp.where(shells.weight > 0, log_emitted - largest, 0.0))
    total = jnp.sum(terms)
    return largest + jnp.log(total), terms / total
