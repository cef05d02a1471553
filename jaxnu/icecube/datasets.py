"""The package's own tables of IceCube flux points, one TOML file per data set."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import jax.numpy as jnp

from jaxnu.icecube.likelihood import FluxPoints

_TABLES = files("jaxnu.icecube") / "tables"
_FLAVOURS = ("e", "mu", "tau")


def datasets() -> tuple[str, ...]:
    """Names that `load` and `table` know."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _TABLES.iterdir() if file.name.endswith(".toml")))


def table(name: str) -> dict[str, Any]:
    """The published numbers as they stand in the table: citation, level, flavours, bins, its own fit, overlaps.

    `bins` is a list of rows with `low`, `high` (GeV) and either `value`, `minus`, `plus` or `limit`: E²φ of an E⁻²
    segment in GeV cm⁻² s⁻¹ sr⁻¹, ν+ν̄. A row may have its own confidence `level`, and says why it is `unused`.
    `power_law` or `broken_power_law` is in 1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ at 100 TeV, for the same flavours as the bins.
    Raises ValueError for an unknown name.
    """
    if name not in datasets():
        raise ValueError(f"unknown data set {name!r}; there are {', '.join(datasets())}")
    return tomllib.loads((_TABLES / f"{name}.toml").read_text(encoding="utf-8"))


def load(name: str, convention: str = "split-normal") -> FluxPoints:
    """A data set as a likelihood term, without the bins that its table marks as unused.

    Raises ValueError for an unknown `name` or `convention` (see `FluxPoints`).
    """
    data = table(name)
    rows = [row for row in data["bins"] if "unused" not in row]
    share = 1.0 if data["combination"] == "sum" else 1.0 / len(data["flavours"])
    return FluxPoints(
        name=name,
        convention=convention,
        overlaps=tuple(data["overlaps"].items()),
        weights=jnp.asarray([share * (flavour in data["flavours"]) for flavour in _FLAVOURS]),
        low=jnp.asarray([row["low"] for row in rows]),
        high=jnp.asarray([row["high"] for row in rows]),
        value=jnp.asarray([row.get("value", 0.0) for row in rows]),
        minus=jnp.asarray([row.get("minus", 0.0) for row in rows]),
        plus=jnp.asarray([row.get("plus", row.get("limit")) for row in rows]),
        level=jnp.asarray([row.get("level", data["level"]) for row in rows]),
        is_limit=jnp.asarray(["limit" in row for row in rows]),
    )
