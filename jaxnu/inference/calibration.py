"""Simulation-based calibration: whether posteriors of simulated data hold their truths as often as they claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from scipy.stats import chi2 as chi2_distribution
from tqdm.auto import tqdm

from jaxnu.icecube import FluxPoints
from jaxnu.inference.amplitude import Measurement, chi2, measurement
from jaxnu.inference.coordinates import constrain, coordinates, prior_draw
from jaxnu.inference.posterior import Model, bin_heights, flux_points, universe_at
from jaxnu.inference.pseudo import simulate
from jaxnu.inference.result import Posterior
from jaxnu.transport.solution import Solution
from jaxnu.universe import Universe

Sampler = Callable[[Model, PRNGKeyArray], Posterior]


class SimulatedPoints(eqx.Module):
    """A term: `data` drawn from the likelihood of flux points, in the bins of `points`, one data set after another."""

    points: tuple[FluxPoints, ...]
    data: Measurement

    def from_spectrum(self, spectrum: Solution, universe: Universe) -> Float[Array, ""]:
        """−χ²/2 of the data, from a spectrum that covers the bins."""
        heights = [points.predict_from(spectrum, universe) / points.segment for points in self.points]
        return -chi2(self.data, jnp.concatenate(heights)) / 2


@dataclass(frozen=True)
class Calibration:
    """Ranks of the true values among the draws of each simulated data set's posterior."""

    ranks: dict[str, Int[np.ndarray, " experiment"]]
    """By scalar site: the number of draws below the truth, from 0 to `draws`."""
    truths: dict[str, Float[np.ndarray, " experiment"]]
    """What was drawn from the prior. Where data say little, ranks are as uneven as these happen to be."""
    draws: int

    def uniformity(self, bins: int = 10) -> dict[str, float]:
        """The probability of a larger χ² than that of the ranks in `bins` equal bins, by site, if they are uniform."""
        found = {}
        for name, ranks in self.ranks.items():
            counts, _ = np.histogram((ranks + 0.5) / (self.draws + 1), bins, range=(0, 1))
            expected = len(ranks) / bins
            found[name] = float(chi2_distribution.sf(np.sum((counts - expected) ** 2 / expected), bins - 1))
        return found


def simulated_model(model: Model, values: dict[str, Array], key: PRNGKeyArray) -> Model:
    """The model with data drawn from the likelihood of its flux points at `values` of the sites.

    Raises ValueError for other terms than flux points, and for a convention that is no density (see `simulate`).
    """
    data, points = measurement(model.terms), flux_points(model.terms)
    heights = jnp.concatenate(bin_heights(points, universe_at(model, values), model.resolution))
    one = jax.tree.map(lambda many: many[0], simulate(data, heights, key, 1))
    return Model(model.prior, (SimulatedPoints(points, one),), model.resolution)


def calibrate(
    model: Model, key: PRNGKeyArray, sampler: Sampler, *, experiments: int = 200, draws: int = 99, progress: bool = True
) -> Calibration:
    """Simulation-based calibration (1804.06788): truths from the prior, data from the truths, ranks in the posteriors.

    If `sampler(model, key)` draws from the posterior, the rank of every truth among `draws` independent draws is
    uniform, whatever the model; so `draws` are taken evenly from each chain's, fewer than their effective number.
    Raises ValueError for numbers that are not positive, posteriors of fewer draws than that, and models whose data
    cannot be simulated.
    """
    if min(experiments, draws) < 1:
        raise ValueError(f"experiments and draws must be positive, got {experiments} and {draws}")
    where = coordinates(model)
    ranks: dict[str, list[int]] = {}
    truths: dict[str, list[float]] = {}
    for number in tqdm(range(experiments), disable=not progress, desc="calibration"):
        truth_key, data_key, sampler_key = jax.random.split(jax.random.fold_in(key, number), 3)
        truth = constrain(where, prior_draw(model, where, truth_key))
        found = sampler(simulated_model(model, truth, data_key), sampler_key).draws
        for name, value in found.items():
            flat = value.reshape(-1)
            if flat.size < draws:
                raise ValueError(f"draws must not exceed the {flat.size} that the sampler gives, got {draws}")
            thinned = flat[np.linspace(0, flat.size - 1, draws).round().astype(int)]
            ranks.setdefault(name, []).append(int(np.sum(thinned < truth[name])))
            truths.setdefault(name, []).append(float(truth[name]))
    ranked, drawn = ({name: np.asarray(part) for name, part in found.items()} for found in (ranks, truths))
    return Calibration(ranked, drawn, draws)
