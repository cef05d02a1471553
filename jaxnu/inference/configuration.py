"""A run described in plain data, so that two runs can be compared and a file says what it is."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from jaxnu.inference.coordinates import Coordinates, constrain
from jaxnu.inference.posterior import Model, universe_at
from jaxnu.inference.result import installed


def describe(model: Model, where: Coordinates, key: PRNGKeyArray, **settings: int) -> dict[str, Any]:
    """Seed, settings, prior with its arguments, terms, resolution, precision and versions as JSON data.

    Arrays and the universe that the prior makes at one point enter as hashes: code that changed under its name shows.
    """
    middle = jnp.full(where.size, 0.25)
    return {
        "seed": seed(key),
        **settings,
        "prior": plain(model.prior),
        "prior universe": digest(universe_at(model, constrain(where, middle))),
        "terms": [plain(term) for term in model.terms],
        "resolution": plain(model.resolution),
        "precision": str(middle.dtype),
        "packages": {package: installed(package) for package in ("jaxnu", "jax", "numpyro")},
    }


def seed(key: PRNGKeyArray) -> int:
    """The integer that `jax.random.key` was made from."""
    return functools.reduce(lambda total, word: (total << 32) | int(word), np.ravel(jax.random.key_data(key)), 0)


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """A phrase naming the first field in which two descriptions differ, or None."""
    for field in sorted(set(first) | set(second)):
        ours, theirs = first.get(field), second.get(field)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            inner = difference(ours, theirs)
            if inner:
                return f"{field}: {inner}"
        elif ours != theirs:
            return f"{field} is {ours!r} instead of {theirs!r}"
    return None


def plain(value: Any) -> Any:
    """JSON data: fields of dataclasses, names and arguments of functions, hashes of arrays that are not one number."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (np.ndarray, jax.Array, np.generic)):
        if not np.issubdtype(value.dtype, np.number):
            return np.asarray(value).tolist()
        return value.item() if np.size(value) == 1 else f"{np.size(value)} numbers {digest(np.asarray(value))}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": type(value).__qualname__, **fields}
    inner = value.func if isinstance(value, functools.partial) else value
    # not the module, whose name depends on whether it is run or imported
    name = {"name": getattr(inner, "__qualname__", type(inner).__qualname__)}
    arguments = _defaults(value) if inspect.isroutine(inspect.unwrap(inner)) else {}
    return {**name, "arguments": arguments} if arguments else name


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments that a function, or a `functools.partial` of one, has without being given any."""
    try:
        parameters = inspect.signature(function).parameters.items()
    except ValueError:  # some built-in functions have none
        parameters = {}.items()
    defaults = {name: one.default for name, one in parameters if one.default is not inspect.Parameter.empty}
    # What a partial gives to **arguments is in no signature.
    return plain(defaults | getattr(function, "keywords", {}))


def digest(tree: Any) -> str:
    """A hash of the numbers in a tree to nine digits: the same on every machine."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if isinstance(leaf, (np.ndarray, jax.Array))]
    text = "|".join(",".join(f"{number:.9g}" for number in np.ravel(leaf).astype(complex)) for leaf in leaves)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
