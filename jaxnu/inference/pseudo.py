"""Pseudo-experiments: how often a power law alone looks as good as the data do.

Wilks' theorem fails here: without interactions, g′ = 0, the masses mean nothing, and the best of many places where a
dip can be is looked for. So Δχ² is compared with what simulated data give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from jaxnu.inference.amplitude import Measurement, profile_amplitude
from jaxnu.inference.bank import Bank
from jaxnu.inference.profile import profile

_POINT = ("mass", "lightest")


@dataclass(frozen=True)
class Significance:
    """Δχ² = χ²_power law − χ² of the data, and the same of simulated data under the best power law.

    `local` asks for the same m_Z′ and lightest mass as in the data's best fit, with all else free; `global_` for any.
    """

    best: dict[str, float]
    """The point of the bank that fits the data best."""
    power_law: dict[str, float]
    """The best point without interactions, with its amplitude: the truth of the simulated data."""
    delta_chi2: float
    local_simulated: Float[np.ndarray, " experiment"]
    global_simulated: Float[np.ndarray, " experiment"]

    @property
    def local_p(self) -> float:
        """Share of pseudo-experiments that reach the data's Δχ², (k + 1)/(n + 1)."""
        return _share(self.local_simulated, self.delta_chi2)

    @property
    def global_p(self) -> float:
        """The same anywhere in the bank."""
        return _share(self.global_simulated, self.delta_chi2)

    def summary(self) -> str:
        """Both as text, with the statistical error of the simulation."""
        lines = [f"Δχ² = {self.delta_chi2:.2f} from {len(self.global_simulated)} pseudo-experiments:"]
        for name, p in (("local", self.local_p), ("global", self.global_p)):
            error = math.sqrt(p * (1 - p) / len(self.global_simulated))
            lines.append(f"{name} p = {p:.3g} ± {error:.1g}, {in_sigmas(p):.2f} σ")
        return "\n".join(lines)


def in_sigmas(p: float) -> float:
    """The number of standard deviations that a normal variable exceeds with probability p; not below 0."""
    return max(NormalDist().inv_cdf(1 - p), 0.0) if p < 1 else 0.0


def significance(bank: Bank, key: PRNGKeyArray, *, experiments: int = 2000) -> Significance:
    """Local and global significance of the best point of a bank.

    The same bank fits the data and the simulated data. So the p-values hold for any bank that was not made with the
    data in mind, however coarse: a coarse one misses part of a dip, in both alike, and finds less than a fine one
    would. Raises ValueError for a number of experiments that is not positive, and data that cannot be simulated.
    """
    if experiments < 1:
        raise ValueError(f"experiments must be positive, got {experiments}")
    seen = profile(bank, list(bank.axes))
    at = np.unravel_index(np.argmin(seen.chi2), seen.chi2.shape)
    best = {name: float(axis[i]) for (name, axis), i in zip(bank.axes.items(), at, strict=True)}
    power_law, height = best_power_law(bank)
    simulated = simulate(bank.data, jnp.asarray(height), key, experiments)
    names = [name for name in _POINT if name in bank.axes]
    found = profile(bank, names, simulated)
    here = tuple(at[list(bank.axes).index(name)] for name in names)
    return Significance(
        best,
        power_law,
        float(seen.delta_chi2),
        np.maximum(found.free_chi2 - found.chi2[(slice(None), *here)], 0.0),
        found.delta_chi2,
    )


def best_power_law(bank: Bank, data: Measurement | None = None) -> tuple[dict[str, float], Float[np.ndarray, "bin"]]:
    """The best point without interactions, with `amplitude`, and its heights in GeV cm⁻² s⁻¹ sr⁻¹."""
    data = bank.data if data is None else data
    heights = bank.free_heights.reshape(-1, bank.free_heights.shape[-1])
    amplitude, chi2 = jax.vmap(lambda height: profile_amplitude(data, height))(jnp.asarray(heights))
    at = int(np.argmin(np.asarray(chi2) + bank.free_penalty.ravel()))
    where = np.unravel_index(at, bank.free_penalty.shape)
    point = {
        name: float(axis[i])
        for (name, axis), i, size in zip(bank.axes.items(), where, bank.free_penalty.shape, strict=True)
        if size == axis.size
    }
    return {**point, "amplitude": float(amplitude[at])}, float(amplitude[at]) * heights[at]


def simulate(data: Measurement, height: Float[jax.Array, "bin"], key: PRNGKeyArray, count: int) -> Measurement:
    """`count` data sets drawn from the likelihood itself, with the errors of `data`, around the heights of a truth.

    A point is the truth + σ₋|z| with probability σ₋/(σ₋ + σ₊) and the truth − σ₊|z| otherwise: the density of the
    split-normal likelihood as one of the measured value. A limit is a Poisson number of events of mean z²/2 x/limit.
    Raises ValueError for bins whose likelihood is not a density (limits of the convention "delavega2024").
    """
    if not can_be_simulated(data):
        raise ValueError("limits that cost nothing until they are exceeded cannot be simulated; use split-normal")
    return _drawn(data, height, key, count)


@partial(jax.jit, static_argnums=3)
def _drawn(data: Measurement, height: Float[jax.Array, "bin"], key: PRNGKeyArray, count: int) -> Measurement:
    counted = data.rate > 0
    side, size, events = jax.random.split(key, 3)
    shape, dtype = (count, height.size), height.dtype
    minus, plus = (jnp.where(counted, 0.0, part) for part in (data.minus, data.plus))
    up = jax.random.uniform(side, shape, dtype) * (minus + plus)[None] < minus[None]
    length = jnp.abs(jax.random.normal(size, shape, dtype))
    value = height[None] + jnp.where(up, minus[None], -plus[None]) * length
    seen = jax.random.poisson(events, jnp.broadcast_to(data.rate * height, shape)).astype(dtype)
    many = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, shape), data)
    return eqx.tree_at(lambda tree: (tree.value, tree.events), many, (jnp.where(counted[None], 0.0, value), seen))


def can_be_simulated(data: Measurement) -> bool:
    """Whether the likelihood of every bin is a density: a count, or a point with an error on either side."""
    return bool(jnp.all((data.rate > 0) | (jnp.isfinite(data.minus) & jnp.isfinite(data.plus))))


def _share(simulated: np.ndarray, found: float) -> float:
    return (float(np.sum(simulated >= found)) + 1) / (simulated.size + 1)
