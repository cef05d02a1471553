"""Errors over random points of the default prior, as a table: python benchmarks/box.py

The largest error of the flux with the narrow resonance only, in third-of-a-decade bins from 10 TeV to 10 PeV, against
`Resolution(960, 256)`, which the brute-force solver of the tests confirms to 0.01 % where more than a tenth arrives and
to 0.1 % elsewhere. Bins where more and where less than a tenth of the free flux arrives are apart, and so are star
formation and sources at one redshift (0.1 to 5).
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import jaxnu
from jaxnu.earth import binned_spectrum

EDGES = np.logspace(4, 7, 10)
CONVERGED = jaxnu.Resolution(960, 256)
RESOLUTIONS = {"fast": jaxnu.Resolution.fast(), "default": jaxnu.Resolution(), "precise": jaxnu.Resolution.precise()}


def draw(count, rng):
    """(m_Z′, g′, m_lightest, γ, z) of `count` points: the default prior, and z log-uniform."""
    low, high = np.log([1, 1e-5, 1e-4]), np.log([20, 0.1, 0.1])
    logarithmic = np.exp(rng.uniform(low, high, (count, 3)))
    index, z = rng.uniform(1.8, 3.5, (count, 1)), np.exp(rng.uniform(np.log(0.1), np.log(5), (count, 1)))
    return np.concatenate([logarithmic, index, z], axis=1)


def fluxes(points, resolution, single):
    """Flux with interactions and without, summed over flavours, and the energy balance at each point."""

    def solve(point):
        mass, coupling, lightest, index, z = point
        evolution = jaxnu.SingleRedshift(z) if single else jaxnu.StarFormation()
        source = jaxnu.Source(jaxnu.PowerLaw(1.0, index), evolution)
        universe = jaxnu.Universe(jaxnu.LmuLtau(mass, coupling, channels="narrow"), jaxnu.Neutrinos(lightest), source)
        spectrum = jaxnu.propagate(universe, resolution)
        flux = jnp.sum(binned_spectrum(spectrum, universe, jnp.asarray(EDGES)), axis=0)
        free = jnp.sum(jaxnu.binned_flux(universe.without_interactions(), EDGES, jaxnu.Resolution.fast()), axis=0)
        return flux, free, spectrum.energy_balance

    return jax.jit(lambda all_: jax.lax.map(solve, all_))(jnp.asarray(points))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the points")
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    points = draw(asked.points, np.random.default_rng(asked.seed))
    print(f"{asked.points} points; flux error in %\n")
    print("| sources | resolution | T > 10 %: 95 of 100 below | worst | T < 10 %: worst | points above 1 % | energy |")
    print("|---|---|---|---|---|---|---|")
    for sources, single in (("star formation", False), ("one redshift", True)):
        truth, free, _ = (np.asarray(part) for part in fluxes(points, CONVERGED, single))
        clear = truth / free > 0.1
        for name, resolution in RESOLUTIONS.items():
            found, _, balance = (np.asarray(part) for part in fluxes(points, resolution, single))
            error = 100 * np.abs(found / truth - 1)
            worst = np.max(np.where(clear, error, 0), axis=1)
            dark = np.max(np.where(clear, 0, error))
            above = np.mean(np.any(error > 1, axis=1))
            numbers = f"{np.quantile(worst, 0.95):.2f} | {worst.max():.2f} | {dark:.2f} | {above:.3f}"
            size = f"{name}, {resolution.nodes} × {resolution.shells}"
            print(f"| {sources} | {size} | {numbers} | {np.max(np.abs(balance)):.1e} |", flush=True)


if __name__ == "__main__":
    main()
