"""`jaxnu posterior`: sample, fit, draw."""

from __future__ import annotations

import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxnu.cli.build import make_model
from jaxnu.cli.fields import Refused
from jaxnu.cli.folder import CHECKPOINT
from jaxnu.cli.settings import PosteriorSettings
from jaxnu.cli.words import BEST, POWER_LAW, best_fit_in_words, duration, say
from jaxnu.inference import Model, Posterior, fit, sample, summary_table, universe_at, verdict
from jaxnu.plotting import corner_figure, spectrum_figure
from jaxnu.universe import Universe

_FILES = "posterior.nc, summary.csv, corner.png, spectrum.png, config.toml"
CONTINUES = "goes on from the last saved block of draws"
prepare = make_model


def run(settings: PosteriorSettings, model: Model, folder: Path, quiet: bool) -> str:
    """Write posterior.nc, summary.csv, corner.png and spectrum.png into `folder`; returns the last words."""
    start = time.monotonic()
    sampling, search = settings.sampling, settings.search
    sample_key, fit_key = jax.random.key(settings.seed), jax.random.key(settings.seed + 1)
    say(f"Sampling {sampling.chains} chains of {sampling.warmup} + {sampling.draws} steps, compiling first.", quiet)
    try:
        result = sample(
            model,
            sample_key,
            chains=sampling.chains,
            warmup=sampling.warmup,
            draws=sampling.draws,
            sweep=sampling.sweep,
            block=sampling.block,
            checkpoint=folder / CHECKPOINT,
            progress=not quiet,
        )
    except ValueError as error:  # a checkpoint of other versions, a likelihood that is nowhere finite
        raise Refused(str(error)) from error
    result.save(folder / "posterior.nc")
    summary_table(result).to_csv(folder / "summary.csv", index_label="parameter")
    say("Searching for the best fit.", quiet)
    best = fit(model, fit_key, sweep=search.sweep, starts=search.starts, steps=search.steps)
    say("Drawing.", quiet)
    corner_figure(result.draws, result.units).savefig(folder / "corner.png", dpi=150, bbox_inches="tight")
    lines = {BEST: best.universe, POWER_LAW: best.power_law_universe}
    draws = _thinned(model, result, sampling.bands)
    figure = spectrum_figure(model.terms, lines, draws, model.resolution)
    figure.savefig(folder / "spectrum.png", dpi=200)
    return "\n".join(
        [
            best_fit_in_words(best),
            verdict(result),
            f"In {folder}: {_FILES} ({duration(time.monotonic() - start)}).",
        ]
    )


def _thinned(model: Model, result: Posterior, count: int) -> Universe:
    """Evenly spaced draws of all chains together, as one universe with a leading axis."""
    draws = {name: np.ravel(values) for name, values in result.draws.items()}
    size = next(iter(draws.values())).size
    chosen = np.unique(np.linspace(0, size - 1, min(count, size)).round().astype(int))
    return jax.vmap(lambda values: universe_at(model, values))(
        {name: jnp.asarray(v[chosen]) for name, v in draws.items()}
    )
