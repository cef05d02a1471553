"""Settings to and from TOML, and the checks that need several of them at once."""

from __future__ import annotations

import math
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_type_hints

import tomli_w

from jaxnu.cli.fields import Refused
from jaxnu.cli.scan import DEFAULT_AXES
from jaxnu.cli.settings import KINDS, Settings
from jaxnu.icecube.datasets import table
from jaxnu.neutrinos import _PRESETS

_PACKAGES = ("jaxnu", "jax", "jaxlib", "equinox", "numpyro", "optax", "blackjax", "arviz", "numpy", "scipy")


def read_toml(path: Path, command: str) -> dict[str, Any]:
    """The tables of a configuration file, without what only describes the run that wrote it."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"cannot read the configuration {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"the configuration {path} is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"the configuration {path} is not valid TOML: {error}") from None
    tables.pop("versions", None)
    written_for = tables.pop("command", command)
    if written_for != command:
        raise Refused(f"the configuration {path} is for `jaxnu {written_for}`, not for `jaxnu {command}`")
    return tables


def to_toml(settings: Settings) -> str:
    """The settings with the versions of what they are used with; None is left out, as TOML has no such thing."""
    tables = {
        name: {key: entry for key, entry in value.items() if entry is not None} if isinstance(value, dict) else value
        for name, value in asdict(settings).items()
    }
    return tomli_w.dumps({"command": settings.command, **tables, "versions": versions()})


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with later layers on top of earlier ones, key by key."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            below = merged.get(name)
            merged[name] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def settings_from(command: str, tables: Mapping[str, Any]) -> Settings:
    """Checked settings of a command; what the tables leave out has its default. Refuses with one sentence."""
    point = tables.get("point")
    if isinstance(point, dict) and "sum_masses" in point:
        if "lightest" in point:
            raise Refused("give the lightest neutrino mass or the sum of the masses, not both")
        tables = {**tables, "point": {**point, "lightest": None}}
    if command == "sweep" and not tables.get("axes"):
        tables = {**tables, "axes": DEFAULT_AXES}
    settings = _read(KINDS[command], tables, "")
    _check_mesh(settings)
    _check_data(settings)
    _check_sum(settings)
    nested = getattr(settings, "nested", None)
    if nested is not None and nested.batch >= nested.live:
        raise Refused(f"nested.batch must be less than nested.live, got {nested.batch} and {nested.live}")
    return settings


def differences(first: Settings, second: Settings) -> list[str]:
    """Names of the settings that differ, as section.key."""
    one, other = asdict(first), asdict(second)
    found = []
    for name, value in one.items():
        if isinstance(value, dict):
            found += [f"{name}.{key}" for key in value if value[key] != other[name][key]]
        elif value != other[name]:
            found.append(name)
    return found


def _read(kind: Any, tables: Mapping[str, Any], section: str) -> Any:
    known = {entry.name: entry for entry in fields(kind)}
    hints = get_type_hints(kind)
    values = {}
    for name, value in tables.items():
        if name not in known:
            where = f"section [{section}]" if section else "configuration"
            raise Refused(f"unknown setting {name!r} in the {where}, which knows {', '.join(known)}")
        if is_dataclass(hints[name]):
            if not isinstance(value, Mapping):
                raise Refused(f"{name} must be a section [{name}], got {value!r}")
            values[name] = _read(hints[name], value, name)
        else:
            label = f"{section}.{name}" if section else name
            values[name] = None if value is None else known[name].metadata["read"](value, label)
    return kind(**values)


def _check_mesh(settings: Settings) -> None:
    mesh = settings.mesh
    if not mesh.lowest < mesh.highest:
        raise Refused(f"mesh.lowest must be below mesh.highest, got {mesh.lowest:g} and {mesh.highest:g} GeV")
    covered = f"the mesh, {mesh.lowest:g} to {mesh.highest:g} GeV"
    energies = getattr(settings, "energies", None)
    if energies is None:
        return
    if not energies.low < energies.high:
        raise Refused(f"energies.low must be below energies.high, got {energies.low:g} and {energies.high:g} GeV")
    if energies.low < mesh.lowest or energies.high > mesh.highest:
        raise Refused(f"energies must lie within {covered}, got {energies.low:g} to {energies.high:g} GeV")


def _check_data(settings: Settings) -> None:
    data = getattr(settings, "data", None)
    if data is None:
        return
    tables = {name: table(name) for name in data.sets}
    for at, first in enumerate(data.sets):
        bins = [row for row in tables[first]["bins"] if "unused" not in row]
        low, high = bins[0]["low"], bins[-1]["high"]
        if low < settings.mesh.lowest or high > settings.mesh.highest:
            mesh = f"{settings.mesh.lowest:g} to {settings.mesh.highest:g} GeV"
            raise Refused(f"{first} reaches from {low:g} to {high:g} GeV, outside the mesh of {mesh}")
        for second in data.sets[at + 1 :]:
            shared = tables[first]["overlaps"].get(second) or tables[second]["overlaps"].get(first)
            shared = "they are the same data" if first == second else shared
            if shared:
                raise Refused(f"{first} and {second} cannot be combined: {shared}")


def _check_sum(settings: Settings) -> None:
    point = getattr(settings, "point", None)
    if point is None or point.sum_masses is None:
        return
    model = settings.model
    *_, dm2_21, dm2_3l = _PRESETS[model.mixing][model.ordering]
    # The lightest massless: m2, m3 for normal and m1, m2 for inverted ordering.
    square = dm2_3l if model.ordering == "normal" else -dm2_3l
    least = math.sqrt(square) + math.sqrt(dm2_21 if model.ordering == "normal" else square - dm2_21)
    if point.sum_masses < least:
        kind = f"{model.ordering} ordering with {model.mixing}"
        raise Refused(f"point.sum_masses must be at least {least:.4f} eV for {kind}, got {point.sum_masses:g}")
