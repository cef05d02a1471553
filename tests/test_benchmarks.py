"""The arithmetic of the benchmarks: what they compare and count, not what they time."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnu

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import floor
import nusiprop
import timing


def test_comparison_with_nusiprop_solves_the_brute_force_problem():
    found, _ = nusiprop.solve_jaxnu(jaxnu.Resolution(80, 12))
    exact = nusiprop.truth(nusiprop.VECTOR, nusiprop.WARM, nodes=300, shells=400)
    np.testing.assert_allclose(found, exact, rtol=0.01)


class _Free:
    """A stand-in for nuSIprop's class in which nothing interacts."""

    def __init__(self, mphi, g, mntot, si, *, norm, N_bins_E, lEmin, lEmax, zmax, non_resonant, phiphi):
        assert mphi == pytest.approx(6.5e6)
        assert not non_resonant and not phiphi
        ends = np.logspace(lEmin, lEmax, N_bins_E + 1)  # eV
        step = ends[1] / ends[0]
        assert step ** int(np.log(1 + zmax) / np.log(step) + 1) == pytest.approx(6)  # where its steps end
        integral = -np.diff((ends / 1e14) ** (1 - si)) / (si - 1) * 1e14
        self.flux = norm / 3 * np.tile(integral / np.diff(ends), (3, 1))

    def evolve(self):
        pass

    def get_flux(self):
        return self.flux


@pytest.mark.parametrize("fine", [4, 10])
def test_bins_of_nusiprop_are_summed_to_those_of_the_comparison(fine):
    found, _ = nusiprop.solve_nusiprop(_Free, fine)
    index = nusiprop.GAMMA
    exact = 3e5 / (index - 1) * -np.diff((nusiprop.EDGES / 1e5) ** (1 - index))
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_operations_in_loops_are_counted_as_often_as_they_run():
    matrix = jnp.ones((30, 30))

    def inner(c, _):
        return c @ matrix, None

    def outer(c, _):
        return jax.lax.scan(inner, c, None, length=7)[0], None

    jaxpr = jax.make_jaxpr(lambda x: jax.lax.scan(outer, x, None, length=11)[0])(matrix)
    once, total = floor.cost(jaxpr)
    product = 2 * 30**3
    assert once[0] == pytest.approx(product, rel=0.01)
    assert total[0] == pytest.approx(77 * product, rel=0.01)
    assert total[1] > 77 * 3 * matrix.nbytes


def test_quartiles_in_milliseconds():
    assert timing.quartiles([1.0, 2.0, 3.0, 4.0, 5.0]).ms(count=10) == "300 (200–400)"
