"""A posterior that was killed continues where it was, and only as itself."""

import importlib
import multiprocessing
import signal
from functools import partial

import jax
import numpy as np
import pytest
from gaussian import Gaussian, gaussian_model

from jaxnu.inference import default_prior, posterior, sample
from jaxnu.inference.checkpoint import FILE, save_checkpoint

# the package's attribute of that name is the function
MODULE = importlib.import_module("jaxnu.inference.sample")
RUN = {"chains": 2, "warmup": 30, "draws": 25, "sweep": 64, "jumps": 2, "block": 10, "progress": False}


class Killed(Exception):
    pass


def run(model=None, directory=None, seed=5, **changes):
    model = gaussian_model() if model is None else model
    return sample(model, jax.random.key(seed), checkpoint=directory, **(RUN | changes))


@pytest.fixture(scope="module")
def uninterrupted():
    return run()


def killed_after(blocks, monkeypatch, directory):
    """Run until `blocks` checkpoints have been written; whatever came after the last of them is lost."""
    written = []

    def save(*arguments):
        save_checkpoint(*arguments)
        written.append(arguments)
        if len(written) == blocks:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(MODULE, "save_checkpoint", save)
        run(directory=directory)


# in warm-up and between blocks of draws
@pytest.mark.parametrize("blocks", [1, 4])
def test_resumed_is_bit_identical(blocks, monkeypatch, tmp_path, uninterrupted):
    killed_after(blocks, monkeypatch, tmp_path / "new")
    resumed = run(directory=tmp_path / "new")
    for group in ("posterior", "sample_stats"):
        for name, values in uninterrupted.inference_data[group].data_vars.items():
            np.testing.assert_array_equal(resumed.inference_data[group][name].values, values.values, err_msg=name)
    assert resumed.configuration == uninterrupted.configuration
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]


def _child(directory):
    jax.config.update("jax_enable_x64", True)
    run(directory=directory, draws=100000)


def test_killed_process(tmp_path):
    """A process that is really killed leaves a checkpoint that can be read."""
    child = multiprocessing.get_context("spawn").Process(target=_child, args=(tmp_path,))
    child.start()
    file = tmp_path / FILE
    waiter = multiprocessing.get_context("spawn").Event()
    for _ in range(600):
        waiter.wait(0.1)
        if file.exists() and "history/diverging" in np.load(file):
            break
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    with pytest.raises(ValueError, match="draws is 100000 instead of 25"):
        run(directory=tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished")
    return directory, run(directory=directory)


def test_a_finished_run_is_read_back(finished, uninterrupted):
    directory, result = finished
    again = run(directory=directory)
    for other in (result, again):
        np.testing.assert_array_equal(other.draws["mass"], uninterrupted.draws["mass"])


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (gaussian_model(), {"chains": 3}, "chains is 2 instead of 3"),
        (gaussian_model(), {"warmup": 31}, "warmup is 30 instead of 31"),
        (gaussian_model(), {"seed": 7}, "seed is 5 instead of 7"),
        (
            posterior(partial(default_prior, mass=(2.0, 8.0)), Gaussian()),
            {},
            r"prior: arguments: mass is \[1.0, 20.0\]",
        ),
        (posterior(default_prior, Gaussian(), Gaussian()), {}, "terms is"),
    ],
)
def test_other_configurations_are_refused(model, changes, message, finished):
    with pytest.raises(ValueError, match="belongs to another configuration: its " + message):
        run(model, finished[0], **changes)


def test_a_prior_that_changed_under_its_name_is_refused(monkeypatch, tmp_path):
    def prior():
        return default_prior(ordering=prior.ordering)

    prior.ordering = "normal"
    model = posterior(prior, Gaussian())
    run(model, tmp_path, draws=2)
    prior.ordering = "inverted"
    with pytest.raises(ValueError, match="prior universe"):
        run(model, tmp_path, draws=2)


def test_broken_checkpoint(tmp_path):
    (tmp_path / FILE).write_text("not a checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        run(directory=tmp_path)
