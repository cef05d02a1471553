"""A sweep described in plain data: what its store says about itself, and what another sweep is compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from jaxnu.inference.configuration import digest, plain
from jaxnu.inference.result import installed
from jaxnu.scan.blocks import Blocks
from jaxnu.scan.design import Design
from jaxnu.scan.labels import Labels
from jaxnu.scan.program import PointFunction, fingerprint

PACKAGES = ("jaxnu", "jax", "jaxlib", "numpy", "scipy", "xarray", "zarr")


def describe(
    function: Callable[[Any], Any],
    build: Callable[..., Any],
    at_point: PointFunction,
    design: Design,
    blocks: Blocks,
    labels: Labels,
) -> dict[str, Any]:
    """Function, builder, points, chunks, labels, precision and versions as JSON data.

    "physics" hashes what the numbers depend on: the universe at the lower ends of all parameters, and the program that
    is compiled, with every constant in it. Code or data that changed under its name shows there.
    """
    lowest = {name: jnp.asarray(ends[0], dtype=jnp.result_type(float)) for name, ends in design.ends.items()}
    return {
        "function": plain(function),
        "universe": plain(build),
        "points": {"parameters": list(design.names), **design.description},
        "chunk": list(blocks.block),
        "labels": {"dims": plain(labels.dims), "coords": plain(labels.coords), "units": labels.units},
        "precision": str(jnp.result_type(float)),
        "packages": {package: installed(package) for package in PACKAGES},
        "physics": {"universe": digest(build(**lowest)), "program": fingerprint(at_point, design.names)},
    }


def physics_hash(configuration: Mapping[str, Any]) -> str:
    """One hash of everything that decides the numbers."""
    text = json.dumps(configuration["physics"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
