"""The pictures of a finished run, made from the files that it left and nothing else."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from jaxnu.cli.fields import Refused
from jaxnu.cli.model import make_model
from jaxnu.cli.settings import PosteriorSettings
from jaxnu.cli.toml import read_toml, settings_from
from jaxnu.cli.words import BEST, POWER_LAW
from jaxnu.inference import (
    Limits,
    Posterior,
    Significance,
    can_be_simulated,
    flux_points,
    load_bank,
    load_posterior,
    measurement,
    predictive,
    profile,
    thinned,
    universe_at,
)
from jaxnu.plotting import (
    chains_figure,
    corner_figure,
    limits_figure,
    plane_figure,
    predictive_figure,
    significance_figure,
    spectrum_figure,
)

POSTERIOR, BANK, FIT, PSEUDO = "posterior.nc", "bank.npz", "fit.toml", "pseudo.npz"
MOMENT = "wp2020-fnal2021"
MODE_DEPTH = 6.0
"""Ends of searches are marked as modes if their χ² is within this of the best."""


def draw_posterior(folder: Path, moment: str) -> tuple[str, ...]:
    """Draw chains if there are any, corner, spectrum, plane and predictive check of a posterior; names of the pictures.

    A bank.npz that `jaxnu profile` left, put beside it, adds the regions of the profile to the plane.
    """
    settings = settings_from("posterior", read_toml(folder / "config.toml", "posterior"))
    assert isinstance(settings, PosteriorSettings)
    model = make_model(settings)
    result, terms = load_posterior(folder / POSTERIOR), flux_points(model.terms)
    found = tomllib.loads((folder / FIT).read_text(encoding="utf-8")) if (folder / FIT).exists() else {}
    best, free = found.get("best"), {k: v for k, v in found.get("power_law", {}).items() if k != "chi2"}
    lines = {BEST: universe_at(model, best), POWER_LAW: universe_at(model, free).without_interactions()} if best else {}
    values = {name: jnp.asarray(part) for name, part in thinned(result, settings.sampling.bands).items()}
    draws = jax.vmap(lambda point: universe_at(model, point))(values)
    figures = {
        **({"chains.png": chains_figure(result.draws)} if result.log_evidence is None else {}),
        "corner.png": corner_figure(result.draws, result.units, _modes(found)),
        "spectrum.png": spectrum_figure(terms, lines, draws, model.resolution),
    }
    if can_be_simulated(measurement(terms)):
        check = predictive(model, result, jax.random.key(settings.seed + 2), draws=settings.sampling.bands)
        figures["predictive.png"] = predictive_figure(terms, check)
    if {"mass", "coupling"} <= set(result.draws):
        figures["plane.png"] = _plane(folder, result, (settings.prior.mass, settings.prior.coupling), moment)
    return _save(folder, figures)


def draw_profile(folder: Path, moment: str) -> tuple[str, ...]:
    """Draw the regions of a profile, its pseudo-experiments and its limits; names of the pictures."""
    bank = load_bank(folder / BANK)
    mass, coupling = bank.axes["mass"], bank.axes["coupling"]
    ranges = ((float(mass[0]), float(mass[-1])), (float(coupling[0]), float(coupling[-1])))
    with np.load(folder / PSEUDO) as stored:
        limits = Limits(mass, float(stored["level"]), stored["observed"], stored["expected"])
        power_law, delta = {"amplitude": float("nan")}, float(stored["delta_chi2"])
        found = Significance({}, power_law, delta, stored["local_simulated"], stored["global_simulated"])
    return _save(
        folder,
        {
            "plane.png": plane_figure(profile=_regions(folder), ranges=ranges, moment=moment),
            "significance.png": significance_figure(found),
            "limits.png": limits_figure(limits, ranges[1][1], moment),
        },
    )


def _plane(folder: Path, result: Posterior, ranges, moment: str) -> Figure:
    regions = _regions(folder) if (folder / BANK).exists() else None
    draws = result.draws
    return plane_figure(draws["mass"], draws["coupling"], profile=regions, ranges=ranges, moment=moment)


def _regions(folder: Path):
    bank = load_bank(folder / BANK)
    found = profile(bank, ("mass", "coupling"))
    return bank.axes["mass"], bank.axes["coupling"], found.chi2, float(found.free_chi2)


def _modes(found: Mapping[str, Any]) -> list[dict[str, float]]:
    """Ends of searches near the best, best first, without repetitions (the same to 2 %)."""
    modes: list[dict[str, float]] = []
    for mode in found.get("modes", []):
        if mode["chi2"] > found["chi2"] + MODE_DEPTH:
            continue
        point = {name: value for name, value in mode.items() if name != "chi2"}
        if not any(all(np.isclose(point[name], other[name], rtol=0.02) for name in point) for other in modes):
            modes.append(point)
    return modes


def _save(folder: Path, figures: Mapping[str, Figure]) -> tuple[str, ...]:
    for name, figure in figures.items():
        try:
            figure.savefig(folder / name, dpi=150, bbox_inches="tight" if name == "corner.png" else None)
        except OSError as error:
            raise Refused(f"cannot write {folder / name}: {error.strerror or error}") from None
    return tuple(figures)
