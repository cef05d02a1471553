"""A sweep as it is known before its first number is computed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from jaxnu.scan.blocks import Blocks, cut
from jaxnu.scan.describe import describe
from jaxnu.scan.design import Design, grid
from jaxnu.scan.labels import Labels, make_labels
from jaxnu.scan.program import PointFunction, at_point, shapes
from jaxnu.scan.universe import UNITS

CHUNK_CPU, CHUNK = 256, 16384
"""Points in a chunk by default, on CPUs and on other devices."""
CHUNKS = 4096
"""Chunks of a large sweep by default, at most: each is a file per result."""


@dataclass(frozen=True)
class Task:
    """Which points, what is computed there, and how it is laid out and described."""

    design: Design
    at_point: PointFunction
    results: dict[str, jax.ShapeDtypeStruct]
    """Shape and type of each result at one point."""
    labels: Labels
    blocks: Blocks
    configuration: dict[str, Any]
    """All of it in plain data."""


def prepare(
    function: Callable[[Any], Any],
    points: Design | Mapping[str, ArrayLike],
    build: Callable[..., Any],
    chunk: int | None,
    dims: Mapping[str, Sequence[str]] | None,
    coords: Mapping[str, Any] | None,
    units: Mapping[str, str] | None,
    stored: Mapping[str, Any] | None,
) -> Task:
    """Check everything that can be checked without computing a point; a stored sweep keeps its size of chunks."""
    design = points if isinstance(points, Design) else grid(points)
    _require_known(build, design)
    for end in (0, 1):  # the classes of the universe refuse what is out of range
        build(**{name: jnp.asarray(ends[end], dtype=jnp.result_type(float)) for name, ends in design.ends.items()})
    evaluate = at_point(function, build)
    results = shapes(evaluate, design.names)
    default_units = {name: unit for name, unit in UNITS.items() if name in design.names}
    labels = make_labels(design, results, dims or {}, coords or {}, {**default_units, **(units or {})})
    blocks = _blocks(design, chunk, stored)
    return Task(
        design,
        evaluate,
        results,
        labels,
        blocks,
        describe(function, build, evaluate, design, blocks, labels),
    )


def _blocks(design: Design, chunk: int | None, stored: Mapping[str, Any] | None) -> Blocks:
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be positive, got {chunk}")
    if chunk is None and stored is not None and len(stored["chunk"]) == len(design.shape):
        return Blocks(design.shape, tuple(stored["chunk"]))
    usual = max(CHUNK_CPU if jax.default_backend() == "cpu" else CHUNK, -(-design.size // CHUNKS))
    # a few chunks for every process, also of a small sweep
    most = max(1, -(-design.size // (4 * jax.process_count())))
    return cut(design.shape, chunk or min(usual, most))


def _require_known(build: Callable[..., Any], design: Design) -> None:
    parameters = inspect.signature(build).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in design.names:
        if name not in parameters:
            raise ValueError(f"unknown parameter {name!r}; the universe is built from {', '.join(parameters)}")
