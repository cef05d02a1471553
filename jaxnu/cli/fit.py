"""`jaxnu fit`: the best fit against a power law."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import jax
import tomli_w

from jaxnu.cli.build import prior_channels_in_words
from jaxnu.cli.model import make_model
from jaxnu.cli.settings import FitSettings
from jaxnu.cli.words import BEST, POWER_LAW, best_fit_in_words, duration, say
from jaxnu.inference import Fit, Model, fit, flux_points
from jaxnu.plotting import spectrum_figure

CONTINUES = "starts the search again"
prepare = make_model


def run(settings: FitSettings, model: Model, folder: Path, quiet: bool) -> str:
    """Write fit.toml and spectrum.png into `folder`; returns the last words."""
    start = time.monotonic()
    search = settings.search
    say(f"Searching from {search.starts} of {search.sweep} points, compiling first.", quiet)
    best = fit(model, jax.random.key(settings.seed), sweep=search.sweep, starts=search.starts, steps=search.steps)
    (folder / "fit.toml").write_text(tomli_w.dumps(fit_tables(best)), encoding="utf-8")
    say("Drawing.", quiet)
    lines = {BEST: best.universe, POWER_LAW: best.power_law_universe}
    spectrum_figure(flux_points(model.terms), lines, resolution=model.resolution).savefig(
        folder / "spectrum.png", dpi=200
    )
    place = f"In {folder}: fit.toml, spectrum.png, config.toml ({duration(time.monotonic() - start)})."
    return "\n".join([best_fit_in_words(best), prior_channels_in_words(settings), *best.remarks, place])


def fit_tables(best: Fit) -> dict:
    """A fit as TOML tables."""
    return {
        "channels": best.universe.mediator.channels,
        "chi2": best.chi2,
        "points": best.points,
        "log_likelihood": best.log_likelihood,
        "remarks": list(best.remarks),
        "best": best.best,
        "errors": best.errors,
        "units": best.units,
        "covariance": {"names": list(best.names), "matrix": best.covariance.tolist()},
        "power_law": {"chi2": best.power_law.chi2, **best.power_law.values},
        "comparison": asdict(best.comparison),
        "modes": [{"chi2": mode.chi2, **mode.values} for mode in best.modes],
    }
