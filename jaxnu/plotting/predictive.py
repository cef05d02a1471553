"""Posterior predictive checks: replicated data beside the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxnu.icecube import FluxPoints
from jaxnu.inference.predictive import Predictive
from jaxnu.plotting.spectrum import plot_points
from jaxnu.plotting.style import BLACK, BLUE, ORANGE


def predictive_figure(terms: Sequence[FluxPoints], found: Predictive) -> Figure:
    """A panel per data set: 68 and 95 % of replicated data in each bin, and the data; last, χ² of both.

    Bins with limits show the flux that the draws predict, and the probability of seeing no event. Draws above the
    diagonal of the last panel fit worse to their own replicated data than to the data.
    """
    figure = Figure(figsize=(4.3 * (len(terms) + 1), 4.2), layout="constrained")
    panels = figure.subplots(1, len(terms) + 1)
    counted = np.asarray(found.data.rate) > 0
    shown = np.where(counted, found.heights, np.asarray(found.replicated.value))
    empty = np.mean(np.asarray(found.replicated.events) == 0, axis=0)
    start = 0
    for axes, term in zip(panels, terms, strict=False):
        bins = slice(start, start + term.low.size)
        start += term.low.size
        low, high = np.asarray(term.low), np.asarray(term.high)
        for (lower, upper), alpha, words in (((2.5, 97.5), 0.22, "95 %"), ((16, 84), 0.45, "68 %")):
            ends = np.percentile(shown[:, bins], [lower, upper], axis=0)
            floor = np.where(counted[bins], ends[0], np.maximum(ends[0], 1e-11))
            axes.bar(
                low,
                ends[1] - floor,
                high - low,
                floor,
                align="edge",
                color=BLUE,
                alpha=alpha,
                linewidth=0,
                label=f"replicated data, {words}",
            )
        plot_points(axes, term)
        for at in np.flatnonzero(counted[bins]):
            axes.text(
                np.sqrt(low[at] * high[at]),
                float(term.plus[at]) * 1.25,
                f"{empty[bins][at]:.0%}",
                fontsize=7,
                ha="center",
                rotation=90,
            )
        heights = np.concatenate([np.asarray(term.value + term.plus), found.heights[:, bins].ravel()])
        axes.set_ylim(max(heights.min() / 3, 1e-11), heights.max() * 4)
        axes.set_title(f"{term.name}" + (" (%: no event)" if counted[bins].any() else ""), fontsize=10)
        axes.legend(fontsize=7, loc="lower left")
    last = panels[-1]
    last.plot(found.observed_chi2, found.replicated_chi2, ".", color=ORANGE, markersize=3)
    top = 1.05 * max(float(found.observed_chi2.max()), float(found.replicated_chi2.max()))
    last.plot([0, top], [0, top], color=BLACK, linewidth=0.8)
    last.set(xlim=(0, top), ylim=(0, top), xlabel=r"$\chi^2$ of the data", ylabel=r"$\chi^2$ of replicated data")
    last.set_title(f"posterior predictive p = {found.p_value:.2f}", fontsize=10)
    return figure
