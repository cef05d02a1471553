"""The boson that neutrinos exchange: its couplings, widths and cross section."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from jaxnu._field import param, require
from jaxnu.constants import ELECTRON_MASS_MEV, MUON_MASS_MEV, TAU_MASS_MEV

CHANNELS = ("narrow", "breit-wigner", "all")


class LmuLtau(eqx.Module):
    """Gauge boson Z′ with L = g′ Z′_ρ Q_αβ (ν̄_α γ^ρ P_L ν_β + ℓ̄_α γ^ρ ℓ_β) (1409.4180 eq. 1).

    `charges` is Q in (e, μ, τ): three diagonal entries, (0, 1, −1) for L_μ−L_τ, or any Hermitian 3×3 matrix.
    `dark_coupling` g_χ and `dark_mass` m_χ (MeV) open Z′ → χχ̄ (2302.03571 eq. 18–19). `prefactor` multiplies the cross
    section: 1 is 1/(6π) (1409.4180 eq. 3), 4 is the 2/(3π) of 2302.03571 eq. 5 and 2406.19968 eq. 2. `channels` are
    those that neutrinos scatter by: "all" 2→2 processes (`jaxnu.channels`); "breit-wigner", the s channel alone;
    "narrow", its resonance as a δ function (`jaxnu.narrow_width_error`).
    Raises ValueError for a non-positive mass, negative couplings or dark mass, charges that are not Hermitian, unknown
    channels, and a prefactor other than 1 with `channels="all"`.
    """

    mass: Float[Array, ""] = param("mass of the Z′", "MeV")
    coupling: Float[Array, ""] = param("gauge coupling g′")
    dark_coupling: Float[Array, ""] = param("coupling g_χ to the dark fermion", default=0.0)
    dark_mass: Float[Array, ""] = param("mass of the dark fermion", "MeV", default=0.0)
    charges: Inexact[Array, "..."] = param("charge matrix Q in (e, μ, τ)", default=(0.0, 1.0, -1.0))
    prefactor: Float[Array, ""] = param("cross section / [(1/6π) form]", default=1.0)
    channels: str = eqx.field(static=True, default="all")

    def __check_init__(self) -> None:
        require(self.mass > 0, f"mass of the Z′ must be positive (MeV), got {self.mass}")
        require(self.coupling >= 0, f"coupling g′ must not be negative, got {self.coupling}")
        require(self.dark_coupling >= 0, f"dark_coupling must not be negative, got {self.dark_coupling}")
        require(self.dark_mass >= 0, f"dark_mass must not be negative (MeV), got {self.dark_mass}")
        require(self.prefactor >= 0, f"prefactor must not be negative, got {self.prefactor}")
        if self.channels not in CHANNELS:
            raise ValueError(f"channels must be one of {', '.join(CHANNELS)}, got {self.channels!r}")
        if self.channels == "all":
            reason = "the other channels have their own strength"
            require(self.prefactor == 1, f'prefactor must be 1 with channels="all" ({reason}), got {self.prefactor}')
        shape = self.charges.shape[-2:] if self.charges.shape[-2:] == (3, 3) else self.charges.shape[-1:]
        require(shape in ((3,), (3, 3)), f"charges must be 3 numbers or a 3×3 matrix, got shape {self.charges.shape}")
        if shape == (3, 3):
            hermitian = jnp.allclose(self.charges, jnp.swapaxes(self.charges, -1, -2).conj())
            require(hermitian, f"charges must be a Hermitian matrix, got {self.charges}")


def _fermion_channel(s: Float[Array, "*s"], fermion_mass: Float[Array, ""] | float) -> Float[Array, "*s"]:
    """(1 + 2r)√(1 − 4r), r = m_f²/s, zero at and below threshold, where the slope diverges."""
    # Far below threshold r is held at 1, and the root comes first: powers of s and slopes must fit into float32.
    r = (fermion_mass / jnp.sqrt(jnp.maximum(s, fermion_mass**2))) ** 2
    open_ = r < 0.25
    safe = jnp.where(open_, r, 0.0)
    return jnp.where(open_, (1 + 2 * safe) * jnp.sqrt(1 - 4 * safe), 0.0)


def neutrino_width(mediator: LmuLtau) -> Float[Array, ""]:
    """Γ_νν = tr(Q†Q) g′² m_Z′/24π in MeV: g′² m_Z′/12π for L_μ−L_τ (1409.4180)."""
    return _charge_norm(mediator) * mediator.coupling**2 * mediator.mass / (24 * jnp.pi)


def charged_lepton_width(mediator: LmuLtau) -> Float[Array, ""]:
    """Σ_ℓ Q_ℓℓ² g′² m_Z′/12π (1 + 2m_ℓ²/m_Z′²)√(1 − 4m_ℓ²/m_Z′²) over e, μ and τ, in MeV."""
    return _charged_lepton_channels(mediator, mediator.mass**2) * mediator.coupling**2 * mediator.mass / (12 * jnp.pi)


def dark_width(mediator: LmuLtau) -> Float[Array, ""]:
    """Γ_χ = g_χ² m_Z′/12π (1 + 2m_χ²/m_Z′²)√(1 − 4m_χ²/m_Z′²) in MeV (2302.03571 eq. 19)."""
    channel = _fermion_channel(mediator.mass**2, mediator.dark_mass)
    return channel * mediator.dark_coupling**2 * mediator.mass / (12 * jnp.pi)


def pair_strength(mediator: LmuLtau, s: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """g′² N(s), which counts the pairs that a virtual Z′ of mass √s may become; s in MeV², dimensionless result.

    g′² N(s) = g′² [tr Q² + 2 Σ_ℓ Q_ℓℓ² θ(m_ℓ²/s)] + 2 g_χ² θ(m_χ²/s), θ(r) = (1 + 2r)√(1 − 4r), zero for r ≥ ¼.
    The total width is g′² N(m_Z′²) m_Z′/24π. Unlike N, this stays finite for g′ → 0 with a dark channel.
    """
    visible = _charge_norm(mediator) + 2 * _charged_lepton_channels(mediator, s)
    return mediator.coupling**2 * visible + 2 * mediator.dark_coupling**2 * _fermion_channel(s, mediator.dark_mass)


def neutrino_branching(mediator: LmuLtau) -> Float[Array, ""]:
    """r = Γ_νν/Γ_tot, the factor that a dark channel puts on regeneration; g′ = 0 with no dark channel gives 1."""
    norm = _charge_norm(mediator)
    visible = norm + 2 * _charged_lepton_channels(mediator, mediator.mass**2)
    dark = 2 * mediator.dark_coupling**2 * _fermion_channel(mediator.mass**2, mediator.dark_mass)
    total = visible * mediator.coupling**2 + dark
    # Without a dark channel r does not depend on g′: say so exactly, so that g′ → 0 is regular.
    only_visible = dark == 0
    safe_total = jnp.where(only_visible, 1.0, total)
    return jnp.where(only_visible, norm / visible, norm * mediator.coupling**2 / safe_total)


def cross_section(mediator: LmuLtau, s: Float[Array, "*s"], coupling_squared: Float[Array, ""]) -> Float[Array, "*s"]:
    """Breit–Wigner σ_ij(s) in MeV⁻², for s in MeV² and |q_ij|² = `coupling_squared`.

    σ_ij = 2π |q_ij|² g′² (1/π)(s/m²) mΓ_tot/[(s − m²)² + m²Γ_tot²], which is (1/6π)|q_ij|² g′⁴ s/[…] for Γ_tot = Γ_νν
    (1409.4180 eq. 3); times `prefactor`. Its limit 2π|q_ij|² g′² δ(s − m²) is `channels="narrow"`.
    """
    m2 = mediator.mass**2
    width = neutrino_width(mediator) + charged_lepton_width(mediator) + dark_width(mediator)
    breit_wigner = mediator.mass * width / ((s - m2) ** 2 + m2 * width**2)
    return 2 * mediator.prefactor * coupling_squared * mediator.coupling**2 * (s / m2) * breit_wigner


def _charge_norm(mediator: LmuLtau) -> Float[Array, ""]:
    """tr(Q†Q) = Σ_ij |q_ij|²: 2 for L_μ−L_τ."""
    return jnp.sum(jnp.abs(mediator.charges) ** 2)


def _charged_lepton_channels(mediator: LmuLtau, s: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Σ_ℓ Q_ℓℓ² (1 + 2r)√(1 − 4r), r = m_ℓ²/s: pairs of one flavour, which are all that a diagonal Q has."""
    charges = mediator.charges
    diagonal = jnp.diagonal(charges) if charges.ndim == 2 else charges
    squares = jnp.abs(diagonal) ** 2
    total = jnp.zeros_like(s)
    for square, lepton in zip(squares, (ELECTRON_MASS_MEV, MUON_MASS_MEV, TAU_MASS_MEV), strict=True):
        total = total + square * _fermion_channel(s, lepton)
    return total
