"""What a sweep will cost, measured on one chunk of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from jaxnu.scan.blocks import slices
from jaxnu.scan.design import Design
from jaxnu.scan.program import arguments, fetch, make_program
from jaxnu.scan.task import prepare
from jaxnu.scan.universe import standard_universe


@dataclass(frozen=True)
class Plan:
    """Size, memory and time of a sweep."""

    points: int
    chunks: int
    chunk: int
    """Points in a chunk."""
    devices: int
    """Of this process."""
    processes: int
    stored_bytes: int
    """Size of the store before compression."""
    device_bytes: int
    """Memory that a chunk needs on each device, 0 where XLA does not tell."""
    host_bytes: int
    """Memory of the process for two chunks, what JAX itself takes left out."""
    compile_seconds: float
    chunk_seconds: float
    seconds: float
    """Of the whole sweep, by as many processes as this one."""


def plan(
    function: Callable[[Any], Any],
    points: Design | Mapping[str, ArrayLike],
    *,
    build: Callable[..., Any] = standard_universe,
    chunk: int | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
) -> Plan:
    """The cost of `sweep` with the same arguments, by compiling it and computing its first chunk; writes nothing.

    Raises ValueError for what `sweep` refuses.
    """
    task = prepare(function, points, build, chunk, dims, coords, units, None)
    began = time.monotonic()
    program = make_program(task.at_point, task.design.names, task.blocks.chunk)
    compiling = time.monotonic() - began
    columns = task.design.columns(slices(task.blocks, task.blocks.indices[0]))
    began = time.monotonic()
    fetch(program.run(arguments(program, columns)), task.blocks.chunk)
    running = time.monotonic() - began
    memory = program.run.memory_analysis()
    point_bytes = sum(math.prod(result.shape) * np.dtype(result.dtype).itemsize for result in task.results.values())
    inputs = 8 * len(task.design.names)
    count, processes = len(task.blocks.indices), jax.process_count()
    return Plan(
        points=task.design.size,
        chunks=count,
        chunk=task.blocks.chunk,
        devices=len(program.sharding.device_set),
        processes=processes,
        stored_bytes=task.design.size * (point_bytes + 1 + (0 if task.design.axes else inputs)),
        device_bytes=0 if memory is None else _needed(memory),
        host_bytes=2 * program.size * (point_bytes + inputs),
        compile_seconds=compiling,
        chunk_seconds=running,
        seconds=compiling + running * -(-count // processes),
    )


def _needed(memory: Any) -> int:
    return memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
