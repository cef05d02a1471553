"""How times and memory grow, as tables and scaling.png: python benchmarks/scaling.py

The likelihood of cascades and tracks, and its value with the gradient by four parameters, per point, against nodes,
shells, points in a batch and devices. A batch is what a sweep does: points one after another on a CPU, which stays in
its caches, and as many at once as `--at-once` says on other devices. Memory is what the compiled program needs for its
intermediate results, per point that it computes at once.
"""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from matplotlib.ticker import NullFormatter
from timing import begin, compiled, likelihood, measure, options, row, table, typical

import jaxnu

KINDS = {"lnL": lambda f: f, "lnL + gradient": jax.value_and_grad}
SPREAD = PartitionSpec("device")


def case(kind, resolution, batch, asked, devices=1, expected=0.0):
    """(times of the batch, bytes per point at once, seconds to compile) for points shared by devices, or why not.

    `expected` is the time in seconds that a point took in a smaller batch.
    """
    if 6 * expected * batch > asked.seconds:
        return f"over {asked.seconds:g} s"
    at_once = min(asked.at_once, batch // devices)
    mesh = Mesh(np.asarray(jax.devices()[:devices]), ("device",))
    each = partial(jax.lax.map, KINDS[kind](likelihood(resolution)), batch_size=at_once if at_once > 1 else None)
    spread = jax.shard_map(each, mesh=mesh, in_specs=SPREAD, out_specs=SPREAD, check_vma=False)
    points = jax.device_put(jnp.tile(typical(), (batch, 1)), NamedSharding(mesh, SPREAD))
    run, compilation = compiled(spread, points)
    needed = run.memory_analysis().temp_size_in_bytes
    if needed > 1e9 * asked.memory:
        return f"needs {needed / 1e9:.0f} GB"
    return measure(run, points), needed / at_once, compilation


def head(first):
    """Print the head of a table."""
    table(first, *(f"{kind} {what}" for kind in KINDS for what in ("ms", "MB", "compile s")))


def line(label, results, batch):
    """Print a line of results per point; returns the median seconds of a point."""
    cells, medians = [], []
    for result in results:
        if isinstance(result, str):
            cells += [result, "", ""]
            medians.append(np.nan)
        else:
            time, memory, compilation = result
            cells += [time.ms(batch), f"{memory / 1e6:.3g}", f"{compilation:.1f}"]
            medians.append(time.median / batch)
    row(label, *cells)
    return medians


def by_resolution(resolutions, asked):
    """Times of one point at a time, by resolution."""
    print("\nOne point\n")
    head("nodes × shells")
    found = {}
    for resolution in resolutions:
        results = [case(kind, resolution, 1, asked) for kind in KINDS]
        found[resolution] = line(f"{resolution.nodes} × {resolution.shells}", results, 1)
    return found


def by_batch(sizes, resolution, asked):
    """Times per point in batches, by size; after a size that is too large no larger one is tried."""
    print(f"\nBatches at {resolution.nodes} × {resolution.shells}, up to {asked.at_once} points at once\n")
    head("points")
    found, last, medians = {}, [None] * len(KINDS), [0.0] * len(KINDS)
    for size in sizes:
        last = [
            before if isinstance(before, str) else case(kind, resolution, size, asked, expected=median)
            for kind, before, median in zip(KINDS, last, medians, strict=True)
        ]
        found[size] = medians = line(size, last, size)
    return found


def by_devices(counts, resolution, asked):
    """Times per point of the same points on more and more devices, by their number."""
    size = asked.points * counts[-1]
    print(f"\n{size} points at {resolution.nodes} × {resolution.shells}, shared by devices\n")
    head("devices")
    found = {}
    for count in counts:
        results = [case(kind, resolution, size, asked, devices=count) for kind in KINDS]
        found[count] = line(count, results, size)
    return found


def draw(resolutions, base, batches, devices):
    """scaling.png."""
    figure, panels = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    panels[2].plot(list(devices), list(devices), "k:", label="ideal")
    for number, kind in enumerate(KINDS):
        for fixed, axis, mark in (("shells", "nodes", "o-"), ("nodes", "shells", "s--")):
            found = {r: m for r, m in resolutions.items() if getattr(r, fixed) == getattr(base, fixed)}
            ordered = sorted(found, key=lambda r: r.nodes * r.shells)
            times = [1e3 * found[r][number] for r in ordered]
            cells = [r.nodes * r.shells for r in ordered]
            label = f"{kind}, more {axis}"
            panels[0].loglog(cells, times, mark, color=f"C{number}", label=label)
        panels[1].loglog(list(batches), [1e3 * medians[number] for medians in batches.values()], "o-", label=kind)
        gain = [devices[1][number] / medians[number] for medians in devices.values()]
        panels[2].plot(list(devices), gain, "o-", label=kind)
    panels[0].set(xlabel="nodes × shells", ylabel="ms per point", title="one point")
    panels[1].set(xlabel="points", ylabel="ms per point", title="batches")
    panels[2].set(xlabel="number", xticks=list(devices), ylabel="points per second, over those of one", title="devices")
    for panel in panels:
        panel.margins(0.1, 0.3)
        panel.legend(fontsize=8)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    figure.savefig(Path(__file__).parent / "scaling.png", dpi=150)


def main():
    """Print the tables and save the picture."""
    parser = options(__doc__)
    parser.add_argument("--devices", type=int, help="devices to make of a CPU (no more than it has cores)")
    parser.add_argument("--at-once", type=int, help="points that a device computes at once (CPUs: 1, others: 1000)")
    parser.add_argument("--points", type=int, default=64, help="points per device of the last table (64)")
    parser.add_argument("--memory", type=float, help="GB that a program may need (half of the device's, CPUs: 4)")
    parser.add_argument("--seconds", type=float, default=60, help="seconds that one case may run (60)")
    asked = parser.parse_args()
    if asked.devices:
        jax.config.update("jax_num_cpu_devices", asked.devices)
    begin(asked)
    asked.at_once = asked.at_once or (1 if jax.default_backend() == "cpu" else 1000)
    asked.memory = asked.memory or (jax.devices()[0].memory_stats() or {}).get("bytes_limit", 8e9) / 2e9
    print(f"Cases that need more than {asked.memory:.3g} GB or {asked.seconds:g} s are left out.")
    base = jaxnu.Resolution(40, 4) if asked.quick else jaxnu.Resolution()
    few, many = ((1, 2), (1, 10)) if asked.quick else ((0.25, 0.5, 1, 2, 4), (1, 10, 100, 1000, 10_000, 100_000))
    resolutions = [jaxnu.Resolution(int(base.nodes * factor), base.shells) for factor in few]
    resolutions += [jaxnu.Resolution(base.nodes, int(base.shells * factor)) for factor in few if factor != 1]
    by_size = by_resolution(resolutions, asked)
    batches = by_batch(many, base, asked)
    devices = by_devices([2**k for k in range(12) if 2**k <= jax.device_count()], base, asked)
    draw(by_size, base, batches, devices)


if __name__ == "__main__":
    main()
