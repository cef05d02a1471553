"""Powers of x = E/E′ in which the daughters of a scattering are spread: few of them stand for a geometric series.

With ρ = y/(1 + y), the propagator of exchange is 1/[1 + y(1 − x)] = (1 − ρ) Σ_n (ρx)^n, and its square (1 − ρ)² Σ_n (n
+ 1)(ρx)^n. All terms are positive, and each power of x is a moment that the march carries on from node to node. From n
= 3 on the terms are replaced by eight powers, which give both sums to 1.6e-4 for all 0 ≤ ρx ≤ 1 − 1/100.
"""

from __future__ import annotations

import numpy as np

# By benchmarks/make_powers.py.
_HIGH = [3.22843, 6.15037, 12.78528, 26.61774, 54.89727, 112.59838, 231.20396, 485.31929]
_HIGH_TERMS = [1.750783, 4.391522, 9.426851, 19.385965, 39.539141, 80.786923, 167.388279, 376.297591]

POWERS = np.array([-1.0, 0.0, 1.0, 2.0, *_HIGH])
TERMS = np.array([0.0, 1.0, 1.0, 1.0, *_HIGH_TERMS])
"""The powers p_l, and how many terms of the series each stands for; p = −1 is for daughters that are not in it."""
