"""Limits on the sum of the neutrino masses from cosmology, which depend on what else the cosmology is allowed."""

from __future__ import annotations

from statistics import NormalDist

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu._field import param, require
from jaxnu.universe import Universe


class SumOfMasses(eqx.Module):
    """An upper limit on Σm as a likelihood term: ln L = −Σm²/2σ², the half-normal of which `level` lies below `limit`.

    0.12 eV at 95 % is Planck's (1807.06209); newer combinations with galaxy surveys press it towards the least sum that
    oscillations allow, 0.059 eV for normal and 0.099 eV for inverted ordering. Without the term, the prior of the
    lightest mass is all that bounds the sum. Raises ValueError for a limit that is not positive and a level outside 0
    to 1.
    """

    limit: Float[Array, ""] = param("upper limit on Σm", "eV")
    level: float = eqx.field(static=True, default=0.95)

    def __check_init__(self) -> None:
        require((self.limit > 0) & jnp.isfinite(self.limit), f"limit must be positive (eV), got {self.limit}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {self.level}")

    def __call__(self, universe: Universe) -> Float[Array, ""]:
        """ln L, 0 for massless neutrinos."""
        width = self.limit / NormalDist().inv_cdf((1 + self.level) / 2)
        return -0.5 * (jnp.sum(universe.neutrinos.masses) / width) ** 2
