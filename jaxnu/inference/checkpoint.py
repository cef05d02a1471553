"""A run on disk: written after every block, all or nothing, so that a killed one continues where it was."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnu.inference.configuration import difference

FILE = "checkpoint.npz"


Arrays = Mapping[str, np.ndarray]


def save_checkpoint(
    directory: str | os.PathLike[str], configuration: Mapping[str, Any], state: Any, population: Arrays, history: Arrays
) -> None:
    """Write the sampler's `state`, its `population` and the `history` of draws, all or nothing."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    leaves = {str(number): _storable(leaf) for number, leaf in enumerate(jax.tree.leaves(state))}
    groups = {"state": leaves, "population": population, "history": history}
    arrays = {f"{group}/{name}": array for group, members in groups.items() for name, array in members.items()}
    partial = directory / (FILE + ".partial")
    with open(partial, "wb") as file:
        np.savez(file, configuration=np.asarray(json.dumps(configuration)), **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, directory / FILE)


def load_checkpoint(
    directory: str | os.PathLike[str], configuration: Mapping[str, Any]
) -> tuple[list[np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]] | None:
    """The leaves of the state, the population and the history, or None if there is no checkpoint.

    Raises ValueError if it cannot be read or belongs to another configuration, naming the field that differs.
    """
    path = Path(directory) / FILE
    if not path.exists():
        return None
    try:
        with np.load(path) as stored:
            arrays = dict(stored)
        theirs = json.loads(str(arrays.pop("configuration")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"the checkpoint {path} cannot be read: {error}") from error
    differs = difference(theirs, json.loads(json.dumps(configuration)))
    if differs:
        raise ValueError(f"the checkpoint {path} belongs to another configuration: its {differs}")
    groups: dict[str, dict[str, np.ndarray]] = {"state": {}, "population": {}, "history": {}}
    for name, array in arrays.items():
        group, _, member = name.partition("/")
        groups[group][member] = array
    leaves = [groups["state"][str(number)] for number in range(len(groups["state"]))]
    return leaves, groups["population"], groups["history"]


def restore(state: Any, leaves: list[np.ndarray]) -> Any:
    """`state` with the stored leaves in the place of its own."""
    own, structure = jax.tree.flatten(state)
    return jax.tree.unflatten(structure, [_like(mine, leaf) for mine, leaf in zip(own, leaves, strict=True)])


def _storable(leaf: jax.Array) -> np.ndarray:
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


def _like(mine: jax.Array, leaf: np.ndarray) -> jax.Array:
    is_key = jnp.issubdtype(mine.dtype, jax.dtypes.prng_key)
    return jax.random.wrap_key_data(jnp.asarray(leaf)) if is_key else jnp.asarray(leaf)
