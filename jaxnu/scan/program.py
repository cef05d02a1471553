"""A function of a universe as one compiled program over all devices of this process, of one static size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled
from jaxtyping import Array, Float

Values = Mapping[str, Float[Array, "*point"]]
PointFunction = Callable[[Values], dict[str, Array]]

BATCH = 2048
"""Points that a device other than a CPU computes at once."""


@dataclass(frozen=True)
class Program:
    """What is computed for a chunk, compiled."""

    run: Compiled
    """From `size` values of each parameter to `size` results; returns before they are there."""
    sharding: NamedSharding
    size: int


def at_point(function: Callable[[Any], Any], build: Callable[..., Any]) -> PointFunction:
    """From the values of the parameters to named results; parts of a tree are named by the way to them."""

    def evaluate(values: Values) -> dict[str, Array]:
        leaves, _ = jax.tree_util.tree_flatten_with_path(function(build(**values)))
        named = [(jax.tree_util.keystr(path, simple=True, separator="."), jnp.asarray(leaf)) for path, leaf in leaves]
        return {name or "value": leaf for name, leaf in named}

    return evaluate


def shapes(function: PointFunction, names: Sequence[str]) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and type of each result, found by tracing."""
    return jax.eval_shape(function, _scalars(names))


def fingerprint(function: PointFunction, names: Sequence[str]) -> str:
    """A hash of the program for one point, numbers that are built into it included; the same for all devices."""
    lowered = jax.jit(function).trace(_scalars(names)).lower(lowering_platforms=("cpu",))
    return hashlib.sha256(lowered.as_text().encode()).hexdigest()[:16]


def make_program(function: PointFunction, names: Sequence[str], points: int) -> Program:
    """The program for at least `points` points, shared evenly by this process's devices, and compiled: takes seconds.

    Each device goes through its share by itself: CPUs point by point, which stays in their caches, others `BATCH` at a
    time. Processes have nothing to tell each other.
    """
    devices = jax.local_devices()
    share = -(-points // len(devices))
    batch = None if devices[0].platform == "cpu" else min(BATCH, share)
    share = share if batch is None else -(-share // batch) * batch
    size = share * len(devices)
    mesh = Mesh(np.asarray(devices), ("device",))
    spread = PartitionSpec("device")
    sharding = NamedSharding(mesh, spread)
    mapped = jax.shard_map(
        partial(jax.lax.map, function, batch_size=batch), mesh=mesh, in_specs=spread, out_specs=spread, check_vma=False
    )
    values = {name: jax.ShapeDtypeStruct((size,), jnp.result_type(float), sharding=sharding) for name in names}
    run = jax.jit(mapped, in_shardings=sharding, out_shardings=sharding).lower(values).compile()
    return Program(run, sharding, size)


def arguments(program: Program, columns: Mapping[str, np.ndarray]) -> dict[str, Array]:
    """The points in `columns`, filled up with the last one, spread over the devices."""
    kind = jnp.result_type(float)
    padded = {
        name: np.pad(column.astype(kind), (0, program.size - column.size), mode="edge")
        for name, column in columns.items()
    }
    return jax.device_put(padded, program.sharding)


def fetch(results: Mapping[str, Array], count: int) -> dict[str, np.ndarray]:
    """The results at the first `count` points, waiting for them; raises what the function raised."""
    return {name: np.asarray(array)[:count] for name, array in results.items()}


def _scalars(names: Sequence[str]) -> dict[str, jax.ShapeDtypeStruct]:
    return {name: jax.ShapeDtypeStruct((), jnp.result_type(float)) for name in names}
