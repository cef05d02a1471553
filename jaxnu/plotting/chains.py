"""Chains: marginal distributions, traces and ranks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from jaxnu.inference._arviz import az
from jaxnu.plotting.style import BLACK, BLUE, GREEN, LABELS, ORANGE, Numbers

_COLORS = (BLUE, ORANGE, GREEN, BLACK)


def chains_figure(draws: Mapping[str, Float[Numbers, "chain draw *part"]]) -> Figure:
    """A row per parameter: its distribution in each chain, its trace, and the ranks of each chain's draws (1903.08008).

    Chains that sample the same distribution have the same curves on the left and flat bars on the right.
    """
    names = [name for name in LABELS if name in draws] + [name for name in draws if name not in LABELS]
    columns = {}
    for name in names:
        values = np.asarray(draws[name])
        flat = values.reshape(*values.shape[:2], -1)
        for part in range(flat.shape[2]):
            label, _, logarithmic = LABELS.get(name, (name, name, False))
            label = label if values.ndim == 2 else f"{label}[{part}]"
            columns[label] = np.log10(flat[:, :, part]) if logarithmic else flat[:, :, part]
    data = az.from_dict(posterior=columns)
    chains = data["posterior"].sizes["chain"]
    figure = Figure(figsize=(11, 1.7 * len(columns) + 0.4), layout="constrained")
    grid = figure.subplots(len(columns), 3, squeeze=False)
    colors: Any = [_COLORS[chain % len(_COLORS)] for chain in range(chains)]
    properties = {"color": colors} if chains <= len(_COLORS) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of matplotlib, for how ArviZ calls it
        az.plot_trace(data, axes=grid[:, :2], compact=True, chain_prop=properties or "color")
        az.plot_rank(data, ax=grid[:, 2], colors=colors, kind="bars")
    for row, label in zip(grid, columns, strict=True):
        for axes in row:
            axes.set_title("")
            axes.tick_params(labelsize=8)
            axes.set_xlabel("")
        row[0].set_ylabel(label, fontsize=9)
        row[2].set_ylabel("chain", fontsize=9)
    for axes, title in zip(grid[0], ("distribution by chain", "trace", "ranks by chain"), strict=True):
        axes.set_title(title, fontsize=10)
    grid[-1, 1].set_xlabel("draw", fontsize=9)
    grid[-1, 2].set_xlabel("rank among all draws", fontsize=9)
    return figure
