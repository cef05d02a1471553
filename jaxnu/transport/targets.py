"""Relics as a target of processes that vary slowly with s: rates, means and widths of their effective mass.

A relic of energy ω and velocity β at an angle θ to the neutrino is met with s = 2Eμ, μ = ω(1 − β cosθ).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.relics import Relics

_u, _w = np.polynomial.laguerre.laggauss(24)
_w = _w * _u**2 / (1 + np.exp(-_u))
_U, _PU = _u, _w / _w.sum()
_COSINE, _PC = np.polynomial.legendre.leggauss(6)


class Target(NamedTuple):
    """Weight of the rate (1 for Majorana relics), mean of μ/T, and its standard deviation over the mean."""

    weight: Float[Array, "*s"]
    mean: Float[Array, "*s"]
    spread: Float[Array, "*s"]


def target(relics: Relics, a: Float[Array, "*s"]) -> Target:
    """The moments of μ over directions and momenta, with flux factor and helicity weight, at a = m/T."""
    u, pu = (jnp.asarray(x, dtype=a.dtype).reshape((-1,) + (1,) * a.ndim) for x in (_U, _PU))
    omega = jnp.sqrt(u**2 + a[None] ** 2)
    beta = u / omega
    sums = [jnp.zeros_like(a)] * 3
    for cosine, share in zip(_COSINE, _PC / 2, strict=True):
        flux = 1 - beta * float(cosine)
        weight = pu * float(share) * (flux if relics.moller else 1.0)
        if relics.helicity == "dirac":
            weight = weight * (1 + (beta - float(cosine)) / flux) / 2
        sums = [total + jnp.sum(weight * (omega * flux) ** k, axis=0) for k, total in enumerate(sums)]
    mean = sums[1] / sums[0]
    return Target(sums[0], mean, jnp.sqrt(jnp.maximum(sums[2] / sums[0] / mean**2 - 1, 1e-12)))
