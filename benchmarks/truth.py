"""The posterior by chains against two ways without chains, as a table: python benchmarks/truth.py

Cascades + tracks and the default prior, with the narrow resonance only. `grid` is direct integration of likelihood ×
prior over the five parameters: mid-points of equal cells in ln m_Z′, ln g′, ln m_lightest and γ, and of 200 cells in A,
in which the flux is linear. `importance` is `jaxnu.evidence`. Printed are quantiles of the grid and the differences of
the others from them, in units of half the central 68 % interval, and ln Z of all. Chains run on the default mesh, as
`jaxnu posterior` does; for the others that of `Resolution.fast()` will do, whose ln L is off by 0.02 (standard
deviation over the posterior).
"""

import argparse
import math
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import jaxnu
from jaxnu.inference import verdict
from jaxnu.inference.amplitude import chi2
from jaxnu.inference.bank import make_bank

LEVELS = np.array([0.025, 0.16, 0.5, 0.84, 0.975])
RANGES = {"mass": (1.0, 20.0), "coupling": (1e-5, 1e-1), "lightest": (1e-4, 0.1), "index": (1.8, 3.5)}
AMPLITUDES = 0.1 + 3.9 * (np.arange(200) + 0.5) / 200


def cells(name, number):
    """Mid-points of equal cells of the prior's range, in the logarithm but for the index."""
    low, high = RANGES[name] if name == "index" else np.log(RANGES[name])
    middle = low + (high - low) * (np.arange(number) + 0.5) / number
    return middle if name == "index" else np.exp(middle)


def grid(model, sizes):
    """Masses of the cells along every axis, and ln Z."""
    bank = make_bank(model, {name: cells(name, size) for name, size in zip(RANGES, sizes, strict=True)})
    heights = jnp.asarray(bank.heights.reshape(-1, bank.heights.shape[-1]))
    one = jax.vmap(lambda height: jax.vmap(lambda a: -chi2(bank.data, a * height) / 2)(jnp.asarray(AMPLITUDES)))
    log_density = np.asarray(jax.jit(lambda all_: jax.lax.map(one, all_))(heights[:, None])).reshape(*sizes, -1)
    highest = np.max(log_density)
    density = np.exp(log_density - highest)
    # −χ²/2 leaves out the constants of the densities, which the terms know.
    nothing = [jnp.zeros_like(term.low) for term in model.terms]
    peak = sum(float(term.log_likelihood(x) + term.chi2(x) / 2) for term, x in zip(model.terms, nothing, strict=True))
    axes = {**bank.axes, "amplitude": AMPLITUDES}
    masses = {}
    for number, name in enumerate(axes):
        along = np.sum(density, axis=tuple(i for i in range(density.ndim) if i != number))
        masses[name] = along / np.sum(along)
    return masses, highest + math.log(np.mean(density)) + peak


def quantiles_of_cells(name, mass):
    """Quantiles of a density that is constant in each cell."""
    low, high = (0.1, 4.0) if name == "amplitude" else RANGES[name]
    if name in ("amplitude", "index"):
        return np.interp(LEVELS, np.append(0, np.cumsum(mass)), np.linspace(low, high, len(mass) + 1))
    edges = np.linspace(math.log(low), math.log(high), len(mass) + 1)
    return np.exp(np.interp(LEVELS, np.append(0, np.cumsum(mass)), edges))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", nargs=2, type=int, default=(120, 32), help="nodes and shells of the others")
    parser.add_argument("--cells", nargs=4, type=int, default=(64, 10, 6, 20), help="of m_Z', g', m_lightest, γ")
    parser.add_argument("--draws", type=int, default=8192, help="draws of the importance sampling")
    parser.add_argument("--seeds", type=int, default=1, help="runs of the sampler")
    parser.add_argument("--length", type=int, default=250, help="draws of each chain")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    terms = [jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr")]
    prior = partial(jaxnu.default_prior, channels="narrow")
    chained = jaxnu.posterior(prior, *terms)
    model = jaxnu.posterior(prior, *terms, resolution=jaxnu.Resolution(*options.mesh))
    found, evidences, seconds = {}, {}, {}

    start = time.monotonic()
    masses, evidences["grid"] = grid(model, options.cells)
    found["grid"] = {name: quantiles_of_cells(name, mass) for name, mass in masses.items()}
    seconds["grid"] = time.monotonic() - start

    start = time.monotonic()
    weighted = jaxnu.evidence(model, jax.random.key(1000), draws=options.draws, sweep=2048)
    evidences["importance"] = weighted.log_evidence
    found["importance"] = {name: weighted.quantiles(name, LEVELS) for name in masses}
    seconds["importance"] = time.monotonic() - start

    for seed in range(options.seeds):
        start = time.monotonic()
        result = jaxnu.sample(chained, jax.random.key(seed), draws=options.length)
        found[f"sample, seed {seed}"] = {name: np.quantile(result.draws[name], LEVELS) for name in masses}
        seconds[f"sample, seed {seed}"] = time.monotonic() - start
        print(f"seed {seed}: {verdict(result)}")

    print(f"\n{options.mesh[0]} × {options.mesh[1]}; importance sampling: {weighted.effective:.0f} effective draws\n")
    print("| parameter | method | " + " | ".join(f"{100 * level:g} %" for level in LEVELS) + " |")
    print("|---" * (len(LEVELS) + 2) + "|")
    for name in masses:
        truth = found["grid"][name]
        print(f"| {name} | grid | " + " | ".join(f"{value:.3g}" for value in truth) + " |")
        for method in list(found)[1:]:
            off = differences(name, found[method][name], truth)
            print(f"| | {method} | " + " | ".join(f"{value:+.2f}" for value in off) + " |")
    print("\n| method | ln Z | s |\n|---|---|---|")
    for method, took in seconds.items():
        value = f"{evidences[method]:.3f}" if method in evidences else ""
        print(f"| {method} | {value} | {took:.0f} |")


def differences(name, quantiles, truth):
    """In units of half the central 68 % interval, logarithms for what is log-uniform."""
    if name not in ("amplitude", "index"):
        quantiles, truth = np.log(quantiles), np.log(truth)
    return (quantiles - truth) / ((truth[3] - truth[1]) / 2)


if __name__ == "__main__":
    main()
