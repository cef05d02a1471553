"""Energy spectra of the sources.

A spectrum is the flux φ per flavour, ν + ν̄, that would arrive without interactions, in 10⁻¹⁸ GeV⁻¹ cm⁻² s⁻¹ sr⁻¹.
Its `log_flux(ln(E/GeV))` is ln φ in that unit: finite at every energy, in single precision too.
"""

from __future__ import annotations

from abc import abstractmethod
from math import log

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu._field import param, require
from jaxnu.constants import FLUX_UNIT, PIVOT_ENERGY_GEV

_UNIT = "1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹"


class Spectrum(eqx.Module):
    """What a spectrum has to provide."""

    @abstractmethod
    def log_flux(self, log_energy: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """ln φ in 10⁻¹⁸ GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ at ln(E/GeV), element by element."""


class PowerLaw(Spectrum):
    """φ = A (E/E₀)^−γ with E₀ = 100 TeV (IceCube's single power law, 2001.09520).

    Raises ValueError for a non-positive amplitude and numbers that are not finite.
    """

    amplitude: Float[Array, ""] = param("flux per flavour at 100 TeV", _UNIT)
    index: Float[Array, ""] = param("spectral index γ")

    def __check_init__(self) -> None:
        _require_positive(amplitude=self.amplitude)
        _require_finite(index=self.index)

    def log_flux(self, log_energy: Float[Array, "*s"]) -> Float[Array, "*s"]:
        return jnp.log(self.amplitude) - self.index * _log_pivot_ratio(log_energy)


class CutoffPowerLaw(Spectrum):
    """φ = A (E/E₀)^−γ e^{−E/E_c} with E₀ = 100 TeV; A is the flux at 100 TeV but for the factor e^{−E₀/E_c}.

    Raises ValueError for a non-positive amplitude or cutoff and numbers that are not finite.
    """

    amplitude: Float[Array, ""] = param("flux per flavour at 100 TeV before the cutoff", _UNIT)
    index: Float[Array, ""] = param("spectral index γ")
    cutoff: Float[Array, ""] = param("cutoff energy E_c", "GeV")

    def __check_init__(self) -> None:
        _require_positive(amplitude=self.amplitude, cutoff=self.cutoff)
        _require_finite(index=self.index)

    def log_flux(self, log_energy: Float[Array, "*s"]) -> Float[Array, "*s"]:
        power_law = jnp.log(self.amplitude) - self.index * _log_pivot_ratio(log_energy)
        return power_law - jnp.exp(log_energy - jnp.log(self.cutoff))


class BrokenPowerLaw(Spectrum):
    """φ = A g(E)/g(E₀), g = (E/E_b)^−γ_low below and (E/E_b)^−γ_high above the break E_b, with E₀ = 100 TeV.

    A is the flux at 100 TeV on whichever side the break lies.
    Raises ValueError for a non-positive amplitude or break energy and numbers that are not finite.
    """

    amplitude: Float[Array, ""] = param("flux per flavour at 100 TeV", _UNIT)
    index_low: Float[Array, ""] = param("spectral index below the break")
    index_high: Float[Array, ""] = param("spectral index above the break")
    break_energy: Float[Array, ""] = param("break energy E_b", "GeV")

    def __check_init__(self) -> None:
        _require_positive(amplitude=self.amplitude, break_energy=self.break_energy)
        _require_finite(index_low=self.index_low, index_high=self.index_high)

    def log_flux(self, log_energy: Float[Array, "*s"]) -> Float[Array, "*s"]:
        log_break = _log_pivot_ratio(jnp.log(self.break_energy))
        offset = _log_pivot_ratio(log_energy) - log_break
        return jnp.log(self.amplitude) + self._log_shape(offset) - self._log_shape(-log_break)

    def _log_shape(self, offset: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """ln g at ln(E/E_b)."""
        return -self.index_low * jnp.minimum(offset, 0.0) - self.index_high * jnp.maximum(offset, 0.0)


class LogParabola(Spectrum):
    """φ = A (E/E₀)^−[γ + β log₁₀(E/E₀)] with E₀ = 100 TeV (IceCube's convention: the logarithm has base 10).

    Raises ValueError for a non-positive amplitude and numbers that are not finite.
    """

    amplitude: Float[Array, ""] = param("flux per flavour at 100 TeV", _UNIT)
    index: Float[Array, ""] = param("spectral index γ at 100 TeV")
    curvature: Float[Array, ""] = param("change β of the exponent per decade of energy")

    def __check_init__(self) -> None:
        _require_positive(amplitude=self.amplitude)
        _require_finite(index=self.index, curvature=self.curvature)

    def log_flux(self, log_energy: Float[Array, "*s"]) -> Float[Array, "*s"]:
        ratio = _log_pivot_ratio(log_energy)
        return jnp.log(self.amplitude) - (self.index + self.curvature * (ratio / log(10))) * ratio


class TabulatedSpectrum(Spectrum):
    """φ through given points, straight in ln φ against ln E, and continued as power laws beyond the ends.

    `flux` is in plain GeV⁻¹ cm⁻² s⁻¹ sr⁻¹, as `flux_at_earth` returns it.
    Raises ValueError unless both are 1-d, equally long (at least 2), positive, and the energies increase.
    """

    energy: Float[Array, "point"] = param("energies", "GeV")
    flux: Float[Array, "point"] = param("fluxes per flavour", "GeV⁻¹ cm⁻² s⁻¹ sr⁻¹")

    def __check_init__(self) -> None:
        shape = self.energy.shape
        if len(shape) != 1 or shape[0] < 2 or self.flux.shape != shape:
            raise ValueError(f"energy and flux must be equally long, at least 2, got {shape} and {self.flux.shape}")
        _require_positive(energy=self.energy, flux=self.flux)
        require(jnp.diff(self.energy) > 0, f"energy must increase, got {self.energy}")

    def log_flux(self, log_energy: Float[Array, "*s"]) -> Float[Array, "*s"]:
        log_flux = jnp.log(self.flux) - log(FLUX_UNIT)
        return jnp.interp(log_energy, jnp.log(self.energy), log_flux, left="extrapolate", right="extrapolate")


def _log_pivot_ratio(log_energy: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """ln(E/100 TeV)."""
    return log_energy - log(PIVOT_ENERGY_GEV)


def _require_positive(**values: Float[Array, "..."]) -> None:
    for name, value in values.items():
        require((value > 0) & jnp.isfinite(value), f"{name} must be positive and finite, got {value}")


def _require_finite(**values: Float[Array, "..."]) -> None:
    for name, value in values.items():
        require(jnp.isfinite(value), f"{name} must be finite, got {value}")
