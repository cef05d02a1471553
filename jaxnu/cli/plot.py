"""`jaxnu plot`: the pictures of what is in a directory or a store."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from jaxnu.cli.fields import Refused
from jaxnu.cli.folder import STORE
from jaxnu.cli.pictures import BANK, MOMENT, POSTERIOR, PSEUDO, draw_posterior, draw_profile
from jaxnu.constraints import MEASUREMENTS
from jaxnu.plotting import map_figure
from jaxnu.scan import make_map, parameters


def run(asked: argparse.Namespace) -> int:
    """Draw what is found at a place; returns 0."""
    place = asked.place
    for names, draw_run in (((POSTERIOR,), draw_posterior), ((BANK, PSEUDO), draw_profile)):
        if all((Path(place) / name).is_file() for name in names):
            return _redraw(Path(place), asked, draw_run)
    if (Path(place) / STORE).is_dir():
        place = str(Path(place) / STORE)
    beside = Path(place).parent if Path(place).exists() else Path()
    output = asked.output or beside / "map.png"
    draw(place, output, asked.axes, asked.moment or MOMENT)
    print(f"{output}")
    return 0


def _redraw(folder: Path, asked: argparse.Namespace, draw_run: Callable[[Path, str], tuple[str, ...]]) -> int:
    if asked.output or asked.axes:
        raise Refused(f"{folder} holds a run, whose pictures have their own names: --output and --axes are for sweeps")
    moment = asked.moment or MOMENT
    if moment not in MEASUREMENTS:
        raise Refused(f"unknown measurement of a_μ {moment!r}; there are {', '.join(MEASUREMENTS)}")
    try:
        print("\n".join(str(folder / name) for name in draw_run(folder, moment)))
    except ValueError as error:
        raise Refused(str(error)) from None
    return 0


def draw(place: str, output: Path, axes: list[str] | None = None, moment: str = MOMENT) -> None:
    """Draw the map of two parameters, the first two by default, of the sweep in a store."""
    try:
        with xr.open_zarr(place) as data:
            x, y = axes or (parameters(data) * 2)[:2]
            figure = map_figure(make_map(data, x, y), moment)
    except FileNotFoundError:
        raise Refused(f"{place} is neither the directory of a run nor the store of a sweep") from None
    except (OSError, ValueError) as error:
        raise Refused(str(error)) from None
    try:
        figure.savefig(output, dpi=150)
    except OSError as error:
        raise Refused(f"cannot write {output}: {error.strerror or error}") from None
