"""Times beside those of another version of jaxnu: python benchmarks/versus.py OLD_VENV

OLD_VENV is a virtual environment with the other version installed. One process of each version, on one thread, compiles
every case; then single calls alternate between the two, so that both see the same machine. The table has medians, and
the ratio of them. A case is the binned flux of the default data's bins from 10 TeV to 10 PeV, or the log-likelihood of
cascades and tracks with its gradient in (m_Z′, g′, m_lightest, A, γ).
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
CASES = ("value", "batch of 8", "gradient", "one redshift", "broken power law", "table")
CASES += ("dirac", "no moller", "inverted")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="virtual environment of the other version")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES)
    parser.add_argument("--mesh", nargs=2, type=int, help="nodes and shells of the present version (default: its own)")
    asked = parser.parse_args()
    mesh = [str(number) for number in asked.mesh or ()]
    workers = [_start(asked.old / "bin" / "python", []), _start(Path(sys.executable), mesh)]
    print("| case | other ms | present ms | ratio | compile s, other | present |\n|---|---|---|---|---|---|")
    for case in asked.cases:
        compiled = [_ask(worker, case) for worker in workers]
        times = [[_ask(worker, case) for worker in workers] for _ in range(asked.repeats)]
        old, new = (sorted(column)[asked.repeats // 2] for column in zip(*times, strict=True))
        seconds = " | ".join(f"{each:.1f}" for each in compiled)
        print(f"| {case} | {1e3 * old:.2f} | {1e3 * new:.2f} | {old / new:.2f} | {seconds} |", flush=True)
    for worker in workers:
        worker.communicate()


def _start(python: Path, mesh: list[str]) -> subprocess.Popen:
    command = [python, __file__, "--worker", *mesh]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def _ask(worker: subprocess.Popen, case: str) -> float:
    """Seconds of one call; the first one compiles."""
    assert worker.stdin and worker.stdout
    worker.stdin.write(case + "\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def work(mesh: list[str]) -> None:
    """Time one call for each line that is read."""
    import jax
    import jax.numpy as jnp

    import jaxnu

    jax.config.update("jax_enable_x64", True)
    resolution = jaxnu.Resolution(*map(int, mesh))
    edges = jnp.geomspace(1e4, 1e7, 10)
    terms = [jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr")]
    point = tuple(map(jnp.asarray, (6.5, 5e-4, 0.0218, 1.5, 2.5)))

    # Earlier versions know the narrow resonance only.
    narrow = {"channels": "narrow"} if "channels" in jaxnu.LmuLtau.__dataclass_fields__ else {}

    def universe(mass, coupling, lightest, amplitude, index, ordering="normal", spectrum=None, z=None, **relics):
        evolution = jaxnu.StarFormation() if z is None else jaxnu.SingleRedshift(z)
        source = jaxnu.Source(spectrum or jaxnu.PowerLaw(amplitude, index), evolution)
        neutrinos = jaxnu.Neutrinos(lightest, ordering)
        return jaxnu.Universe(jaxnu.LmuLtau(mass, coupling, **narrow), neutrinos, source, jaxnu.Relics(**relics))

    def flux(**options):
        return jax.jit(lambda *at: jaxnu.binned_flux(universe(*at, **options), edges, resolution))

    def log_likelihood(*at):
        spectrum = jaxnu.propagate(universe(*at), resolution)
        return sum(term.from_spectrum(spectrum, universe(*at)) for term in terms)

    energies = jnp.geomspace(1e3, 1e9, 30)
    many = tuple(part * jnp.linspace(0.9, 1.1, 8) for part in point)
    cases = {
        "value": (flux(), point),
        "batch of 8": (jax.jit(jax.vmap(flux())), many),
        "gradient": (jax.jit(jax.value_and_grad(log_likelihood, tuple(range(5)))), point),
        "one redshift": (flux(z=1.0), point),
        "broken power law": (flux(spectrum=jaxnu.BrokenPowerLaw(1.5, 2.0, 2.8, 1e5)), point),
        "table": (flux(spectrum=jaxnu.TabulatedSpectrum(energies, energies**-2.5)), point),
        "dirac": (flux(helicity="dirac"), point),
        "no moller": (flux(moller=False), point),
        "inverted": (flux(ordering="inverted"), point),
    }
    for line in sys.stdin:
        function, arguments = cases[line.strip()]
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2:])
    else:
        main()
