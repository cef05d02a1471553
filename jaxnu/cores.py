"""The cores of a CPU that this process may use, at work side by side or each a device of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import jax

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def core_count() -> int:
    """How many there are, where the system tells (Linux): a batch system may give fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_all_cores() -> None:
    """Make every core a device: on a CPU, a device computes one point after another.

    To be called before JAX starts; a program that has used it before keeps the devices that it has.
    """
    with suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", core_count())


def on_every_core(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The compiled `function` of every item, by one thread per core: what computes one point keeps one core busy.

    Threads do not inherit the settings of JAX that a `with` makes, and several would each compile: let `function` set
    what it needs, and call it once before.
    """
    with ThreadPoolExecutor(core_count()) as pool:
        return list(pool.map(function, items))
