"""Maps of two parameters from a swept likelihood: against the closed forms of a Gaussian; pictures; the line of white
dwarfs."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from sweeping import values

from jaxnu.constraints import whitedwarf
from jaxnu.plotting import map_figure, plot_best, plot_muon_moment, plot_regions, plot_white_dwarf
from jaxnu.plotting.maps import TWO_PARAMETERS
from jaxnu.scan import make_map, sobol, sweep
from jaxnu.scan.maps import credible_level

WIDTH = {"mass": 0.3, "coupling": 0.5, "index": 0.1}
CENTRE = {"mass": np.log(6.0), "coupling": np.log(1e-3), "index": 2.5}
SLOPE = 2.0  # of the best index with ln m


def gaussian(at):
    """ln L of independent normals in ln m, ln g′ and γ, the centre of which moves with ln m."""
    mass = (jnp.log(at["mass"]) - CENTRE["mass"]) / WIDTH["mass"]
    coupling = (jnp.log(at["coupling"]) - CENTRE["coupling"]) / WIDTH["coupling"]
    index = (at["index"] - CENTRE["index"] - SLOPE * WIDTH["index"] * mass) / WIDTH["index"]
    return {"log_likelihood": -0.5 * (mass**2 + coupling**2 + index**2), "best_amplitude": 1.5 * at["index"]}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    axes = {
        "mass": np.geomspace(1.5, 24.0, 41),
        "coupling": np.geomspace(5e-5, 2e-2, 33),
        "index": np.linspace(1.5, 3.5, 41),
    }
    store = str(tmp_path_factory.mktemp("map") / "scan.zarr")
    sweep(gaussian, axes, store, build=values, units={"mass": "MeV"}, progress=False)
    with xr.open_zarr(store) as data:
        return data.load()


def test_profile_and_marginal_of_a_gaussian(grid):
    found = make_map(grid, "mass", "coupling")
    mass = (np.log(found.x) - CENTRE["mass"]) / WIDTH["mass"]
    coupling = (np.log(found.y) - CENTRE["coupling"]) / WIDTH["coupling"]
    inside = np.abs(mass) < 2.5  # where the best index is well on the grid
    chi2 = mass[:, None] ** 2 + coupling[None, :] ** 2
    # the grid of the index, 0.05 apart, misses the best one by 0.025 at most
    np.testing.assert_allclose(found.profiled[inside], (chi2 - chi2.min())[inside], atol=0.07)
    expected = np.exp(-chi2 / 2) / np.sum(np.exp(-chi2 / 2))
    np.testing.assert_allclose(found.marginal[inside], expected[inside], rtol=0.02, atol=1e-6)
    assert found.units == ("MeV", "") and found.logarithmic == (True, True) and found.others == ("index",)
    assert found.best["mass"] == pytest.approx(6.0, rel=0.03) and found.best["index"] == pytest.approx(2.5, abs=0.03)
    assert found.best["best_amplitude"] == pytest.approx(1.5 * found.best["index"])


def test_axes_may_be_taken_in_any_order(grid):
    one, other = make_map(grid, "mass", "index"), make_map(grid, "index", "mass")
    np.testing.assert_array_equal(one.profiled, other.profiled.T)
    np.testing.assert_allclose(one.marginal, other.marginal.T)
    assert one.logarithmic == (True, False)


def test_points_of_a_sobol_design_make_the_same_map(tmp_path):
    ranges = {"mass": (1.5, 24.0), "coupling": (5e-5, 2e-2), "index": (1.5, 3.5)}
    store = str(tmp_path / "scan.zarr")
    sweep(gaussian, sobol(ranges, 16384, log=["mass", "coupling"]), store, build=values, progress=False)
    with xr.open_zarr(store) as data:
        found = make_map(data, "mass", "coupling")
    mean = np.sum(found.marginal.sum(axis=1) * np.log(found.x))
    spread = np.sqrt(np.sum(found.marginal.sum(axis=1) * (np.log(found.x) - mean) ** 2))
    assert mean == pytest.approx(CENTRE["mass"], abs=0.03) and spread == pytest.approx(WIDTH["mass"], rel=0.05)
    assert found.profiled.shape == (40, 40) and np.nanmin(found.profiled) == 0


def test_credible_regions_of_a_gaussian_hold_what_they_say(grid):
    found = make_map(grid, "mass", "coupling")
    for probability, edge in ((0.68, TWO_PARAMETERS[0]), (0.95, TWO_PARAMETERS[1])):
        level = credible_level(found.marginal, probability)
        assert found.marginal[found.marginal >= level].sum() == pytest.approx(probability, abs=0.02)
        assert -2 * np.log(level / found.marginal.max()) == pytest.approx(edge, abs=0.3)
        assert 1 - np.exp(-edge / 2) == pytest.approx(probability, abs=1e-3)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(("mass", "mass"), "two of the parameters"), (("mass", "charm"), "mass, coupling, index, got mass and charm")],
)
def test_bad_maps_are_refused(grid, names, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_map(grid, *names)
    with pytest.raises(ValueError, match="needs log_likelihood"):
        make_map(grid.drop_vars("log_likelihood"), "mass", "coupling")
    with pytest.raises(ValueError, match="not finite at any"):
        make_map(grid.assign(log_likelihood=grid["log_likelihood"] * np.nan), "mass", "coupling")


def test_points_that_are_nan_are_blank(grid):
    holes = grid.assign(log_likelihood=grid["log_likelihood"].where(grid["mass"] > 3))
    found = make_map(holes, "mass", "coupling")
    np.testing.assert_array_equal(np.isnan(found.profiled), np.broadcast_to(found.x[:, None] <= 3, (41, 33)))
    assert np.nansum(found.marginal) == pytest.approx(1)
    assert map_figure(found).axes


def test_pictures_draw_into_the_axes_they_are_given(grid, tmp_path):
    found = make_map(grid, "mass", "coupling")
    figure = Figure()
    axes = figure.subplots()
    assert plot_regions(axes, found.x, found.y, found.profiled, TWO_PARAMETERS) is axes
    assert plot_best(axes, 6.0, 1e-3) is axes
    assert plot_muon_moment(axes, found.x, "wp2020-fnal2021") is axes
    assert plot_white_dwarf(axes, found.x) is axes
    (line,) = [line for line in axes.lines if "white" in str(line.get_label())]
    np.testing.assert_allclose(np.asarray(line.get_ydata()) / found.x, 3.754e-5, rtol=1e-3)
    whole = map_figure(found)
    assert [panel.get_xscale() for panel in whole.axes] == ["log", "log"]
    whole.savefig(tmp_path / "map.png")
    with pytest.raises(ValueError, match="unknown measurement of a_μ 'mine'"):
        map_figure(found, "mine")


def test_white_dwarfs_shine_in_the_closed_form():
    """δL/L = 0.3 and 1 at g′/m = 3.754e-5 and 5.072e-5 per MeV; mixing from 1/137 and the masses of the leptons."""
    for excess, slope in ((0.3, 3.754e-5), (1.0, 5.072e-5)):
        coupling = whitedwarf.coupling_for_excess(10.0, excess)
        assert float(coupling) == pytest.approx(10 * slope, rel=1e-3)
        assert float(whitedwarf.luminosity_excess(10.0, coupling)) == pytest.approx(excess, rel=1e-12)
    mixing = np.log((1776.86 / 105.65837) ** 2) / (12 * np.pi**2) * 4 * np.pi / 137.036
    shift = mixing * (1e-3 / 10.0) ** 2 * 6.0624e10
    expected = 2 * shift**2 / 0.9291
    assert float(whitedwarf.luminosity_excess(10.0, 1e-3)) == pytest.approx(expected, rel=1e-3)
