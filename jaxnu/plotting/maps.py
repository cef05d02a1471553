"""Maps of two parameters: regions of confidence, the best point, and lines of other measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from jaxnu.constraints.gminus2 import MEASUREMENTS, coupling_band
from jaxnu.constraints.whitedwarf import coupling_for_excess
from jaxnu.plotting.style import BLACK, BLUE, GREEN, ORANGE, Numbers
from jaxnu.scan.maps import Map, credible_level

TWO_PARAMETERS = (2.279, 5.991)
"""−2 ln L/L_max at the edge of the 68 and 95 % regions of two parameters (Wilks): −2 ln(1 − p)."""
_NAMES = {
    "mass": r"$m_{Z'}$",
    "coupling": r"$g'$",
    "lightest": "lightest neutrino mass",
    "amplitude": "$A$",
    "index": r"$\gamma$",
}
_UNITS = {"1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹": r"$10^{-18}$ GeV$^{-1}$ cm$^{-2}$ s$^{-1}$ sr$^{-1}$"}


def plot_regions(
    axes: Axes,
    x: Float[Numbers, "x"],
    y: Float[Numbers, "y"],
    height: Float[Numbers, "x y"],
    levels: Sequence[float],
    *,
    color: str = BLUE,
    label: str = "",
) -> Axes:
    """Filled regions where `height` is below `levels` (ascending: the 68 and the 95 % region), with lines around them.

    NaN is left blank.
    """
    filled = np.ma.masked_invalid(np.asarray(height).T)
    lowest = min(float(filled.min()), levels[0]) - 1.0
    for level, alpha in zip(reversed(levels), (0.25, 0.35), strict=True):
        axes.contourf(np.asarray(x), np.asarray(y), filled, levels=[lowest, level], colors=[color], alpha=alpha)
    axes.contour(np.asarray(x), np.asarray(y), filled, levels=list(levels), colors=[color], linestyles=["-", "--"])
    for name, dashes in zip(("68 %", "95 %"), ("-", "--"), strict=True):
        axes.plot([], [], color=color, linestyle=dashes, label=f"{name} {label}".strip())
    return axes


def plot_best(axes: Axes, x: float, y: float, label: str = "best point") -> Axes:
    """A star at the best point."""
    star = {"marker": "*", "markersize": 13, "color": ORANGE, "markeredgecolor": BLACK, "linestyle": "none"}
    axes.plot([x], [y], **star, label=label, clip_on=False, zorder=5)
    return axes


def plot_muon_moment(axes: Axes, mass: Float[Numbers, "mass"], name: str) -> Axes:
    """g′ against m_Z′ (MeV) within one and two standard deviations of a measured Δa_μ (`constraints.MEASUREMENTS`).

    Raises ValueError for an unknown name.
    """
    for sigmas, alpha in ((2.0, 0.15), (1.0, 0.25)):
        low, high = (np.asarray(end) for end in coupling_band(np.asarray(mass), name, sigmas))
        words = rf"$(g-2)_\mu$, {name}" if sigmas == 1 else None
        axes.fill_between(np.asarray(mass), low, high, color=GREEN, alpha=alpha, linewidth=0, label=words)
    return axes


def plot_white_dwarf(axes: Axes, mass: Float[Numbers, "mass"], excess: float = 0.3) -> Axes:
    """g′ against m_Z′ (MeV) above which white dwarfs shine in neutrinos by more than `excess` more than they should."""
    coupling = np.asarray(coupling_for_excess(np.asarray(mass), excess))
    axes.plot(np.asarray(mass), coupling, color=BLACK, linestyle=":", label=f"white dwarfs, {excess:.0%} more ν")
    return axes


def map_figure(found: Map, moment: str = "wp2020-fnal2021") -> Figure:
    """A map: −2 ln L/L_max at its minimum over the other parameters and, if there are any, the posterior beside it.

    Maps of mass and coupling show the band of a muon g−2 measurement and the white-dwarf line, too. Raises ValueError
    for an unknown measurement.
    """
    if moment not in MEASUREMENTS:
        raise ValueError(f"unknown measurement of a_μ {moment!r}; there are {', '.join(MEASUREMENTS)}")
    panels = 2 if found.others else 1
    figure = Figure(figsize=(0.8 + 4.7 * panels, 4.6), layout="constrained")
    grid = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    plot_regions(grid[0], found.x, found.y, found.profiled, TWO_PARAMETERS, label="region")
    if found.others:
        others = ", ".join(_NAMES.get(name, name) for name in found.others)
        grid[0].set_title(f"at the best {others}", fontsize=10)
        # regions of high density are regions of low −ln
        levels = [-np.log(credible_level(found.marginal, probability)) for probability in (0.68, 0.95)]
        levels[1] = max(levels[1], levels[0] + 1e-6)  # one point may hold both
        with np.errstate(divide="ignore"):
            depth = np.minimum(-np.log(found.marginal), levels[1] + 20)
        plot_regions(grid[1], found.x, found.y, depth, levels, label="region")
        grid[1].set_title(f"integrated over {others}", fontsize=10)
    for axes in grid:
        _others(axes, found, moment)
        plot_best(axes, found.best[found.names[0]], found.best[found.names[1]])
        _scales(axes, found)
    grid[0].set_ylabel(_label(found, 1))
    figure.legend(*grid[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=2 * panels)
    return figure


def _others(axes: Axes, found: Map, moment: str) -> None:
    if found.names == ("mass", "coupling"):
        mass = np.geomspace(found.x[0], found.x[-1], 200)
        plot_muon_moment(axes, mass, moment)
        plot_white_dwarf(axes, mass)


def _scales(axes: Axes, found: Map) -> None:
    axes.set(xlabel=_label(found, 0), xlim=(found.x[0], found.x[-1]), ylim=(found.y[0], found.y[-1]))
    for axis, logarithmic, ends in zip((axes.xaxis, axes.yaxis), found.logarithmic, (found.x, found.y), strict=True):
        if logarithmic:
            (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
            if ends[-1] < 100 * ends[0]:
                axis.set_major_formatter(LogFormatter())
                axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))


def _label(found: Map, which: int) -> str:
    name, unit = found.names[which], found.units[which]
    words = _NAMES.get(name, name)
    return f"{words}  [{_UNITS.get(unit, unit)}]" if unit else words
