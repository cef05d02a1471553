"""Transport of neutrinos through the relics: absorption, regeneration, all sources and redshift shells.

The comoving density per today's energy of mass state i obeys (2302.03571 eq. 7)

    −(1+z) H ∂_z ñ_i = c [ J_i − ñ_i Γ_i + P_i ∫_E^∞ dE′ F(E′,E) Σ_k ñ_k(E′) Γ_k(E′) ],   F = (3/E′)[x² + (1−x)²], x =
    E/E′.

It is triangular in energy, since scattering only loses it, and in redshift. So cells, each a node in energy and a shell
in redshift, are solved one after the other, along a `wavefront` of independent ones; what a cell feeds to itself is
solved exactly (`march`). However many times a neutrino scatters, and however opaque a shell is, no splitting error
arises between absorption and regeneration. Within a shell, emission and absorption are linear functions of place.

With more `channels` than the narrow resonance, neutrinos of all states feed each other: `coupled`, `exchange`.

All fluxes are relative to the one that would arrive freely, so that numbers are O(1) and a steep spectrum costs no
precision.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from jaxnu._field import full_precision
from jaxnu.cores import on_every_core
from jaxnu.mediators import neutrino_branching
from jaxnu.spectra import PowerLaw
from jaxnu.transport.line import depth_scale
from jaxnu.transport.mesh import Resolution
from jaxnu.transport.scans import values, with_slopes
from jaxnu.transport.solution import Solution
from jaxnu.universe import Universe

# Of so many numbers derivatives are taken forwards.
_FEW = 8


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _propagated(universe: Universe, resolution: Resolution) -> Solution:
    return values(universe, resolution)


@partial(_propagated.defjvp, symbolic_zeros=True)
def _propagated_jvp(resolution: Resolution, primals: tuple, tangents: tuple) -> tuple[Solution, Solution]:
    """By `with_slopes` if nothing but its directions moves, else by differentiation of the march."""
    (universe,), (ways,) = primals, tangents
    leaves, structure = jax.tree.flatten(universe)
    ways = structure.flatten_up_to(ways)
    moves = [not isinstance(way, SymbolicZero) for way in ways]
    if not _beyond_directions(universe, structure.unflatten(moves)):
        along = [way if moved else jnp.zeros(way.shape, way.dtype) for way, moved in zip(ways, moves, strict=True)]
        return _along(universe, resolution, structure.unflatten(along))

    def of_moving(*moved_leaves):
        changed = iter(moved_leaves)
        all_ = [next(changed) if moved else leaf for leaf, moved in zip(leaves, moves, strict=True)]
        return values(structure.unflatten(all_), resolution, unrolled=False)

    start, along = ([part for part, moved in zip(all_, moves, strict=True) if moved] for all_ in (leaves, ways))
    if universe.mediator.channels == "narrow" or sum(part.size for part in start) > _FEW:
        return jax.jvp(of_moving, start, along)
    # With all channels a few derivatives forwards take half as long, also to compile, as those by all backwards.
    flat, unravel = ravel_pytree(start)
    solution, slopes = jax.vmap(lambda way: jax.jvp(of_moving, start, unravel(way)), out_axes=(None, -1))(
        jnp.eye(flat.size, dtype=flat.dtype)
    )
    return solution, jax.tree.map(lambda slope: slope @ ravel_pytree(along)[0], slopes)


def _beyond_directions(universe: Universe, moves: Any) -> bool:
    """Whether leaves move that act by more than the `DIRECTIONS`, amplitude and the resonances' energies."""
    if not isinstance(universe.source.spectrum, PowerLaw):
        return True
    mediator, spectrum = moves.mediator, moves.source.spectrum
    covered = [mediator.mass, mediator.coupling, moves.neutrinos.lightest, spectrum.amplitude, spectrum.index]
    if universe.mediator.channels == "narrow":
        covered += [mediator.prefactor, mediator.dark_coupling, mediator.dark_mass]
        covered += [moves.relics.overdensity, moves.cosmology.h]
    return sum(jax.tree.leaves(moves)) > sum(covered)


def _along(universe: Universe, resolution: Resolution, way: Any) -> tuple[Solution, Solution]:
    """The solution and its derivative along `way`."""
    solution, *motions = with_slopes(universe, resolution)
    return solution, _derivative(universe, way, solution, *motions)


@jax.jit
def _derivative(universe: Universe, way: Any, solution: Solution, slopes: Array, velocity: Array) -> Solution:
    """What `with_slopes` says along `way`; the balances, which are errors, count as constant."""
    common = way.neutrinos.lightest, way.source.spectrum.index
    if universe.mediator.channels == "narrow":
        (depth, branching), (depth_slope, branching_slope) = jax.jvp(
            lambda u: (depth_scale(u), neutrino_branching(u.mediator)), (universe,), (way,)
        )
        along = _relative(depth, depth_slope), *common, branching_slope / branching
    else:
        mediator, moved = universe.mediator, way.mediator
        along = moved.mass / mediator.mass, _relative(mediator.coupling, moved.coupling), *common
    ratio = jnp.tensordot(jnp.stack(along), slopes, 1)
    # A heavier Z′ shifts the energy axis.
    log_energy = 2 * way.mediator.mass / universe.mediator.mass + velocity * way.neutrinos.lightest
    spectrum, moved = universe.source.spectrum, way.source.spectrum
    _, log_free = jax.jvp(lambda s, x: s.log_flux(x), (spectrum, solution.log_energy), (moved, log_energy))
    nothing = jnp.zeros_like(solution.energy_balance)
    return Solution(log_energy, log_free, ratio, nothing, nothing)


def _relative(value: Array, slope: Array) -> Array:
    """The slope of ln(value), 0 for none: nothing then depends on it to first order."""
    present = value > 0
    return jnp.where(present, slope / jnp.where(present, value, 1.0), 0.0)


@full_precision  # outside of jit, so that callers of any precision share what is compiled
def propagate(universe: Universe, resolution: Resolution = Resolution()) -> Solution:
    """The spectrum at Earth of every mass state, with absorption, regeneration and all sources (2302.03571 eq. 7).

    Jitted, with a `lax.scan` over blocks of cells; vmap it over any leaf of `universe`. Energies in GeV, fluxes in
    GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ for ν+ν̄. For a power law, derivatives in the mediator's and the lightest mass, g′, amplitude and
    index (and with the narrow resonance r, prefactor, overdensity, h) are computed beside the values; others take
    longer. Outside of jit, all that is computed from solutions and their derivatives shares what is compiled.
    """
    return _propagated(universe, resolution)


def solutions(universes: Universe, resolution: Resolution = Resolution()) -> Solution:
    """`propagate` for universes whose leaves all have a leading axis, as those of its result have.

    Side by side, but on a CPU one after another on each core, which is faster.
    """
    if jax.default_backend() != "cpu":
        return jax.vmap(lambda universe: propagate(universe, resolution))(universes)
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, universes))

    def one(number: int) -> Solution:
        return propagate(structure.unflatten([leaf[number] for leaf in leaves]), resolution)

    first = one(0)  # compiled before there are several threads
    others = on_every_core(one, range(1, len(leaves[0])))
    return jax.tree.map(lambda *parts: jnp.asarray(np.stack(parts)), first, *others)
