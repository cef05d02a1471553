"""`jaxnu spectrum`: one point with and without interactions."""

from __future__ import annotations

import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxnu.cli.build import make_resolution, make_universe
from jaxnu.cli.settings import SpectrumSettings
from jaxnu.cli.words import duration, say
from jaxnu.earth import flux_of_spectrum
from jaxnu.narrow import channels_in_words
from jaxnu.plotting import interaction_figure
from jaxnu.transport.solver import propagate
from jaxnu.universe import Universe

CONTINUES = "starts again"
prepare = make_universe

_UNIT = "per_GeV_cm2_s_sr"
_COLUMNS = ("nu_e", "nu_mu", "nu_tau", "free_nu_e", "free_nu_mu", "free_nu_tau")


def run(settings: SpectrumSettings, universe: Universe, folder: Path, quiet: bool) -> str:
    """Write spectrum.csv and spectrum.png into `folder`; returns the last words."""
    start = time.monotonic()
    resolution, grid = make_resolution(settings.mesh), settings.energies
    energy = np.geomspace(grid.low, grid.high, grid.points)
    # The ends are exact, so that they lie within a mesh that ends there.
    energy[0], energy[-1] = grid.low, grid.high
    say("Propagating, compiling first.", quiet)

    def solve(point):
        solution = propagate(point, resolution)
        return flux_of_spectrum(solution, point, jnp.asarray(energy), resolution), solution

    flux, solution = solve(universe)
    free, _ = solve(universe.without_interactions())
    flux, free = np.asarray(flux), np.asarray(free)
    header = ",".join(["energy_GeV", *(f"{name}_{_UNIT}" for name in _COLUMNS)])
    table = np.column_stack([energy, flux.T, free.T])
    np.savetxt(folder / "spectrum.csv", table, fmt="%.8e", delimiter=",", header=header, comments="")
    interaction_figure(energy, flux, free).savefig(folder / "spectrum.png", dpi=200)
    ratio = flux.sum(axis=0) / free.sum(axis=0)
    deepest = int(np.argmin(ratio))
    balance = max(abs(float(solution.energy_balance)), abs(float(solution.number_balance)))
    return "\n".join(
        [
            f"Least of the flux, all flavours, arrives at {energy[deepest]:.3g} GeV: {ratio[deepest]:.3f} of that "
            "without interactions.",
            channels_in_words(universe.mediator),
            f"Energy and number of neutrinos balance to {balance:.1g}.",
            f"In {folder}: spectrum.csv, spectrum.png, config.toml ({duration(time.monotonic() - start)}).",
        ]
    )
