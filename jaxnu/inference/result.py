"""A posterior as it is kept: an ArviZ InferenceData with units, configuration, versions and seed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from jaxnu.inference._arviz import az

PACKAGES = ("jaxnu", "jax", "numpyro", "blackjax", "arviz")


@dataclass(frozen=True)
class Posterior:
    """Draws from a posterior; everything is in `inference_data` (groups `posterior` and `sample_stats`)."""

    inference_data: Any
    """An `arviz.InferenceData`."""

    @property
    def draws(self) -> dict[str, np.ndarray]:
        """Values by site, (chain, draw, ...), in the units of `units`."""
        return {str(name): array.values for name, array in self.inference_data["posterior"].data_vars.items()}

    @property
    def units(self) -> dict[str, str]:
        """Units by site; "" for pure numbers."""
        return {str(name): array.attrs["unit"] for name, array in self.inference_data["posterior"].data_vars.items()}

    @property
    def configuration(self) -> dict[str, Any]:
        """Everything that determined the draws."""
        return json.loads(self.inference_data.attrs["configuration"])

    @property
    def seed(self) -> int:
        """The seed of the key."""
        return int(self.inference_data.attrs["seed"])

    @property
    def log_evidence(self) -> float | None:
        """ln Z of a nested run, Z = ∫ L dprior; None for chains, which do not know it."""
        return self.inference_data.attrs.get("log_evidence")

    @property
    def log_evidence_error(self) -> float | None:
        """Standard deviation of ln Z from the prior volumes of the points, which are known as averages only."""
        return self.inference_data.attrs.get("log_evidence_error")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a NetCDF file; a file that is there is replaced, at once."""
        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        self.inference_data.to_netcdf(str(partial))
        os.replace(partial, path)


def load_posterior(path: str | os.PathLike[str]) -> Posterior:
    """Read what `Posterior.save` wrote. Raises ValueError if the file is missing or not of that kind."""
    if not Path(path).is_file():
        raise ValueError(f"there is no posterior at {path}")
    try:
        data = az.from_netcdf(str(path))
        for group in data.groups():
            data[group].load().close()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a NetCDF file that a posterior was saved to: {error}") from error
    return Posterior(data)


def make_posterior(
    draws: Mapping[str, np.ndarray],
    statistics: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    configuration: Mapping[str, Any],
    **attributes: int | float,
) -> Posterior:
    """The result of a run: `draws` and `statistics` have axes (chain, draw, ...), `attributes` are single numbers."""
    data = az.from_dict(posterior=dict(draws), sample_stats=dict(statistics))
    for name, array in data["posterior"].data_vars.items():
        array.attrs["unit"] = units[str(name)]
    data.attrs.update(
        {
            "seed": str(configuration["seed"]),
            "configuration": json.dumps(configuration, sort_keys=True),
            **{f"{package}_version": installed(package) for package in PACKAGES},
            **attributes,
        }
    )
    return Posterior(data)


def installed(package: str) -> str:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
