"""Astrophysical sources: spectrum, evolution and flavour composition."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from jaxnu._field import as_float, full_precision, require
from jaxnu.evolutions import Evolution, SingleRedshift
from jaxnu.neutrinos import Neutrinos, flavour_content
from jaxnu.spectra import Spectrum

# ν + ν̄ in (e, μ, τ). Equal mass states and equal flavours are the same thing, because the mixing is unitary.
_COMPOSITIONS = {
    "equal": (1.0, 1.0, 1.0),
    "pp": (1.0, 2.0, 0.0),
    "pgamma": (1.0, 2.0, 0.0),
    "muon-damped": (0.0, 1.0, 0.0),
    "neutron": (1.0, 0.0, 0.0),
}


def _composition(flavour: str | ArrayLike | Sequence[ArrayLike]) -> Array:
    if not isinstance(flavour, str):
        return as_float(jnp.asarray(flavour))
    if flavour not in _COMPOSITIONS:
        raise ValueError(f"flavour must be 3 numbers or one of {', '.join(_COMPOSITIONS)}, got {flavour!r}")
    return jnp.asarray(_COMPOSITIONS[flavour])


class Source(eqx.Module):
    """Sources that emit J_i = φ_i W(z) (1+z)^{1+k} Q(E₀(1+z)) (2302.03571 eqs. 15–16 with k = 3; default k = 0).

    `flavour` is the composition at the source, ν + ν̄ summed: three numbers (e, μ, τ), whose ratios alone count, or
    "equal" (1:1:1, equal mass states: 1409.4180, 2406.19968), "pp" (1:2:0), "pgamma" (ν 1:1:0 and ν̄ 0:1:0),
    "muon-damped" (0:1:0), "neutron" (1:0:0). Amplitudes of the spectrum are those of one third of the total.
    Raises ValueError for an unknown name, numbers that are negative or all zero, and k other than 0 and 3.
    """

    spectrum: Spectrum
    evolution: Evolution | SingleRedshift
    flavour: Float[Array, "flavour=3"] = eqx.field(
        converter=_composition, metadata={"doc": "composition (e, μ, τ) at the source", "unit": ""}, default="equal"
    )
    source_k: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        if self.flavour.shape != (3,):
            raise ValueError(f"flavour must be 3 numbers (e, μ, τ), got shape {self.flavour.shape}")
        valid = jnp.all((self.flavour >= 0) & jnp.isfinite(self.flavour)) & (jnp.sum(self.flavour) > 0)
        require(valid, f"flavour must have no negative number and one positive at least, got {self.flavour}")
        if self.source_k not in (0, 3):
            raise ValueError(f"source_k must be 0 or 3, got {self.source_k!r}")


@full_precision
def mass_fractions(source: Source, neutrinos: Neutrinos) -> Float[Array, "mass=3"]:
    """φ_i = 3 Σ_β |U_βi|² f_β / Σ_β f_β for the composition f: they sum to 3, and each is 1 for equal mass states.

    Without interactions, mass state i has the flux φ_i times the spectrum, flavour α Σ_i |U_αi|² φ_i times it.
    """
    shares = source.flavour / jnp.sum(source.flavour)
    return 3 * shares @ flavour_content(neutrinos)
