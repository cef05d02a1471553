"""Posterior predictive checks: data that the posterior would make, beside the data that there are."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from jaxnu.inference.amplitude import Measurement, chi2, measurement
from jaxnu.inference.posterior import Model, all_bin_heights, flux_points, universe_at
from jaxnu.inference.pseudo import simulate
from jaxnu.inference.result import Posterior


@dataclass(frozen=True)
class Predictive:
    """Heights E²φ (GeV cm⁻² s⁻¹ sr⁻¹) that draws predict, one replicated data set of each, and χ² of both."""

    data: Measurement
    heights: Float[np.ndarray, "draw bin"]
    replicated: Measurement
    """Leaves with a leading axis over draws."""
    observed_chi2: Float[np.ndarray, " draw"]
    replicated_chi2: Float[np.ndarray, " draw"]

    @property
    def p_value(self) -> float:
        """P(χ²(replicated, θ) ≥ χ²(data, θ)) over the posterior: near 0 the model cannot make such data."""
        return float(np.mean(self.replicated_chi2 >= self.observed_chi2))

    @property
    def bin_p_values(self) -> Float[np.ndarray, " bin"]:
        """P(replicated ≥ data) of each bin, of the events where there are limits: near 0 or 1 the bin stands out."""
        counted = np.asarray(self.data.rate) > 0
        higher = np.asarray(self.replicated.value) >= np.asarray(self.data.value)
        more = np.asarray(self.replicated.events) > np.asarray(self.data.events)
        same = np.asarray(self.replicated.events) == np.asarray(self.data.events)
        return np.mean(np.where(counted, more + 0.5 * same, higher), axis=0)


def thinned(result: Posterior, count: int) -> dict[str, np.ndarray]:
    """Values of at most `count` evenly spaced draws of all chains together."""
    draws = {name: values.reshape(-1, *values.shape[2:]) for name, values in result.draws.items()}
    size = len(next(iter(draws.values())))
    chosen = np.unique(np.linspace(0, size - 1, min(count, size)).round().astype(int))
    return {name: values[chosen] for name, values in draws.items()}


def predictive(model: Model, result: Posterior, key: PRNGKeyArray, *, draws: int = 400) -> Predictive:
    """Replicated data for at most `draws` draws of a posterior, and χ² as the measure of discrepancy (Gelman 1996).

    Data are simulated from the likelihood itself: see `simulate`, also for what it refuses.
    """
    data = measurement(flux_points(model.terms))
    values = {name: jnp.asarray(part) for name, part in thinned(result, draws).items()}
    universes = jax.vmap(lambda point: universe_at(model, point))(values)
    predicted = all_bin_heights(flux_points(model.terms), universes, model.resolution)
    keys = jax.random.split(key, predicted.shape[0])
    many = jax.vmap(lambda height, one: simulate(data, height, one, 1))(predicted, keys)
    replicated = jax.tree.map(lambda leaf: leaf[:, 0], many)
    return Predictive(
        data,
        np.asarray(predicted),
        replicated,
        np.asarray(jax.vmap(lambda height: chi2(data, height))(predicted)),
        np.asarray(jax.vmap(chi2)(replicated, predicted)),
    )
