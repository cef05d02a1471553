"""Pictures of inference read back from their Axes, and redrawn by the command line from files alone."""

import tomllib
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w

import jaxnu.cli.posterior
from jaxnu.cli.settings import PosteriorSettings
from jaxnu.cli.toml import merge, settings_from, to_toml
from jaxnu.constraints import coupling_band
from jaxnu.icecube import load
from jaxnu.inference import Limits, Predictive, Significance, default_prior, posterior, predictive, thinned
from jaxnu.inference.amplitude import measurement
from jaxnu.inference.result import Posterior, make_posterior
from jaxnu.plotting import (
    chains_figure,
    corner_figure,
    limits_figure,
    plane_figure,
    predictive_figure,
    significance_figure,
)
from jaxnu.transport.mesh import Resolution

UNITS = {"mass": "MeV", "coupling": "", "lightest": "eV", "amplitude": "1e-18", "index": ""}
RANGES = ((1.0, 20.0), (1e-5, 1e-1))


def normal_draws(chains=2, draws=60) -> dict:
    rng = np.random.default_rng(4)
    shape = (chains, draws)
    return {
        "mass": 4 * np.exp(0.1 * rng.normal(size=shape)),
        "coupling": 1e-3 * np.exp(0.5 * rng.normal(size=shape)),
        "lightest": 0.02 * np.exp(0.1 * rng.normal(size=shape)),
        "amplitude": 1.5 + 0.1 * rng.normal(size=shape),
        "index": 2.5 + 0.05 * rng.normal(size=shape),
    }


def normal_posterior() -> Posterior:
    draws = normal_draws()
    statistics = {"diverging": np.zeros((2, 60), bool)}
    return make_posterior(draws, statistics, UNITS, {"seed": 1})


@pytest.fixture(scope="module")
def terms():
    return (load("icecube-cascades-6yr"), load("icecube-tracks-9.5yr"))


@pytest.fixture(scope="module")
def check(terms):
    model = posterior(partial(default_prior, channels="narrow"), *terms, resolution=Resolution(60, 8))
    return predictive(model, normal_posterior(), jax.random.key(0), draws=40)


def test_chains_have_a_row_per_parameter_with_trace_and_ranks():
    draws = normal_draws(draws=50)
    figure = chains_figure(draws | {"pair": np.stack([draws["index"]] * 2, axis=-1)})
    grid = np.array(figure.axes).reshape(7, 3)
    trace = grid[0, 1].lines[1].get_ydata()
    np.testing.assert_allclose(trace, np.log10(draws["mass"][1]))
    assert [row[0].get_ylabel() for row in grid[-2:]] == ["pair[0]", "pair[1]"]
    ranks = sum(bar.get_height() - 0 for bar in grid[3, 2].patches)
    assert ranks > 0


def test_corner_marks_modes_in_every_panel():
    draws = normal_draws(draws=200)
    mode = {name: float(np.median(values)) for name, values in draws.items()}
    plain, marked = corner_figure(draws, UNITS), corner_figure(draws, UNITS, [mode, mode])
    assert len(marked.axes[5].lines) == len(plain.axes[5].lines) + 2
    star = marked.axes[5].lines[-2]
    assert star.get_marker() == "*"
    x, y = np.squeeze(star.get_data())
    assert (x, y) == pytest.approx((np.log10(mode["mass"]), np.log10(mode["coupling"])))


def test_plane_puts_the_posterior_where_its_draws_are_and_the_band_where_the_muon_says():
    draws = normal_draws(chains=10, draws=1000)
    figure = plane_figure(draws["mass"], draws["coupling"], ranges=RANGES)
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    words = [entry.get_text() for entry in figure.legends[0].get_texts()]
    assert {"68 % posterior", "95 % posterior"} <= set(words)
    outlines = [path for part in axes.collections for path in part.get_paths() if len(path.vertices)]
    vertices = np.concatenate([path.vertices for path in outlines])
    low, high = (float(end) for end in coupling_band(1.0, "wp2020-fnal2021", 2.0))
    band = vertices[np.isclose(vertices[:, 0], 1.0)]
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((low, high))
    regions = [part.get_paths() for part in axes.collections][-1]
    inside = np.concatenate([path.vertices for path in regions if len(path.vertices)])
    # 95 % of two normals lies within 2.45 standard deviations; smoothing and cells widen that a little
    assert np.log(inside[:, 0] / 4).max() == pytest.approx(0.245, abs=0.15)
    assert np.log(inside[:, 1] / 1e-3).max() == pytest.approx(1.22, abs=0.4)


def test_plane_with_a_profile_draws_where_chi2_exceeds_its_minimum_by_the_levels():
    """χ² = (ln(m/4)/0.2)²: the 95 % line at ln(m/4) = 0.2 √5.99."""
    mass, coupling = np.geomspace(*RANGES[0], 200), np.geomspace(*RANGES[1], 20)
    chi2 = np.tile(((np.log(mass / 4)) / 0.2)[:, None] ** 2, (1, 20))
    axes = plane_figure(profile=(mass, coupling, chi2, 100.0), ranges=RANGES).axes[0]
    lines = np.concatenate([path.vertices for path in axes.collections[-1].get_paths() if len(path.vertices)])
    assert np.log(lines[:, 0] / 4).max() == pytest.approx(0.2 * np.sqrt(5.99), rel=0.01)


def test_significance_is_the_share_above():
    simulated = np.arange(100.0) / 10
    found = Significance({}, {}, 5.0, simulated / 2, simulated)
    assert found.global_p == pytest.approx(51 / 101) and found.local_p == pytest.approx(1 / 101)
    axes = significance_figure(found).axes[0]
    x, share = axes.lines[0].get_data()
    assert share[list(x).index(5.0)] == pytest.approx(0.5)
    assert list(axes.lines[2].get_xdata()) == [5.0, 5.0]


def test_limits_stop_at_the_ceiling():
    expected = np.geomspace(1e-3, 1.0, 41)[:, None] * np.ones(3)
    axes = limits_figure(Limits(np.array([1.0, 3.0, 9.0]), 0.95, np.array([0.02, np.inf, 0.05]), expected), 0.1).axes[0]
    observed = next(line for line in axes.lines if line.get_label() == "observed limit, 95%").get_ydata()
    np.testing.assert_array_equal(observed, [0.02, np.nan, 0.05])
    assert axes.collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(0.1)


def test_thinned_draws_are_spread_over_all_chains():
    result = normal_posterior()
    chosen = thinned(result, 3)["mass"]
    both = result.draws["mass"].ravel()
    np.testing.assert_array_equal(chosen, both[[0, 60, 119]])
    assert len(thinned(result, 10**6)["mass"]) == 120


def test_predictive_p_value_of_perfect_and_of_impossible_data(terms):
    """χ² of 10 bins per draw: data at the prediction have p = 1, data 10 σ away p = 0."""
    data = measurement(terms)
    many = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (50, leaf.size)), data)
    none = np.zeros(50)
    assert Predictive(data, np.zeros((50, 16)), many, none, none + 5).p_value == 1.0
    assert Predictive(data, np.zeros((50, 16)), many, none + 100, none + 5).p_value == 0.0


def test_predictive_check_replicates_the_data(check, terms):
    assert check.heights.shape == (40, 16) == check.replicated.value.shape
    counted = np.asarray(check.data.rate) > 0
    mean = np.mean(np.asarray(check.replicated.events)[:, counted], axis=0)
    expected = np.mean(np.asarray(check.data.rate)[counted] * check.heights[:, counted], axis=0)
    assert np.sum(mean) == pytest.approx(np.sum(expected), abs=4 * np.sqrt(np.sum(expected) / 40))
    # one per degree of freedom for points, a little less for counts that are mostly zero
    assert 8 < np.mean(check.replicated_chi2) < 20
    assert np.all((check.bin_p_values >= 0) & (check.bin_p_values <= 1))
    panels = predictive_figure(terms, check).axes
    assert len(panels) == 3 and "no event" in panels[0].get_title() and "no event" not in panels[1].get_title()
    x, y = panels[2].lines[0].get_data()
    np.testing.assert_array_equal((x, y), (check.observed_chi2, check.replicated_chi2))


SMALL = {"mesh": {"nodes": 60, "shells": 8}, "sampling": {"bands": 20}, "model": {"channels": "narrow"}}


def test_plot_redraws_a_posterior_without_sampling(run, monkeypatch):
    def never(*_, **__):
        raise AssertionError("the posterior was sampled again")

    monkeypatch.setattr(jaxnu.cli.posterior, "sample", never)
    monkeypatch.setattr(jaxnu.cli.posterior, "fit", never)
    folder = Path("run")
    folder.mkdir()
    settings = settings_from("posterior", merge({}, SMALL))
    assert isinstance(settings, PosteriorSettings)
    (folder / "config.toml").write_text(to_toml(settings), encoding="utf-8")
    normal_posterior().save(folder / "posterior.nc")
    point = {"mass": 4.0, "coupling": 1e-3, "lightest": 0.02, "amplitude": 1.5, "index": 2.5}
    tables = {"chi2": 14.0, "best": point, "power_law": {"chi2": 20.0, **point}, "modes": [{"chi2": 14.0, **point}]}
    (folder / "fit.toml").write_text(tomli_w.dumps(tables), encoding="utf-8")
    code, said, _ = run("plot", "run")
    assert code == 0
    names = [Path(line).name for line in said.split()]
    assert sorted(names) == ["chains.png", "corner.png", "plane.png", "predictive.png", "spectrum.png"]
    assert all((folder / name).stat().st_size > 10000 for name in names)
    code, _, complaint = run("plot", "run", "--moment", "bnl")
    assert code == 2 and "bmw2020" in complaint


def test_profile_writes_numbers_and_pictures_that_plot_redraws(run):
    Path("small.toml").write_text(
        tomli_w.dumps(
            {
                "mesh": SMALL["mesh"],
                "model": SMALL["model"],
                "grid": {"masses": 4, "couplings": 3, "lightests": 2, "indices": 4, "refine": 2, "experiments": 20},
            }
        ),
        encoding="utf-8",
    )
    code, said, _ = run("profile", "--config", "small.toml", "--output", "run", "--quiet")
    assert code == 0 and "20 pseudo-experiments" in said and "Channels: narrow. The narrow width" in said
    found = tomllib.loads(Path("run/profile.toml").read_text(encoding="utf-8"))
    assert found["channels"] == "narrow"
    assert 0 < found["local_p"] <= 1 and 0 < found["global_p"] <= 1
    assert len(found["limits"]["mass"]) == 4 == len(found["limits"]["expected"]["median"])
    pictures = ["limits.png", "plane.png", "significance.png"]
    for name in pictures:
        Path("run", name).unlink()
    code, said, _ = run("plot", "run")
    assert code == 0 and sorted(Path(line).name for line in said.split()) == pictures


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"grid": {"level": 1.5}}, "grid.level must be below 1, got 1.5"),
        ({"prior": {"spectrum": "broken"}}, "profile knows power laws"),
        ({"data": {"convention": "delavega2024"}}, "cannot simulate limits"),
        ({"grid": {"indices": 2}}, "grid.indices must be at least 4, got 2"),
    ],
)
def test_what_a_profile_cannot_do_is_refused_first(run, table, sentence):
    Path("bad.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    code, _, complaint = run("profile", "--config", "bad.toml")
    assert code == 2 and sentence in complaint
    assert not Path("jaxnu-profile").exists()
