"""Upper limits on g′ as a function of m_Z′, and those to be expected if there were nothing."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from jaxnu.inference.bank import Bank
from jaxnu.inference.profile import Profile, profile
from jaxnu.inference.pseudo import best_power_law, simulate


@dataclass(frozen=True)
class Limits:
    """One-sided limits on g′, ∞ where no coupling of the bank is excluded."""

    mass: Float[np.ndarray, " mass"]
    """MeV."""
    level: float
    observed: Float[np.ndarray, " mass"]
    expected: Float[np.ndarray, "experiment mass"]
    """Of simulated data under the best power law."""

    def bands(self) -> Float[np.ndarray, "quantile=5 mass"]:
        """The 2.5, 16, 50, 84 and 97.5 % quantiles of the expected limits."""
        return np.quantile(self.expected, [0.025, 0.16, 0.5, 0.84, 0.975], axis=0, method="nearest")


def coupling_limits(bank: Bank, key: PRNGKeyArray, *, level: float = 0.95, experiments: int = 500) -> Limits:
    """For each mass of the bank the g′ above which every coupling is excluded, all else profiled.

    g′ is excluded if it lies above the best one and χ² exceeds the minimum at that mass, which includes g′ = 0, by z²
    with Φ(z) = `level` (2.71 at 95 %: Wilks for one parameter with a boundary). Where no lightest mass is excluded
    because regeneration fills what absorption takes, there is no limit. As the effect of g′ saturates, these limits
    cover more often than they say.
    Raises ValueError for a level outside ½ to 1, banks without axes `mass` and `coupling`, and data that cannot be
    simulated.
    """
    if not 0.5 < level < 1:
        raise ValueError(f"level must lie between 0.5 and 1, got {level}")
    axes = ("mass", "coupling")
    threshold = NormalDist().inv_cdf(level) ** 2
    observed = upper_limits(profile(bank, axes), bank.axes["coupling"], threshold)
    _, height = best_power_law(bank)
    simulated = simulate(bank.data, jnp.asarray(height), key, experiments)
    expected = upper_limits(profile(bank, axes, simulated), bank.axes["coupling"], threshold)
    return Limits(bank.axes["mass"], level, observed, expected)


def upper_limits(
    found: Profile, coupling: Float[np.ndarray, " coupling"], threshold: float
) -> Float[np.ndarray, "... mass"]:
    """The largest g′ at which χ² of a profile over (mass, coupling) is within `threshold` of its minimum at that mass.

    Linear in ln g′ between couplings; the first coupling if all are excluded, ∞ if the last one is not.
    """
    least = np.minimum(np.min(found.chi2, axis=-1), found.free_chi2[..., None])
    above = found.chi2 - least[..., None] - threshold
    inside = above <= 0
    last = coupling.size - 1 - np.argmax(inside[..., ::-1], axis=-1)
    here, after = last[..., None], np.minimum(last + 1, coupling.size - 1)[..., None]
    low, high = (np.take_along_axis(above, at, axis=-1)[..., 0] for at in (here, after))
    share = np.where(high > low, -low / np.where(high > low, high - low, 1.0), 0.0)
    log = np.log(coupling)
    limit = np.exp(log[last] + share * (log[after[..., 0]] - log[last]))
    limit = np.where(last == coupling.size - 1, np.inf, limit)
    return np.where(np.any(inside, axis=-1), limit, coupling[0])
