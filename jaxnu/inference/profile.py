"""Profile likelihoods on a bank: χ² at its minimum over the amplitude and over all axes that are not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxnu.inference.amplitude import Measurement, profile_amplitude
from jaxnu.inference.bank import Bank


@dataclass(frozen=True)
class Profile:
    """χ² against some of a bank's axes, at its minimum over everything else, for the data or for many data sets."""

    names: tuple[str, ...]
    """The last axes of `chi2`."""
    chi2: Float[np.ndarray, "..."]
    free_chi2: Float[np.ndarray, "..."]
    """The minimum without interactions."""

    @property
    def delta_chi2(self) -> Float[np.ndarray, "..."]:
        """What the interactions gain over none, ≥ 0 because none is a special case: χ²_free − min(χ², χ²_free)."""
        axes = tuple(range(-len(self.names), 0))
        return np.asarray(np.maximum(self.free_chi2 - np.min(self.chi2, axis=axes), 0.0))


def profile(bank: Bank, names: Sequence[str], data: Measurement | None = None) -> Profile:
    """χ² on the axes `names`, for the bank's own data or for `data`, whose leaves may have one leading axis.

    Regions of given confidence are where χ² exceeds its minimum by less than 0.99 and 3.84 (one axis, 68 and 95 %) or
    2.28 and 5.99 (two axes), as far as Wilks' theorem holds, which it does not near g′ = 0.
    Raises ValueError for names that are not axes of the bank.
    """
    unknown = [name for name in names if name not in bank.axes]
    if unknown or not names:
        raise ValueError(f"a profile needs axes of the bank, {', '.join(bank.axes)}, got {', '.join(names) or 'none'}")
    data = bank.data if data is None else data
    order = list(bank.axes)
    kept = [order.index(name) for name in names]
    rest = [at for at in range(len(order)) if at not in kept]
    bins = bank.heights.shape[-1]
    shape = [bank.heights.shape[at] for at in kept]
    heights = np.transpose(bank.heights, (*kept, *rest, len(order))).reshape(int(np.prod(shape)), -1, bins)
    penalty = np.transpose(bank.penalty, (*kept, *rest)).reshape(heights.shape[:2])
    free = (jnp.asarray(bank.free_heights.reshape(-1, bins)), jnp.asarray(bank.free_penalty.ravel()))
    single = data.value.ndim == 1
    batch = jax.tree.map(lambda leaf: leaf[None], data) if single else data
    chi2, free_chi2 = _profiles(batch, (jnp.asarray(heights), jnp.asarray(penalty)), free)
    chi2 = np.asarray(chi2).reshape(-1, *shape)
    free_chi2 = np.asarray(free_chi2)
    return Profile(tuple(names), chi2[0] if single else chi2, free_chi2[0, ...] if single else free_chi2)


@jax.jit
def _profiles(batch: Measurement, bank, free):
    """For each data set: the least χ² in each row of the bank, and without interactions."""

    def of_one(data):
        at_point = jax.vmap(lambda height, penalty: profile_amplitude(data, height)[1] + penalty)
        return jnp.min(jax.vmap(at_point)(*bank), axis=1), jnp.min(at_point(*free))

    return jax.lax.map(of_one, batch)
