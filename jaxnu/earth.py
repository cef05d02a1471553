"""What arrives: flavours, fluxes at any energy and integrals over energy bins."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from jaxnu._field import as_float, full_precision, require
from jaxnu.constants import FLUX_UNIT
from jaxnu.neutrinos import flavour_content
from jaxnu.transport.injection import log_free_flux, shell_injection
from jaxnu.transport.interpolation import Curve, cell_of, cubic, monotone_curve, values_at
from jaxnu.transport.mesh import Resolution, shell_edges
from jaxnu.transport.solution import Solution
from jaxnu.transport.solver import propagate
from jaxnu.universe import Universe


def flux_at_earth(
    universe: Universe, energy: ArrayLike, resolution: Resolution = Resolution()
) -> Float[Array, "flavour=3 energy"]:
    """φ_α = Σ_i |U_αi|² φ_i of (ν_e, ν_μ, ν_τ), ν+ν̄, in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹, at `energy` (GeV, one-dimensional).

    Raises ValueError for energies outside the mesh (`Resolution.lowest` to `.highest`).
    """
    energy = as_float(energy)
    if energy.ndim != 1:
        raise ValueError(f"energy must be one-dimensional, got shape {energy.shape}")
    _require_covered(energy, "energy", resolution)
    return flux_of_spectrum(propagate(universe, resolution), universe, energy, resolution)


@full_precision
@partial(jax.jit, static_argnames="resolution")
def flux_of_spectrum(
    spectrum: Solution, universe: Universe, energy: Float[Array, "energy"], resolution: Resolution
) -> Float[Array, "flavour=3 energy"]:
    """φ_α of a spectrum already propagated at `resolution`, in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹, at `energy` (GeV).

    The ratio to the free flux is interpolated between nodes, the free flux itself is exact.
    """
    shells = shell_injection(universe, shell_edges(universe, resolution))
    log_energy = jnp.log(energy)
    log_free = log_free_flux(universe.source.spectrum, shells, log_energy)
    flux = (
        jnp.exp(log_free)[None, :]
        * values_at(_curve(spectrum), cell_of(spectrum.log_energy, log_energy), log_energy)[:3]
    )
    return FLUX_UNIT * (flavour_content(universe.neutrinos) @ flux)


def binned_flux(
    universe: Universe, edges: ArrayLike, resolution: Resolution = Resolution()
) -> Float[Array, "flavour=3 bin"]:
    """∫φ_α dE over the bins between `edges` (GeV, ascending), in cm⁻² s⁻¹ sr⁻¹, for (ν_e, ν_μ, ν_τ), ν+ν̄.

    Raises ValueError for fewer than two edges, edges that do not ascend (empty bins) or lie outside the mesh.
    """
    edges = as_float(edges)
    require_edges(edges, resolution)
    return binned_spectrum(propagate(universe, resolution), universe, edges)


@full_precision
@jax.jit
def binned_spectrum(
    spectrum: Solution, universe: Universe, edges: Float[Array, "edge"]
) -> Float[Array, "flavour=3 bin"]:
    """∫φ_α dE of an already propagated spectrum over the bins between `edges` (GeV), in cm⁻² s⁻¹ sr⁻¹.

    Integrates the solution as it stands on the mesh, by Gauss's rule within cells, so that it is smooth as nodes move:
    a bin is the part above its lower edge of the cell that holds it, whole cells, and the part below its upper edge.
    """
    log_edges = jnp.log(edges)
    curve = _curve(spectrum)
    points, weights = (jnp.asarray(part, dtype=edges.dtype) for part in np.polynomial.legendre.leggauss(4))

    def integrated(cell, low, high):
        """∫φ dE from t = low to high of each cell, (mass=3, cell)."""
        t = low[:, None] + (high - low)[:, None] * ((points + 1) / 2)[None, :]
        *ratio, log_flux = cubic(jax.tree.map(lambda part: part[..., None], cell), t[None])
        flux = jnp.exp(cell.start[:, None] + cell.width[:, None] * t + log_flux)[None] * jnp.stack(ratio)
        return (flux @ weights) * (cell.width * (high - low) / 2)[None, :]

    holding = cell_of(spectrum.log_energy, log_edges)
    ends = jax.tree.map(lambda part: part[..., holding], curve)
    place = (log_edges - ends.start) / ends.width
    same = holding[1:] == holding[:-1]
    lower, upper = (jax.tree.map(lambda part, cut=cut: part[..., cut], ends) for cut in (slice(-1), slice(1, None)))
    none, one = jnp.zeros_like(place[1:]), jnp.ones_like(place[1:])
    parts = integrated(lower, place[:-1], jnp.where(same, place[1:], one))
    parts = parts + jnp.where(same[None], 0.0, integrated(upper, none, place[1:]))
    cell = jnp.arange(curve.width.size)[:, None]
    whole = (cell > holding[None, :-1]) & (cell < holding[None, 1:])
    cells = integrated(curve, jnp.zeros_like(curve.width), jnp.ones_like(curve.width))
    return FLUX_UNIT * (flavour_content(universe.neutrinos) @ (parts + cells @ whole.astype(cells.dtype)))


def require_edges(edges: Array, resolution: Resolution) -> None:
    """Raise ValueError unless `edges` are two or more ascending energies that the mesh covers."""
    if edges.ndim != 1 or edges.size < 2:
        raise ValueError(f"edges must be at least two energies in one dimension, got shape {edges.shape}")
    require(edges[1:] > edges[:-1], f"edges must ascend (no bin may be empty), got {edges}")
    _require_covered(edges, "edges", resolution)


def _require_covered(energy: Array, name: str, resolution: Resolution) -> None:
    low, high = resolution.lowest, resolution.highest
    covered = (energy >= low) & (energy <= high)
    require(covered, f"{name} must lie within the mesh, {low:g} to {high:g} GeV, got {energy}")


def _curve(spectrum: Solution) -> Curve:
    """Ratios to the free flux, and ln of that flux: monotone cubics in ln E between nodes, (value=4, cell).

    Of the ratio and not of its logarithm, which makes integrals over the edges of dips two to three times more
    accurate; never negative, though coarse meshes overshoot in opaque dips.
    """
    values = jnp.concatenate([jnp.maximum(spectrum.ratio, 0.0), spectrum.log_free[None, :]])
    return monotone_curve(spectrum.log_energy, values)
