"""Unconstrained coordinates: a vector u in which every point is allowed.

What data see of a Z′ are a resonance energy ∝ m_Z′²/m_j and an optical depth ∝ (g′/m_Z′)². Their logarithms are linear
in ln m_Z′, ln g′ and ln m_j, and ln m_Z′ and ln g′ are (stretched) coordinates here: a dense metric and kernels with a
covariance adapt to any linear map of coordinates by themselves, so that no further ones are needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.flatten_util import ravel_pytree
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro import handlers
from numpyro.distributions.transforms import (
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    ParameterFreeTransform,
    Transform,
    biject_to,
)
from numpyro.infer.util import log_density

from jaxnu.inference.posterior import Model

Values = dict[str, Array]


@dataclass(frozen=True)
class Coordinates:
    """How u maps to the values of the sites: a transform per site, and how u is cut into sites."""

    transforms: dict[str, Transform]
    units: dict[str, str]
    unravel: Callable[[Float[Array, " u"]], Values]
    size: int


def coordinates(model: Model) -> Coordinates:
    """The coordinates of a model, from its prior's sites; supports must not depend on others.

    Raises ValueError for a prior without sites and for discrete ones.
    """
    with handlers.block(), handlers.seed(rng_seed=0), handlers.trace() as trace:
        model.prior()
    sites = {name: site for name, site in sorted(trace.items()) if site["type"] == "sample" and not site["is_observed"]}
    if not sites:
        raise ValueError("the prior has no sites: there is nothing to infer")
    for name, site in sites.items():
        if site["fn"].support.is_discrete:
            raise ValueError(
                f"site {name} of the prior is discrete, but only continuous ones can be fitted and sampled"
            )
    transforms = {name: _transform(site["fn"]) for name, site in sites.items()}
    units = {name: site["infer"].get("unit", "") for name, site in sites.items()}
    origin, unravel = ravel_pytree({name: transforms[name].inv(site["value"]) for name, site in sites.items()})
    return Coordinates(transforms, units, unravel, origin.size)


class NormalScores(ParameterFreeTransform):
    """From the real line to (0, 1) by the normal distribution function Φ: what is uniform becomes normal.

    numpyro's own choice, a logistic curve, leaves exponential tails along every parameter that data do not constrain,
    and kernels about draws miss those: chains that jump there stay for long.
    """

    @property
    def domain(self):
        return dist.constraints.real

    @property
    def codomain(self):
        return dist.constraints.unit_interval

    def __call__(self, x):
        limits = jnp.finfo(jnp.result_type(x))
        return jnp.clip(ndtr(x), limits.tiny, 1 - limits.epsneg)

    def _inverse(self, y):
        limits = jnp.finfo(jnp.result_type(y))
        return ndtri(jnp.clip(y, limits.tiny, 1 - limits.epsneg))

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        return -0.5 * (x**2 + math.log(2 * math.pi))


def _transform(distribution: dist.Distribution) -> Transform:
    """From the real line to a site's support: what is uniform, also in the logarithm, is normal in u."""
    if isinstance(distribution, dist.LogUniform):
        low, high = jnp.log(jnp.asarray(distribution.low)), jnp.log(jnp.asarray(distribution.high))
        return ComposeTransform([NormalScores(), AffineTransform(low, high - low), ExpTransform()])
    if isinstance(distribution, dist.Uniform):
        low, high = jnp.asarray(distribution.low), jnp.asarray(distribution.high)
        return ComposeTransform([NormalScores(), AffineTransform(low, high - low)])
    return biject_to(distribution.support)


def constrain(where: Coordinates, u: Float[Array, " u"]) -> Values:
    """Values of the sites at u."""
    return {name: jnp.asarray(where.transforms[name](part)) for name, part in where.unravel(u).items()}


def _unconstrain(where: Coordinates, values: Values) -> Float[Array, " u"]:
    """u at values of the sites."""
    return ravel_pytree({name: transform.inv(values[name]) for name, transform in where.transforms.items()})[0]


def prior_draw(model: Model, where: Coordinates, key: PRNGKeyArray) -> Float[Array, " u"]:
    """u of one draw from the prior."""
    with handlers.block(), handlers.seed(rng_seed=key), handlers.trace() as trace:
        model.prior()
    return _unconstrain(where, {name: trace[name]["value"] for name in where.transforms})


def log_prior(model: Model, where: Coordinates, u: Float[Array, " u"]) -> Float[Array, ""]:
    """ln of the prior's density of u: that of the values × |∂values/∂u|."""
    parts = where.unravel(u)
    values = constrain(where, u)
    volume = [jnp.sum(where.transforms[name].log_abs_det_jacobian(parts[name], values[name])) for name in parts]
    density, _ = log_density(model.prior, (), {}, values)
    return density + jnp.sum(jnp.stack(volume))
