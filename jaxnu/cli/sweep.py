"""`jaxnu sweep`: a quantity on many points, by as many processes as there are."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxnu._field import as_float
from jaxnu.cli.build import make_resolution
from jaxnu.cli.evolutions import make_evolution
from jaxnu.cli.fields import Refused
from jaxnu.cli.folder import STORE, close_folder, open_folder
from jaxnu.cli.plot import draw
from jaxnu.cli.settings import SweepSettings
from jaxnu.cli.toml import to_toml
from jaxnu.cli.words import DEMONSTRATION, duration, say, size
from jaxnu.cores import use_all_cores
from jaxnu.icecube import load
from jaxnu.mediators import LmuLtau
from jaxnu.narrow import channels_in_words
from jaxnu.scan import (
    BinnedFlux,
    ChunksFailed,
    Design,
    Gradient,
    LogLikelihood,
    Plan,
    ProfileLikelihood,
    grid,
    latin_hypercube,
    listed,
    plan,
    sobol,
    standard_universe,
    start_processes,
    sweep,
)
from jaxnu.scan.files import exists, files_at

CONTINUES = "goes on with the chunks that are not done"
_LOGARITHMIC = ("mass", "coupling", "lightest")
_PATIENCE = 120.0


def run(settings: SweepSettings, asked: argparse.Namespace) -> int:
    """Fill the store and draw a map; returns 0, or 1 if chunks have failed."""
    place = settings.scan.store or str(asked.output / STORE)
    try:
        if start_processes(asked.coordinator, asked.processes, asked.process) == 1:
            use_all_cores()
        design, task = _design(settings), _task(settings)
        if asked.dry_run:
            if jax.process_index() == 0:
                print(_plan_in_words(plan(points=design, chunk=settings.scan.chunk or None, **task)))
            return 0
    except ValueError as error:
        raise Refused(str(error)) from None
    _require_reachable(place)
    _open(settings, asked)
    start = time.monotonic()
    say(f"{design.size} points into {place}, compiling first.", asked.quiet or jax.process_index() > 0)
    try:
        report = sweep(
            points=design,
            store=place,
            chunk=settings.scan.chunk or None,
            attributes={"settings": to_toml(settings)},
            progress=not asked.quiet,
            **task,
        )
    except ValueError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"cannot write into {place}: {error.strerror or error}") from error
    except ChunksFailed as error:
        print(f"jaxnu: {error}", file=sys.stderr)
        return 1
    if jax.process_index() == 0:
        words = f"{report}\n{_channels_in_words(settings, design)}"
        if settings.scan.quantity != "flux" and len(design.names) > 1:
            draw(place, asked.output / "map.png")
            words += f"\nIn {asked.output}: map.png, config.toml ({duration(time.monotonic() - start)})."
        if settings.quick:
            words += f"\n{DEMONSTRATION}"
        close_folder(asked.output, words)
        print(words)
    return 0


def _require_reachable(place: str) -> None:
    """Refuse a store that cannot be read, before a directory is made."""
    try:
        exists(files_at(place), "")
    except Exception as error:  # a package that is missing, or whatever that package raises
        raise Refused(f"cannot reach {place}: {str(error).strip()}") from None


def _open(settings: SweepSettings, asked: argparse.Namespace) -> None:
    """The first process makes the directory ready, the others wait for it."""
    if jax.process_index() == 0:
        if asked.overwrite and jax.process_count() > 1:
            raise Refused("--overwrite is for a single process; remove the directory before many start")
        if open_folder(asked.output, settings, asked.overwrite):
            say(f"Going on with the unfinished run in {asked.output}.", asked.quiet)
        return
    deadline = time.monotonic() + _PATIENCE
    while not (asked.output / "config.toml").exists():
        if time.monotonic() > deadline:
            raise Refused(f"process 0 has not made {asked.output} ready")
        time.sleep(0.2)


def _design(settings: SweepSettings) -> Design:
    axes = {name: ends for name, ends in asdict(settings.axes).items() if ends is not None}
    kind = settings.scan.design
    if kind == "list":
        return listed(_columns(settings.scan.file))
    if kind != "grid":
        make = sobol if kind == "sobol" else latin_hypercube
        ranges = {name: (ends[0], ends[1]) for name, ends in axes.items()}
        log = [name for name in _LOGARITHMIC if name in ranges]
        return make(ranges, settings.scan.samples, seed=settings.seed, log=log)
    for name, ends in axes.items():
        if len(ends) != 3:
            raise Refused(f"axes.{name} needs a number of values for a grid: [low, high, number]")
    return grid(
        {
            name: (np.geomspace if name in _LOGARITHMIC else np.linspace)(low, high, int(number))
            for name, (low, high, number) in axes.items()
        }
    )


def _channels_in_words(settings: SweepSettings, design: Design) -> str:
    """The channels, and how wrong they are where the sweep reaches farthest."""
    fixed = settings.fixed
    mass, _ = design.ends.get("mass", (fixed.mass, fixed.mass))
    _, coupling = design.ends.get("coupling", (fixed.coupling, fixed.coupling))
    return channels_in_words(LmuLtau(as_float(mass), as_float(coupling), channels=settings.model.channels))


def _columns(file: str) -> dict[str, np.ndarray]:
    if not file:
        raise Refused("a list of points needs scan.file, a CSV file with the parameters in its first row")
    try:
        table = pd.read_csv(Path(file))
    except (OSError, ValueError) as error:
        raise Refused(f"cannot read the points in {file}: {error}") from None
    return {str(name).strip(): table[name].to_numpy() for name in table.columns}


def _task(settings: SweepSettings) -> dict[str, Any]:
    """What is computed: function, builder, dimensions, coordinates and units."""
    model, quantity, resolution = settings.model, settings.scan.quantity, make_resolution(settings.mesh)
    build = partial(
        standard_universe,
        **asdict(settings.fixed),
        ordering=model.ordering,
        mixing=model.mixing,
        evolution=make_evolution(model.evolution),
        flavour=model.flavour,
        channels=model.channels,
    )
    if quantity == "flux":
        edges = np.geomspace(1e4, 1e7, settings.scan.bins + 1)
        return {
            "function": BinnedFlux(jax.numpy.asarray(edges), resolution),
            "build": build,
            "dims": {"flux": ("flavour", "bin")},
            "coords": {
                "flavour": ["e", "mu", "tau"],
                "low": ("bin", edges[:-1], {"units": "GeV"}),
                "high": ("bin", edges[1:], {"units": "GeV"}),
            },
            "units": {"flux": "cm⁻² s⁻¹ sr⁻¹"},
        }
    terms = tuple(load(name, settings.data.convention) for name in settings.data.sets)
    likelihood = LogLikelihood(terms, resolution)
    if quantity != "profile":
        return {"function": likelihood if quantity == "log-likelihood" else Gradient(likelihood), "build": build}
    if settings.axes.amplitude is not None:
        raise Refused("a profile is over the amplitude; leave axes.amplitude out or choose another quantity")
    units = {"best_amplitude": "1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹"}
    if settings.axes.index is None:
        return {"function": ProfileLikelihood(terms, resolution), "build": build, "units": units}
    return {"function": ProfileLikelihood(terms, resolution, index=None), "build": build, "units": units}


def _plan_in_words(found: Plan) -> str:
    return (
        f"{found.points} points in {found.chunks} chunks of at most {found.chunk}, on {found.devices} "
        f"device{'s' if found.devices > 1 else ''} in each of {found.processes} process"
        f"{'es' if found.processes > 1 else ''}.\n"
        f"Memory: {size(found.device_bytes)} per device, {size(found.host_bytes)} for two chunks of results; "
        f"store: {size(found.stored_bytes)} before compression.\n"
        f"Measured on the first chunk: {found.chunk_seconds:.3g} s ({found.chunk / found.chunk_seconds:.3g} points per "
        f"second), compilation {found.compile_seconds:.3g} s; in all about {duration(found.seconds)}."
    )
