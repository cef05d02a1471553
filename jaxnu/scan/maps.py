"""Maps of two parameters from a swept likelihood: at its maximum over all others, and integrated over them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.special import logsumexp

LIKELIHOOD = "log_likelihood"


@dataclass(frozen=True)
class Map:
    """Two parameters against each other, arrays with axes (x, y)."""

    names: tuple[str, str]
    units: tuple[str, str]
    logarithmic: tuple[bool, bool]
    """Whether the parameter is spread evenly in its logarithm, in which it is then also integrated."""
    x: Float[np.ndarray, "x"]
    y: Float[np.ndarray, "y"]
    profiled: Float[np.ndarray, "x y"]
    """−2 ln L/L_max at its minimum over all other parameters; NaN where nothing is known."""
    marginal: Float[np.ndarray, "x y"]
    """Posterior probability of each cell for a flat prior, in the logarithm for what is spread so; they sum to 1."""
    best: dict[str, float]
    """All parameters at the best of the swept points, and what was found there."""
    others: tuple[str, ...]
    """Parameters that were varied besides."""


def make_map(data: xr.Dataset, x: str, y: str) -> Map:
    """The map of parameters `x` and `y` of a swept likelihood, as opened by xarray.

    Points of a grid stay as they are; those of other designs are collected in cells, with the best of each for the
    profile. Points that are NaN or missing are left out. Raises ValueError if the store has no likelihood, for names
    that are not two of its parameters, and if no point is finite.
    """
    if LIKELIHOOD not in data:
        raise ValueError(f"a map needs {LIKELIHOOD} among the results, got {', '.join(map(str, data.data_vars))}")
    points = json.loads(data.attrs["configuration"])["points"]
    names = parameters(data)
    for name in (x, y):
        if name not in names or x == y:
            raise ValueError(f"a map needs two of the parameters {', '.join(names)}, got {x} and {y}")
        if points["kind"] == "grid" and data.sizes[name] < 2:
            raise ValueError(f"a map needs two values of {name} or more, got one")
    values = data[LIKELIHOOD]
    values = values.where(np.isfinite(values))
    if not bool(values.notnull().any()):
        raise ValueError("the likelihood is not finite at any of the points")
    best = _best(data, values, names)
    make = _from_grid if points["kind"] == "grid" else _from_points
    logarithmic = {
        name: _is_geometric(data[name].values) if points["kind"] == "grid" else name in points.get("log", ())
        for name in names
    }
    along_x, along_y, profiled, log_mass = make(data, values, x, y, logarithmic)
    mass = np.exp(log_mass - np.nanmax(log_mass))
    return Map(
        names=(x, y),
        units=(str(data[x].attrs.get("units", "")), str(data[y].attrs.get("units", ""))),
        logarithmic=(logarithmic[x], logarithmic[y]),
        x=along_x,
        y=along_y,
        profiled=2 * (np.nanmax(profiled) - profiled),
        marginal=mass / np.nansum(mass),
        best=best,
        others=tuple(name for name in names if name not in (x, y)),
    )


def parameters(data: xr.Dataset) -> list[str]:
    """What was varied, in the order in which it was given. Raises ValueError for what is not the store of a sweep."""
    if "configuration" not in data.attrs:
        raise ValueError("this is not the store of a sweep: it has no configuration")
    return [str(name) for name in json.loads(data.attrs["configuration"])["points"]["parameters"]]


def credible_level(mass: Float[np.ndarray, "x y"], probability: float) -> float:
    """The height above which cells hold `probability`: the boundary of the smallest such region."""
    ranked = np.sort(mass[np.isfinite(mass)])[::-1]
    return float(ranked[min(np.searchsorted(np.cumsum(ranked), probability), ranked.size - 1)])


def _from_grid(data: xr.Dataset, values: xr.DataArray, x: str, y: str, logarithmic: dict[str, bool]) -> tuple[Any, ...]:
    widths = {name: _widths(data[name].values, logarithmic[name]) for name in map(str, values.dims)}
    log_weight = sum(xr.DataArray(np.log(width), dims=name) for name, width in widths.items())
    others = [name for name in values.dims if name not in (x, y)]
    weighted = (values + log_weight).transpose(x, y, *others).values.reshape(data.sizes[x], data.sizes[y], -1)
    profiled = values.max(others).transpose(x, y).values
    log_mass = np.asarray(logsumexp(np.where(np.isnan(weighted), -np.inf, weighted), axis=2))
    return data[x].values, data[y].values, profiled, np.where(np.isnan(profiled), np.nan, log_mass)


def _from_points(
    data: xr.Dataset, values: xr.DataArray, x: str, y: str, logarithmic: dict[str, bool]
) -> tuple[Any, ...]:
    known = values.notnull().values
    height = values.values[known]
    # some ten points in a cell
    cells = int(np.clip(np.sqrt(height.size / 10), 4, 60))
    places, centres = [], []
    for name in (x, y):
        at = data[name].values[known]
        at = np.log(at) if logarithmic[name] else at
        edges = np.linspace(at.min(), at.max(), cells + 1)
        places.append(np.clip(np.searchsorted(edges, at, side="right") - 1, 0, cells - 1))
        middle = (edges[1:] + edges[:-1]) / 2
        centres.append(np.exp(middle) if logarithmic[name] else middle)
    cell = (places[0], places[1])
    profiled = np.full((cells, cells), -np.inf)
    np.maximum.at(profiled, cell, height)
    profiled[np.isneginf(profiled)] = np.nan
    total, members = np.zeros((cells, cells)), np.zeros((cells, cells))
    np.add.at(total, cell, np.exp(height - height.max()))
    np.add.at(members, cell, 1.0)
    # points are spread evenly: the mean of a cell is what it would hold with its fair share of them
    return *centres, profiled, np.log(np.where(total > 0, total / np.maximum(members, 1.0), np.nan))


def _best(data: xr.Dataset, values: xr.DataArray, names: list[str]) -> dict[str, float]:
    place = np.unravel_index(int(np.nanargmax(values.values)), values.shape)
    at = data.isel({dim: int(index) for dim, index in zip(values.dims, place, strict=True)})
    found = [str(name) for name in data.data_vars if name != "status" and not at[name].ndim]
    return {name: float(at[name]) for name in [*names, *found]}


def _is_geometric(axis: np.ndarray) -> bool:
    if axis.size < 3 or axis.min() <= 0:
        return False
    steps = np.diff(np.log(axis))
    return bool(np.ptp(steps) < np.ptp(np.diff(axis)) / np.max(np.abs(axis))) and bool(np.allclose(steps, steps[0]))


def _widths(axis: np.ndarray, logarithmic: bool) -> np.ndarray:
    """Length of axis that each value stands for."""
    if axis.size == 1:
        return np.ones(1)
    return np.abs(np.gradient(np.log(axis) if logarithmic else axis))
