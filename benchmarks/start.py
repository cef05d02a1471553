"""How long one waits at first, as tables: python benchmarks/start.py

Seconds of fresh processes: the import, `jaxnu --help`, and `jaxnu spectrum` without and with the compiled code of an
earlier run, in the compilation cache. Then what `jaxnu posterior` spends on compilation, in all and for its largest
parts: the posterior's density and its value with the gradient. The cache is a folder of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter

# Processes share a GPU with this one.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import numpyro
from numpyro.infer.util import log_density
from timing import begin, options, quartiles, row, table

import jaxnu
from jaxnu.cli import main as command

COMMAND = [sys.executable, "-m", "jaxnu.cli"]
STAGES = ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
SPECTRUM = [*COMMAND, "spectrum", "--mass", "6.5", "--coupling", "5e-4", "--quiet", "--overwrite"]


def process(words, cache, folder):
    """Wall time of a process in `folder` with its compiled code in `cache`, and what it prints."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache}
    begun = time.perf_counter()
    found = subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return time.perf_counter() - begun, found.stdout


def stages():
    """Print the seconds to trace and to compile the density of the default posterior, and its value with gradient."""
    model = jaxnu.posterior(jaxnu.default_prior, jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr"))
    trace = numpyro.handlers.trace(numpyro.handlers.seed(model.prior, 0)).get_trace()
    point = {name: site["value"] for name, site in trace.items() if site["type"] == "sample"}

    def density(values):
        return log_density(model, (), {}, values)[0]

    for function in (density, jax.value_and_grad(density)):
        begun = time.perf_counter()
        lowered = jax.jit(function).lower(point)
        traced = time.perf_counter()
        lowered.compile()
        print(traced - begun, time.perf_counter() - traced)


def posterior(words):
    """Run `jaxnu posterior`; print the seconds of tracing, compilation (or reading it from the cache) and all."""
    spent, begun = Counter(), time.perf_counter()
    jax.monitoring.register_event_duration_secs_listener(lambda event, seconds, **_: spent.update({event: seconds}))
    command(["posterior", "--quiet", "--overwrite", *words])
    trace, lower, build = (spent[f"/jax/core/compile/{stage}_duration"] for stage in STAGES)
    print(trace + lower, build, time.perf_counter() - begun)


def main():
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="processes of each kind (5)")
    parser.add_argument("--full", action="store_true", help="`jaxnu posterior` with its default settings, too")
    parser.add_argument("--stages", action="store_true", help="only the seconds of the density, in this process")
    parser.add_argument("--posterior", nargs="*", help="only those of `jaxnu posterior` with these options, likewise")
    asked = parser.parse_args()
    if asked.posterior is not None:
        return posterior([f"--{option}" for option in asked.posterior])
    if asked.stages:
        jax.config.update("jax_enable_x64", not asked.single)
        return stages()
    begin(asked)
    repeats = 1 if asked.quick else asked.repeats
    again = [sys.executable, __file__, "--stages", *(["--single"] if asked.single else [])]
    with tempfile.TemporaryDirectory() as folder:
        caches = [f"{folder}/cache{number}" for number in range(repeats)]
        table("process", "seconds")
        for name, words in (
            ("`import jaxnu`", [sys.executable, "-c", "import jaxnu"]),
            ("`jaxnu --help`", [*COMMAND, "--help"]),
            ("`jaxnu spectrum`, first", SPECTRUM),
            ("`jaxnu spectrum`, again", SPECTRUM),
        ):
            row(name, quartiles([process(words, cache, folder)[0] for cache in caches]))
        print()
        table("process", "tracing s", "compilation s", "all s")
        for option in (["quick"], []) if asked.full else (["quick"],):
            name = " ".join(["jaxnu posterior", *(f"--{word}" for word in option)])
            for when in ("first", "again"):
                words = [sys.executable, __file__, "--posterior", *option]
                found = process(words, f"{folder}/cache of {name}", folder)[1].splitlines()[-1]
                row(f"`{name}`, {when}", *(f"{float(seconds):.3g}" for seconds in found.split()))
        print()
        table("posterior", "trace s", "compile s", "compile again s")
        lines = [[process(again, cache, folder)[1].splitlines() for cache in caches] for _ in range(2)]
        for index, name in enumerate(("density", "density + gradient")):
            first, second = ([tuple(map(float, out[index].split())) for out in outs] for outs in lines)
            traces = [trace for trace, _ in first + second]
            compiles = ([seconds for _, seconds in found] for found in (first, second))
            row(name, quartiles(traces), *map(quartiles, compiles))


if __name__ == "__main__":
    main()
