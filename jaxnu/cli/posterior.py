"""`jaxnu posterior`: sample, fit, draw."""

from __future__ import annotations

import time
from pathlib import Path

import jax
import tomli_w

from jaxnu.cli.build import make_model
from jaxnu.cli.fields import Refused
from jaxnu.cli.fit import fit_tables
from jaxnu.cli.folder import CHECKPOINT
from jaxnu.cli.pictures import FIT, MOMENT, POSTERIOR, draw_posterior
from jaxnu.cli.settings import PosteriorSettings
from jaxnu.cli.words import best_fit_in_words, duration, say
from jaxnu.inference import Model, fit, sample, summary_table, verdict

CONTINUES = "goes on from the last saved block of draws"
prepare = make_model


def run(settings: PosteriorSettings, model: Model, folder: Path, quiet: bool) -> str:
    """Write posterior.nc, summary.csv, fit.toml and the pictures into `folder`; returns the last words."""
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
    result.save(folder / POSTERIOR)
    summary_table(result).to_csv(folder / "summary.csv", index_label="parameter")
    say("Searching for the best fit.", quiet)
    best = fit(model, fit_key, sweep=search.sweep, starts=search.starts, steps=search.steps)
    (folder / FIT).write_text(tomli_w.dumps(fit_tables(best)), encoding="utf-8")
    say("Drawing.", quiet)
    pictures = draw_posterior(folder, MOMENT)
    files = ", ".join((POSTERIOR, "summary.csv", FIT, *pictures, "config.toml"))
    return "\n".join(
        [
            best_fit_in_words(best),
            verdict(result),
            f"In {folder}: {files} ({duration(time.monotonic() - start)}).",
        ]
    )
