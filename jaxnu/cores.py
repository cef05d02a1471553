"""The cores of a CPU that this process may use, and each of them as a device of its own."""

from __future__ import annotations

import os
from contextlib import suppress

import jax


def core_count() -> int:
    """How many there are, where the system tells (Linux): a batch system may give fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_all_cores() -> None:
    """Make every core a device: on a CPU, a device computes one point after another.

    To be called before JAX starts; a program that has used it before keeps the devices that it has.
    """
    with suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", core_count())
