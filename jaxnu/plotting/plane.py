"""The (m_Z′, g′) plane: where the posterior and the profile likelihood put the boson, and what the muon says."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from scipy.ndimage import gaussian_filter

from jaxnu.plotting.maps import TWO_PARAMETERS, plot_muon_moment, plot_regions
from jaxnu.plotting.style import BLUE, ORANGE, Numbers
from jaxnu.scan.maps import credible_level

_CELLS = 40
_SMOOTHING = 1.5


def plane_figure(
    mass: Float[Numbers, "draw"] | None = None,
    coupling: Float[Numbers, "draw"] | None = None,
    *,
    profile: tuple[Float[Numbers, "mass"], Float[Numbers, "coupling"], Float[Numbers, "mass coupling"], float]
    | None = None,
    ranges: tuple[tuple[float, float], tuple[float, float]],
    moment: str = "wp2020-fnal2021",
) -> Figure:
    """68 and 95 % regions of draws of m_Z′ (MeV) and g′, and of a profile (axes, χ², its minimum without Z′).

    Regions of the posterior hold that share of the draws, in cells of equal size in the logarithms, smoothed by 1.5
    cells. Those of the profile are where χ² exceeds its minimum by less than 2.28 and 5.99. `ranges` are those of m_Z′
    and of g′ that are drawn; the green band is the muon's magnetic moment.
    """
    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    axes = figure.subplots()
    (left, right), (bottom, top) = ranges
    plot_muon_moment(axes, np.geomspace(left, right, 200), moment)
    if mass is not None and coupling is not None:
        edges = [np.linspace(np.log(low), np.log(high), _CELLS + 1) for low, high in ranges]
        counts = np.histogram2d(np.log(np.ravel(mass)), np.log(np.ravel(coupling)), bins=edges)[0]
        share = gaussian_filter(counts, _SMOOTHING, mode="nearest")
        share = share / share.sum()
        levels = [-credible_level(share, probability) for probability in (0.68, 0.95)]
        centres = [np.exp((edge[1:] + edge[:-1]) / 2) for edge in edges]
        plot_regions(axes, centres[0], centres[1], -share, levels, color=BLUE, label="posterior")
    if profile is not None:
        at_mass, at_coupling, chi2, free_chi2 = profile
        excess = np.asarray(chi2) - min(float(np.min(chi2)), free_chi2)
        if mass is None:
            plot_regions(axes, at_mass, at_coupling, excess, TWO_PARAMETERS, color=ORANGE, label="profile")
        else:
            _lines(axes, at_mass, at_coupling, excess)
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, top), ylabel=r"$g'$")
    axes.set_xlabel(r"$m_{Z'}$  [MeV]")
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    return figure


def _lines(axes: Axes, x: Numbers, y: Numbers, excess: np.ndarray) -> None:
    """The same regions as lines alone, over others."""
    dashes = ["-", "--"]
    axes.contour(x, y, excess.T, levels=list(TWO_PARAMETERS), colors=[ORANGE], linestyles=dashes)
    for words, dash in zip(("68 %", "95 %"), dashes, strict=True):
        axes.plot([], [], color=ORANGE, linestyle=dash, label=f"{words} profile")
