"""What more data would tell: Asimov data sets and the Fisher matrix of the binned predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.icecube import FluxPoints
from jaxnu.inference.amplitude import measurement
from jaxnu.inference.posterior import Model, bin_heights, flux_points, other_terms, universe_at
from jaxnu.universe import Universe

GEN2 = 8.0
"""IceCube-Gen2 in units of the data at hand: eight times the instrumented volume, for as many years."""


@dataclass(frozen=True)
class Forecast:
    """The information about parameters at a point, in the units of the sites."""

    names: tuple[str, ...]
    fisher: Float[np.ndarray, "name name"]
    """F_ij = −E[∂² ln L/∂θ_i ∂θ_j]."""

    @property
    def covariance(self) -> Float[np.ndarray, "name name"]:
        """F⁻¹, the best that any unbiased estimator can do (Cramér and Rao); ∞ if a direction is not constrained."""
        scale = np.sqrt(np.abs(np.diag(self.fisher)))
        scale[scale == 0] = 1.0
        eigenvalues, vectors = np.linalg.eigh(self.fisher / np.outer(scale, scale))
        if eigenvalues[0] < 1e-10:
            return np.full_like(self.fisher, np.inf)
        return (vectors / eigenvalues) @ vectors.T / np.outer(scale, scale)

    @property
    def errors(self) -> dict[str, float]:
        """Standard deviations with all parameters free."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))


def asimov(model: Model, universe: Universe, *, exposure: float = GEN2) -> Model:
    """The model with data that are exactly what `universe` predicts, for `exposure` times the present data.

    Points keep the geometric mean of their two errors, which has the information of the split normal, and limits become
    points of the error of a Poisson count, σ² = x limit/(z²/2); all errors shrink with 1/√exposure, systematic ones
    too. Other terms stay as they are. Raises ValueError for an exposure that is not positive.
    """
    if not exposure > 0:
        raise ValueError(f"exposure must be positive, got {exposure}")
    points = flux_points(model.terms)
    heights = bin_heights(points, universe, model.resolution)
    simulated = iter(_asimov(term, height, exposure) for term, height in zip(points, heights, strict=True))
    terms = tuple(next(simulated) if isinstance(term, FluxPoints) else term for term in model.terms)
    return Model(model.prior, terms, model.resolution)


def forecast(
    model: Model, values: Mapping[str, float], *, exposure: float = GEN2, fixed: tuple[str, ...] = ()
) -> Forecast:
    """The Fisher matrix at `values` of the sites, for `exposure` times the present data; `fixed` sites are known.

    F_ij = Σ_b ∂_i x_b ∂_j x_b/σ_b² by automatic differentiation of the heights x_b, with the errors of `asimov`, minus
    the second derivatives of ln L of other terms. Sites that are flat directions, as the masses without interactions,
    must be fixed: else nothing has a finite error.
    Raises ValueError for an exposure that is not positive, and unknown names in `fixed`.
    """
    unknown = set(fixed) - set(values)
    if unknown:
        raise ValueError(f"fixed must be some of {', '.join(values)}, got {', '.join(sorted(unknown))}")
    point = {name: jnp.asarray(float(value)) for name, value in values.items()}
    data = measurement(flux_points(asimov(model, universe_at(model, point), exposure=exposure).terms))
    names = tuple(sorted(set(values) - set(fixed)))
    slopes, curvatures = _derivatives(model, point)
    scaled = np.stack([np.asarray(slopes[name] / data.plus) for name in names])
    other = np.array([[float(curvatures[first][second]) for second in names] for first in names])
    return Forecast(names, scaled @ scaled.T - other)


@eqx.filter_jit
def _derivatives(model: Model, values: dict[str, Array]):
    """∂x_b/∂θ_i, and the second derivatives of ln L of the terms that are not flux points."""

    def heights(values):
        return jnp.concatenate(bin_heights(flux_points(model.terms), universe_at(model, values), model.resolution))

    def rest(values):
        universe = universe_at(model, values)
        return sum(
            (jnp.asarray(term(universe)) for term in other_terms(model.terms)), jnp.zeros_like(universe.mediator.mass)
        )

    return jax.jacfwd(heights)(values), jax.hessian(rest)(values)


def _asimov(term: FluxPoints, height: Float[Array, "bin"], exposure: float) -> FluxPoints:
    rate = measurement([term]).rate
    counted = rate > 0
    variance = jnp.where(counted, height / jnp.where(counted, rate, 1.0), term.minus * term.plus) / exposure
    return eqx.tree_at(
        lambda points: (points.value, points.minus, points.plus, points.is_limit),
        term,
        (height, jnp.sqrt(variance), jnp.sqrt(variance), jnp.zeros_like(term.is_limit)),
    )
