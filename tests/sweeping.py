"""Cheap functions for sweeps, importable by the processes that the tests start, and a program that sweeps one.

`python sweeping.py STORE [NAME=VALUE ...]` sweeps `slow` with a chunk of 8 points.
"""

import os
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

AXES = {"x": np.linspace(0.0, 3.0, 16), "y": np.linspace(1.0, 2.0, 12)}


def values(**given):
    """A universe that is only its parameters."""
    return given


def smooth(at):
    """Two results, one of them with an axis of its own."""
    wave = jnp.sin(at["x"] * at["y"])
    return {"wave": wave, "powers": jnp.stack([wave, wave**2, jnp.exp(-at["x"])])}


def slow(at):
    """The same, 1 ms per point, or as many seconds as the environment says."""

    def wait(x):
        time.sleep(float(os.environ.get("SWEEPING_WAITS", "0.001")))
        return x

    return smooth({"x": jax.pure_callback(wait, jax.ShapeDtypeStruct((), at["x"].dtype), at["x"]), "y": at["y"]})


def expected():
    """`wave` on the grid, by NumPy."""
    return np.sin(AXES["x"][:, None] * AXES["y"][None, :])


if __name__ == "__main__":
    from jaxnu.scan import start_processes, sweep

    jax.config.update("jax_enable_x64", True)
    store, *rest = sys.argv[1:]
    options = dict(word.split("=") for word in rest)
    if "coordinator" in options:
        start_processes(options["coordinator"], int(options["processes"]), int(options["process"]))
    report = sweep(slow, AXES, store, build=values, chunk=8, progress=False)
    print(f"devices {jax.local_device_count()} processes {jax.process_count()} computed {report.computed}")
