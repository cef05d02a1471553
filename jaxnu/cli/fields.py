"""Kinds of settings: dataclass fields that know their default, what they mean and how to check what they are given."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any


class Refused(Exception):
    """Something the user asked for that cannot be done; the message is one sentence for them."""


def number(default: float | None, doc: str, *, above: float | None = None, least: float | None = None) -> Any:
    """A finite real number, greater than `above` or not less than `least`."""

    def read(value: Any, name: str) -> float:
        name = f"{name} ({doc})"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(f"{name} must be a number, got {value!r}")
        if not math.isfinite(value):
            raise Refused(f"{name} must be a finite number, got {value}")
        if above is not None and not value > above:
            wanted = "positive" if above == 0 else f"greater than {above:g}"
            raise Refused(f"{name} must be {wanted}, got {value:g}")
        if least is not None and not value >= least:
            wanted = "must not be negative" if least == 0 else f"must be at least {least:g}"
            raise Refused(f"{name} {wanted}, got {value:g}")
        return float(value)

    return _setting(default, doc, read, float)


def count(default: int, doc: str, *, least: int = 1, most: int | None = None) -> Any:
    """A whole number from `least` to `most`."""

    def read(value: Any, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused(f"{name} must be a whole number, got {value!r}")
        if value < least:
            raise Refused(f"{name} must be at least {least}, got {value}")
        if most is not None and value > most:
            raise Refused(f"{name} must be at most {most}, got {value}")
        return value

    return _setting(default, doc, read, int)


def choice(default: str, doc: str, options: Iterable[str]) -> Any:
    """One of a few names."""
    known = tuple(options)

    def read(value: Any, name: str) -> str:
        if value not in known:
            raise Refused(f"{name} must be one of {', '.join(known)}, got {value!r}")
        return value

    return _setting(default, f"{doc}: {', '.join(known)}", read, str)


def text(default: str, doc: str, check: Callable[[str, str], None]) -> Any:
    """A string that `check(value, name)` accepts."""

    def read(value: Any, name: str) -> str:
        if not isinstance(value, str):
            raise Refused(f"{name} must be a string, got {value!r}")
        check(value, name)
        return value

    return _setting(default, doc, read, str)


def names(default: tuple[str, ...], doc: str, options: Iterable[str]) -> Any:
    """One or more different names out of a few."""
    known = tuple(options)

    def read(value: Any, name: str) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise Refused(f"{name} must be a list of names, got {value!r}")
        for entry in value:
            if entry not in known:
                raise Refused(f"{name} must be some of {', '.join(known)}, got {entry!r}")
        return tuple(value)

    return _setting(default, f"{doc}: {', '.join(known)}", read, str, several=True)


def interval(default: tuple[float, float], doc: str, *, above: float = -math.inf) -> Any:
    """Two ascending numbers, both greater than `above`."""

    def read(value: Any, name: str) -> tuple[float, float]:
        name = f"{name} ({doc})"
        plain = isinstance(value, list | tuple) and len(value) == 2
        if not plain or any(isinstance(end, bool) or not isinstance(end, int | float) for end in value):
            raise Refused(f"{name} must be two numbers [low, high], got {value!r}")
        low, high = map(float, value)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise Refused(f"{name} must be two finite numbers, the smaller first, got [{low:g}, {high:g}]")
        if not low > above:
            raise Refused(f"{name} must be {'positive' if above == 0 else f'above {above:g}'}, got [{low:g}, {high:g}]")
        return low, high

    return _setting(default, doc, read, float)


def axis(doc: str, *, above: float = -math.inf) -> Any:
    """Two ascending numbers greater than `above` and, for a grid, how many values to take; None if not varied."""
    ends = interval((0.0, 1.0), doc, above=above).metadata["read"]

    def read(value: Any, name: str) -> tuple[float, ...]:
        if not isinstance(value, list | tuple) or len(value) != 3:
            return ends(value, name)
        number_of = value[2]
        if isinstance(number_of, bool) or not isinstance(number_of, int | float) or number_of < 1 or number_of % 1:
            raise Refused(f"{name} ({doc}) must have a whole number of values, got {number_of!r}")
        return (*ends(value[:2], name), int(number_of))

    return _setting(None, f"{doc}: low, high, number of values", read, float, several=True)


def flag(default: bool, doc: str) -> Any:
    """True or false."""

    def read(value: Any, name: str) -> bool:
        if not isinstance(value, bool):
            raise Refused(f"{name} must be true or false, got {value!r}")
        return value

    return _setting(default, doc, read, bool)


def _setting(default: Any, doc: str, read: Callable[[Any, str], Any], kind: type, several: bool = False) -> Any:
    return field(default=default, metadata={"doc": doc, "read": read, "kind": kind, "several": several})
