"""The tables of jaxnu/transport/powers.py and boson_pairs.py: powers of x for exchange, and neutrinos of Z′Z′ in them.

    python benchmarks/make_powers.py

The first eight numbers minimise the largest relative error of Σ q^n and Σ (n + 1) q^n over 0 ≤ q ≤ 0.99. The second
table is a Chebyshev fit along y of least squares along x, weighted with x² and with all of the energy kept.
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import chebyshev
from scipy.optimize import least_squares

from jaxnu.daughters import boson_daughters

COUNT, LARGEST, DEGREE, USED = 8, 100.0, 8, 8


def series() -> tuple[np.ndarray, np.ndarray]:
    """Powers and numbers of terms that stand for n = 3, 4, …"""
    q = 1 - np.geomspace(1 / LARGEST, 1, 240)
    q = q[q > 1e-3]

    def parts(theta):
        return 2.4 + np.cumsum(np.exp(theta[:COUNT])), np.exp(theta[COUNT:])

    def errors(theta):
        powers, terms = parts(theta)
        low, high = q[:, None] ** np.arange(3), q[:, None] ** powers
        first = low.sum(1) + high @ terms
        second = low @ np.arange(1, 4) + high @ (terms * (powers + 1))
        return np.concatenate([first * (1 - q) - 1, second * (1 - q) ** 2 - 1])

    start = np.geomspace(3.2, 4 * LARGEST, COUNT)
    theta = np.log(np.concatenate([np.diff(start, prepend=2.4), np.gradient(start)]))
    for power in (1, 2, 4):  # from least squares towards the smallest maximum
        theta = least_squares(lambda t, power=power: (1e3 * np.abs(errors(t))) ** power, theta, max_nfev=400).x
    print(f"largest error {np.abs(errors(theta)).max():.1e}")
    return parts(theta)


def bosons(powers: np.ndarray) -> np.ndarray:
    """Coefficients (power of t, power of x) of dN/dx over f_zz, t = 2/[1 + ½ ln(y/4)] − 1."""
    nodes, weights = np.polynomial.legendre.leggauss(160)
    x, w = ((nodes + 1) / 2) ** 2, weights * (nodes + 1) / 2
    t = chebyshev.chebpts1(40)
    t = t[t > -0.77]  # y < 1e7
    y = 4 * np.exp(2 * (2 / (t + 1) - 1))
    spectra = np.asarray(jax.vmap(jax.vmap(boson_daughters, (None, 0)), (0, None))(jnp.asarray(y), jnp.asarray(x)))
    spectra = spectra / (spectra @ (w * x))[:, None]
    basis, energy = x ** powers[:, None], 1 / (powers[:, None] + 2)
    normal = (basis * w * x**2) @ basis.T + 1e-6 * np.eye(powers.size)  # keeps the coefficients small
    system = np.block([[normal, energy], [energy.T, np.zeros((1, 1))]])
    right = np.concatenate([(basis * w * x**2) @ spectra.T, np.ones((1, spectra.shape[0]))])
    fits = np.linalg.solve(system, right)[: powers.size].T
    return np.stack([chebyshev.cheb2poly(c) for c in chebyshev.chebfit(t, fits, DEGREE).T], axis=1)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    powers, terms = series()
    print(np.array2string(powers, precision=5, separator=", "))
    print(np.array2string(terms, precision=6, separator=", "))
    used = np.concatenate([np.arange(-1.0, 3.0), powers])[:USED]
    print(np.array2string(bosons(used), precision=6, separator=", ", max_line_width=110))
