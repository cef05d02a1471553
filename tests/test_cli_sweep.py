"""`jaxnu sweep` and `jaxnu plot` as a user meets them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import xarray as xr

from jaxnu.cli import main
from jaxnu.cli import sweep as command
from jaxnu.scan import ChunksFailed, Report

SMALL = {
    "mesh": {"nodes": 60, "shells": 8},
    "axes": {"mass": [2.0, 12.0, 4], "coupling": [1e-4, 1e-2, 4]},
    "data": {"sets": ["icecube-cascades-6yr"]},
    "scan": {"chunk": 8},
    "model": {"channels": "narrow"},
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished sweep, to be copied."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "scan.toml").write_text(tomli_w.dumps(SMALL))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["sweep", "--config", "scan.toml", "--output", "run", "--quiet"]) == 0
    return folder / "run"


def test_a_sweep_leaves_a_store_a_map_and_its_configuration(run, swept):
    assert sorted(path.name for path in swept.iterdir()) == ["config.toml", "map.png", "scan.zarr", "summary.txt"]
    with xr.open_zarr(swept / "scan.zarr") as data:
        assert data["log_likelihood"].dims == ("mass", "coupling") and bool((data["status"] == 1).all())
        np.testing.assert_allclose(data["mass"], np.geomspace(2, 12, 4))
        assert data["mass"].attrs["units"] == "MeV" and "[mesh]\nnodes = 60" in data.attrs["settings"]
    said = (swept / "summary.txt").read_text()
    assert "16 of 16 points are in run/scan.zarr" in said
    assert "Channels: narrow." in said and "at m_Z′ = 2 MeV and g′ = 0.01 that changes" in said
    shutil.copytree(swept, "run")
    code, _, complaint = run("sweep", "--config", "run/config.toml", "--output", "run")
    assert code == 2 and "holds a finished run" in complaint


def test_an_unfinished_sweep_goes_on_and_tells_failures(run, swept, monkeypatch):
    shutil.copytree(swept, "run")
    Path("run/summary.txt").unlink()
    Path("run/scan.zarr/status/1.1").unlink(missing_ok=True)
    words = ("sweep", "--config", "run/config.toml", "--output", "run")
    report = Report("run/scan.zarr", 16, 8, 8, 0, {"0.0": "ArithmeticError: no"}, 1.0, 1.0)

    def fails(**_):
        raise ChunksFailed(report)

    with monkeypatch.context() as patch:
        patch.setattr(command, "sweep", fails)
        code, said, complaint = run(*words)
    assert code == 1 and said == "" and "1 chunks failed and are missing" in complaint and "no" in complaint
    code, said, complaint = run(*words)
    assert code == 0 and "16 of 16 points" in said and "Going on with the unfinished run" in complaint


def test_a_dry_run_tells_the_cost_and_writes_nothing(run):
    Path("scan.toml").write_text(tomli_w.dumps(SMALL))
    code, said, complaint = run("sweep", "--config", "scan.toml", "--quantity", "log-likelihood", "--dry-run")
    assert (code, complaint) == (0, "")
    assert (
        "16 points in 2 chunks of at most 8, on 2 devices" in said and "points per second" in said and "store:" in said
    )
    assert [path.name for path in Path().iterdir()] == ["scan.toml"]


def test_plot_draws_what_it_finds_or_says_what_is_wrong(run, swept):
    shutil.copytree(swept, "run")
    Path("run/map.png").unlink()
    code, said, _ = run("plot", "run")
    assert (code, said) == (0, "run/map.png\n") and Path("run/map.png").stat().st_size > 10_000
    code, said, _ = run("plot", "run/scan.zarr", "--axes", "coupling", "mass", "--output", "other.png")
    assert code == 0 and Path("other.png").stat().st_size > 10_000
    for words, sentence in (
        (("plot", "nowhere"), "nowhere is neither the directory of a run nor the store of a sweep"),
        (("plot", "run", "--axes", "mass", "index"), "two of the parameters mass, coupling, got mass and index"),
        (("plot", "run", "--moment", "mine"), "unknown measurement of a_μ 'mine'"),
        (("plot", "run", "--output", "missing/map.png"), "cannot write missing/map.png"),
    ):
        code, said, complaint = run(*words)
        assert (code, said) == (2, "") and sentence in complaint and complaint.count("\n") == 1


def test_points_of_a_file(run):
    Path("points.csv").write_text("mass,coupling,amplitude,index\n3,1e-3,1.5,2.5\n6,1e-3,1.5,2.5\n6,0,1.2,2.4\n")
    Path("scan.toml").write_text(tomli_w.dumps({"mesh": SMALL["mesh"], "data": SMALL["data"]}))
    words = ("--design", "list", "--file", "points.csv", "--quantity", "log-likelihood", "--quiet")
    code, said, _ = run("sweep", "--config", "scan.toml", *words)
    assert code == 0 and "3 of 3 points" in said and "Channels: all.\n" in said
    with xr.open_zarr("jaxnu-sweep/scan.zarr") as data:
        np.testing.assert_array_equal(data["mass"], [3, 6, 6])
        assert bool(np.isfinite(data["log_likelihood"]).all())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--mass 20 1 4", "the smaller first, got [20, 1]"),
        ("--mass 0 20 4", "must be positive, got [0, 20]"),
        ("--mass 1 20 2.5", "whole number of values, got 2.5"),
        ("--mass 1 20", "axes.mass needs a number of values for a grid"),
        ("--mass 1", "axes.mass (m_Z' in MeV) must be two numbers"),
        ("--quantity charm", "got 'charm'"),
        ("--design sobol --samples 100", "a Sobol design needs a power of 2 points, got 100"),
        ("--design list", "a list of points needs scan.file"),
        ("--design list --file none.csv", "cannot read the points in none.csv"),
        ("--amplitude 1 2 3", "a profile is over the amplitude"),
        ("--chunk -1", "scan.chunk must be at least 0, got -1"),
        ("--coordinator localhost:1", "belong together"),
        ("--store nowhere://scan.zarr", "cannot reach nowhere://scan.zarr: Protocol not known"),
    ],
)
def test_bad_words_are_refused_before_anything_is_written(run, words, sentence):
    code, said, complaint = run("sweep", *words.split())
    assert (code, said) == (2, "") and sentence in complaint and complaint.count("\n") == 1
    assert not list(Path().iterdir())
