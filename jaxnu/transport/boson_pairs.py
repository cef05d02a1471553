"""Neutrinos from ν ν̄ → Z′Z′ in powers of their energy fraction."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.daughters import boson_daughters
from jaxnu.transport.powers import POWERS

USED = 8
_LOG_ABOVE = np.linspace(-5.0, 16.0, 127)


@cache
def _fits() -> np.ndarray:
    """Coefficients of the powers over f_zz, (y, power): least squares that keep the energy."""
    r, w = np.polynomial.legendre.leggauss(160)
    x, w = ((r + 1) / 2) ** 2, w * (r + 1) / 2
    y = 4 + np.exp(_LOG_ABOVE)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        spectra = jax.jit(jax.vmap(jax.vmap(boson_daughters, (None, 0)), (0, None)))(jnp.asarray(y), jnp.asarray(x))
        spectra = np.asarray(spectra)
    spectra = spectra / (spectra @ (w * x))[:, None]
    powers = POWERS[:USED]
    basis = x[None, :] ** powers[:, None]
    weight = w * x**2
    energy = 1 / (powers[:, None] + 2)
    system = np.block([[(basis * weight) @ basis.T, energy], [energy.T, np.zeros((1, 1))]])
    right = np.concatenate([(basis * weight) @ spectra.T, np.ones((1, y.size))])
    return np.linalg.solve(system, right)[:USED].T


def boson_powers(y: Float[Array, "*s"], f_zz: Float[Array, "*s"]) -> Float[Array, "power *s"]:
    """Coefficients of x^p, p of the first `POWERS`, in dN/dx of the neutrinos, if Z′ → νν̄ only."""
    table = jnp.asarray(_fits(), dtype=y.dtype)
    step = float(_LOG_ABOVE[1] - _LOG_ABOVE[0])
    place = (jnp.log(jnp.maximum(y - 4, 1e-3)) - float(_LOG_ABOVE[0])) / step
    place = jnp.clip(place, 0.0, _LOG_ABOVE.size - 1.001)
    cell = place.astype(jnp.int32)
    share = (place - cell.astype(y.dtype))[..., None]
    found = f_zz[..., None] * ((1 - share) * table[cell] + share * table[cell + 1])
    return jnp.moveaxis(found, -1, 0)
