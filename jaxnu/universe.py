"""Everything that a prediction depends on, as one pytree."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from jaxnu.cosmology import Cosmology
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Neutrinos
from jaxnu.relics import Relics
from jaxnu.sources import Source


class Universe(eqx.Module):
    """A mediator, neutrinos, sources, the relics and the cosmology; its gradient is again a `Universe`."""

    mediator: LmuLtau
    neutrinos: Neutrinos
    source: Source
    relics: Relics = eqx.field(default_factory=Relics)
    cosmology: Cosmology = eqx.field(default_factory=Cosmology)

    def without_interactions(self) -> Universe:
        """The same universe with g′ = 0: nothing is absorbed or regenerated."""
        return eqx.tree_at(lambda u: u.mediator.coupling, self, replace_fn=jnp.zeros_like)
