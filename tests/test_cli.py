"""The command line as a user meets it: what it refuses, what it writes, and how it goes on after being killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from jax import monitoring

import jaxnu
from jaxnu.cli.model import make_model
from jaxnu.cli.settings import KINDS
from jaxnu.cli.toml import read_toml, settings_from, to_toml
from jaxnu.inference import load_posterior
from jaxnu.inference.coordinates import coordinates

SMALL_MESH = {"nodes": 60, "shells": 8}
SMALL = {
    "mesh": SMALL_MESH,
    "sampling": {"chains": 2, "warmup": 15, "draws": 15, "block": 5, "sweep": 32, "bands": 20},
    "search": {"sweep": 8, "starts": 2, "steps": 2},
    "model": {"channels": "narrow"},
}


@pytest.fixture(scope="module")
def compiled():
    """Names of what JAX has compiled since the list was last cleared."""
    events = []
    monitoring.register_event_duration_secs_listener(lambda event, *_, **__: events.append(event))
    return events


def spectrum(*words):
    return "spectrum", "--nodes", "60", "--shells", "8", "--points", "20", "--quiet", *words


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "command"),
        ("paint", "invalid choice: 'paint'"),
        ("spectrum --mass", "expected one argument"),
        ("spectrum --mass heavy", "invalid float value: 'heavy'"),
        ("spectrum --mass -3", "point.mass (m_Z' in MeV) must be positive, got -3"),
        ("spectrum --mass nan", "must be a finite number"),
        ("spectrum --coupling -1e-4", "must not be negative, got -0.0001"),
        ("spectrum --lightest -0.01", "must not be negative, got -0.01"),
        ("spectrum --amplitude 0", "must be positive, got 0"),
        ("spectrum --sum-masses 0.05", "must be at least 0.0588 eV for normal ordering with nufit-6.0, got 0.05"),
        ("spectrum --sum-masses 0.09 --ordering inverted", "must be at least 0.0989 eV for inverted ordering"),
        ("spectrum --sum-masses 0.1 --lightest 0.01", "not both"),
        ("spectrum --ordering sideways", "must be one of normal, inverted, got 'sideways'"),
        ("spectrum --mixing nufit-9", "got 'nufit-9'"),
        ("spectrum --flavour strange", "got 'strange'"),
        ("spectrum --evolution starlight", "got 'starlight'"),
        ("spectrum --evolution power:", "needs a number after the colon"),
        ("spectrum --evolution single-redshift:-1", "needs a positive redshift"),
        ("spectrum --low 10", "GeV, got 10 to 1e+07 GeV"),
        ("spectrum --low 1e6 --high 1e5", "energies.low must be below energies.high"),
        ("spectrum --nodes 3", "mesh.nodes must be at least 40, got 3"),
        ("posterior --chains 0", "sampling.chains must be at least 2, got 0"),
        ("posterior --seed -1", "seed must be at least 0, got -1"),
        ("posterior --data icecube-dream", "got 'icecube-dream'"),
        ("fit --data icecube-cascades-6yr icecube-combined-2025", "cannot be combined: the 2025 fit contains"),
        ("fit --data icecube-cascades-6yr icecube-cascades-6yr", "they are the same data"),
        ("spectrum --config missing.toml", "cannot read the configuration missing.toml"),
        ("spectrum --output occupied", "occupied is a file"),
        ("spectrum --output occupied/inside", "cannot write into occupied/inside"),
    ],
)
def test_bad_words_are_refused_in_one_sentence_before_compiling(run, compiled, tmp_path, words, sentence):
    Path("occupied").touch()
    compiled.clear()
    code, said, complaint = run(*words.split())
    assert not any("backend_compile" in event for event in compiled) or "occupied" in words
    assert (code, said) == (2, "")
    assert complaint.startswith("jaxnu: ") and complaint.count("\n") == 1
    assert sentence in complaint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["occupied"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed = ", "is not valid TOML"),
        ("sead = 1", "unknown setting 'sead' in the configuration, which knows seed, quick"),
        ("[prior]\nmas = [1, 2]", "unknown setting 'mas' in the section [prior]"),
        ("[prior]\nmass = 3", "must be two numbers [low, high], got 3"),
        ("[prior]\nmass = [-1, 20]", "must be positive, got [-1, 20]"),
        ("[prior]\ncoupling = [0, 0.1]", "prior.coupling (g') must be positive, got [0, 0.1]"),
        ("[prior]\nindex = [3.0, 2.0]", "the smaller first, got [3, 2]"),
        ("[mesh]\nnodes = 100.5", "mesh.nodes must be a whole number"),
        ("[mesh]\nlowest = 1e4", "icecube-cascades-6yr reaches from 4641.59 to 1e+08 GeV, outside the mesh"),
        ("[mesh]\nlowest = 1e5\nhighest = 1e4", "mesh.lowest must be below mesh.highest"),
        ("quick = 1", "quick must be true or false"),
        ("model = 3", "model must be a section [model], got 3"),
        ("[model]\nevolution = 3", "model.evolution must be a string"),
        ("[data]\nsets = 'icecube-tracks-9.5yr'", "data.sets must be a list of names"),
        ("[data]\nconvention = 'mine'", "data.convention must be one of split-normal"),
        ("command = 'spectrum'", "is for `jaxnu spectrum`, not for `jaxnu posterior`"),
    ],
)
def test_bad_configurations_are_refused(run, text, sentence):
    Path("bad.toml").write_text(text)
    code, said, complaint = run("posterior", "--config", "bad.toml")
    assert (code, said) == (2, "")
    assert complaint.count("\n") == 1 and sentence in complaint
    assert not Path("jaxnu-posterior").exists()


@pytest.mark.parametrize("command", KINDS)
def test_settings_survive_toml(command, tmp_path):
    tables = {"seed": 7, "model": {"evolution": "power:2.5"}, **KINDS[command].small}
    settings = settings_from(command, tables)
    (tmp_path / "config.toml").write_text(to_toml(settings))
    assert settings_from(command, read_toml(tmp_path / "config.toml", command)) == settings
    assert settings != settings_from(command, {})


def test_spectrum_without_interactions_is_the_power_law(run):
    code, said, complaint = run(*spectrum("--coupling", "0", "--amplitude", "2", "--index", "2.2"))
    assert (code, complaint) == (0, "")
    assert "jaxnu-spectrum" in said and "\nChannels: all.\n" in said
    table = np.loadtxt("jaxnu-spectrum/spectrum.csv", delimiter=",", skiprows=1)
    assert table.shape == (20, 7)
    expected = 2e-18 * (table[:, 0] / 1e5) ** -2.2
    np.testing.assert_allclose(table[:, 1:], np.tile(expected[:, None], 6), rtol=1e-6)
    assert Path("jaxnu-spectrum/spectrum.png").stat().st_size > 10_000


def test_configuration_of_a_run_reproduces_it_and_directories_are_respected(run):
    words = spectrum("--mass", "8", "--sum-masses", "0.1", "--output")
    assert run(*words, "one")[0] == 0
    assert run("spectrum", "--config", "one/config.toml", "--output", "two", "--quiet")[0] == 0
    assert Path("one/spectrum.csv").read_text() == Path("two/spectrum.csv").read_text()
    assert Path("one/config.toml").read_text() == Path("two/config.toml").read_text()

    code, _, complaint = run(*words, "one")
    assert code == 2 and "holds a finished run" in complaint and "--overwrite" in complaint
    Path("one/notes.txt").write_text("mine")
    before = Path("one/spectrum.csv").read_text()
    assert run(*words, "one", "--overwrite", "--coupling", "1e-3")[0] == 0
    assert Path("one/spectrum.csv").read_text() != before
    assert Path("one/notes.txt").read_text() == "mine"

    Path("other").mkdir()
    Path("other/notes.txt").touch()
    code, _, complaint = run(*words, "other")
    assert code == 2 and "not empty" in complaint


def test_fit_writes_its_numbers_and_says_that_quick_is_a_demonstration(run):
    Path("small.toml").write_text(
        tomli_w.dumps({"quick": True, **{name: SMALL[name] for name in ("mesh", "search", "model")}})
    )
    code, said, _ = run("fit", "--config", "small.toml", "--output", "fit")
    assert code == 0
    assert "Best fit: m_Z′ =" in said and "best power law" in said and "demonstration" in said
    assert said.count("Channels: narrow. The narrow width leaves out wings and exchange: at m_Z′ = 1 MeV") == 1
    found = read_toml(Path("fit/fit.toml"), "fit")
    assert found["points"] == 16 and found["channels"] == "narrow"
    assert found["power_law"]["chi2"] - found["chi2"] == pytest.approx(found["comparison"]["delta_chi2"])
    assert Path("fit/spectrum.png").stat().st_size > 10_000


def test_posterior_is_interrupted_killed_and_resumed(run, tmp_path):
    """SIGINT, then SIGKILL, each after a block has been saved; the third start finishes, with all draws."""
    # A shell's background job ignores SIGINT, and so would the processes that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    (tmp_path / "small.toml").write_text(tomli_w.dumps(SMALL))
    words = [sys.executable, "-m", "jaxnu.cli", "posterior", "--config", "small.toml", "--output", "run"]
    package = str(Path(jaxnu.__file__).parents[1])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
    }
    pipes = {"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    saved = tmp_path / "run" / "checkpoint" / "checkpoint.npz"

    def stopped_by(sent):
        earlier = saved.stat().st_mtime_ns if saved.exists() else 0
        process = subprocess.Popen(words, **pipes)
        deadline = time.monotonic() + 240
        while not saved.exists() or saved.stat().st_mtime_ns == earlier:
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1]
            time.sleep(0.05)
        process.send_signal(sent)
        return process.wait(180), process.communicate()[1]

    code, complaint = stopped_by(signal.SIGINT)
    assert code == 130
    assert "the same command again goes on from the last saved block" in complaint and "Traceback" not in complaint
    code, complaint = stopped_by(signal.SIGKILL)
    assert code == -signal.SIGKILL and "Going on with the unfinished run in run." in complaint

    code, _, complaint = run(*words[3:], "--seed", "3")
    assert code == 2 and "unfinished run with other settings (seed)" in complaint

    done = subprocess.run([*words, "--quiet"], check=False, **pipes, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "rust this" in done.stdout and "Best fit" in done.stdout and "posterior.nc" in done.stdout
    folder = tmp_path / "run"
    pictures = ["chains.png", "corner.png", "plane.png", "predictive.png", "spectrum.png"]
    files = ["config.toml", "fit.toml", "posterior.nc", "summary.csv", "summary.txt"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(pictures + files)
    assert load_posterior(folder / "posterior.nc").draws["mass"].shape == (2, 15)
    code, _, complaint = run(*words[3:])
    assert code == 2 and "holds a finished run" in complaint


def test_a_setting_frees_what_it_names():
    """Sites and terms of the model that a configuration makes."""
    prior = {"spectrum": "broken", "ordering": "either", "angles": "measured", "evolution": "power", "sum_limit": 0.12}
    settings = settings_from("posterior", {"prior": prior})
    model = make_model(settings)
    more = {"index_low", "break_energy", "ordering", "sin2_12", "sin2_13", "sin2_23", "delta", "evolution"}
    plain = make_model(settings_from("posterior", {}))
    assert set(coordinates(model).transforms) == set(coordinates(plain).transforms) | more
    assert float(model.terms[-1].limit) == 0.12 and len(plain.terms) == len(model.terms) - 1
