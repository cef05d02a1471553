"""Sweeps: every point is there once and right, whatever happens to the processes that compute them."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
import zarr
from jax import monitoring
from sweeping import AXES, expected, slow, smooth, values

import jaxnu
from jaxnu.scan import ChunksFailed, claims, grid, latin_hypercube, listed, plan, sobol, start_processes, sweep
from jaxnu.scan.blocks import Blocks, cut, slices
from jaxnu.scan.files import files_at

HERE = Path(__file__).parent
QUIET = {"build": values, "progress": False}


def opened(store):
    with xr.open_zarr(str(store)) as data:
        return data.load()


def files(store):
    """Every file of the numbers in a store with its bytes; metadata hold the time of creation."""
    found = {path.relative_to(store): path.read_bytes() for path in Path(store).rglob("*") if path.is_file()}
    return {str(name): text for name, text in found.items() if not name.name.startswith(".z")}


def start(store, devices=1, wait=0.02, **options):
    words = [sys.executable, str(HERE / "sweeping.py"), str(store), *(f"{name}={it}" for name, it in options.items())]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(jaxnu.__file__).parents[1]),
        "SWEEPING_WAITS": str(wait),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    return dict(zip(said.split()[::2], map(int, said.split()[1::2]), strict=True))


def chunks_in(store):
    """How many chunks a store holds; a killed process may leave half of one under another name."""
    return sum(path.suffix != ".partial" for path in Path(store).glob("status/[0-9]*"))


def wait_for_chunks(store, count, *processes):
    deadline = time.monotonic() + 60
    while chunks_in(store) < count:
        assert time.monotonic() < deadline
        for process in processes:
            assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The store of a sweep to which nothing happened."""
    store = tmp_path_factory.mktemp("whole") / "scan.zarr"
    sweep(slow, AXES, str(store), chunk=8, **QUIET)
    return store


# what is in a store


def test_grid_has_labels_units_and_the_right_numbers(tmp_path):
    store = str(tmp_path / "scan.zarr")
    report = sweep(
        smooth,
        AXES,
        store,
        chunk=10,
        dims={"powers": ["power"]},
        coords={"power": ["first", "second", "exponential"]},
        units={"x": "MeV", "wave": "m"},
        attributes={"title": "a test"},
        **QUIET,
    )
    assert (report.points, report.stored, report.computed, report.nan, report.failed) == (192, 192, 192, 0, {})
    data = opened(store)
    assert data["wave"].dims == ("x", "y") and data["powers"].dims == ("x", "y", "power")
    np.testing.assert_allclose(data["wave"], expected(), rtol=1e-12)
    np.testing.assert_allclose(data["powers"].sel(power="second"), expected() ** 2, rtol=1e-12)
    np.testing.assert_array_equal(data["x"], AXES["x"])
    assert data["x"].attrs["units"] == "MeV" and data["wave"].attrs["units"] == "m"
    assert np.all(data["status"] == 1)
    assert data.attrs["title"] == "a test" and data.attrs["jax_version"] == jax.__version__
    assert '"kind": "grid"' in data.attrs["configuration"] and len(data.attrs["physics_hash"]) == 16
    assert not (Path(store) / ".sweep").exists()


@pytest.mark.parametrize(
    "design",
    [
        sobol({"x": (0.0, 3.0), "y": (1.0, 20.0)}, 64, seed=3, log=["y"]),
        latin_hypercube({"x": (0.0, 3.0), "y": (1.0, 20.0)}, 50, seed=3, log=["y"]),
        listed({"x": np.linspace(0, 3, 50), "y": np.geomspace(1, 20, 50)}),
    ],
    ids=lambda design: design.description["kind"],
)
def test_other_designs_store_their_points(tmp_path, design):
    store = str(tmp_path / "scan.zarr")
    sweep(smooth, design, store, chunk=16, **QUIET)
    data = opened(store)
    assert data["wave"].dims == ("point",) and {"x", "y"} <= set(data.coords)
    np.testing.assert_allclose(data["wave"], np.sin(data["x"] * data["y"]), rtol=1e-12)
    assert data["x"].min() >= 0 and data["x"].max() <= 3 and data["y"].min() >= 1 and data["y"].max() <= 20
    # evenly spread, y in its logarithm
    assert float(data["x"].mean()) == pytest.approx(1.5, abs=0.05)
    assert float(np.log(data["y"]).mean()) == pytest.approx(np.log(20) / 2, abs=0.05)


def test_sobol_in_parts_is_the_sequence():
    design = sobol({"x": (0.0, 1.0), "y": (0.0, 1.0)}, 32)
    whole = design.columns((slice(0, 32),))
    parts = [design.columns((slice(at, at + 8),)) for at in range(0, 32, 8)]
    for name, column in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), column)


@pytest.mark.parametrize("shape", [(7,), (100,), (5, 9), (3, 4, 5), (40, 1, 3)])
@pytest.mark.parametrize("chunk", [1, 4, 7, 30, 1000])
def test_blocks_cover_every_point_once_and_are_no_larger_than_asked(shape, chunk):
    blocks = cut(shape, chunk)
    seen = np.zeros(shape, int)
    for index in blocks.indices:
        seen[slices(blocks, index)] += 1
    assert np.all(seen == 1) and blocks.chunk <= chunk
    assert len(blocks.indices) <= 1 + 3 * np.prod(shape) / chunk


def test_single_precision_and_other_kinds_of_numbers(tmp_path):
    def function(at):
        steps = jnp.arange(3.0, dtype=at["x"].dtype)
        return {"wave": jnp.sin(at["x"]), "count": jnp.sum(at["x"] > steps), "above": at["x"] > 1}

    store = str(tmp_path / "scan.zarr")
    with jax.enable_x64(False):
        report = sweep(function, {"x": AXES["x"]}, store, chunk=5, **QUIET)
    assert report.nan == 0
    data = opened(store)
    assert [data[name].dtype for name in ("wave", "count", "above", "x")] == ["float32", "int32", "bool", "float64"]
    np.testing.assert_allclose(data["wave"], np.sin(AXES["x"]), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(data["count"], np.sum(AXES["x"][:, None] > np.arange(3), axis=1))
    with pytest.raises(ValueError, match="precision is 'float32' instead of 'float64'"):
        sweep(function, {"x": AXES["x"]}, store, **QUIET)


def test_any_url_will_do():
    store = f"memory://{time.monotonic_ns()}/scan.zarr"
    sweep(smooth, AXES, store, chunk=50, **QUIET)
    np.testing.assert_allclose(opened(store)["wave"], expected(), rtol=1e-12)
    assert sweep(smooth, AXES, store, **QUIET).computed == 0


def test_one_program_is_compiled_however_many_chunks(tmp_path):
    compiled = []
    monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event) if "backend_compile" in event else None
    )
    counts = []
    for chunk in (96, 7):
        traces = []

        def counted(at, traces=traces):
            traces.append(1)
            return smooth(at)

        compiled.clear()
        sweep(counted, AXES, str(tmp_path / f"{chunk}.zarr"), chunk=chunk, **QUIET)
        counts.append((len(traces), len(compiled)))
    assert counts[0] == counts[1] and counts[0][1] == 1


# what can go wrong with the points


def test_nan_is_stored_and_counted(tmp_path):
    store = str(tmp_path / "scan.zarr")
    report = sweep(lambda at: jnp.log(at["x"] - 1), {"x": np.linspace(0.0, 3.0, 13)}, store, chunk=4, **QUIET)
    assert (report.stored, report.nan) == (13, 4) and "4 points are NaN" in str(report)
    data = opened(store)
    np.testing.assert_array_equal(np.isnan(data["value"]), data["x"] < 1)
    np.testing.assert_array_equal(data["status"] == 2, data["x"] < 1)


def picky(at, bad):
    def check(x):
        if bad and abs(float(x) - 2.0) < 1e-9:
            raise ArithmeticError("x must not be two")
        return np.asarray(x)

    return smooth({"x": jax.pure_callback(check, jax.ShapeDtypeStruct((), at["x"].dtype), at["x"]), "y": at["y"]})


def test_a_chunk_that_raises_is_told_left_out_and_tried_again(tmp_path):
    store, bad = str(tmp_path / "scan.zarr"), [True]

    def function(at):
        return picky(at, bad)

    with pytest.raises(ChunksFailed, match="2 chunks failed and are missing") as caught:
        sweep(function, AXES, store, chunk=6, **QUIET)
    report = caught.value.report
    assert report.stored == 192 - 12 and list(report.failed) == ["10.0", "10.1"]
    assert "x must not be two" in report.failed["10.0"]
    data = opened(store)
    missing = np.asarray(data["status"] == 0)
    assert missing.sum() == 12 and np.all(np.isnan(data["wave"].values[missing]))
    with pytest.raises(ChunksFailed):
        sweep(function, AXES, store, **QUIET)
    bad.clear()
    report = sweep(function, AXES, store, **QUIET)
    assert report.computed == 12 and report.failed == {}
    np.testing.assert_allclose(opened(store)["wave"], expected(), rtol=1e-12)


# what can go wrong with the processes


@pytest.mark.parametrize("chunks", [0, 7])
def test_killed_at_any_moment_it_resumes_bit_by_bit(tmp_path, uninterrupted, chunks):
    store = tmp_path / "scan.zarr"
    process = start(store)
    if chunks:
        wait_for_chunks(store, chunks, process)
    else:
        while not store.exists():
            time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    already = chunks_in(store)
    assert already < 32
    report = sweep(slow, AXES, str(store), chunk=8, **QUIET)
    assert report.stored == 192 and report.computed == 192 - 6 * already
    assert files(store) == files(uninterrupted)


class Unreachable(Exception):
    """What a package for some remote store raises."""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device; what is in"),
        (Unreachable("nobody listens"), "Unreachable: nobody listens; what is in"),
    ],
)
def test_a_store_that_cannot_be_written_loses_nothing(tmp_path, uninterrupted, monkeypatch, error, sentence):
    store = str(tmp_path / "scan.zarr")
    put, written = zarr.storage.LocalStore.set, []

    async def failing(self, key, value):
        written.append(key)
        if len(written) > 40:
            raise error
        await put(self, key, value)

    with monkeypatch.context() as patch, pytest.raises(OSError, match=sentence):
        patch.setattr(zarr.storage.LocalStore, "set", failing)
        sweep(slow, AXES, store, chunk=8, **QUIET)
    report = sweep(slow, AXES, store, chunk=8, **QUIET)
    assert report.stored == 192 and 0 < report.computed < 192
    assert files(store) == files(uninterrupted)


def test_two_runs_on_one_store_share_the_work(tmp_path, uninterrupted):
    store = tmp_path / "scan.zarr"
    runs = [start(store), start(store)]
    computed = [finish(run)["computed"] for run in runs]
    assert sum(computed) == 192 and min(computed) > 0
    assert files(store) == files(uninterrupted)


@pytest.mark.parametrize("count", [2, 4])
def test_processes_share_the_work_and_survive_a_loss(tmp_path, uninterrupted, count):
    """With four, the first one, which the others had to find, is killed, and the next is told to end."""
    store = tmp_path / "scan.zarr"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    runs = [
        start(store, wait=0.01, coordinator=coordinator, processes=count, process=number) for number in range(count)
    ]
    if count == 4:
        wait_for_chunks(store, 2, *runs)
        for sent in (signal.SIGKILL, signal.SIGTERM):
            lost = runs.pop(0)
            lost.send_signal(sent)
            lost.communicate()
            assert lost.returncode == -sent
    told = [finish(run) for run in runs]
    assert all(each["processes"] == count for each in told)
    assert files(store) == files(uninterrupted)


def test_eight_devices_give_the_same_bits(tmp_path, uninterrupted):
    store = tmp_path / "scan.zarr"
    assert finish(start(store, devices=8, wait=0.001))["devices"] == 8
    assert files(store) == files(uninterrupted)


def test_a_claim_of_a_process_elsewhere_is_void_once_its_beacon_stands_still(tmp_path, monkeypatch):
    at = files_at(str(tmp_path))
    claims.write(at, ".sweep/beacons/elsewhere:1:a", "1")
    claims.write(at, ".sweep/claims/0.0", "elsewhere:1:a")
    claims.write(at, ".sweep/claims/0.1", "gone:1:b")
    monkeypatch.setattr(claims, "PATIENCE", 0.2)
    with claims.Claims(at) as own:
        assert own.take("0.1")  # no beacon at all
        assert not own.take("0.0")
        claims.write(at, ".sweep/beacons/elsewhere:1:a", "2")
        time.sleep(0.3)
        assert not own.take("0.0")  # it has moved
        time.sleep(0.3)
        assert own.take("0.0")


def test_only_one_of_many_threads_gets_a_claim(tmp_path):
    at = files_at(str(tmp_path))
    won = []
    with claims.Claims(at) as first, claims.Claims(at) as second:
        threads = [
            threading.Thread(target=lambda own=own: won.append(own.take("7")))
            for own in (first, second)
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert won.count(True) == 1


# what is refused


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"points": {**AXES, "x": np.linspace(0.0, 3.1, 16)}}, "points: values: x is '16 numbers"),
        ({"points": {"y": AXES["y"], "x": AXES["x"]}}, "points: parameters"),
        ({"function": lambda at: jnp.sin(at["x"])}, "function: name"),
        ({"units": {"x": "eV"}}, "labels: units: x is None instead of 'eV'"),
        ({"chunk": 5}, "chunk is"),
        ({"build": partial(values, z=2.0)}, "universe: arguments is None instead of"),
    ],
    ids=["points", "order", "function", "units", "chunk", "builder"],
)
def test_another_sweep_is_refused_with_the_field_that_differs(uninterrupted, changes, field):
    arguments = {"function": slow, "points": AXES, "store": str(uninterrupted), **QUIET, **changes}
    with pytest.raises(ValueError, match="belongs to another sweep") as caught:
        sweep(**arguments)
    assert field in str(caught.value)


def test_code_or_constants_that_changed_under_their_name_are_refused(tmp_path):
    def scaled(by):
        def function(at):
            return by * at["x"]

        return function

    sweep(scaled(2.0), AXES, str(tmp_path / "scan.zarr"), **QUIET)
    with pytest.raises(ValueError, match="its physics: program is"):
        sweep(scaled(2.5), AXES, str(tmp_path / "scan.zarr"), **QUIET)


def test_something_else_at_the_place_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    xr.Dataset({"a": ("b", [1.0])}).to_zarr(tmp_path / "other.zarr", zarr_format=2)
    (tmp_path / "file").touch()
    for place in ("notes", "other.zarr", "file"):
        before = files(tmp_path / place)
        with pytest.raises(ValueError, match="is not the store of a sweep"):
            sweep(smooth, AXES, str(tmp_path / place), **QUIET)
        assert files(tmp_path / place) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"points": {}}, "at least one parameter"),
        ({"points": {"x": [0.0, np.nan]}}, "the values of x must be finite numbers"),
        ({"points": {"x": [1.0, 1.0]}}, "must differ from each other"),
        ({"points": {"mas": [1.0]}, "build": jaxnu.scan.standard_universe}, "unknown parameter 'mas'"),
        ({"points": {"mass": [-1.0]}, "build": jaxnu.scan.standard_universe}, "mass of the Z′ must be positive"),
        ({"chunk": 0}, "chunk must be positive, got 0"),
        ({"dims": {"wave": ["k"]}}, "dims of wave must name 0 dimensions"),
        ({"dims": {"wav": []}}, "dims names 'wav'"),
        ({"units": {"z": "m"}}, "units names 'z'"),
        ({"dims": {"powers": ["k"]}, "coords": {"k": [1, 2]}}, "dimension k of powers has length 3, but elsewhere 2"),
        ({"function": lambda at: {"x": at["x"]}}, "a result may not be called 'x'"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        sweep(**{"function": smooth, "points": AXES, "store": str(tmp_path / "scan.zarr"), **QUIET, **arguments})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: sobol({"x": (0.0, 1.0)}, 100), "power of 2"),
        (lambda: sobol({"x": (1.0, 0.0)}, 64), "the lower first"),
        (lambda: latin_hypercube({"x": (0.0, 1.0)}, 10, log=["x"]), "range of x must be positive"),
        (lambda: latin_hypercube({"x": (0.0, 1.0)}, 10, log=["y"]), "not among the ranges"),
        (lambda: listed({"x": [1.0], "y": [1.0, 2.0]}), "equally long, got x 1, y 2"),
        (lambda: start_processes("localhost:1"), "belong together"),
        (lambda: start_processes("localhost:1", 2, 2), "process must be from 0 to 1"),
    ],
)
def test_bad_designs_and_processes_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_a_plan_tells_points_and_memory_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = plan(smooth, grid(AXES), build=values, chunk=24)
    assert (found.points, found.chunks, found.chunk, found.devices) == (192, 8, 24, 2)
    assert found.stored_bytes == 192 * (4 * 8 + 1) and found.device_bytes >= 12 * (2 + 4) * 8
    assert found.seconds > 0 and not list(tmp_path.iterdir())


def test_processes_are_not_started_where_there_is_nobody_else(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert start_processes() == 1
    # the shell of `salloc --ntasks=2`
    for name, value in (("NTASKS", "2"), ("JOB_ID", "6"), ("STEP_NODELIST", "n1"), ("PROCID", "0"), ("LOCALID", "0")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert start_processes() == 1


def test_an_mpirun_that_does_not_tell_where_to_meet_is_refused(monkeypatch):
    for name, value in (("SIZE", "4"), ("RANK", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(f"OMPI_COMM_WORLD_{name}", value)
    with pytest.raises(ValueError, match=r"one of 4 processes of an mpirun .* processes=4 and process=2"):
        start_processes()


def test_blocks_remember_their_counts():
    assert Blocks((7, 5), (3, 5)).counts == (3, 1)
