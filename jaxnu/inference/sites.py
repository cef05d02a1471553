"""Sites of priors: numpyro samples with a unit and a checked range."""

from __future__ import annotations

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike

from jaxnu._field import require_range

Range = tuple[float, float]


def log_uniform(name: str, bounds: Range, unit: str = "") -> Array:
    """A site uniform in the logarithm. Raises ValueError for a range that is empty or not positive."""
    support = _checked(name, bounds, positive=True)
    return jnp.asarray(numpyro.sample(name, dist.LogUniform(*support), infer={"unit": unit}))


def uniform(name: str, bounds: Range, unit: str = "", positive: bool = False) -> Array:
    """A uniform site. Raises ValueError for a range that is empty or, if asked, not positive."""
    support = _checked(name, bounds, positive)
    return jnp.asarray(numpyro.sample(name, dist.Uniform(*support), infer={"unit": unit}))


def normal(name: str, mean: ArrayLike, error: float, bounds: Range, unit: str = "") -> Array:
    """A normal site cut off at `bounds`, which do not depend on other sites as the mean may."""
    low, high = _checked(name, bounds, positive=False)
    return jnp.asarray(
        numpyro.sample(name, dist.TruncatedNormal(mean, error, low=low, high=high), infer={"unit": unit})
    )


def _checked(name: str, bounds: Range, positive: bool) -> Range:
    require_range(name, *bounds, positive)
    return float(bounds[0]), float(bounds[1])
