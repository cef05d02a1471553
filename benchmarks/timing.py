"""What the benchmarks share: options, the machine in words, times with their spread, and the problem that is timed."""

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxnu

RESOLUTIONS = {"fast": jaxnu.Resolution.fast(), "default": jaxnu.Resolution(), "precise": jaxnu.Resolution.precise()}


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every script has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--single", action="store_true", help="single precision (default: double)")
    parser.add_argument("--quick", action="store_true", help="few small cases, to see it run")
    return parser


def begin(asked: argparse.Namespace) -> None:
    """Set the precision, and print machine, device and versions."""
    jax.config.update("jax_enable_x64", not asked.single)
    machine = f"{platform.machine()}, {os.cpu_count()} cores (load {os.getloadavg()[0]:.1f})"
    devices = f"{jax.device_count()} × {jax.devices()[0].device_kind}"
    versions = f"Python {platform.python_version()}, jax {jax.__version__}, jaxnu {version('jaxnu')}"
    print(f"{machine}, {devices}, {versions}, {'single' if asked.single else 'double'} precision.")
    print("Times as a (b–c) are a median and quartiles.\n", flush=True)


def table(*columns: str) -> None:
    """Print the head of a Markdown table."""
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def row(*cells: object) -> None:
    """Print a line of it."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


class Seconds(NamedTuple):
    """Median and quartiles of times in seconds."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return "{1:.3g} ({0:.3g}–{2:.3g})".format(*self)

    def ms(self, count: int = 1) -> str:
        """In milliseconds, for one of `count` that were done together."""
        return str(Seconds(*(1e3 * part / count for part in self)))


def quartiles(times: list[float]) -> Seconds:
    """Of a list of times."""
    return Seconds(*np.quantile(times, [0.25, 0.5, 0.75]).tolist())


def measure(function: Callable[..., object], *arguments: object, seconds: float = 1.0) -> Seconds:
    """Times of a call, once unmeasured and then 5 to 101 times, as fit into `seconds`."""
    jax.block_until_ready(function(*arguments))
    begun, times = time.perf_counter(), []
    while len(times) < 5 or (len(times) < 101 and time.perf_counter() - begun < seconds):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append(time.perf_counter() - start)
    return quartiles(times)


def compiled(function: Callable, *arguments: object) -> tuple[jax.stages.Compiled, float]:
    """The compiled function, and the seconds for tracing and compiling it."""
    start = time.perf_counter()
    return jax.jit(function).lower(*arguments).compile(), time.perf_counter() - start


def universe(theta: jax.Array) -> jaxnu.Universe:
    """The universe at θ = (ln m_Z′, ln g′, m_lightest, γ), with the resonance that the brute-force solver knows."""
    return jaxnu.Universe(
        jaxnu.LmuLtau(jnp.exp(theta[0]), jnp.exp(theta[1]), channels="narrow"),
        jaxnu.Neutrinos(theta[2], mixing="nufit-5.0"),
        jaxnu.Source(jaxnu.PowerLaw(1.0, theta[3]), jaxnu.StarFormation()),
    )


def typical() -> jax.Array:
    """θ at 6.5 MeV, 5e-4, 21.8 meV and γ = 2.5."""
    return jnp.asarray([np.log(6.5), np.log(5e-4), 0.0218, 2.5])


def likelihood(resolution: jaxnu.Resolution) -> Callable[[jax.Array], jax.Array]:
    """ln L(θ) of cascades and tracks, from one propagation."""
    terms = [jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr")]

    def value(theta):
        spectrum = jaxnu.propagate(universe(theta), resolution)
        return sum(term.from_spectrum(spectrum, universe(theta)) for term in terms)

    return value
