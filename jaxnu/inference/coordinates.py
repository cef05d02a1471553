"""Unconstrained coordinates: a vector u in which every point is allowed.

What data see of a Z′ are a resonance energy ∝ m_Z′²/m_j and an optical depth ∝ (g′/m_Z′)². Their logarithms are linear
in ln m_Z′, ln g′ and ln m_j, and ln m_Z′ and ln g′ are (stretched) coordinates here: a dense metric and kernels with a
covariance adapt to any linear map of coordinates by themselves, so that no further ones are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro import handlers
from numpyro.distributions.transforms import ComposeTransform, ExpTransform, Transform, biject_to
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


def _transform(distribution: dist.Distribution) -> Transform:
    """From the real line to a site's support.

    What is uniform in the logarithm is stretched in the logarithm: numpyro's own map of the interval would squeeze
    decades into the end of a logistic curve.
    """
    if isinstance(distribution, dist.LogUniform):
        low, high = jnp.asarray(distribution.low), jnp.asarray(distribution.high)
        log_support = dist.constraints.interval(jnp.log(low), jnp.log(high))
        return ComposeTransform([biject_to(log_support), ExpTransform()])
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
