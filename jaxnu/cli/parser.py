"""The command line's options, made from the settings that they set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from jaxnu.cli.fields import Refused
from jaxnu.cli.settings import KINDS, Settings

_COMMANDS = {
    "posterior": "Sample the posterior given IceCube flux points: posterior.nc, summary.csv, fit.toml and pictures.",
    "fit": "Find the best fit and compare it with a pure power law: fit.toml, spectrum.png.",
    "profile": "Profile the likelihood on a grid, with pseudo-experiments for significance and limits: profile.toml.",
    "sweep": "Compute a likelihood, its profile or a flux on many points: scan.zarr, map.png.",
    "spectrum": "Compute the spectrum of one point with and without interactions: spectrum.csv, spectrum.png.",
}
# Sections and settings that have an option; everything else is set in a configuration file.
_OPTIONS = {
    "data": ("sets",),
    "model": ("ordering", "mixing", "evolution", "flavour", "channels"),
    "mesh": ("nodes", "shells"),
    "sampling": ("method", "chains", "warmup", "draws"),
    "nested": ("live",),
    "search": ("starts",),
    "grid": ("masses", "couplings", "lightests", "indices", "experiments"),
    "point": ("mass", "coupling", "lightest", "sum_masses", "amplitude", "index"),
    "energies": ("low", "high", "points"),
    "scan": ("quantity", "design", "samples", "file", "chunk", "store"),
    "axes": ("mass", "coupling", "lightest", "amplitude", "index"),
}
_NAMES = {"sets": "data"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(f"{message} (see {self.prog} --help)")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command, its common options and, in `tables`, the settings given. Refuses what it does not understand."""
    known = build_parser().parse_args(_joined(argv))
    if known.command == "plot":
        return known
    tables: dict[str, Any] = {}
    for name, value in vars(known).items():
        section, dot, key = name.partition(".")
        if dot and value is not None:
            tables.setdefault(section, {})[key] = value
    if known.seed is not None:
        tables["seed"] = known.seed
    known.tables = tables
    return known


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = _Parser(
        prog="jaxnu", description="High-energy neutrinos that scatter on relic neutrinos through a light Z'."
    )
    parser.add_argument("--version", action="version", version=f"jaxnu {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command, description in _COMMANDS.items():
        sub = commands.add_parser(command, help=description, description=description, allow_abbrev=False)
        _add_common(sub, command)
        _add_settings(sub, KINDS[command])
        if command == "sweep":
            _add_processes(sub)
    _add_plot(commands)
    return parser


def _add_common(parser: argparse.ArgumentParser, command: str) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--config", type=Path, metavar="FILE.toml", help="settings, such as the config.toml of another run"
    )
    group.add_argument(
        "--output", type=Path, metavar="DIR", default=Path(f"jaxnu-{command}"), help="default: %(default)s"
    )
    group.add_argument("--seed", type=int, help="seed of all random numbers (default 0)")
    group.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in DIR")
    group.add_argument(
        "--quick", action="store_true", help="small settings, to see it work: a demonstration, no result"
    )
    group.add_argument("--quiet", action="store_true", help="no progress, only the result")


def _add_processes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("processes", "found by themselves under srun and mpirun")
    group.add_argument("--dry-run", action="store_true", help="only tell points, chunks, memory and time")
    group.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 listens")
    group.add_argument("--processes", type=int, metavar="N", help="how many there are")
    group.add_argument("--process", type=int, metavar="I", help="which one this is, from 0")


def _add_plot(commands: Any) -> None:
    description = "Draw the pictures of a finished run again: of a posterior, a profile or a sweep."
    sub = commands.add_parser("plot", help=description, description=description, allow_abbrev=False)
    sub.add_argument("place", metavar="DIR_OR_STORE", help="output directory of a run, or a store")
    sub.add_argument("--axes", nargs=2, metavar=("X", "Y"), help="parameters of the map (default: the first two)")
    sub.add_argument("--moment", metavar="NAME", help="muon g-2 measurement whose band is drawn; see jaxnu.constraints")
    sub.add_argument("--output", type=Path, metavar="FILE.png", help="default: map.png beside the store")


def _add_settings(parser: argparse.ArgumentParser, kind: type[Settings]) -> None:
    for section, section_type in get_type_hints(kind).items():
        if not is_dataclass(section_type) or section not in _OPTIONS:
            continue
        group = parser.add_argument_group(section)
        for entry in fields(section_type):
            if entry.name in _OPTIONS[section]:
                default = f" (default {_words(entry.default)})" if entry.default not in (None, "") else ""
                group.add_argument(
                    "--" + _NAMES.get(entry.name, entry.name).replace("_", "-"),
                    dest=f"{section}.{entry.name}",
                    type=entry.metadata["kind"],
                    nargs="+" if entry.metadata["several"] else None,
                    metavar=_NAMES.get(entry.name, entry.name).upper().replace("_", "-"),
                    help=entry.metadata["doc"].replace("%", "%%") + default,
                )


def _words(default: Any) -> str:
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _joined(argv: Sequence[str]) -> list[str]:
    """Negative numbers such as -1e-4 joined to their option, which argparse takes for an option otherwise."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1].startswith("--") and "=" not in joined[-1] and _is_negative(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _is_negative(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return word.startswith("-")


def _version() -> str:
    try:
        return version("jaxnu")
    except PackageNotFoundError:
        return "(not installed)"
