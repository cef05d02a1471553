"""What the march needs, from a universe: nodes and their weights, edges, couplings, sources, and how these move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnu.evolutions import SingleRedshift
from jaxnu.mediators import neutrino_branching
from jaxnu.neutrinos import charge_couplings
from jaxnu.sources import mass_fractions
from jaxnu.spectra import PowerLaw
from jaxnu.transport import layout
from jaxnu.transport.block import Setting
from jaxnu.transport.coupled import CoupledState, nothing
from jaxnu.transport.exchange import exchange
from jaxnu.transport.injection import log_free_flux, power_law_shares, shell_injection
from jaxnu.transport.interpolation import cell_weights, line_weights
from jaxnu.transport.layout import Nodes, windows
from jaxnu.transport.line import depth_scale, path_factor, reduced_energy, reduced_masses
from jaxnu.transport.march import PowerWeights, State, Weights, kernel_sum
from jaxnu.transport.mesh import Resolution, log_energy_nodes, shell_edges
from jaxnu.transport.powers import POWERS
from jaxnu.transport.response_tangents import Motion
from jaxnu.transport.thermal import mean_energies
from jaxnu.universe import Universe


class Prelude(NamedTuple):
    """All that is known before the march: the mesh, what cells share, and what each block of rows sees of the nodes."""

    log_energy: Float[Array, "node"]
    log_free: Float[Array, "node"]
    one_plus_z: Float[Array, "edge"]
    setting: Setting
    seen: Nodes
    start: Any
    """`State` or `CoupledState`"""


def prelude(universe: Universe, resolution: Resolution) -> Prelude:
    """The problem of a universe on its mesh."""
    x = log_energy_nodes(universe, resolution)
    one_plus_z = shell_edges(universe, resolution)
    around = setting(universe, one_plus_z)
    log_free = log_free_flux(around.spectrum, around.sources, x)
    weights = (march_weights if around.exchange is None else power_weights)(x, log_free)
    nodes = Nodes(x[::-1], log_free[::-1], reduced_energy(universe, x[::-1]), weights)
    return Prelude(x, log_free, one_plus_z, around, windows(nodes, resolution.shells), _start(universe, around))


def setting(universe: Universe, one_plus_z: Float[Array, "edge"]) -> Setting:
    """What the cells of all nodes share, for shells between `one_plus_z`."""
    spectrum, evolution = universe.source.spectrum, universe.source.evolution
    alpha, nearness = reduced_masses(universe), 1 / one_plus_z
    couplings = charge_couplings(universe.neutrinos, universe.mediator.charges)
    sources = shell_injection(universe, one_plus_z)
    shares = None
    if isinstance(evolution, SingleRedshift):
        shares = jnp.zeros((2, 1, nearness.size - 1), dtype=nearness.dtype)  # all enter from behind
    elif isinstance(spectrum, PowerLaw):
        shares = power_law_shares(spectrum, sources)
    return Setting(
        universe.relics,
        alpha,
        nearness,
        (depth_scale(universe) * path_factor(universe, one_plus_z)).astype(layout.PRECISION),
        _series(universe, alpha, nearness),
        couplings.astype(layout.PRECISION),
        neutrino_branching(universe.mediator) * jnp.sum(couplings, axis=1) / jnp.sum(couplings),
        mass_fractions(universe.source, universe.neutrinos),
        spectrum,
        sources,
        shares,
        None if universe.mediator.channels == "narrow" else exchange(universe, one_plus_z),
    )


def _series(universe: Universe, alpha, nearness):
    """The `thermal.mean_energies` at the edges, beside arrays (target, row, edge)."""
    series = mean_energies(universe.relics, (alpha[:, None] * nearness[None, :]).astype(layout.PRECISION))
    return tuple(part[:, :, None, :] for part in series)


def march_weights(log_energy: Float[Array, "node"], log_free: Float[Array, "node"]) -> Weights:
    """The march's weights at nodes from the highest energy, for fluxes relative to the free one."""
    own, decay, gain, bend = _moment_weights(log_energy, log_free, np.arange(3.0), cell_weights)
    return Weights(kernel_sum(own), decay, gain, bend)


def power_weights(log_energy: Float[Array, "node"], log_free: Float[Array, "node"]) -> PowerWeights:
    """The same for all `POWERS`, with straight lines between the nodes."""
    return PowerWeights(*_moment_weights(log_energy, log_free, POWERS, line_weights)[:3])


def _moment_weights(log_energy, log_free, powers: np.ndarray, weights: Callable):
    """A moment of power p grows by e^growth from a node to the one below, times x^p."""
    width = jnp.diff(log_energy)
    growth = jnp.diff(log_free)[None, :] - jnp.asarray(powers, dtype=width.dtype)[:, None] * width[None, :]
    here, next_, third = jax.vmap(weights, (None, 0))(width, growth)
    decay = jnp.exp(growth)
    none, one = jnp.zeros_like(here[:, :1]), jnp.ones_like(here[:, :1])
    # The topmost node has nothing above it; below the last one, moments stay as they are.
    own = jnp.concatenate([here, none], axis=1)
    decay, gain, bend = (
        jnp.concatenate(parts, axis=1)
        for parts in ((one, decay), (own[:, :1], decay * own[:, 1:] + next_), (none, third))
    )
    return own[:, ::-1], decay[:, ::-1], gain[:, ::-1], bend[:, ::-1]


def _start(universe: Universe, around: Setting) -> State | CoupledState:
    """Nothing anywhere, but for the neutrinos of a single redshift that enter the farthest shell."""
    shells, fractions = around.nearness.size - 1, around.fractions
    single = isinstance(universe.source.evolution, SingleRedshift)
    far = fractions if single else jnp.zeros_like(fractions)
    pair = jnp.zeros((2, shells), dtype=far.dtype)
    leaving = jnp.concatenate([jnp.zeros((3, shells), dtype=far.dtype), far[:, None]], axis=1)
    if around.exchange is not None:
        return nothing(leaving)
    return State(leaving, jnp.stack([pair] * 3), pair, pair)


def motion(universe: Universe, resolution: Resolution, before: Prelude) -> tuple[Motion, Float[Array, "node"]]:
    """How the problem of a power law moves with the lightest mass and with the index; and velocities of the nodes."""
    spectrum: Any = universe.source.spectrum
    x, nearness = before.log_energy, before.setting.nearness

    def masses(lightest):
        moved = eqx.tree_at(lambda u: u.neutrinos.lightest, universe, lightest)
        x, alpha = log_energy_nodes(moved, resolution), reduced_masses(moved)
        return x, alpha, _series(moved, alpha, nearness), reduced_energy(moved, x[::-1])

    def weights(x, index):
        moved = eqx.tree_at(lambda s: s.index, spectrum, index)
        return (march_weights if before.setting.exchange is None else power_weights)(x, moved.log_flux(x))

    def shares(index):
        moved = eqx.tree_at(lambda u: u.source.spectrum.index, universe, index)
        return jnp.asarray(setting(moved, before.one_plus_z).shares, layout.PRECISION)

    index, one = spectrum.index, jnp.ones_like(spectrum.index)
    _, (velocity, alpha, series, epsilon) = jax.jvp(masses, (universe.neutrinos.lightest,), (one,))
    by_lightest = jax.jvp(lambda x: weights(x, index), (x,), (velocity,))[1]
    by_index = jax.jvp(lambda index: weights(x, index), (index,), (one,))[1]
    both = jax.tree.map(lambda *pair: jnp.stack(pair).astype(layout.PRECISION), by_lightest, by_index)
    seen = windows(Nodes(x, x, epsilon, both), nearness.size - 1, last=0.0)
    by_index = jax.jvp(shares, (index,), (one,))[1]
    return Motion(alpha, series, seen.epsilon, seen.weights, by_index), velocity
