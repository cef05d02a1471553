"""Every core of a CPU as a device of its own."""

from __future__ import annotations

import os
from contextlib import suppress

import jax


def use_all_cores() -> None:
    """Make every core that this process may use a device: on a CPU, a device computes one point after another.

    To be called before JAX starts; a program that has used it before keeps the devices that it has.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", cores)
