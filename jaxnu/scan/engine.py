"""A function over many points: chunk by chunk, on all devices, by any number of processes, into one store."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from jaxnu.scan.blocks import slices
from jaxnu.scan.claims import Claims
from jaxnu.scan.design import Design
from jaxnu.scan.files import files_at
from jaxnu.scan.program import Program, arguments, fetch, make_program
from jaxnu.scan.report import ChunksFailed, Report
from jaxnu.scan.store import (
    Index,
    Store,
    count_nan,
    done,
    failure,
    failures,
    forget_failure,
    is_done,
    key,
    make_store,
    record_failure,
    require_same,
    stored_configuration,
    tidy,
    write_block,
)
from jaxnu.scan.task import Task, prepare
from jaxnu.scan.universe import standard_universe

POLL = 0.5
"""Seconds between looks at what other processes have finished."""


def sweep(
    function: Callable[[Any], Any],
    points: Design | Mapping[str, ArrayLike],
    store: str,
    *,
    build: Callable[..., Any] = standard_universe,
    chunk: int | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    progress: bool = True,
) -> Report:
    """`function(build(**values))` at all `points`, written to a Zarr store that `xarray.open_zarr(store)` opens.

    `points` maps parameters to the values of a product grid, or is a design made by `jaxnu.scan.sobol`,
    `latin_hypercube` or `listed`. `build` makes a universe of them; the default has the parameters of `default_prior`.
    `function` is any traceable function; an array that it returns is stored as `value`, the leaves of a tree under
    their names. `dims` names the dimensions of results, `coords` gives coordinates along them as xarray understands
    them, `units` the units of anything. `store` is a path or any URL that fsspec knows.

    Points go in chunks of at most `chunk`, each compiled program has that one size, and all devices of the process
    share each chunk (a CPU is one device, unless `jax_num_cpu_devices` makes it many). Any number of processes may work
    on one store, started together (`jaxnu.scan.start_processes`) or one by one: they share the chunks. A chunk is in
    the store whole or not at all, so a run that was killed continues when it is called again, with the same bits.
    `status` says of each point whether it is computed and whether it has a NaN. Returns when all chunks are done, by
    whomever; processes that stand still for a minute lose their claims.

    Raises ValueError, before anything is computed, for bad arguments and for a store of another sweep, naming what
    differs; OSError if the store cannot be written (what is there stays and is continued); and at the end
    `ChunksFailed` if `function` raised in some chunks: they are left out, and tried again by the next call.
    """
    began = time.monotonic()
    store = str(store)
    files = files_at(store)
    stored = stored_configuration(store, files)
    task = prepare(function, points, build, chunk, dims, coords, units, stored)
    if stored is not None:
        require_same(store, stored, task.configuration)
    with Claims(files) as claims:
        opened = make_store(store, files, claims, task, attributes or {})
        computed, ready = 0, time.monotonic()
        if len(done(opened)) < len(task.blocks.indices):
            program = make_program(task.at_point, task.design.names, task.blocks.chunk)
            ready = time.monotonic()
            with _bar(task, opened, progress) as bar:
                try:
                    computed = _work(opened, claims, task.design, program, bar)
                except Exception as error:  # of the store, since those of `function` are kept in it
                    words = f"{_in_words(error)}; what is in {store} stays, and the same call goes on from there"
                    raise OSError(getattr(error, "errno", None), words) from error
        failed = {key(index): words for index, words in failures(opened).items() if not is_done(opened, index)}
    if not failed:
        tidy(opened, claims)
    report = Report(
        store=store,
        points=task.design.size,
        stored=_points(opened, done(opened)),
        computed=computed,
        nan=count_nan(opened),
        failed=failed,
        preparation=ready - began,
        seconds=time.monotonic() - ready,
    )
    if failed:
        raise ChunksFailed(report)
    return report


def _work(store: Store, claims: Claims, design: Design, program: Program, bar: tqdm) -> int:
    """Compute chunks until all are done; returns the number of points computed here.

    While a chunk is computed, the one before it is written.
    """
    computed, running, looked = 0, None, 0.0
    for index in _to_do(store, claims):
        ahead = None if index is None else _begun(store, design, program, index)
        if running is not None:
            computed += _ended(store, claims, *running)
        elif ahead is None:
            time.sleep(POLL)
        running = ahead
        if time.monotonic() - looked > POLL and not bar.disable:
            bar.update(_points(store, done(store)) - bar.n)
            looked = time.monotonic()
    if running is not None:
        computed += _ended(store, claims, *running)
    bar.update(_points(store, done(store)) - bar.n)
    return computed


def _to_do(store: Store, claims: Claims) -> Iterator[Index | None]:
    """Chunks that this process has claimed, one by one; None when all that is left is claimed by others.

    Each process begins with every n-th chunk and goes on with those that the others have not got to.
    """
    here, processes = jax.process_index(), jax.process_count()
    already, earlier = done(store), failures(store)
    indices = store.blocks.indices
    order = [index for turn in range(processes) for index in indices[(here + turn) % processes :: processes]]
    waiting = deque(index for index in order if index not in already)
    while waiting:
        for _ in range(len(waiting)):
            index = waiting.popleft()
            if is_done(store, index):
                continue
            if not claims.take(key(index)):
                waiting.append(index)
                continue
            if is_done(store, index) or failure(store, index) != earlier.get(index):
                claims.release(key(index))
                continue
            yield index
        if waiting:
            yield None


_Running = tuple[Index, dict[str, np.ndarray], Any]


def _begun(store: Store, design: Design, program: Program, index: Index) -> _Running:
    columns = design.columns(slices(store.blocks, index))
    try:
        return index, columns, program.run(arguments(program, columns))
    except Exception as error:
        return index, columns, error


def _ended(store: Store, claims: Claims, index: Index, columns: dict[str, np.ndarray], running: Any) -> int:
    count = next(iter(columns.values())).size
    try:
        if isinstance(running, Exception):
            raise running
        results = fetch(running, count)
    except Exception as error:
        record_failure(store, index, f"{type(error).__name__}: {str(error).strip()[:2000]} ({claims.owner})")
        claims.release(key(index))
        return 0
    write_block(store, index, columns, results)
    forget_failure(store, index)
    claims.release(key(index))
    return count


def _in_words(error: Exception) -> str:
    """What went wrong with a store; the packages for remote ones have errors of their own."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"


def _bar(task: Task, store: Store, progress: bool) -> tqdm:
    shown = progress and jax.process_index() == 0
    before = _points(store, done(store))
    return tqdm(total=task.design.size, initial=before, unit="point", unit_scale=True, disable=not shown, desc="sweep")


def _points(store: Store, indices: set[Index]) -> int:
    return sum(math.prod(part.stop - part.start for part in slices(store.blocks, index)) for index in indices)
