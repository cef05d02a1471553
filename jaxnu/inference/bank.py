"""Predictions on a grid of parameters, computed once: thousands of data sets are then fitted without propagation."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from tqdm.auto import tqdm

from jaxnu.inference.amplitude import Measurement, measurement
from jaxnu.inference.coordinates import coordinates
from jaxnu.inference.posterior import Model, all_bin_heights, flux_points, other_terms, universe_at

CHUNK = 64
"""Points computed at once."""

Axes = dict[str, np.ndarray]


@dataclass(frozen=True)
class Bank:
    """E²φ of all bins for amplitude A = 1 at every point of a grid, and the data that it is compared with."""

    axes: Axes
    """Values of the sites, in the order of the grid's axes."""
    heights: Float[np.ndarray, "*grid bin"]
    """With interactions, GeV cm⁻² s⁻¹ sr⁻¹."""
    penalty: Float[np.ndarray, "*grid"]
    """−2 ln L of the terms that are not flux points."""
    free_heights: Float[np.ndarray, "*free bin"]
    """Without interactions; the axes `mass` and `coupling` have length 1."""
    free_penalty: Float[np.ndarray, "*free"]
    data: Measurement

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a NumPy archive (.npz)."""
        contents: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        contents |= {f"axis_{name}": values for name, values in self.axes.items()}
        contents |= {f"data_{entry.name}": np.asarray(getattr(self.data, entry.name)) for entry in fields(self.data)}
        np.savez_compressed(path, names=json.dumps(list(self.axes)), **contents)


_ARRAYS = ("heights", "penalty", "free_heights", "free_penalty")
_FORCE = ("mass", "coupling")
"""Sites of the default prior that mean nothing without interactions."""


def load_bank(path: str | os.PathLike[str]) -> Bank:
    """Read what `Bank.save` wrote. Raises ValueError if the file is missing or not of that kind."""
    if not Path(path).is_file():
        raise ValueError(f"there is no bank at {path}")
    try:
        with np.load(path) as stored:
            names = json.loads(str(stored["names"]))
            data = Measurement(**{e.name: jnp.asarray(stored[f"data_{e.name}"]) for e in fields(Measurement)})
            return Bank({n: stored[f"axis_{n}"] for n in names}, data=data, **{n: stored[n] for n in _ARRAYS})
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{path} is not a file that a bank was saved to: {error}") from error


def make_bank(model: Model, axes: Mapping[str, Sequence[float] | np.ndarray | float], *, progress: bool = True) -> Bank:
    """The predictions of `model` at all combinations of the values in `axes`.

    Every site of the prior but `amplitude`, over which fits are made in closed form, needs an axis; one value fixes it.
    Raises ValueError for a site without an axis or the reverse, a prior without amplitude, and empty axes.
    """
    sites = set(coordinates(model).transforms)
    if "amplitude" not in sites:
        raise ValueError("a bank needs a prior with a site named amplitude, to which the flux is proportional")
    missing, unknown = sorted(sites - {"amplitude"} - set(axes)), sorted(set(axes) - (sites - {"amplitude"}))
    if missing or unknown:
        raise ValueError(f"a bank needs an axis for every site but amplitude: missing {missing}, not wanted {unknown}")
    values = {name: np.atleast_1d(np.asarray(axis, dtype=float)) for name, axis in axes.items()}
    for name, axis in values.items():
        if axis.ndim != 1 or axis.size == 0 or np.any(np.diff(axis) <= 0):
            raise ValueError(f"the axis of {name} must be numbers that ascend, got {axis}")
    fewer = {name: axis[:1] if name in _FORCE else axis for name, axis in values.items()}
    data = measurement(flux_points(model.terms))
    heights, penalty = _predict(model, values, 1.0, progress)
    free_heights, free_penalty = _predict(model, fewer, 0.0, False)
    return Bank(values, heights, penalty, free_heights, free_penalty, data)


def refined(bank: Bank, name: str, factor: int) -> Bank:
    """The bank with `factor` − 1 more values between neighbours on an axis, by cubic splines of ln E²φ along it.

    For the axis of a spectral index, along which predictions are smooth: steps of 0.2 give them to 0.4 %.
    Raises ValueError for an axis that the bank has not, one shorter than 4 values, and a factor below 1.
    """
    if name not in bank.axes or bank.axes[name].size < 4:
        long = ", ".join(axis for axis, values in bank.axes.items() if values.size >= 4)
        raise ValueError(f"only axes with 4 values or more can be refined ({long or 'there is none'}), got {name!r}")
    if factor < 1:
        raise ValueError(f"factor must be at least 1, got {factor}")
    at, size = list(bank.axes).index(name), bank.axes[name].size
    nodes = np.arange(size)
    wanted = np.linspace(0, size - 1, factor * (size - 1) + 1)

    def along(values, log=False):
        if values.shape[at] != size:
            return values
        found = CubicSpline(nodes, np.log(values) if log else values, axis=at)(wanted)
        return np.exp(found) if log else found

    return Bank(
        {**bank.axes, name: CubicSpline(nodes, bank.axes[name])(wanted)},
        along(bank.heights, log=True),
        along(bank.penalty),
        along(bank.free_heights, log=True),
        along(bank.free_penalty),
        bank.data,
    )


def _predict(model: Model, axes: Axes, strength: float, progress: bool):
    shape = tuple(axis.size for axis in axes.values())
    grid = np.meshgrid(*axes.values(), indexing="ij")
    points = {name: part.ravel() for name, part in zip(axes, grid, strict=True)}
    terms, others = flux_points(model.terms), other_terms(model.terms)

    @jax.jit
    @jax.vmap
    def universes_at(point):
        universe = universe_at(model, {**point, "amplitude": jnp.asarray(1.0)})
        return eqx.tree_at(lambda all: all.mediator.coupling, universe, replace_fn=lambda g: strength * g)

    @jax.jit
    @jax.vmap
    def of_others(universe):
        nothing = jnp.zeros_like(universe.mediator.mass)
        return sum((-2 * jnp.asarray(term(universe)) for term in others), nothing)

    size = int(np.prod(shape))
    heights, penalty = [], []
    for start in tqdm(range(0, size, CHUNK), disable=not progress, desc="bank", unit=f"×{CHUNK}"):
        rows = np.arange(start, start + CHUNK) % size
        universes = universes_at({name: jnp.asarray(part[rows]) for name, part in points.items()})
        heights.append(np.asarray(all_bin_heights(terms, universes, model.resolution)))
        penalty.append(np.asarray(of_others(universes)))
    flat = np.concatenate(heights)[:size]
    return flat.reshape(*shape, flat.shape[1]), np.concatenate(penalty)[:size].reshape(shape)
