"""What the pictures show, read back from the Axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxnu.evolutions import Flat
from jaxnu.icecube import load
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Neutrinos
from jaxnu.plotting import (
    corner_figure,
    interaction_figure,
    plot_bands,
    plot_flux,
    plot_points,
    plot_pulls,
    spectrum_figure,
)
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.transport.mesh import Resolution
from jaxnu.universe import Universe


@pytest.fixture
def axes():
    return Figure().subplots()


@pytest.fixture(scope="module")
def cascades():
    return load("icecube-cascades-6yr")


def universe(coupling, amplitude=1.5):
    return Universe(
        LmuLtau(6.5, coupling, channels="narrow"), Neutrinos(0.02), Source(PowerLaw(amplitude, 2.5), Flat())
    )


def test_flux_is_drawn_as_energy_squared_times_flux(axes):
    energy = np.geomspace(1e4, 1e7, 5)
    assert plot_flux(axes, energy, 3e-8 * energy**-2) is axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), np.stack([energy, np.full(5, 3e-8)], axis=1))
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "GeV" in axes.get_xlabel() and "sr" in axes.get_ylabel()


def test_bands_hold_the_central_68_and_95_percent(axes):
    """Draws 0, 1, …, 1000 in some order: 2.5 % of them lie below 25 and 16 % below 160."""
    heights = np.random.default_rng(0).permutation(np.arange(1001.0))
    plot_bands(axes, np.array([1.0, 10.0]), np.stack([heights, heights / 100], axis=1))
    wide, narrow = (band.get_paths()[0].vertices[:, 1] for band in axes.collections)
    assert (wide.min(), wide.max()) == pytest.approx((25, 975))
    assert (narrow.min(), narrow.max()) == pytest.approx((160, 840))


def test_points_have_their_errors_and_limits_an_arrow(axes, cascades):
    plot_points(axes, cascades)
    points, limits = axes.containers
    np.testing.assert_allclose(points.lines[0].get_ydata()[0], 3.17936e-8)
    horizontal, vertical = (bars.get_segments() for bars in points.lines[2])
    np.testing.assert_allclose(np.asarray(horizontal)[0, :, 0], [4641.59, 10000])
    np.testing.assert_allclose(np.asarray(vertical)[0, :, 1], [3.17936e-8 - 2.12476e-8, 3.17936e-8 + 2.25438e-8])
    np.testing.assert_allclose(limits.lines[0].get_ydata()[0], 1.72801e-9)
    assert len(points.lines[0].get_xdata()) == 7 and len(limits.lines[0].get_xdata()) == 6
    assert {container.get_label() for container in axes.containers} == {"data", "68 % upper limit"}


def test_pulls_are_one_at_the_ends_of_the_error_bars(axes, cascades):
    above = (cascades.value + cascades.plus) * cascades.segment
    below = (cascades.value - cascades.minus) * cascades.segment
    plot_pulls(axes, cascades, np.asarray(above))
    plot_pulls(axes, cascades, np.asarray(below))
    first, second = axes.lines[0], axes.lines[2]
    np.testing.assert_allclose(first.get_ydata(), -np.ones(7))
    np.testing.assert_allclose(second.get_ydata(), np.ones(7))


def test_spectrum_figure_shows_every_data_set_with_lines_bands_and_pulls(cascades):
    """Without interactions the line is the power law A (E/100 TeV)^−γ in each column."""
    draws = jax.vmap(lambda amplitude: universe(5e-4, amplitude))(jnp.linspace(1.0, 2.0, 5))
    figure = spectrum_figure(
        [cascades, load("icecube-tracks-9.5yr")],
        {"with": universe(5e-4), "without": universe(0.0)},
        draws,
        Resolution(nodes=60, shells=8),
    )
    assert len(figure.axes) == 4
    for axes in figure.axes[:2]:
        energy, height = next(line for line in axes.lines if line.get_label() == "without").get_data()
        np.testing.assert_allclose(height, 1.5e-18 * 1e5**2 * (energy / 1e5) ** -0.5, rtol=1e-3)
        assert len(axes.collections) >= 2
    assert "mean of" in figure.axes[0].get_title() and "icecube-tracks-9.5yr" in figure.axes[1].get_title()
    words = [entry.get_text() for entry in figure.axes[1].get_legend().get_texts()]
    assert {"with", "without", "data", "posterior, 68 %", "posterior, 95 %"} <= set(words)


def test_interaction_figure_divides_flux_by_free_flux():
    energy = np.geomspace(1e4, 1e6, 7)
    free = np.tile(1e-18 * (energy / 1e5) ** -2.0, (3, 1))
    figure = interaction_figure(energy, np.array([[0.5], [0.7], [1.2]]) * free, free)
    ratios = [line.get_ydata()[0] for line in figure.axes[1].lines[:3]]
    assert ratios == pytest.approx([0.5, 0.7, 1.2])
    assert [line.get_label() for line in figure.axes[0].lines[3:]] == ["each, no interactions"]


def test_interaction_figure_draws_free_fluxes_that_differ_one_by_one():
    energy = np.geomspace(1e4, 1e6, 7)
    free = np.array([[1.8], [0.6], [0.6]]) * 1e-18 * (energy / 1e5) ** -2.0
    dotted = [line for line in interaction_figure(energy, free, free).axes[0].lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(np.stack([line.get_ydata() for line in dotted]), energy**2 * free)


def test_corner_draws_logarithms_of_log_uniform_parameters_and_units_of_unknown_ones():
    draws = np.random.default_rng(1).normal(size=(3, 2, 500))
    figure = corner_figure(
        {"mass": 10 ** draws[0], "halo": draws[1], "index": draws[2]}, {"mass": "MeV", "halo": "kpc"}
    )
    assert len(figure.axes) == 9
    labels = [axes.get_xlabel() for axes in figure.axes[-3:]]
    assert labels == [r"$\log_{10}\,m_{Z'}$ / MeV", r"$\gamma$", "halo [kpc]"]
    low, high = figure.axes[-3].get_xlim()
    assert -5 < low < 0 < high < 5
