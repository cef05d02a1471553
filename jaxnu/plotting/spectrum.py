"""Spectra: data, bands, lines, pulls.

Fluxes are drawn as E²φ in GeV cm⁻² s⁻¹ sr⁻¹ against E in GeV, both logarithmic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxnu.earth import flux_of_spectrum
from jaxnu.icecube.likelihood import FluxPoints
from jaxnu.plotting.style import BLACK, BLUE, GREEN, ORANGE, Numbers
from jaxnu.transport.mesh import Resolution
from jaxnu.transport.solver import solutions
from jaxnu.universe import Universe

_FLAVOURS = (r"$\nu_e$", r"$\nu_\mu$", r"$\nu_\tau$")
_BANDS = ((2.5, 97.5, 0.22, "95 %"), (16.0, 84.0, 0.45, "68 %"))

_LINES = ({"color": ORANGE}, {"color": BLACK, "linestyle": "--"})
_MARKS = (
    {"marker": "o", "markersize": 5, "color": ORANGE, "zorder": 3},
    {"marker": "s", "markersize": 7, "color": BLACK, "markerfacecolor": "white", "zorder": 2},
)
_HEIGHT = r"$E^2\phi$  [GeV cm$^{-2}$ s$^{-1}$ sr$^{-1}$]"


def plot_flux(axes: Axes, energy: Float[Numbers, "energy"], flux: Float[Numbers, "energy"], **style: Any) -> Axes:
    """E²φ as a line, for `flux` φ in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ at `energy` in GeV; `style` goes to `Axes.plot`."""
    energy = np.asarray(energy)
    axes.plot(energy, energy**2 * np.asarray(flux), **style)
    return _energy_axes(axes)


def plot_bands(
    axes: Axes,
    energy: Float[Numbers, "energy"],
    flux: Float[Numbers, "draw energy"],
    *,
    color: str = BLUE,
    label: str = "posterior",
) -> Axes:
    """The central 68 and 95 % of the draws of E²φ at each energy, for φ in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ and energies in GeV."""
    energy = np.asarray(energy)
    height = energy[None, :] ** 2 * np.asarray(flux)
    for low, high, alpha, level in _BANDS:
        lower, upper = np.percentile(height, [low, high], axis=0)
        axes.fill_between(energy, lower, upper, color=color, alpha=alpha, linewidth=0, label=f"{label}, {level}")
    return _energy_axes(axes)


def plot_points(axes: Axes, term: FluxPoints, *, color: str = BLACK) -> Axes:
    """Flux points with their bins and errors; a limit is a bar with an arrow downwards."""
    low, high, value, minus, plus = (np.asarray(x) for x in (term.low, term.high, term.value, term.minus, term.plus))
    limit, centre = np.asarray(term.is_limit), np.sqrt(low * high)
    height = np.where(limit, plus, value)
    style: dict[str, Any] = {"color": color, "linestyle": "none", "elinewidth": 1.2, "zorder": 5}
    for chosen, errors, marks in (
        (~limit, np.stack([minus, plus]), {"marker": "o", "markersize": 4, "label": "data"}),
        (limit, np.stack([0.45 * plus, 0 * plus]), {"uplims": True, "capsize": 3, "label": _limit_label(term)}),
    ):
        if chosen.any():
            width = np.stack([centre - low, high - centre])[:, chosen]
            axes.errorbar(centre[chosen], height[chosen], errors[:, chosen], width, **style, **marks)
    return _energy_axes(axes)


def plot_pulls(axes: Axes, term: FluxPoints, prediction: Float[Numbers, "bin"], **style: Any) -> Axes:
    """(value − prediction)/σ of the points, with the error on the side of the prediction; limits are left out.

    `prediction` is ∫φ dE of each bin in cm⁻² s⁻¹ sr⁻¹, as `term.predict` returns it; `style` goes to `Axes.plot`.
    """
    value, minus, plus = (np.asarray(x) for x in (term.value, term.minus, term.plus))
    point = ~np.asarray(term.is_limit)
    deviation = (value - np.asarray(prediction) / np.asarray(term.segment))[point]
    pull = deviation / np.where(deviation > 0, minus[point], plus[point])
    axes.plot(np.sqrt(np.asarray(term.low) * np.asarray(term.high))[point], pull, **{"linestyle": "none", **style})
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_xlabel(r"$E$ [GeV]")
    return axes


def spectrum_figure(
    terms: Sequence[FluxPoints],
    lines: Mapping[str, Universe],
    draws: Universe | None = None,
    resolution: Resolution = Resolution(),
) -> Figure:
    """A column per data set: its points, one or two `lines`, 68 and 95 % bands of `draws`; below, pulls of the lines.

    Each column shows the flavours as its data set sees them. All leaves of `draws` have a leading axis.
    """
    low, high = min(float(term.low[0]) for term in terms), max(float(term.high[-1]) for term in terms)
    energy = np.geomspace(low, high, 400)
    batch = [jax.tree.map(lambda leaf: leaf[None], universe) for universe in lines.values()]
    batch += [] if draws is None else [draws]
    universes = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *batch)
    flux, binned = _predict(universes, tuple(terms), energy, resolution)

    figure = Figure(figsize=(0.6 + 4.4 * len(terms), 5.4), layout="constrained")
    grid = figure.subplots(2, len(terms), sharex="col", sharey="row", squeeze=False, height_ratios=[3.2, 1])
    for column, term in enumerate(terms):
        upper, lower = grid[:, column]
        seen = np.tensordot(np.asarray(flux), np.asarray(term.weights), axes=([1], [0]))
        if draws is not None:
            plot_bands(upper, energy, seen[len(lines) :])
        for row, (label, style, marks) in enumerate(zip(lines, _LINES, _MARKS, strict=False)):
            plot_flux(upper, energy, seen[row], label=label, linewidth=1.4, **style)
            plot_pulls(lower, term, binned[column][row], **marks)
        plot_points(upper, term)
        upper.set_title(f"{term.name}: {_seen(term)}", fontsize=10)
        upper.set(xlabel="", ylabel="")
        upper.set_xlim(float(term.low[0]) / 1.15, float(term.high[-1]) * 1.15)
    tops = np.concatenate([np.asarray(term.value + term.plus) for term in terms])
    bottoms = np.concatenate([np.asarray(jnp.where(term.is_limit, term.plus, term.value)) for term in terms])
    grid[0, 0].set_ylim(bottoms.min() / 3, tops.max() * 3)
    grid[0, 0].set_ylabel(_HEIGHT)
    grid[1, 0].set_ylabel("pull [σ]")
    bound = max(3.2, *(abs(end) * 1.1 for end in grid[1, 0].get_ylim()))
    grid[1, 0].set_ylim(-bound, bound)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    grid[0, -1].legend(handles, labels, fontsize=8.5, loc="upper right")
    return figure


def _predict(universes: Universe, terms: tuple[FluxPoints, ...], energy: np.ndarray, resolution: Resolution):
    """For each of the stacked universes: φ (flavour, energy) at `energy`, and ∫φ dE of each term's bins."""

    @jax.jit
    @jax.vmap
    def predict(spectrum, universe):
        at = jnp.asarray(energy, dtype=spectrum.log_energy.dtype)
        binned = tuple(term.predict_from(spectrum, universe) for term in terms)
        return flux_of_spectrum(spectrum, universe, at, resolution), binned

    return predict(solutions(universes, resolution), universes)


def _energy_axes(axes: Axes) -> Axes:
    axes.set_xscale("log")
    axes.set_yscale("log", nonpositive="clip")
    axes.set_xlabel(r"$E$ [GeV]")
    axes.set_ylabel(_HEIGHT)
    return axes


def _limit_label(term: FluxPoints) -> str:
    levels = sorted({round(100 * float(level)) for level in term.level[term.is_limit]})
    return f"{' and '.join(f'{level} %' for level in levels)} upper limit"


def _seen(term: FluxPoints) -> str:
    """What the sample sees, in words: the mean or the sum of some flavours."""
    weights = np.asarray(term.weights)
    flavours = [symbol for symbol, weight in zip(_FLAVOURS, weights, strict=True) if weight]
    if len(flavours) == 1:
        return flavours[0]
    return f"{'sum' if weights.sum() > 1.5 else 'mean'} of {', '.join(flavours[:-1])} and {flavours[-1]}"


def interaction_figure(
    energy: Float[Numbers, "energy"],
    flux: Float[Numbers, "flavour=3 energy"],
    free: Float[Numbers, "flavour=3 energy"],
) -> Figure:
    """The flux of each flavour with interactions and without (`free`), and below the ratio.

    `energy` in GeV, fluxes in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹.
    """
    figure = Figure(figsize=(6.0, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    free_together = bool(np.allclose(free, free[:1], rtol=1e-6, atol=0))
    for symbol, color, dashes, here, without in zip(
        _FLAVOURS, (BLUE, ORANGE, GREEN), ("-", "--", "-."), flux, free, strict=True
    ):
        plot_flux(upper, energy, here, color=color, linestyle=dashes, linewidth=1.5, label=symbol)
        lower.plot(energy, here / without, color=color, linestyle=dashes, linewidth=1.5)
        if not free_together:
            plot_flux(
                upper, energy, without, color=color, linestyle=":", linewidth=1, label=f"{symbol}, no interactions"
            )
    if free_together:
        plot_flux(upper, energy, free[0], color=BLACK, linestyle=":", linewidth=1.2, label="each, no interactions")
    lower.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    lower.set(xlabel=r"$E$ [GeV]", ylabel="with / without", ylim=(0, None), xlim=(energy[0], energy[-1]))
    upper.set_xlabel("")
    upper.legend(fontsize=9)
    return figure
