"""The results of a sweep on disk: a Zarr group with labelled arrays, which `xarray.open_zarr` opens.

One chunk of points is one file per variable. Files appear whole or not at all (Zarr writes a temporary file and renames
it; object stores put whole objects), and the file of `status` is written after those of all results: where it exists
the chunk is complete. So whatever happens, a chunk is there or it is not, and an incomplete one is computed again.
Format 2 of Zarr, because its specification covers all that is needed here, strings and consolidated metadata included.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.errors import ZarrUserWarning
from zarr.storage import FsspecStore, LocalStore

from jaxnu.inference.configuration import difference
from jaxnu.scan.blocks import Blocks, slices
from jaxnu.scan.claims import FOLDER, Claims
from jaxnu.scan.describe import PACKAGES, physics_hash
from jaxnu.scan.design import Columns
from jaxnu.scan.files import Files, exists, names, read, remove, write
from jaxnu.scan.labels import STATUS, Labels
from jaxnu.scan.task import Task

MISSING, COMPUTED, NAN = 0, 1, 2
_METADATA = ".zmetadata"
CREATION = "creation"
Index = tuple[int, ...]


@dataclass(frozen=True)
class Store:
    """An open store: where it is, how its arrays are cut, and the arrays by name."""

    files: Files
    blocks: Blocks
    arrays: dict[str, zarr.Array]


def stored_configuration(url: str, files: Files) -> dict[str, Any] | None:
    """The configuration of the sweep whose store is there, or None if there is nothing, or one not yet made ready.

    Raises ValueError for anything else that is there.
    """
    text = read(files, _METADATA)
    if text is not None:
        attributes = json.loads(text)["metadata"].get(".zattrs", {})
        if "configuration" in attributes:
            return json.loads(attributes["configuration"])
    elif not names(files, "") or exists(files, FOLDER):
        return None
    raise ValueError(f"{url} is not the store of a sweep; give another place")


def require_same(url: str, stored: Mapping[str, Any], configuration: Mapping[str, Any]) -> None:
    """Raise ValueError if a store belongs to another sweep, naming the field that differs."""
    ours = json.loads(json.dumps(configuration))
    # what has a name of its own before the hashes of everything together
    named = [{field: part for field, part in each.items() if field != "physics"} for each in (stored, ours)]
    differs = difference(*named) or difference(stored, ours)
    if differs:
        raise ValueError(f"the store {url} belongs to another sweep: its {differs}")


def make_store(url: str, files: Files, claims: Claims, task: Task, attributes: Mapping[str, str]) -> Store:
    """The store, created by whichever process comes first; metadata that make it valid are written last."""
    while (stored := stored_configuration(url, files)) is None:
        if not claims.take(CREATION):
            time.sleep(0.2)
            continue
        if stored_configuration(url, files) is None:
            with warnings.catch_warnings():
                # the claims in the store, which are no part of Zarr
                warnings.filterwarnings("ignore", f"Object at {FOLDER}", ZarrUserWarning)
                _create(url, files, task, attributes)
        claims.release(CREATION)
    require_same(url, stored, task.configuration)
    group = zarr.open_group(_zarr_store(url, files), mode="r+", zarr_format=2)
    own = [*task.results, STATUS, *([] if task.design.axes else task.design.names)]
    return Store(files, task.blocks, {name: _array(group, name) for name in own})


def _create(url: str, files: Files, task: Task, attributes: Mapping[str, str]) -> None:
    for name in names(files, ""):
        if name != FOLDER:  # what a creation that was killed has left
            remove(files, name)
    design, labels = task.design, task.labels
    dataset = xr.Dataset(
        coords={
            **{name: ((name,), axis, _unit(labels, name)) for name, axis in (design.axes or {}).items()},
            **labels.coords,
        },
        attrs={
            **attributes,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "configuration": json.dumps(task.configuration, ensure_ascii=False),
            "physics_hash": physics_hash(task.configuration),
            **{f"{package}_version": task.configuration["packages"][package] for package in PACKAGES},
        },
    )
    target = _zarr_store(url, files)
    dataset.to_zarr(target, mode="a", consolidated=False, zarr_format=2)
    group = zarr.open_group(target, mode="r+", zarr_format=2)
    at = {} if design.axes else {"coordinates": " ".join(design.names)}
    for name, result in task.results.items():
        _add(group, name, task, np.dtype(result.dtype), labels.dims[name], result.shape, at)
    for name in () if design.axes else design.names:
        _add(group, name, task, np.dtype(float))
    meaning = {"flag_values": [MISSING, COMPUTED, NAN], "flag_meanings": "missing computed computed_with_nan"}
    _add(group, STATUS, task, np.dtype(np.int8), attributes={**at, **meaning})
    zarr.consolidate_metadata(target, zarr_format=2)


def write_block(store: Store, index: Index, columns: Columns, results: Mapping[str, np.ndarray]) -> int:
    """Write a chunk, its status last; returns the number of points with NaN in any result."""
    where = slices(store.blocks, index)
    shape = tuple(part.stop - part.start for part in where)
    count = int(np.prod(shape))
    is_nan = np.zeros(count, dtype=bool)
    for name, values in results.items():
        if np.issubdtype(values.dtype, np.inexact):
            is_nan |= np.isnan(values).reshape(count, -1).any(axis=1)
        store.arrays[name][where] = values.reshape(*shape, *values.shape[1:])
    for name, values in columns.items():
        if name in store.arrays:
            store.arrays[name][where] = values
    store.arrays[STATUS][where] = np.where(is_nan, NAN, COMPUTED).astype(np.int8).reshape(shape)
    return int(is_nan.sum())


def is_done(store: Store, index: Index) -> bool:
    """Whether a chunk is complete."""
    return exists(store.files, f"{STATUS}/{key(index)}")


def done(store: Store) -> set[Index]:
    """The complete chunks."""
    found = set()
    for name in names(store.files, STATUS):
        parts = name.split(".")
        if all(part.isdigit() for part in parts):
            found.add(tuple(map(int, parts)))
    return found


def count_nan(store: Store) -> int:
    """Points with NaN in the chunks that are complete."""
    return sum(int(np.sum(store.arrays[STATUS][slices(store.blocks, index)] == NAN)) for index in done(store))


def record_failure(store: Store, index: Index, words: str) -> None:
    """Keep what a chunk raised."""
    write(store.files, _failure(index), words)


def failure(store: Store, index: Index) -> str | None:
    """What a chunk raised, or None."""
    return read(store.files, _failure(index))


def forget_failure(store: Store, index: Index) -> None:
    """Drop what a chunk raised, now that it is done."""
    remove(store.files, _failure(index))


def failures(store: Store) -> dict[Index, str]:
    """What chunks raised, by chunk."""
    indices = [tuple(map(int, name.split("."))) for name in names(store.files, f"{FOLDER}/failures")]
    return {index: words for index in indices if (words := failure(store, index)) is not None}


def tidy(store: Store, claims: Claims) -> None:
    """Remove what served the processes alone, once no other process is there."""
    if claims.others():
        return
    for array in store.arrays:
        for name in names(store.files, array):
            if name.endswith(".partial"):  # what a process that was killed was writing
                remove(store.files, f"{array}/{name}")
    remove(store.files, FOLDER)


def key(index: Index) -> str:
    """The name of a chunk, in the store's files and everywhere else."""
    return ".".join(map(str, index))


def _failure(index: Index) -> str:
    return f"{FOLDER}/failures/{key(index)}"


def _zarr_store(url: str, files: Files) -> LocalStore | FsspecStore:
    return LocalStore(files.root) if files.is_local else FsspecStore.from_url(url)


def _array(group: zarr.Group, name: str) -> zarr.Array:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _unit(labels: Labels, name: str) -> dict[str, str]:
    return {"units": labels.units[name]} if labels.units.get(name) else {}


def _add(
    group: zarr.Group,
    name: str,
    task: Task,
    kind: np.dtype,
    dims: tuple[str, ...] = (),
    shape: tuple[int, ...] = (),
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """An empty array over all points, one file per chunk of them; floating-point numbers that are missing are NaN."""
    group.create_array(
        name,
        shape=task.design.shape + shape,
        chunks=task.blocks.block + shape,
        dtype=kind,
        fill_value=np.nan if np.issubdtype(kind, np.inexact) else None,
        attributes={
            "_ARRAY_DIMENSIONS": [*task.design.dims, *dims],
            **_unit(task.labels, name),
            **(attributes or {}),
        },
    )
