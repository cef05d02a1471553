"""`jaxnu posterior`: sample, fit, draw."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import jax
import tomli_w

from jaxnu.cli.build import prior_channels_in_words
from jaxnu.cli.fields import Refused
from jaxnu.cli.fit import fit_tables
from jaxnu.cli.folder import CHECKPOINT
from jaxnu.cli.model import make_model
from jaxnu.cli.pictures import FIT, MOMENT, POSTERIOR, draw_posterior
from jaxnu.cli.settings import PosteriorSettings
from jaxnu.cli.words import bayes_factor_in_words, best_fit_in_words, duration, say
from jaxnu.cores import use_all_cores
from jaxnu.inference import Model, Posterior, evidence, fit, nested, sample, summary_table, verdict

CONTINUES = "goes on from the last saved block of draws"


def prepare(settings: PosteriorSettings) -> Model:
    """The model; nested sampling has independent points to compute, for which every core becomes a device."""
    if settings.sampling.method == "nested":
        use_all_cores()
    return make_model(settings)


def run(settings: PosteriorSettings, model: Model, folder: Path, quiet: bool) -> str:
    """Write posterior.nc, summary.csv, fit.toml and the pictures into `folder`; returns the last words."""
    start = time.monotonic()
    search, fit_key = settings.search, jax.random.key(settings.seed + 1)
    try:
        result = _draws(settings, model, folder, quiet)
    except ValueError as error:  # a checkpoint of other versions, a likelihood that is nowhere finite
        raise Refused(str(error)) from error
    result.save(folder / POSTERIOR)
    summary_table(result).to_csv(folder / "summary.csv", index_label="parameter")
    compared = [] if result.log_evidence is None else [_evidence(settings, result, quiet)]
    say("Searching for the best fit.", quiet)
    best = fit(model, fit_key, sweep=search.sweep, starts=search.starts, steps=search.steps)
    (folder / FIT).write_text(tomli_w.dumps(fit_tables(best)), encoding="utf-8")
    say("Drawing.", quiet)
    pictures = draw_posterior(folder, MOMENT)
    files = ", ".join((POSTERIOR, "summary.csv", FIT, *pictures, "config.toml"))
    return "\n".join(
        [
            best_fit_in_words(best),
            prior_channels_in_words(settings),
            *compared,
            verdict(result),
            f"In {folder}: {files} ({duration(time.monotonic() - start)}).",
        ]
    )


def _draws(settings: PosteriorSettings, model: Model, folder: Path, quiet: bool) -> Posterior:
    key, sampling = jax.random.key(settings.seed), settings.sampling
    kept = {"checkpoint": folder / CHECKPOINT, "progress": not quiet}
    if sampling.method == "nested":
        say(f"Nested sampling with {settings.nested.live} live points, compiling first.", quiet)
        return nested(model, key, **asdict(settings.nested), **kept)
    say(f"Sampling {sampling.chains} chains of {sampling.warmup} + {sampling.draws} steps, compiling first.", quiet)
    return sample(
        model,
        key,
        chains=sampling.chains,
        warmup=sampling.warmup,
        draws=sampling.draws,
        sweep=sampling.sweep,
        block=sampling.block,
        **kept,
    )


def _evidence(settings: PosteriorSettings, result: Posterior, quiet: bool) -> str:
    """ln Z, and the Bayes factor against the same without a Z′, which has so few parameters that it needs no chain."""
    say("Computing the evidence without a Z′.", quiet)
    free = make_model(settings, interactions=False)
    against = evidence(free, jax.random.key(settings.seed + 3), sweep=settings.sampling.sweep, progress=not quiet)
    return bayes_factor_in_words(result, against)
