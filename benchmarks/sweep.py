"""What `jaxnu.sweep` costs besides computing, as tables: python benchmarks/sweep.py

For several sizes of chunks: points per second, the overhead of a chunk and the share of computing. Both compare the
sweep with the same compiled program going through the same chunks and storing nothing, before and after it. A cheap
function shows the overhead; the likelihood of cascades and tracks shows how little it is. Then the time of 10⁷ points
at the measured rate, and the peak memory of processes that sweep the cheap function over more and more points. Every
core of a CPU is a device, as for `jaxnu sweep`.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

# Processes share a GPU with this one.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import jax.numpy as jnp
import numpy as np
from timing import begin, options, row, table

import jaxnu
from jaxnu.cores import use_all_cores
from jaxnu.scan import LogLikelihood, grid, standard_universe, sweep
from jaxnu.scan.blocks import slices
from jaxnu.scan.program import arguments, fetch, make_program
from jaxnu.scan.task import prepare

DEFAULT = jaxnu.Resolution().nodes, jaxnu.Resolution().shells
COLUMNS = "chunk", "chunks", "points per second", "computing a chunk, ms", "overhead per chunk, ms", "computing, %"


def cheap(at):
    """Some 0.5 µs of arithmetic."""
    return {"value": jnp.sum(jnp.sin(at["x"] * jnp.arange(1.0, 9.0)) * at["y"])}


def values(**given):
    """A universe that is only its parameters."""
    return given


def square(count):
    """About `count` points."""
    side = round(count**0.5)
    return grid({"x": np.linspace(0.0, 1.0, side), "y": np.linspace(1.0, 2.0, side)})


def alone(task, program):
    """Seconds that all chunks take when nothing is stored."""
    start = time.perf_counter()
    for index in task.blocks.indices:
        columns = task.design.columns(slices(task.blocks, index))
        fetch(program.run(arguments(program, columns)), program.size)
    return time.perf_counter() - start


def line(function, design, build, chunk):
    """Print one line of a table; returns points per second."""
    task = prepare(function, design, build, chunk, None, None, None, None)
    program = make_program(task.at_point, design.names, task.blocks.chunk)
    before = alone(task, program)
    with tempfile.TemporaryDirectory() as folder:
        report = sweep(function, design, f"{folder}/scan.zarr", build=build, chunk=chunk, progress=False)
    computing, chunks = (before + alone(task, program)) / 2, len(task.blocks.indices)
    overhead = (report.seconds - computing) / chunks
    rate, share = report.points / report.seconds, 100 * computing / report.seconds
    numbers = f"{rate:.3g}", f"{1e3 * computing / chunks:.3g}", f"{1e3 * overhead:.2g}", f"{share:.0f}"
    row(task.blocks.chunk, chunks, *numbers)
    return rate


def memory(points):
    """Peak memory in MB of a process that sweeps that many points."""
    words = [sys.executable, __file__, "--memory", str(points)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def main():
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--points", type=int, default=100_000, help="points of the cheap function")
    parser.add_argument("--likelihoods", type=int, default=529, help="points of the likelihood")
    parser.add_argument("--mesh", nargs=2, type=int, default=DEFAULT, help="nodes and shells of the likelihood")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory:
        jax.config.update("jax_enable_x64", True)
        with tempfile.TemporaryDirectory() as folder:
            sweep(cheap, square(asked.memory), f"{folder}/scan.zarr", build=values, chunk=4096, progress=False)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    use_all_cores()
    begin(asked)
    if asked.quick:
        asked.points, asked.likelihoods = 1000, 16
    print(f"A cheap function, {asked.points} points:\n")
    table(*COLUMNS)
    for chunk in (100, 1000, 10_000, 100_000):
        if chunk <= asked.points:
            line(cheap, square(asked.points), values, chunk)
    side = round(asked.likelihoods**0.5)
    axes = {"mass": np.geomspace(1.0, 20.0, side), "coupling": np.geomspace(1e-5, 1e-1, side)}
    terms = jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr")
    both = LogLikelihood(terms, jaxnu.Resolution(*asked.mesh))
    nodes, shells = asked.mesh
    print(f"\nThe likelihood of cascades and tracks, {side**2} points, {nodes} × {shells} nodes × shells:\n")
    table(*COLUMNS)
    rate = max(line(both, grid(axes), standard_universe, count * side) for count in (1, 5, 23) if count <= side)
    hours = 1e7 / rate / 3600
    print(f"\n10⁷ points of it at {rate:.3g} per second: {hours:.3g} h, {hours / 64:.2g} h on 64 such machines.\n")
    table("points", "peak memory, MB")
    for points in (asked.points // 10, asked.points, 10 * asked.points):
        row(points, f"{memory(points):.0f}")


if __name__ == "__main__":
    main()
