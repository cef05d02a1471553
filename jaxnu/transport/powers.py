"""Powers of x = E/E′ in which the daughters of a scattering are spread: few of them stand for a geometric series.

With ρ = y/(1 + y), the propagator of exchange is 1/[1 + y(1 − x)] = (1 − ρ) Σ_n (ρx)^n, and its square (1 − ρ)² Σ_n (n
+ 1)(ρx)^n. All terms are positive, and each power of x is a moment that the march carries on from node to node. From n
= 3 on, blocks of terms, each twice as long as the one before, are replaced by two powers that keep the mean, the
variance and the third moment of n in the block.
"""

from __future__ import annotations

import numpy as np

_BLOCKS = 9


def _series() -> tuple[np.ndarray, np.ndarray]:
    powers, weights = [np.arange(3.0)], [np.ones(3)]
    start = 3
    for _ in range(_BLOCKS):
        terms = np.arange(start, 2 * start)
        powers.append(terms.mean() + terms.std() * np.array([-1.0, 1.0]))
        weights.append(np.full(2, terms.size / 2))
        start *= 2
    return np.concatenate(powers), np.concatenate(weights)


POWERS, TERMS = _series()
"""The powers p_l, and how many terms of the series each stands for."""
MOMENTS = np.concatenate([[-1.0], POWERS])
"""The powers of all moments of the march."""
