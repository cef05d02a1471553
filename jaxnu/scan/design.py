"""The points of a sweep: a product grid, a design that fills a box, or a list."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import qmc

from jaxnu._field import require_range
from jaxnu.inference.configuration import digest

Slices = tuple[slice, ...]
Columns = dict[str, np.ndarray]
Range = tuple[float, float]


@dataclass(frozen=True)
class Design:
    """Named points in an array of `shape` with `dims`: one axis per parameter for a grid, one axis "point" otherwise.

    Made by `grid`, `sobol`, `latin_hypercube` and `listed`. `axes` are a grid's axes and None otherwise; `columns`
    gives the values of all parameters in a block of the array, flattened in C order, so that 10⁷ points need no memory.
    """

    names: tuple[str, ...]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    axes: Columns | None
    columns: Callable[[Slices], Columns]
    ends: Columns
    """Smallest and largest value of each parameter."""
    description: dict[str, Any]

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)


def grid(axes: Mapping[str, ArrayLike]) -> Design:
    """All combinations of the values in `axes`, the last parameter varying fastest.

    Raises ValueError for no axes, and for values that are not a one-dimensional array of different finite numbers.
    """
    values = _checked(axes)
    for name, axis in values.items():
        if len(np.unique(axis)) < axis.size:
            raise ValueError(f"the values of {name} must differ from each other: they label the axis of a grid")

    def columns(block: Slices) -> Columns:
        parts = np.meshgrid(*(axis[part] for axis, part in zip(values.values(), block, strict=True)), indexing="ij")
        return {name: part.ravel() for name, part in zip(values, parts, strict=True)}

    names = tuple(values)
    shape = tuple(axis.size for axis in values.values())
    return Design(names, names, shape, values, columns, _ends(values), {"kind": "grid", "values": _hashes(values)})


def listed(columns: Mapping[str, ArrayLike]) -> Design:
    """The points whose parameters stand in equally long columns.

    Raises ValueError for columns of different lengths, and for whatever `grid` refuses except equal numbers.
    """
    values = _checked(columns)
    if len({column.size for column in values.values()}) > 1:
        sizes = ", ".join(f"{name} {column.size}" for name, column in values.items())
        raise ValueError(f"the columns of listed points must be equally long, got {sizes}")
    return _scattered(values, {"kind": "list", "values": _hashes(values)})


def latin_hypercube(ranges: Mapping[str, Range], count: int, *, seed: int = 0, log: Iterable[str] = ()) -> Design:
    """`count` points of which each parameter takes one value in each of `count` equal parts of its range.

    Those in `log` are spread evenly in their logarithm. Kept in memory: 8 bytes per point and parameter.
    Raises ValueError for ranges that are not finite and ascending (positive for `log`) and for a count below 1.
    """
    box = _box(ranges, count, log)
    unit = qmc.LatinHypercube(len(box), rng=np.random.default_rng(seed)).random(count)
    values = {name: part(unit[:, at]) for at, (name, part) in enumerate(box.items())}
    return _scattered(values, {"kind": "latin hypercube", **_description(ranges, count, seed, log)})


def sobol(ranges: Mapping[str, Range], count: int, *, seed: int = 0, log: Iterable[str] = ()) -> Design:
    """`count` points of a scrambled Sobol sequence: more even than random ones; for averages over the box.

    Those in `log` are spread evenly in their logarithm. Points are made when they are needed, so none are in memory.
    Raises ValueError for a count that is not a power of 2 (others spoil its balance), and as `latin_hypercube` does.
    """
    box = _box(ranges, count, log)
    if count & (count - 1):
        raise ValueError(f"a Sobol design needs a power of 2 points, got {count}")

    def columns(block: Slices) -> Columns:
        (part,) = block
        sequence = qmc.Sobol(len(box), rng=np.random.default_rng(seed))
        with warnings.catch_warnings():
            # a part of the sequence, whose balance is that of the whole
            warnings.simplefilter("ignore", UserWarning)
            if part.start:
                sequence.fast_forward(part.start)
            unit = sequence.random(part.stop - part.start)
        return {name: stretch(unit[:, at]) for at, (name, stretch) in enumerate(box.items())}

    ends = {name: np.asarray(ranges[name], float) for name in box}
    description = {"kind": "sobol", **_description(ranges, count, seed, log)}
    return Design(tuple(box), ("point",), (count,), None, columns, ends, description)


def _scattered(values: Columns, description: dict[str, Any]) -> Design:
    count = next(iter(values.values())).size
    return Design(
        tuple(values),
        ("point",),
        (count,),
        None,
        lambda block: {name: column[block[0]] for name, column in values.items()},
        _ends(values),
        description,
    )


def _checked(values: Mapping[str, ArrayLike]) -> Columns:
    if not values:
        raise ValueError("a sweep needs at least one parameter, got none")
    arrays = {name: np.asarray(column, dtype=float) for name, column in values.items()}
    for name, array in arrays.items():
        if array.ndim != 1 or not array.size or not np.all(np.isfinite(array)):
            raise ValueError(f"the values of {name} must be finite numbers in one dimension, got {values[name]!r}")
    return arrays


def _box(ranges: Mapping[str, Range], count: int, log: Iterable[str]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """From the unit interval to the range, by parameter."""
    if not ranges:
        raise ValueError("a sweep needs at least one parameter, got none")
    if count < 1:
        raise ValueError(f"count must be positive, got {count}")
    log = tuple(log)
    for name in log:
        if name not in ranges:
            raise ValueError(f"log names {name!r}, which is not among the ranges of {', '.join(ranges)}")
    for name, (low, high) in ranges.items():
        require_range(name, low, high, positive=name in log)
    return {name: _stretch(float(ends[0]), float(ends[1]), name in log) for name, ends in ranges.items()}


def _stretch(low: float, high: float, logarithmic: bool) -> Callable[[np.ndarray], np.ndarray]:
    if logarithmic:
        return lambda u: low * np.exp(u * math.log(high / low))
    return lambda u: low + u * (high - low)


def _ends(values: Columns) -> Columns:
    return {name: np.asarray([array.min(), array.max()]) for name, array in values.items()}


def _hashes(values: Columns) -> dict[str, str]:
    return {name: f"{array.size} numbers {digest(array)}" for name, array in values.items()}


def _description(ranges: Mapping[str, Range], count: int, seed: int, log: Iterable[str]) -> dict[str, Any]:
    return {
        "ranges": {name: [float(end) for end in ends] for name, ends in ranges.items()},
        "count": count,
        "seed": seed,
        "log": sorted(log),
    }
