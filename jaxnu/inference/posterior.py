"""A prior and likelihood terms as one numpyro model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jaxtyping import Array, ArrayLike, Float
from numpyro import handlers

from jaxnu.icecube import FluxPoints, check_overlaps
from jaxnu.transport.mesh import Resolution
from jaxnu.transport.solution import Solution
from jaxnu.transport.solver import propagate, solutions
from jaxnu.universe import Universe


class Model(eqx.Module):
    """A numpyro model: calling it draws a `Universe` from `prior` and adds every term's log-likelihood."""

    prior: Callable[[], Universe] = eqx.field(static=True)
    terms: tuple[Any, ...]
    resolution: Resolution

    def __call__(self) -> None:
        universe = self.prior()
        for number, value in enumerate(log_likelihoods(self, universe)):
            numpyro.factor(f"log_likelihood_{number}", value)


def posterior(prior: Callable[[], Universe], *terms: Any, resolution: Resolution = Resolution()) -> Model:
    """The numpyro model with density p(θ) Π_t L_t(universe(θ)): `prior` draws θ and returns the universe.

    A term is any callable Universe → log-likelihood; all that have `from_spectrum` (flux points) share one propagation.
    Raises ValueError, before anything is compiled, for no terms, for data that overlap, for terms without a hash, and
    for what the prior refuses.
    """
    if not terms:
        raise ValueError("posterior needs at least one likelihood term, got none")
    check_overlaps(terms)
    model = Model(prior, jax.tree.map(_hashable, terms), resolution)
    with handlers.block(), handlers.seed(rng_seed=0):
        universe = prior()
    if not isinstance(universe, Universe):
        raise ValueError(f"the prior must return a Universe, got {type(universe).__name__}")
    return model


def rough(model: Model) -> Model:
    """The model on a mesh no finer than `Resolution.fast()`: for starts and proposals, not for results."""
    fast, own = Resolution.fast(), model.resolution
    propagates = any(hasattr(term, "from_spectrum") for term in model.terms)
    if not propagates or own.nodes * own.shells <= fast.nodes * fast.shells:
        return model
    return replace(model, resolution=replace(own, nodes=fast.nodes, shells=fast.shells))


def _hashable(leaf: Any) -> Any:
    """An array as JAX's, anything else as it is: compiled code is found again by its hash."""
    if isinstance(leaf, np.ndarray):
        return jnp.asarray(leaf)
    if not isinstance(leaf, jax.Array | Hashable):
        kind = type(leaf).__name__
        raise ValueError(f"a term is or holds {kind}, which has no hash: use an equinox.Module or a frozen dataclass")
    return leaf


def flux_points(terms: Sequence[Any]) -> tuple[FluxPoints, ...]:
    """Those of the terms that are flux points."""
    return tuple(term for term in terms if isinstance(term, FluxPoints))


def other_terms(terms: Sequence[Any]) -> tuple[Any, ...]:
    """Those of the terms that are not flux points."""
    return tuple(term for term in terms if not isinstance(term, FluxPoints))


def log_likelihoods(model: Model, universe: Universe) -> list[Float[Array, ""]]:
    """ln L_t of every term, from one propagation."""
    return term_values(model.terms, universe, model.resolution)


def term_values(terms: Sequence[Any], universe: Universe, resolution: Resolution) -> list[Float[Array, ""]]:
    """The same for terms that belong to no model."""
    shared = any(hasattr(term, "from_spectrum") for term in terms)
    spectrum = propagate(universe, resolution) if shared else None
    return [
        term.from_spectrum(spectrum, universe) if hasattr(term, "from_spectrum") else jnp.asarray(term(universe))
        for term in terms
    ]


def bin_heights(terms: Sequence[FluxPoints], universe: Universe, resolution: Resolution) -> list[Float[Array, "bin"]]:
    """E²φ that a universe predicts in the bins of each term (GeV cm⁻² s⁻¹ sr⁻¹), from one propagation."""
    return _heights(terms, propagate(universe, resolution), universe)


def all_bin_heights(
    terms: Sequence[FluxPoints], universes: Universe, resolution: Resolution
) -> Float[Array, "point bin"]:
    """The same for universes whose leaves have a leading axis, in the bins of one term after another."""
    return _all_heights(terms, solutions(universes, resolution), universes)


@eqx.filter_jit
def _all_heights(terms: Sequence[FluxPoints], solved: Solution, universes: Universe) -> Float[Array, "point bin"]:
    return jax.vmap(lambda one, at: jnp.concatenate(_heights(terms, one, at)))(solved, universes)


@eqx.filter_jit
def _heights(terms: Sequence[FluxPoints], spectrum: Solution, universe: Universe) -> list[Float[Array, "bin"]]:
    return [term.predict_from(spectrum, universe) / term.segment for term in terms]


def universe_at(model: Model, values: Mapping[str, ArrayLike]) -> Universe:
    """The universe that the prior makes of the values of its sites; vmap it over a dictionary of arrays."""
    with (
        handlers.block(),
        handlers.seed(rng_seed=0),
        handlers.substitute(data={name: jnp.asarray(value) for name, value in values.items()}),
    ):
        return model.prior()
