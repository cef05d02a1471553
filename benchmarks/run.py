"""Time and accuracy at several resolutions, as one table: python benchmarks/run.py

Accuracy is against the independent brute-force solver of the tests (tests/bruteforce.py): largest error of the flux in
third-of-a-decade bins from 10 TeV to 10 PeV, however opaque, and root mean square error of
derivatives of ln(flux) over that of the true derivative. Times are medians after compilation, in double precision; the
ratios within one run are what to quote.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np

import jaxnu

REFERENCE = json.loads((Path(__file__).parents[1] / "tests" / "reference_bruteforce.json").read_text())
NAMES = ("ln_mass", "ln_coupling", "ln_lightest", "gamma")
TERMS = [jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr")]
RESOLUTIONS = {"fast": jaxnu.Resolution.fast(), "default": jaxnu.Resolution(), "precise": jaxnu.Resolution.precise()}


def universe(theta):
    """The benchmark's universe at (ln m_Z', ln g', m_lightest, γ)."""
    return jaxnu.Universe(
        jaxnu.LmuLtau(jnp.exp(theta[0]), jnp.exp(theta[1])),
        jaxnu.Neutrinos(theta[2], mixing="nufit-5.0"),
        jaxnu.Source(jaxnu.PowerLaw(1.0, theta[3]), jaxnu.StarFormation()),
    )


def seconds(function, argument, repeats=9):
    """Compilation time and median run time."""
    start = time.perf_counter()
    compiled = jax.jit(function).lower(argument).compile()
    compilation = time.perf_counter() - start
    jax.block_until_ready(compiled(argument))
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(compiled(argument))
        runs.append(time.perf_counter() - start)
    return compilation, median(runs)


def accuracy(resolution):
    """Largest flux error, and median and largest error of the derivatives, over the reference points."""
    edges = jnp.asarray(REFERENCE["edges_gev"])

    def log_flux(theta):
        return jnp.log(jnp.sum(jaxnu.binned_flux(universe(theta), edges, resolution), axis=0))

    both = jax.jit(lambda theta: (log_flux(theta), jax.jacfwd(log_flux)(theta)))
    flux_errors, slope_errors = [], []
    for point in REFERENCE["points"]:
        if point["z_source"] is not None:
            continue
        lightest = point["lightest_ev"]
        values, slopes = both(
            jnp.asarray([np.log(point["mass_mev"]), np.log(point["coupling"]), lightest, point["gamma"]])
        )
        error = np.exp(np.asarray(values) - np.log(1e-18 * np.asarray(point["flux"]))) - 1
        flux_errors.append(np.max(np.abs(error)))
        for i, name in enumerate(NAMES):
            truth = point["slopes"][name]
            if truth is not None:
                slope = np.asarray(slopes)[:, i] * (lightest if name == "ln_lightest" else 1.0)
                slope_errors.append(np.sqrt(np.mean((slope - truth) ** 2) / np.mean(np.square(truth))))
    return max(flux_errors), median(slope_errors), max(slope_errors)


def row(name, resolution, batch):
    """One line of the table."""

    def likelihood(theta):
        spectrum = jaxnu.propagate(universe(theta), resolution)
        return sum(term.from_spectrum(spectrum, universe(theta)) for term in TERMS)

    theta = jnp.asarray([np.log(6.5), np.log(5e-4), 0.0218, 2.5])
    many = jnp.tile(theta, (batch, 1))
    compile_value, one = seconds(likelihood, theta)
    compile_gradient, slope = seconds(jax.value_and_grad(likelihood), theta)
    _, in_batch = seconds(lambda all_: jax.lax.map(likelihood, all_), many, 5)
    flux, typical, worst = accuracy(resolution)
    numbers = f"{1e3 * one:.1f} | {1e3 * in_batch / batch:.1f} | {1e3 * slope:.1f} | {compile_value:.1f} | "
    numbers += f"{compile_gradient:.1f} | {1e2 * flux:.2f} | {1e2 * typical:.2f} | {1e2 * worst:.1f} |"
    return f"| {name}, {resolution.nodes} × {resolution.shells} | {numbers}"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16, help="points in a batch")
    batch = parser.parse_args().batch
    jax.config.update("jax_enable_x64", True)
    device = jax.devices()[0]
    print(f"{platform.machine()}, {device.device_kind}, Python {platform.python_version()}, jax {jax.__version__}\n")
    columns = "lnL ms | lnL in a batch ms | lnL + gradient ms | compile lnL s | compile gradient s"
    print(f"| nodes × shells | {columns} | flux error, max % | gradient error, median % | gradient error, max % |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, resolution in RESOLUTIONS.items():
        print(row(name, resolution, batch), flush=True)


if __name__ == "__main__":
    main()
