"""What is usually swept: the profile over A and γ against brute force, gradients against differences, fluxes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize_scalar

import jaxnu
from jaxnu.scan import (
    BinnedFlux,
    Gradient,
    LogLikelihood,
    ProfileLikelihood,
    standard_universe,
    sweep,
)
from jaxnu.scan.profile import _best_index

RESOLUTION = jaxnu.Resolution(60, 8)
TERMS = (jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr"))
narrow_universe = partial(standard_universe, channels="narrow")
POINTS = ((1.5, 3e-4), (3.0, 1e-2), (6.5, 5e-4), (12.0, 1e-3), (20.0, 1e-1), (9.0, 0.0))


def unit_heights(mass, coupling, index):
    """∫φ dE of all terms at A = 1, which enters as a factor."""
    universe = narrow_universe(mass=mass, coupling=coupling, amplitude=1.0, index=index)
    spectrum = jaxnu.propagate(universe, RESOLUTION)
    return [term.predict_from(spectrum, universe) for term in TERMS]


@jax.jit
def total(amplitude, parts):
    """The likelihood that users call."""
    return sum(term.log_likelihood(amplitude * part) for term, part in zip(TERMS, parts, strict=True))


def brute_force(predictions):
    """max over A of ln L at each γ, by bounded minimisation in ln A."""
    best = []
    for parts in predictions:
        found = minimize_scalar(
            lambda x, parts=parts: -float(total(jnp.exp(x), parts)),
            bounds=(-5, 5),
            method="bounded",
            options={"xatol": 1e-7},
        )
        best.append((-found.fun, np.exp(found.x)))
    return np.array(best)


def test_profile_is_the_best_of_a_fine_grid():
    profile = ProfileLikelihood(TERMS, RESOLUTION)
    function = jax.jit(lambda mass, coupling: profile(narrow_universe(mass=mass, coupling=coupling)))
    step = 0.02
    indices = jnp.arange(1.8, 3.5 + step / 2, step)
    for mass, coupling in POINTS:
        found = function(jnp.asarray(mass), jnp.asarray(coupling))
        grid = brute_force([unit_heights(mass, coupling, index) for index in indices])
        best = int(np.argmax(grid[:, 0]))
        # not below any point of the grid, and no more above it than a parabola between its points allows
        assert -1e-4 < float(found["log_likelihood"]) - grid[best, 0] < 40 * step**2
        assert float(found["best_index"]) == pytest.approx(float(indices[best]), abs=1.5 * step)
        assert float(found["best_amplitude"]) == pytest.approx(grid[best, 1], rel=3 * step)


def test_amplitude_stays_in_its_range_and_index_where_it_is():
    profile = ProfileLikelihood(TERMS, RESOLUTION, amplitude=(3.0, 4.0), index=None)
    found = profile(narrow_universe(index=2.5))
    assert found["best_amplitude"] == 3.0 and found["best_index"] == 2.5
    direct = float(total(3.0, unit_heights(6.5, 5e-4, 2.5)))
    assert float(found["log_likelihood"]) == pytest.approx(direct, abs=1e-6)


@pytest.mark.parametrize(
    ("function", "best"),
    [
        (lambda x: -((x - 2.345) ** 2), 2.345),
        (lambda x: jnp.where(x < 2.3, -5 * (x - 2.3) ** 2, -((x - 2.3) ** 2)), 2.3),
        (lambda x: x, 3.5),
        (lambda x: -x, 1.8),
        # two maxima, the higher one the narrower
        (lambda x: jnp.exp(-30 * (x - 3.1) ** 2) + 0.8 * jnp.exp(-20 * (x - 2.1) ** 2), 3.1),
    ],
    ids=["parabola", "two halves", "upper end", "lower end", "two maxima"],
)
def test_search_for_the_index_finds_known_maxima(function, best):
    x, value, extra = _best_index(lambda x: (function(x), 2 * x), 1.8, 3.5, 4)
    assert float(x) == pytest.approx(best, abs=0.03)
    assert float(value) == pytest.approx(float(function(jnp.asarray(best))), abs=1e-3)
    assert float(extra) == 2 * float(x)


def test_gradient_agrees_with_differences_of_the_likelihood():
    function = Gradient(LogLikelihood(TERMS[:1], RESOLUTION))
    at = {"amplitude": 1.3, "index": 2.4}
    found = function(narrow_universe(**at))
    for name in at:
        up, down = (
            function(narrow_universe(**at | {name: at[name] + step}))["log_likelihood"] for step in (1e-4, -1e-4)
        )
        assert float(found[f"d_{name}"]) == pytest.approx(float(up - down) / 2e-4, rel=1e-4)
    assert all(np.isfinite(float(part)) for part in found.values())


def test_sweep_of_binned_fluxes_is_the_flux(tmp_path):
    edges = jnp.asarray([1e4, 1e5, 1e6])
    axes = {"coupling": np.asarray([0.0, 1e-3]), "index": np.asarray([2.0, 2.5, 3.0])}
    store = str(tmp_path / "scan.zarr")
    sweep(BinnedFlux(edges, RESOLUTION), axes, store, dims={"flux": ["flavour", "bin"]}, progress=False)
    with xr.open_zarr(store) as data:
        free = data["flux"].sel(coupling=0.0).values
        gamma = axes["index"][:, None]
        power = 1 - gamma
        low, high = np.asarray(edges[:-1]), np.asarray(edges[1:])
        expected = 1.5e-18 * 1e5**gamma * (high**power - low**power) / power
        np.testing.assert_allclose(free, np.repeat(expected[:, None, :], 3, axis=1), rtol=1e-6)
        assert np.all(data["flux"].sel(coupling=1e-3).values != free)
        assert data["index"].dtype == float and "units" not in data["coupling"].attrs


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ProfileLikelihood(()), "needs flux points"),
        (lambda: ProfileLikelihood((lambda universe: 0.0,)), "needs flux points"),
        (lambda: ProfileLikelihood(TERMS, amplitude=(2.0, 1.0)), "amplitude must be an ascending range"),
        (lambda: ProfileLikelihood(TERMS, index=(3.0, 2.0)), "index must be an ascending range"),
    ],
)
def test_bad_profiles_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
