"""Functions that no library has for JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_jvp
def exponential_integral(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """e^x E₁(x) = ∫₀^∞ e^{−t}/(x + t) dt for x > 0, to 4e-4: ln(1 + r(x)/x) with r rising from e^{−γ_Euler} to 1."""
    y = jnp.minimum(x, 1e9)
    up, down = (0.5614594836, 24.847383, 93.41365, 42.775159), (1.0, 40.077433, 114.25712, 42.775159)
    t = polynomial(up, y) / (polynomial(down, y) * x)
    # ln(1 + t) that is exact for small t, without `log1p`, which a CPU does not vectorise.
    u = 1 + t
    return jnp.where(u == 1, t, t * jnp.log(u) / jnp.where(u == 1, 1.0, u - 1))


@exponential_integral.defjvp
def _exponential_integral_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    value = exponential_integral(x)
    return value, exponential_slope(x, value) / x * dx


def exponential_slope(x: Float[Array, "*s"], value: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """x (e^x E₁)′ = x e^x E₁ − 1 for `value` = e^x E₁, which cancels for large x: there a rational form, to 2e-3."""
    far = jnp.maximum(x, 4.0)
    return jnp.where(x > 4.0, -(1 + 1.43 / far) / (far + 3.43 + 1.374 / far), x * value - 1)


def polynomial(coefficients, y):
    """c₀ + c₁y + c₂y² + …"""
    total = 0.0 * y
    for c in coefficients[::-1]:
        total = c + y * total
    return total
