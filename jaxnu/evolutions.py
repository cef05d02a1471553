"""Where the sources are: comoving rate density W(z), in any normalisation, out to z_max."""

from __future__ import annotations

from abc import abstractmethod
from math import log

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from jaxnu._field import as_float, param, require


class Evolution(eqx.Module):
    """What an evolution has to provide. Raises ValueError unless z_max is positive and finite."""

    z_max: eqx.AbstractVar[Float[Array, ""]]

    @abstractmethod
    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """W(z), element by element; the formula, also beyond z_max."""

    def __check_init__(self) -> None:
        require((self.z_max > 0) & jnp.isfinite(self.z_max), f"z_max must be positive and finite, got {self.z_max}")


class StarFormation(Evolution):
    """Star formation rate with breaks at z = 1 and 4 (0804.4008; 2302.03571 eq. 17 with its exponents restored).

    W = (1+z)^3.4 for z ≤ 1, 2^3.7 (1+z)^−0.3 for 1 < z < 4, 2^3.7 5^3.2 (1+z)^−3.5 for z ≥ 4.
    """

    z_max: Float[Array, ""] = param("redshift of the farthest sources", default=5.0)

    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        # Each power law falls more steeply than the one before it: the smallest of the three is the one that holds.
        low, middle, high = (1 + z) ** 3.4, 2**3.7 * (1 + z) ** -0.3, 2**3.7 * 5**3.2 * (1 + z) ** -3.5
        return jnp.minimum(jnp.minimum(low, middle), high)


class SmoothStarFormation(Evolution):
    """Star formation rate with smooth breaks (0804.4008).

    W = [(1+z)^−34 + ((1+z)/5161)^3 + ((1+z)/9.06)^35]^(−1/10).
    """

    z_max: Float[Array, ""] = param("redshift of the farthest sources", default=5.0)

    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        # The terms span 10⁻³³ to 10¹⁶: add them as logarithms.
        u = jnp.log1p(z)
        terms = jnp.logaddexp(jnp.logaddexp(-34 * u, 3 * (u - log(5161))), 35 * (u - log(9.06)))
        return jnp.exp(-terms / 10)


class MadauDickinson(Evolution):
    """Star formation rate density in M_⊙ yr⁻¹ Mpc⁻³, W = 0.015 (1+z)^2.7 / (1 + [(1+z)/2.9]^5.6) (1403.0007 eq. 15)."""

    z_max: Float[Array, ""] = param("redshift of the farthest sources", default=8.0)

    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        return 0.015 * (1 + z) ** 2.7 / (1 + ((1 + z) / 2.9) ** 5.6)


class Flat(Evolution):
    """No evolution, W = 1."""

    z_max: Float[Array, ""] = param("redshift of the farthest sources", default=5.0)

    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        return jnp.ones_like(z)


class PowerEvolution(Evolution):
    """W = (1+z)^m with m = `index`, up to z_max. Raises ValueError for an index that is not finite."""

    index: Float[Array, ""] = param("exponent m")
    z_max: Float[Array, ""] = param("redshift of the farthest sources", default=5.0, kw_only=True)

    def __check_init__(self) -> None:
        require(jnp.isfinite(self.index), f"index must be finite, got {self.index}")

    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        return jnp.exp(self.index * jnp.log1p(z))


class GammaRayBursts(Evolution):
    """Gamma-ray bursts: W = (1+z)^4.8 for z < 1, 2^3.4 (1+z)^1.4 above (1508.07471, made continuous by the 2^3.4)."""

    z_max: Float[Array, ""] = param("redshift of the farthest sources", default=4.5)

    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        return jnp.minimum((1 + z) ** 4.8, 2**3.4 * (1 + z) ** 1.4)


# Per weight: a, p, x₀, b, r, s of W = a (1+z)^−p + b/(x^−r + x^s), x = (1+z)/x₀.
_BL_LAC_FITS = {
    "luminosity": (0.9917, 4.444, 2.36, 3.0346, 5.599, 7.614),
    "number": (1.0007, 6.711, 2.2058, 0.017, 0.303, 7.726),
}


class BLLac(Evolution):
    """BL Lac objects: fit to the luminosity-dependent evolution of 1310.0006, relative to its value at z = 0.

    `weight` "luminosity": W = 0.9917(1+z)^−4.444 + 3.0346/(x^−5.599 + x^7.614), x = (1+z)/2.36; "number":
    W = 1.0007(1+z)^−6.711 + 0.017/(x^−0.303 + x^7.726), x = (1+z)/2.2058. Good to 5 % for z < 6.
    Raises ValueError for an unknown weight.
    """

    weight: str = eqx.field(static=True, default="luminosity")
    z_max: Float[Array, ""] = param("redshift of the farthest sources", default=6.0, kw_only=True)

    def __check_init__(self) -> None:
        if self.weight not in _BL_LAC_FITS:
            raise ValueError(f"weight must be one of {', '.join(_BL_LAC_FITS)}, got {self.weight!r}")

    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        a, p, x0, b, r, s = _BL_LAC_FITS[self.weight]
        x = (1 + z) / x0
        return a * (1 + z) ** -p + b / (x**-r + x**s)


class TabulatedEvolution(Evolution):
    """W through given points, straight in ln W against ln(1+z), up to the last z and continued as power laws beyond.

    Raises ValueError unless both are 1-d, equally long (at least 2), z ≥ 0 increases, and W is positive.
    """

    z: Float[Array, "point"] = param("redshifts")
    rate: Float[Array, "point"] = param("comoving rate density at these redshifts")
    z_max: Float[Array, ""] = param("the last of the redshifts")

    def __init__(self, z: ArrayLike, density: ArrayLike) -> None:
        self.z, self.rate = as_float(z), as_float(density)
        shape = self.z.shape
        if len(shape) != 1 or shape[0] < 2 or self.rate.shape != shape:
            raise ValueError(f"z and density must be equally long, at least 2, got {shape} and {self.rate.shape}")
        self.z_max = self.z[-1]

    def __check_init__(self) -> None:
        increasing = (self.z[0] >= 0) & jnp.all(jnp.diff(self.z) > 0)
        require(increasing, f"z must increase from 0 or more, got {self.z}")
        require((self.rate > 0) & jnp.isfinite(self.rate), f"density must be positive and finite, got {self.rate}")

    def density(self, z: Float[Array, "*s"]) -> Float[Array, "*s"]:
        log_rate = jnp.log(self.rate)
        log_density = jnp.interp(jnp.log1p(z), jnp.log1p(self.z), log_rate, left="extrapolate", right="extrapolate")
        return jnp.exp(log_density)


class SingleRedshift(eqx.Module):
    """All sources at one redshift, W = δ(z − z₀): no density. Raises ValueError unless z is positive and finite."""

    z: Float[Array, ""] = param("redshift z₀ of the sources")

    def __check_init__(self) -> None:
        require((self.z > 0) & jnp.isfinite(self.z), f"z must be positive and finite, got {self.z}")

    @property
    def z_max(self) -> Float[Array, ""]:
        """The redshift itself."""
        return self.z
