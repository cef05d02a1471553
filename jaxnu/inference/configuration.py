"""A run described in plain data, so that two runs can be compared and a file says what it is."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Mapping
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
        "prior": _function(model.prior),
        "prior universe": digest(universe_at(model, constrain(where, middle))),
        "terms": [_plain(term) for term in model.terms],
        "resolution": _plain(model.resolution),
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


def _function(function: Any) -> dict[str, Any]:
    """Name and arguments, defaults included, of a function or a `functools.partial` of it."""
    inner = function.func if isinstance(function, functools.partial) else function
    bound = inspect.signature(function)
    arguments = {
        name: _plain(parameter.default)
        for name, parameter in bound.parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    return {"name": f"{inner.__module__}.{inner.__qualname__}", "arguments": arguments}


def _plain(value: Any) -> Any:
    """JSON data for settings, and class, plain fields and a hash of the arrays for objects."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (np.ndarray, jax.Array)):
        return digest(value)
    if isinstance(value, functools.partial):
        return _function(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        plain = {
            name: _plain(part) for name, part in fields.items() if isinstance(part, (bool, int, float, str, tuple))
        }
        return {"class": type(value).__qualname__, **plain, "arrays": digest(value)}
    return {"name": getattr(value, "__qualname__", type(value).__qualname__)}


def digest(tree: Any) -> str:
    """A hash of the numbers in a tree to nine digits: the same on every machine."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if isinstance(leaf, (np.ndarray, jax.Array))]
    text = "|".join(",".join(f"{number:.9g}" for number in np.ravel(leaf).astype(complex)) for leaf in leaves)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
