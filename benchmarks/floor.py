"""How near a device's limits a batch of spectra runs, as a table: python benchmarks/floor.py

The likelihood of cascades and tracks and its value with the gradient, `--points` at once. Operations and bytes are
XLA's own count for the compiled program (`cost_analysis`), which counts the body of a loop once: here bodies are
compiled by themselves, too, and counted as often as they run. A transcendental function counts as 20 operations. Bytes
are what the kernels read and write, as if nothing stayed in a cache. The floor is the longer of bytes over bandwidth
and operations over peak; the defaults are an H200's: 4.8 TB/s, 34 TFLOP/s in double and 67 in single precision, without
tensor cores.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun, jaxprs_in_params
from timing import RESOLUTIONS, begin, compiled, likelihood, measure, options, row, table, typical

import jaxnu

TRANSCENDENTAL = 20


def loops(jaxpr):
    """(body, times it runs) of the outermost loops of fixed length."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            yield equation.params["jaxpr"], equation.params["length"]
        else:
            for inner in jaxprs_in_params(equation.params):
                yield from loops(inner)


def cost(closed):
    """(operations, bytes) of a closed jaxpr: with loop bodies counted once, as XLA does, and as often as they run."""
    program = jax.jit(jaxpr_as_fun(closed)).lower(*closed.in_avals).compile()
    counts = program.cost_analysis()
    once = np.array([counts["flops"] + TRANSCENDENTAL * counts.get("transcendentals", 0), counts["bytes accessed"]])
    total = once.copy()
    for body, length in loops(closed.jaxpr):
        body_once, body_total = cost(body)
        total += length * body_total - body_once
    return once, total


def main():
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--points", type=int, default=256, help="points at once (256)")
    parser.add_argument("--bandwidth", type=float, default=4800, help="GB/s (4800)")
    parser.add_argument("--peak", type=float, help="GFLOP/s (34000, with --single 67000)")
    asked = parser.parse_args()
    begin(asked)
    peak = asked.peak or (67000 if asked.single else 34000)
    print(f"{asked.points} points at once; {asked.bandwidth:g} GB/s, {peak:g} GFLOP/s.\n")
    table("nodes × shells", "what", "Mflop", "MB", "floor ms", "ms", "floor over time")
    for resolution in [jaxnu.Resolution(40, 4)] if asked.quick else RESOLUTIONS.values():
        one = likelihood(resolution)
        points = jnp.tile(typical(), (asked.points, 1))
        for name, function in (("lnL", jax.vmap(one)), ("lnL + gradient", jax.vmap(jax.value_and_grad(one)))):
            flops, moved = cost(jax.make_jaxpr(function)(points))[1] / asked.points
            floor = max(flops / peak, moved / asked.bandwidth) / 1e9
            time = measure(compiled(function, points)[0], points)
            numbers = (f"{number:.3g}" for number in (flops / 1e6, moved / 1e6, 1e3 * floor))
            fraction = f"{100 * floor * asked.points / time.median:.2g} %"
            row(f"{resolution.nodes} × {resolution.shells}", name, *numbers, time.ms(asked.points), fraction)


if __name__ == "__main__":
    main()
