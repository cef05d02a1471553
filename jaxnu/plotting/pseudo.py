"""What pseudo-experiments say: the distribution of Δχ², and limits against those to be expected."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from jaxnu.inference.limits import Limits
from jaxnu.inference.pseudo import Significance, in_sigmas
from jaxnu.plotting.maps import plot_muon_moment
from jaxnu.plotting.style import BLACK, BLUE, ORANGE


def significance_figure(found: Significance) -> Figure:
    """The share of pseudo-experiments above each Δχ², at the data's masses and at any; a line marks the data."""
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.subplots()
    kinds = (("any masses", found.global_simulated, found.global_p, BLUE, "-"),)
    kinds += (("the data's masses", found.local_simulated, found.local_p, ORANGE, "--"),)
    for words, simulated, p, color, dashes in kinds:
        ranked = np.sort(simulated)
        label = f"{words}: p = {p:.2g}, {in_sigmas(p):.1f} σ"
        share = 1 - np.arange(ranked.size) / ranked.size
        axes.step(ranked, share, where="post", color=color, linestyle=dashes, label=label)
    axes.axvline(found.delta_chi2, color=BLACK, linewidth=1, label=rf"data: $\Delta\chi^2$ = {found.delta_chi2:.2f}")
    axes.set(yscale="log", xlabel=r"$\Delta\chi^2$ over the best power law", ylabel="share of pseudo-experiments above")
    axes.set(xlim=(0, None), ylim=(0.5 / found.global_simulated.size, 1.2))
    axes.legend(fontsize=9)
    return figure


def limits_figure(found: Limits, ceiling: float, moment: str = "wp2020-fnal2021") -> Figure:
    """Upper limits on g′ against m_Z′ with the central 68 and 95 % of those expected without interactions.

    Limits above `ceiling`, the strongest coupling looked at, are none: the bands end there.
    """
    figure = Figure(figsize=(5.8, 4.6), layout="constrained")
    axes = figure.subplots()
    bands = np.minimum(found.bands(), ceiling)
    level = f"{found.level:.0%}"
    axes.fill_between(found.mass, bands[0], bands[4], color=BLUE, alpha=0.2, linewidth=0, label="expected, 95 %")
    axes.fill_between(found.mass, bands[1], bands[3], color=BLUE, alpha=0.4, linewidth=0, label="expected, 68 %")
    median = np.where(bands[2] < ceiling, bands[2], np.nan)
    axes.plot(found.mass, median, color=BLUE, linestyle="--", marker=".", label="expected, median")
    observed = np.where(found.observed < ceiling, found.observed, np.nan)
    axes.plot(found.mass, observed, color=BLACK, marker=".", label=f"observed limit, {level}")
    plot_muon_moment(axes, np.asarray(found.mass), moment)
    if not np.any(np.isfinite(observed)):
        words = f"no coupling up to {ceiling:.2g} is excluded at {level}"
        axes.text(0.5, 0.95, words, transform=axes.transAxes, ha="center", fontsize=9)
    axes.set(xscale="log", yscale="log", xlim=(found.mass[0], found.mass[-1]), ylim=(None, ceiling))
    axes.set(xlabel=r"$m_{Z'}$  [MeV]", ylabel=r"$g'$")
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    return figure
