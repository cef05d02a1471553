"""Transport with all channels at the default resolution, against the independent referee and its own balances."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnu
from jaxnu.earth import binned_spectrum

REFERENCE = json.loads((Path(__file__).parent / "reference_channels.json").read_text())
EDGES = jnp.asarray(REFERENCE["edges_gev"])
NAMES = ("mass_mev", "coupling", "lightest_ev", "gamma")
# As derived before this code was written: nine bins of a third of a decade, to 1 %.
PUBLISHED = {
    (3.0, 0.02): [1.136, 1.023, 0.449, 0.432, 0.536, 0.738, 0.762, 0.819, 0.871],
    (10.0, 0.05): [1.080, 1.097, 1.058, 0.892, 0.564, 0.144, 0.382, 0.454, 0.461],
}


def made(numbers, mixing, channels):
    """A universe of either ordering, which follows from the mixing."""
    mass, coupling, lightest, index = numbers
    return jaxnu.Universe(
        jaxnu.LmuLtau(mass, coupling, channels=channels),
        jaxnu.Neutrinos(lightest, "either", mixing),
        jaxnu.Source(jaxnu.PowerLaw(1.0, index), jaxnu.StarFormation()),
    )


def mixing_of(ordering):
    return jaxnu.Neutrinos(0.01, ordering, "nufit-5.0").mixing


def transmission(numbers, mixing, channels):
    """Of the flux in each bin, (mass, bin), and the solution."""
    universe = made(numbers, mixing, channels)
    solution = jaxnu.propagate(universe)
    free = jaxnu.propagate(made((numbers[0], 0.0, *numbers[2:]), mixing, "narrow"))
    flux, without = (jnp.sum(binned_spectrum(s, universe, EDGES), axis=0) for s in (solution, free))
    return flux / without, solution


@pytest.fixture(scope="module")
def solved():
    """All reference points, in one compilation for each choice of channels."""
    return {
        channels: [
            transmission(tuple(jnp.asarray(point[name]) for name in NAMES), mixing_of(point["ordering"]), channels)
            for point in REFERENCE["points"]
        ]
        for channels in ("breit-wigner", "all")
    }


@pytest.mark.parametrize("channels", ["breit-wigner", "all"])
def test_flux(solved, channels):
    """0.3 % where a tenth of the flux arrives, 1 % where a hundredth does."""
    for point, (found, _) in zip(REFERENCE["points"], solved[channels], strict=True):
        truth, unsure = (np.array(point[channels][name]["total"]) for name in ("open", "open_error"))
        error = np.abs(np.asarray(found) - truth) - unsure
        assert np.all(error[truth > 0.1] < 3e-3 * truth[truth > 0.1]), point["mass_mev"]
        assert np.all(error[truth > 0.01] < 1e-2 * truth[truth > 0.01]), point["mass_mev"]


def test_published_numbers(solved):
    for point, (found, _) in zip(REFERENCE["points"], solved["all"], strict=True):
        expected = PUBLISHED.get((point["mass_mev"], point["coupling"]))
        if expected:
            np.testing.assert_allclose(found, expected, rtol=0.01, atol=0.002)


@pytest.mark.parametrize("channels", ["breit-wigner", "all"])
def test_energy_and_number_are_conserved(solved, channels):
    """Of what scatters, energy to 2e-3 and number to 1.5 %, but for the soft end of Z′Z′ (0.5 MeV, g′ = 0.1)."""
    for point, (_, solution) in zip(REFERENCE["points"], solved[channels], strict=True):
        assert abs(float(solution.energy_balance)) < 2e-3
        if channels == "breit-wigner" or (point["mass_mev"], point["coupling"]) != (0.5, 0.1):
            assert abs(float(solution.number_balance)) < 1.5e-2
        assert np.all(np.isfinite(np.asarray(solution.ratio)))


def test_weak_coupling_is_narrow(solved):
    """At g′ = 1e-4 no other channel matters, and without coupling nothing happens."""
    numbers, mixing = tuple(jnp.asarray(x) for x in (5.0, 1e-4, 0.02, 2.5)), mixing_of("normal")
    narrow, _ = transmission(numbers, mixing, "narrow")
    for channels in ("breit-wigner", "all"):
        np.testing.assert_allclose(transmission(numbers, mixing, channels)[0], narrow, rtol=5e-4)
        nothing = transmission((numbers[0], jnp.asarray(0.0), *numbers[2:]), mixing, channels)[0]
        np.testing.assert_allclose(nothing, 1, rtol=1e-6)


def test_single_precision():
    """To 1e-3 of the flux in each bin, weak, strong and opaque."""

    def flux(numbers, dtype):
        universe = made(tuple(jnp.asarray(number, dtype) for number in numbers), mixing_of("normal"), "all")
        universe = jax.tree.map(lambda leaf: leaf.astype(dtype), universe)
        return jnp.sum(jaxnu.binned_flux(universe, EDGES.astype(dtype)), axis=0)

    for numbers in ((2.0, 1e-3, 0.0, 2.5), (6.5, 0.1, 0.02, 2.2), (1.0, 0.1, 0.0, 2.5)):
        single, double = (flux(numbers, dtype) for dtype in (jnp.float32, jnp.float64))
        assert single.dtype == jnp.float32
        np.testing.assert_allclose(single.astype(float), double, rtol=1e-3)


def test_derivatives():
    """Along mass, coupling, lightest mass and index: by differences of four values, and finite from g′ = 0 to 0.3.

    A dark channel makes the branching ratio depend on m_Z′ and g′.
    """
    mixing = mixing_of("normal")

    def log_flux(numbers):
        dark = jaxnu.LmuLtau(numbers[0], numbers[1], 0.01, 1.0, channels="all")
        universe = eqx.tree_at(lambda u: u.mediator, made(numbers, mixing, "all"), dark)
        return jnp.log(1e18 * jnp.sum(jaxnu.binned_flux(universe, EDGES), axis=0))

    jacobian = jax.jit(jax.jacfwd(log_flux))
    for numbers in ((8.0, 0.02, 0.03, 2.5), (3.0, 0.05, 0.01, 2.2), (20.0, 0.1, 0.1, 2.7)):
        numbers = jnp.asarray(numbers)
        slopes = np.asarray(jacobian(numbers))
        for k, step in enumerate((5e-3 * float(numbers[0]), 5e-3 * float(numbers[1]), 1e-4, 1e-3)):
            way = step * np.eye(4)[k]
            one, two = (np.asarray(log_flux(numbers + n * way) - log_flux(numbers - n * way)) for n in (1, 2))
            difference = (8 * one - two) / (12 * step)
            np.testing.assert_allclose(slopes[:, k], difference, atol=5e-3 * np.abs(difference).max(), err_msg=NAMES[k])
    for mass, coupling, lightest in ((0.5, 0.3, 0.0), (1.0, 0.3, 0.1), (5.0, 0.0, 0.02), (50.0, 0.3, 1e-3)):
        slopes = jacobian(jnp.asarray([mass, coupling, lightest, 2.5]))
        assert np.all(np.isfinite(np.asarray(slopes)))
