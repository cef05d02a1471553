"""Simulation-based calibration of the sampler, as a picture and a table: python benchmarks/calibration.py

Truths from the default prior, with the narrow resonance only, cascades + tracks drawn from the likelihood at each, a
posterior of each by `jaxnu.sample`: the ranks of the truths among its draws must be uniform (1804.06788). A coarse mesh
is enough, for the same mesh makes and fits the data. The bands of the picture hold 95 % of each bar if ranks are
uniform. Where the data say little, a rank is the quantile of the truth in the prior: the table has the mean of those,
too.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from numpyro.infer import Predictive
from scipy.stats import binom

import jaxnu
from jaxnu.inference.calibration import calibrate

BINS = 10
PICTURE = Path(__file__).with_name("calibration.png")


def main():
    """Print the table and draw the ranks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=200, help="simulated data sets")
    parser.add_argument("--mesh", nargs=2, type=int, default=(40, 4), help="nodes and shells")
    parser.add_argument("--seed", type=int, default=1, help="of truths, data and chains")
    parser.add_argument("--draws", type=int, default=50, help="draws of each of 4 chains")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    terms = [jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr")]
    prior = partial(jaxnu.default_prior, channels="narrow")
    model = jaxnu.posterior(prior, *terms, resolution=jaxnu.Resolution(*options.mesh))
    sampler = partial(jaxnu.sample, sweep=1024, warmup=30, draws=options.draws, progress=False)
    start = time.monotonic()
    key, draws = jax.random.key(options.seed), 2 * options.draws - 1
    found = calibrate(model, key, sampler, experiments=options.experiments, draws=draws)
    print(f"{options.experiments} data sets, {time.monotonic() - start:.0f} s\n")
    print("| parameter | p of uniform ranks | mean rank | mean quantile of the truths | ranks in the outer tenths |")
    print("|---|---|---|---|---|\n| expected | > 0.01 | 0.5 | 0.5 | 0.2 |")
    of_prior = Predictive(model.prior, num_samples=20_000)(jax.random.key(0))
    figure, axes = plt.subplots(1, len(found.ranks), figsize=(12, 2.4), sharey=True, layout="constrained")
    low, high = binom.interval(0.95, options.experiments, 1 / BINS)
    for ax, (name, p) in zip(axes, found.uniformity(BINS).items(), strict=True):
        share = (found.ranks[name] + 0.5) / (found.draws + 1)
        outer = np.mean((share < 0.1) | (share > 0.9))
        quantile = np.mean(np.searchsorted(np.sort(of_prior[name]), found.truths[name])) / 20_000
        print(f"| {name} | {p:.2g} | {np.mean(share):.3f} | {quantile:.3f} | {outer:.3f} |")
        ax.hist(share, BINS, range=(0, 1), color="0.6")
        ax.axhspan(low, high, color="C0", alpha=0.3, lw=0)
        ax.set(title=f"{name}, p = {p:.2g}", xlabel="rank of the truth")
    axes[0].set_ylabel("data sets")
    figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
