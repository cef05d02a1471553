"""Names of what the results of a sweep are arranged along, and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from jaxnu.scan.design import Design

STATUS = "status"


@dataclass(frozen=True)
class Labels:
    """What is written beside the numbers: dimensions of the results, coordinates along them, units."""

    dims: dict[str, tuple[str, ...]]
    coords: dict[str, Any]
    units: dict[str, str]


def make_labels(
    design: Design,
    results: Mapping[str, Any],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Any],
    units: Mapping[str, str],
) -> Labels:
    """Checked labels; dimensions without a name are called after their result, as in flux_0, flux_1.

    Raises ValueError for names that clash, that name no result, and for dimensions that do not fit.
    """
    taken = {STATUS, *design.names, *design.dims}
    for name in results:
        if name in taken or name in coords:
            raise ValueError(f"a result may not be called {name!r}, like a parameter, a coordinate or the status")
    for name in dims:
        if name not in results:
            raise ValueError(f"dims names {name!r}, which is not among the results {', '.join(results)}")
    given = xr.Dataset(coords=dict(coords))
    for name in [*given.coords, *given.sizes]:
        if name in taken:
            raise ValueError(f"coords may not name {name!r}, which is a parameter of the sweep or the status")
    known = {*results, *design.names, *map(str, given.coords)}
    for name in units:
        if name not in known:
            raise ValueError(f"units names {name!r}, which is not among {', '.join(sorted(known))}")
    named: dict[str, tuple[str, ...]] = {}
    lengths = {str(name): size for name, size in given.sizes.items()}
    for name, result in results.items():
        named[name] = tuple(dims.get(name, [f"{name}_{at}" for at in range(len(result.shape))]))
        if len(named[name]) != len(result.shape):
            raise ValueError(f"dims of {name} must name {len(result.shape)} dimensions, got {named[name]}")
        for dim, size in zip(named[name], result.shape, strict=True):
            if lengths.setdefault(dim, size) != size:
                raise ValueError(f"dimension {dim} of {name} has length {size}, but elsewhere {lengths[dim]}")
    return Labels(named, dict(coords), dict(units))
