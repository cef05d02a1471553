"""Nested sampling against evidences known in closed form and by quadrature."""

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w
from gaussian import CORRELATION, MEAN, SD, Gaussian, gaussian_model
from scipy.integrate import dblquad

from jaxnu.icecube import load
from jaxnu.inference import (
    default_prior,
    diagnostics,
    evidence,
    load_posterior,
    nested,
    posterior,
    sample,
    summary_table,
    verdict,
)
from jaxnu.inference.result import make_posterior
from jaxnu.transport.mesh import Resolution

LOGARITHMIC = ("mass", "coupling", "lightest")
VOLUME = np.log(20) * np.log(1e4) * np.log(1e3) * 3.9 * 1.7
"""Of the default prior, in ln m, ln g′, ln m_lightest, amplitude and index."""

COUNTED = Gaussian()
run_gaussian = partial(nested, key=jax.random.key(1), live=200, batch=20, progress=False)


@pytest.fixture(scope="module")
def result():
    return run_gaussian(gaussian_model(COUNTED))


def is_right(result, log_evidence):
    return result.log_evidence == pytest.approx(log_evidence, abs=3.5 * result.log_evidence_error)


def test_evidence_of_a_gaussian(result):
    log_density = -np.log(VOLUME)  # of the prior, and that of the Gaussian at its maximum
    log_peak = -2.5 * np.log(2 * np.pi) - np.sum(np.log(list(SD.values()))) - np.log(1 - CORRELATION**2) / 2
    assert is_right(result, log_density - log_peak)
    # Var(ln Z) = H/live, H = ∫ posterior ln(posterior/prior), and a batch is a tenth
    information = log_peak - 2.5 - log_density
    assert result.log_evidence_error == pytest.approx(np.sqrt(information / 190), rel=0.25)
    assert COUNTED.traces <= 2


def test_draws_of_a_gaussian(result):
    attributes = result.inference_data.attrs
    size = result.draws["mass"].size
    assert size == int(attributes["effective_sample_size"]) > 500
    for name, values in result.draws.items():
        drawn = np.log(values[0]) if name in LOGARITHMIC else values[0]
        assert np.mean(drawn) == pytest.approx(MEAN[name], abs=5 * SD[name] / np.sqrt(size))
        assert np.std(drawn) == pytest.approx(SD[name], rel=0.15)
        # in no order
        assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.2
    both = np.corrcoef(result.draws["amplitude"][0], result.draws["index"][0])[0, 1]
    assert both == pytest.approx(CORRELATION, abs=0.1)


def test_words_and_tables(result, tmp_path):
    assert verdict(result).startswith("Trust this: ln Z known to ± 0.2")
    assert "rhat" not in summary_table(result) and summary_table(result).loc["mass", "unit"] == "MeV"
    with pytest.raises(ValueError, match="no chains to compare"):
        diagnostics(result)
    result.save(tmp_path / "posterior.nc")
    again = load_posterior(tmp_path / "posterior.nc")
    assert again.log_evidence == result.log_evidence and again.log_evidence_error == result.log_evidence_error
    assert verdict(again) == verdict(result)


def test_a_killed_run_goes_on(result, tmp_path, monkeypatch):
    module, saved = sys.modules["jaxnu.inference.nested"], []
    save = module.save_checkpoint

    def save_and_die(*arguments):
        save(*arguments)
        saved.append(1)
        if len(saved) == 40:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        run_gaussian(gaussian_model(), checkpoint=tmp_path)
    again = run_gaussian(gaussian_model(), checkpoint=tmp_path)
    assert again.log_evidence == result.log_evidence
    for name, values in result.draws.items():
        np.testing.assert_array_equal(again.draws[name], values)
    with pytest.raises(ValueError, match="belongs to another configuration: its live is 200 instead of 100"):
        run_gaussian(gaussian_model(), checkpoint=tmp_path, live=100)


def test_modes_have_their_masses():
    """A broad mode with a third and a narrow one with two thirds; of the rest of the prior, half is forbidden."""

    def term(universe):
        index, amplitude = universe.source.spectrum.index, universe.source.spectrum.amplitude
        broad, narrow = (-0.5 * ((index - at) / sd) ** 2 - jnp.log(sd) for at, sd in ((2.2, 0.1), (3.1, 0.02)))
        return jnp.where(amplitude < 2.05, jnp.logaddexp(broad, jnp.log(2.0) + narrow), jnp.nan)

    found = nested(posterior(default_prior, term), jax.random.key(0), live=200, batch=20, progress=False)
    assert is_right(found, np.log(3 * np.sqrt(2 * np.pi) / 1.7 / 2))
    index, amplitude = found.draws["index"][0], found.draws["amplitude"][0]
    assert np.mean(index > 2.8) == pytest.approx(2 / 3, abs=0.12)
    assert np.max(amplitude) < 2.05 and np.mean(amplitude) == pytest.approx(1.075, abs=0.1)


def test_power_law_without_a_boson():
    """ln Z and marginals against integrals over amplitude and index of the likelihood of exact power laws."""
    terms = [load("icecube-cascades-6yr"), load("icecube-tracks-9.5yr")]
    model = posterior(partial(default_prior, coupling=None, channels="narrow"), *terms, resolution=Resolution(40, 4))

    @jax.jit
    def likelihood(amplitude, index):
        total = 0.0
        for term in terms:
            integral = amplitude * 1e-13 * -jnp.diff((term.edges / 1e5) ** (1 - index)) / (index - 1)
            total += term.log_likelihood(term.combine(jnp.tile(integral[None], (3, 1))))
        return jnp.exp(total)

    integral, _ = dblquad(likelihood, 1.8, 3.5, 0.1, 4.0, epsrel=1e-3)
    log_evidence = np.log(integral / (3.9 * 1.7))
    weighted = evidence(model, jax.random.key(0), draws=2048, sweep=256, progress=False)
    assert set(weighted.values) == {"amplitude", "index", "lightest"}
    assert weighted.log_evidence == pytest.approx(log_evidence, abs=4 * weighted.error)
    assert weighted.error < 0.03
    found = nested(model, jax.random.key(0), live=200, batch=20, progress=False)
    assert set(found.draws) == {"amplitude", "index", "lightest"}
    assert is_right(found, log_evidence)

    chained = sample(model, jax.random.key(0), warmup=30, draws=200, sweep=256, jumps=8, progress=False)
    axes = {"amplitude": np.linspace(0.1, 4.0, 300), "index": np.linspace(1.8, 3.5, 300)}
    density = np.asarray(jax.vmap(jax.vmap(likelihood, (None, 0)), (0, None))(*map(jnp.asarray, axes.values())))
    levels = [0.1587, 0.5, 0.8413]
    for number, (name, axis) in enumerate(axes.items()):
        below = np.cumsum(np.sum(density, axis=1 - number))
        exact = np.interp(levels, below / below[-1], axis)
        for draws in (found.draws[name], chained.draws[name]):
            np.testing.assert_allclose(np.quantile(draws, levels), exact, atol=0.1 * (exact[2] - exact[0]))


def test_verdict_on_made_up_runs():
    def words(**changed):
        good = {"log_evidence": -1.0, "log_evidence_error": 0.1, "effective_sample_size": 900.0, "memory": 0.1}
        numbers = {**good, "remainder": 0.009, **changed}
        values = np.zeros((1, 10))
        return verdict(make_posterior({"mass": values}, {"lp": values}, {"mass": "MeV"}, {"seed": 0}, **numbers))

    assert words() == (
        "Trust this: ln Z known to ± 0.10 with 0.9% of Z left in the live points, an effective sample size of 900, "
        "new points with a memory of 0.10."
    )
    assert words(effective_sample_size=80.0).startswith("Do not trust this: effective sample size 80 (must be ≥ 400")
    assert "ln Z known to ± 0.70 (must be ≤ 0.5" in words(log_evidence_error=0.7)
    assert "take more steps" in words(memory=0.6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps and batch must be positive, got steps=0"),
        ({"live": 20}, "got live=20 for batch=20 and 5 parameters"),
        ({"live": 10, "batch": 1}, "got live=10 for batch=1 and 5 parameters"),
    ],
)
def test_bad_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        nested(gaussian_model(), jax.random.key(0), **arguments)


def test_command(run):
    """`jaxnu posterior` with method nested: what it refuses, ln Z and the Bayes factor in words, and the files."""
    tables = {
        "mesh": {"nodes": 60, "shells": 8},
        "sampling": {"method": "nested", "sweep": 64, "bands": 20},
        "search": {"sweep": 8, "starts": 2, "steps": 2},
        "nested": {"live": 50, "batch": 50, "steps": 1},
        "model": {"channels": "narrow"},
    }
    Path("small.toml").write_text(tomli_w.dumps(tables))
    words = ("posterior", "--config", "small.toml", "--output", "run", "--quiet")
    code, _, complaint = run(*words)
    assert code == 2 and "nested.batch must be less than nested.live, got 50 and 50" in complaint
    tables["nested"]["batch"] = 10
    Path("small.toml").write_text(tomli_w.dumps(tables))
    code, said, complaint = run(*words)
    assert (code, complaint) == (0, "")
    assert "ln Z = " in said and "without a Z′." in said and "Bayes factor" in said and "rust this" in said
    assert "Channels: narrow. The narrow width" in said
    assert load_posterior("run/posterior.nc").log_evidence is not None
    names = {path.name for path in Path("run").iterdir()}
    assert {"posterior.nc", "summary.csv", "fit.toml", "corner.png", "spectrum.png", "plane.png"} <= names
    assert "chains.png" not in names and "checkpoint" not in names
