"""Flux points as likelihood terms, and which of them may be combined."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxnu._field import full_precision, param, require
from jaxnu.earth import binned_flux, binned_spectrum, require_edges
from jaxnu.transport.mesh import Resolution
from jaxnu.transport.solution import Solution
from jaxnu.transport.solver import propagate
from jaxnu.universe import Universe

# Densities are per 1e-8 GeV cm⁻² s⁻¹ sr⁻¹ of E²φ: their logarithms stay of order one.
_UNIT = 1e-8


class FluxPoints(eqx.Module):
    """The flux in contiguous energy bins as a term: calling it with a universe gives a log-likelihood.

    The prediction is ∫φ dE over each bin, summed over flavours with `weights`; a published E²φ is the height of an E⁻²
    segment, of integral E²φ (1/E_low − 1/E_high), and both are compared as such heights. With x the predicted height,
    the conventions are, per bin,

    "split-normal" (default)
        point: the two-piece normal 2/(σ₋+σ₊)/√(2π) exp(−(x−value)²/2σ²), σ = `minus` below and `plus` above `value`.
        A lower bar that ends at zero keeps σ₋ = value, so that no flux at all costs no more than χ² = 1.
        limit: the exponential density of −2 ln L = z² x/`plus`, where z = Φ⁻¹((1+level)/2).
    "hooper2023"
        normal with the mean of the two errors; a limit is 0 ± limit (2302.03571, χ² = 25.2 for a power law on the
        cascades).
    "delavega2024"
        the same for points; a limit costs nothing until it is exceeded and ((x − limit)/limit)² from there on
        (2406.19968 eqs. 11–15, χ² = 27.4 for cascades and tracks).

    The form of the default for limits is an approximation. Where no event is seen the Poisson likelihood is exactly
    linear in x, and at a profile-likelihood limit −2 ln L has grown by z²; a half-normal of the same limit grows with
    x², which a sharp limit beside steep flux makes very different. For the linear form speak the 68 and 90 % limits
    that 1507.03991 gives for the same bins, and that a power law fitted to the cascade points comes out within one
    standard deviation of IceCube's own fit to the events (the half-normal is 2.5 off). Correlations between bins are
    not published and left out. The last two conventions reproduce published numbers; they are no likelihoods of these
    data.

    `value`, `minus`, `plus` are E²φ in GeV cm⁻² s⁻¹ sr⁻¹, ν+ν̄; for a limit value and minus are 0 and plus is the
    limit at confidence `level`. `overlaps` names the data sets that share events with this one, and why. Raises
    ValueError for an unknown convention, bins that are not contiguous, and a point without errors.
    """

    name: str = eqx.field(static=True)
    convention: str = eqx.field(static=True)
    overlaps: tuple[tuple[str, str], ...] = eqx.field(static=True)
    is_limit: Bool[Array, "bin"] = eqx.field(converter=lambda flags: jnp.asarray(flags, dtype=bool))
    weights: Float[Array, "flavour=3"] = param("share of ν_e, ν_μ, ν_τ in what is seen")
    low: Float[Array, "bin"] = param("lower edges", "GeV")
    high: Float[Array, "bin"] = param("upper edges", "GeV")
    value: Float[Array, "bin"] = param("E²φ", "GeV cm⁻² s⁻¹ sr⁻¹")
    minus: Float[Array, "bin"] = param("length of the lower error bar", "GeV cm⁻² s⁻¹ sr⁻¹")
    plus: Float[Array, "bin"] = param("length of the upper error bar, or the limit", "GeV cm⁻² s⁻¹ sr⁻¹")
    level: Float[Array, "bin"] = param("confidence level of the errors or the limit")

    def __check_init__(self) -> None:
        if self.convention not in _CONVENTIONS:
            raise ValueError(f"unknown convention {self.convention!r}; there are {', '.join(_CONVENTIONS)}")
        require((self.low > 0) & (self.low < self.high), f"bins of {self.name} must have 0 < low < high")
        require(self.low[1:] == self.high[:-1], f"bins of {self.name} must be contiguous")
        require((self.plus > 0) & (self.is_limit | (self.minus > 0)), f"errors of {self.name} must be positive")
        require((self.level > 0) & (self.level < 1), f"confidence levels of {self.name} must lie between 0 and 1")

    @property
    def edges(self) -> Float[Array, "edge"]:
        """Edges of the bins in GeV."""
        return jnp.concatenate([self.low, self.high[-1:]])

    @property
    def segment(self) -> Float[Array, "bin"]:
        """∫E⁻² dE over each bin, GeV⁻¹: what turns an E²φ into an integrated flux."""
        return 1 / self.low - 1 / self.high

    @full_precision
    def combine(self, flux: Float[Array, "flavour=3 bin"]) -> Float[Array, "bin"]:
        """The flavours as the sample sees them."""
        return jnp.tensordot(self.weights, flux, axes=1)

    def predict(self, universe: Universe, resolution: Resolution = Resolution()) -> Float[Array, "bin"]:
        """∫φ dE of each bin for the sample's flavours, cm⁻² s⁻¹ sr⁻¹."""
        return self.combine(binned_flux(universe, self.edges, resolution))

    def predict_from(self, spectrum: Solution, universe: Universe) -> Float[Array, "bin"]:
        """The same from a spectrum that `propagate(universe)` has already computed; it must cover `edges`."""
        return self.combine(binned_spectrum(spectrum, universe, self.edges))

    def log_likelihood(self, prediction: Float[Array, "bin"]) -> Float[Array, ""]:
        """Sum over bins of the log density of `prediction` (∫φ dE, cm⁻² s⁻¹ sr⁻¹), per 1e-8 GeV/(cm² s sr) of E²φ."""
        chi2, log_peak = _CONVENTIONS[self.convention](self, prediction / self.segment)
        return jnp.sum(log_peak - chi2 / 2)

    def chi2(self, prediction: Float[Array, "bin"]) -> Float[Array, ""]:
        """−2 (ln L − ln L_max), L_max that of a prediction which is best in every bin; `prediction` as above."""
        chi2, _ = _CONVENTIONS[self.convention](self, prediction / self.segment)
        return jnp.sum(chi2)

    def from_spectrum(self, spectrum: Solution, universe: Universe) -> Float[Array, ""]:
        """The log-likelihood from a spectrum that `propagate(universe)` has already computed; it must cover `edges`."""
        return self.log_likelihood(self.predict_from(spectrum, universe))

    def __call__(self, universe: Universe, resolution: Resolution = Resolution()) -> Float[Array, ""]:
        """The log-likelihood of a universe. Raises ValueError if the mesh does not cover the bins."""
        require_edges(self.edges, resolution)
        return self.from_spectrum(propagate(universe, resolution), universe)


_PerBin = tuple[Float[Array, "bin"], Float[Array, "bin"]]


def _split_normal(points: FluxPoints, height: Float[Array, "bin"]) -> _PerBin:
    deviation = height - points.value
    width = jnp.where((deviation < 0) & ~points.is_limit, points.minus, points.plus)
    rate = jax.lax.erf_inv(points.level) ** 2  # z²/2
    chi2 = jnp.where(points.is_limit, 2 * rate * height / points.plus, (deviation / width) ** 2)
    normal = 0.5 * math.log(2 / math.pi) - jnp.log((points.minus + points.plus) / _UNIT)
    return chi2, jnp.where(points.is_limit, jnp.log(rate) - jnp.log(points.plus / _UNIT), normal)


def _symmetric(points: FluxPoints) -> Float[Array, "bin"]:
    return jnp.where(points.is_limit, points.plus, (points.minus + points.plus) / 2)


def _hooper2023(points: FluxPoints, height: Float[Array, "bin"]) -> _PerBin:
    width = _symmetric(points)
    return ((height - points.value) / width) ** 2, -0.5 * math.log(2 * math.pi) - jnp.log(width / _UNIT)


def _delavega2024(points: FluxPoints, height: Float[Array, "bin"]) -> _PerBin:
    width = _symmetric(points)
    excess = jnp.where(points.is_limit, jnp.maximum(height - points.plus, 0), height - points.value)
    # a limit is a plateau from 0 to the limit with half a normal beyond it
    area = jnp.where(points.is_limit, 1 + math.sqrt(math.pi / 2), math.sqrt(2 * math.pi)).astype(width.dtype)
    return (excess / width) ** 2, -jnp.log(area * width / _UNIT)


_CONVENTIONS: dict[str, Callable[[FluxPoints, Float[Array, "bin"]], _PerBin]] = {
    "split-normal": _split_normal,
    "hooper2023": _hooper2023,
    "delavega2024": _delavega2024,
}


def check_overlaps(terms: Iterable[Any]) -> None:
    """Raise ValueError if two of `terms` are flux points made from the same events; other terms are ignored.

    The pairs come from the tables: tracks and cascades are disjoint, most of the others are not.
    """
    points = [term for term in terms if isinstance(term, FluxPoints)]
    for first, second in combinations(points, 2):
        shared = dict(first.overlaps).get(second.name) or dict(second.overlaps).get(first.name)
        if first.name == second.name:
            shared = "they are the same data"
        if shared:
            raise ValueError(f"{first.name} and {second.name} cannot be combined: {shared}")
