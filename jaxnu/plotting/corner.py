"""Marginal distributions of the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from jaxnu.plotting.style import BLACK, BLUE, LABELS, ORANGE, Numbers


def corner_figure(
    draws: Mapping[str, Float[Numbers, "..."]], units: Mapping[str, str], modes: Sequence[Mapping[str, float]] = ()
) -> Figure:
    """Marginal distributions of all pairs of parameters, 68 and 95 % regions; above, medians and 68 % intervals.

    `draws` by name, in any shape; the default prior's log-uniform parameters are drawn as log₁₀. `modes`, maxima of the
    likelihood by parameter, are marked: the first with a star, others with crosses.
    """
    import corner

    names = [name for name in LABELS if name in draws] + [name for name in draws if name not in LABELS]
    plain = {name: (f"{name} [{units[name]}]" if units.get(name) else name, name, False) for name in names}
    labels, titles, logarithmic = zip(*(LABELS.get(name, plain[name]) for name in names), strict=True)
    values = [np.ravel(draws[name]) for name in names]
    columns = [np.log10(column) if log else column for column, log in zip(values, logarithmic, strict=True)]
    figure = corner.corner(
        np.stack(columns, axis=1),
        fig=Figure(figsize=(2.3 * len(names), 2.3 * len(names))),
        labels=list(labels),
        titles=list(titles),
        color=BLUE,
        levels=(0.68, 0.95),
        smooth=1.0,
        plot_datapoints=False,
        fill_contours=True,
        show_titles=True,
        quantiles=[0.16, 0.5, 0.84],
        max_n_ticks=4,
        title_kwargs={"fontsize": 10},
        label_kwargs={"fontsize": 11},
    )
    for rank, mode in enumerate(modes):
        at = [np.log10(mode[name]) if log else mode[name] for name, log in zip(names, logarithmic, strict=True)]
        marks = {"marker": "*", "markersize": 11} if rank == 0 else {"marker": "x", "markersize": 6}
        corner.overplot_points(
            figure, np.array([at]), color=ORANGE, markeredgecolor=BLACK if rank == 0 else ORANGE, **marks
        )
    return figure
