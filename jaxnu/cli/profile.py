"""`jaxnu profile`: the frequentist side: regions, significance, limits."""

from __future__ import annotations

import time
from pathlib import Path

import jax
import numpy as np
import tomli_w

from jaxnu.cli.build import prior_channels_in_words
from jaxnu.cli.fields import Refused
from jaxnu.cli.model import make_model
from jaxnu.cli.pictures import BANK, MOMENT, PSEUDO, draw_profile
from jaxnu.cli.settings import ProfileSettings
from jaxnu.cli.words import duration, say
from jaxnu.inference import (
    Limits,
    Model,
    Significance,
    can_be_simulated,
    coupling_limits,
    flux_points,
    make_bank,
    measurement,
    refined,
    significance,
)

CONTINUES = "starts the grid again"


def prepare(settings: ProfileSettings) -> Model:
    """The model; a bank has an axis for every parameter, so that what the grid has no axis for is refused."""
    prior = settings.prior
    if (prior.spectrum, prior.ordering, prior.angles, prior.evolution) != ("power-law", "fixed", "fixed", "fixed"):
        raise Refused("profile knows power laws with all else fixed; for more freedom use make_bank from Python")
    if not settings.grid.level < 1:
        raise Refused(f"grid.level must be below 1, got {settings.grid.level:g}")
    model = make_model(settings)
    if not can_be_simulated(measurement(flux_points(model.terms))):
        raise Refused(f"profile cannot simulate limits of the convention {settings.data.convention}; use split-normal")
    return model


def run(settings: ProfileSettings, model: Model, folder: Path, quiet: bool) -> str:
    """Write bank.npz, pseudo.npz, profile.toml and the pictures into `folder`; returns the last words."""
    start = time.monotonic()
    grid, prior = settings.grid, settings.prior
    axes = {
        "mass": np.geomspace(*prior.mass, grid.masses),
        "coupling": np.geomspace(*prior.coupling, grid.couplings),
        "lightest": np.geomspace(*prior.lightest, grid.lightests),
        "index": np.linspace(*prior.index, grid.indices),
    }
    say(f"Computing {np.prod([axis.size for axis in axes.values()])} spectra, compiling first.", quiet)
    try:
        bank = refined(make_bank(model, axes, progress=not quiet), "index", grid.refine)
        bank.save(folder / BANK)
        say(f"Fitting {grid.experiments} pseudo-experiments.", quiet)
        key, limit_key = jax.random.split(jax.random.key(settings.seed))
        found = significance(bank, key, experiments=grid.experiments)
        limits = coupling_limits(bank, limit_key, level=grid.level, experiments=grid.experiments)
    except ValueError as error:
        raise Refused(str(error)) from error
    np.savez_compressed(
        folder / PSEUDO,
        delta_chi2=found.delta_chi2,
        local_simulated=found.local_simulated,
        global_simulated=found.global_simulated,
        level=limits.level,
        observed=limits.observed,
        expected=limits.expected,
    )
    (folder / "profile.toml").write_text(
        tomli_w.dumps({"channels": settings.model.channels, **_tables(found, limits)}), encoding="utf-8"
    )
    pictures = draw_profile(folder, MOMENT)
    best = found.best
    files = ", ".join(("profile.toml", BANK, PSEUDO, *pictures, "config.toml"))
    return "\n".join(
        [
            f"Best point of the grid: m_Z′ = {best['mass']:.3g} MeV, g′ = {best['coupling']:.2g}, lightest neutrino "
            f"{best['lightest']:.2g} eV, γ = {best['index']:.3g}.",
            prior_channels_in_words(settings),
            found.summary(),
            f"In {folder}: {files} ({duration(time.monotonic() - start)}).",
        ]
    )


def _tables(found: Significance, limits: Limits) -> dict:
    names = ("low95", "low68", "median", "high68", "high95")
    bands = {name: band.tolist() for name, band in zip(names, limits.bands(), strict=True)}
    return {
        "delta_chi2": found.delta_chi2,
        "experiments": found.global_simulated.size,
        "local_p": found.local_p,
        "global_p": found.global_p,
        "best": found.best,
        "power_law": found.power_law,
        "limits": {
            "level": limits.level,
            "mass": limits.mass.tolist(),
            "observed": limits.observed.tolist(),
            "expected": bands,
        },
    }
