"""How the classes of this package declare and check their numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

_P = ParamSpec("_P")
_R = TypeVar("_R")


def as_float(value: Any) -> Array:
    """A floating-point (or complex) JAX array: Python numbers take the default precision, arrays keep theirs.

    Never of JAX's weak types, each of which would be compiled again.
    """
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.inexact):
        return jnp.asarray(value, dtype=value.dtype)
    kind = complex if np.iscomplexobj(value) else float
    return jnp.asarray(value, dtype=jnp.result_type(kind))


def full_precision(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function` with matrix products in the precision of their numbers: GPUs round single ones to 10 bits else."""

    @wraps(function)
    def inner(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return inner


def param(doc: str, unit: str = "", **options: Any) -> Any:
    """A traced, differentiable field: a Python number in it becomes an array, so that it is never static."""
    return eqx.field(converter=as_float, metadata={"doc": doc, "unit": unit}, **options)


def require(ok: Any, message: str) -> None:
    """Raise ValueError with `message` if `ok` is known here to be false; traced values pass."""
    if not isinstance(ok, Tracer) and not np.all(ok):
        raise ValueError(message)


def require_range(name: str, low: float, high: float, positive: bool = False) -> None:
    """Raise ValueError unless low < high, both finite and, if asked, positive."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"the range of {name} must be two finite numbers, the lower first, got {low} and {high}")
    if positive and low <= 0:
        raise ValueError(f"the range of {name} must be positive, got {low} to {high}")
