"""Total cross sections of every 2→2 process of neutrinos and the Z′ at tree level.

With y = s/M², M = m_Z′, γ = Γ_tot/M and P = 1/(y − 1 + iγ), the processes are ν_i ν̄_j → pairs through s and t channels
and their interference, ν_i ν̄_j → Z′Z′, and ν_i ν_j → ν ν through t and u channels. Cross sections are a flavour factor
times a function of y times g′⁴/4πM². Helicities are definite and neutrinos massless, except in s = 2mE.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float

from jaxnu._field import as_float, full_precision, require
from jaxnu.constants import HBAR_C_CM, MEV
from jaxnu.mediators import LmuLtau, pair_strength
from jaxnu.neutrinos import charge_matrix
from jaxnu.universe import Universe

_NARROWEST = 1e-18
"""Smallest γ of the pole: its square fits into float32, and no y but 1 can tell it from a smaller one."""


class CrossSections(NamedTuple):
    """Cross sections of mass state i on a target of mass state j, summed over final states.

    On antineutrinos: `s` and `t` channel, their interference `st` (of either sign), and `zz` for Z′Z′. On neutrinos:
    `t_u`, the squares of both exchanges, and `tu`, their interference. Equal for the conjugate process, but for the
    CP-odd part of `st`, which is left out and cancels in the sum of both.
    """

    s: Float[Array, "mass=3 target=3 *s"]
    t: Float[Array, "mass=3 target=3 *s"]
    st: Float[Array, "mass=3 target=3 *s"]
    zz: Float[Array, "mass=3 target=3 *s"]
    t_u: Float[Array, "mass=3 target=3 *s"]
    tu: Float[Array, "mass=3 target=3 *s"]

    @property
    def on_antineutrino(self) -> Float[Array, "mass=3 target=3 *s"]:
        """σ(ν_i ν̄_j → anything) = s + t + st + zz."""
        return self.s + self.t + self.st + self.zz

    @property
    def on_neutrino(self) -> Float[Array, "mass=3 target=3 *s"]:
        """σ(ν_i ν_j → ν ν) = t_u + tu."""
        return self.t_u + self.tu


class FlavourFactors(NamedTuple):
    """|q_ij|², R_ii R_jj, c_ij = Re[q_ij* (q³)_ij] and |R_ij|², with R = q² for the Hermitian charge matrix q."""

    s: Float[Array, "mass=3 target=3"]
    t: Float[Array, "mass=3 target=3"]
    st: Float[Array, "mass=3 target=3"]
    pair: Float[Array, "mass=3 target=3"]


@full_precision
def flavour_factors(q: Complex[Array, "mass=3 target=3"]) -> FlavourFactors:
    """The flavour factors of the total cross sections; for L_μ−L_τ, c_ij = |q_ij|² and R_ii = 1 − |U_ei|²."""
    r = q @ q
    diagonal = jnp.diagonal(r).real
    return FlavourFactors(_square(q), jnp.outer(diagonal, diagonal), (q.conj() * (r @ q)).real, _square(r))


class Logarithms(NamedTuple):
    """ln(1 + y), ln[y/(1 + y)] and T of `_arctanh_remainder` at the smaller of y and 1/y."""

    log: Float[Array, "*s"]
    log_share: Float[Array, "*s"]
    remainder: Float[Array, "*s"]


def logarithms(y: Float[Array, "*s"]) -> Logarithms:
    """At y > 0, by ln(1 + m) = 2w[1 + w² T(w)], w = m/(m + 2), m the smaller of y and 1/y, without cancellations."""
    below = y < 1
    smaller = jnp.where(below, y, 1 / jnp.where(below, 1.0, y))
    w = smaller / (smaller + 2)
    remainder = _arctanh_remainder(w)
    near, far = 2 * w * (1 + w**2 * remainder), jnp.log(y)
    return Logarithms(jnp.where(below, near, far + near), jnp.where(below, far - near, -near), remainder)


class Exchanged(NamedTuple):
    """Functions of y that t and u channels have in common; dimensionless.

    Of ν ν̄, f_t = [y(y + 2) − 2(1 + y) ln(1 + y)]/y², from y/3 at small y to 1, and the s–t interference over −2 Re P,
    f_i = [(1 + y)² ln(1 + y) − y − 3y²/2]/y², from y/3 to ln y. Of ν ν, with the ½ of identical particles, squares of
    t and u channels, f_n = y/(1 + y), and their interference, f_tu = 2 ln(1 + y)/(2 + y).
    """

    f_t: Float[Array, "*s"]
    f_i: Float[Array, "*s"]
    f_n: Float[Array, "*s"]
    f_tu: Float[Array, "*s"]


def exchanged(y: Float[Array, "*s"], logarithms: Logarithms) -> Exchanged:
    """At y with its `logarithms`. Below y = 1 f_t = w[1 − (1 − w²) T] and f_i = (w/2)[1 + (1 + w)² T]."""
    log, _, remainder = logarithms
    below = y < 1
    small, inverse = jnp.where(below, y, 0.5), 1 / jnp.where(below, 2.0, y)
    w = small / (small + 2)
    return Exchanged(
        jnp.where(below, w * (1 - (1 - w**2) * remainder), 1 + 2 * inverse * (1 - (1 + inverse) * log)),
        jnp.where(below, w / 2 * (1 + (1 + w) ** 2 * remainder), (1 + inverse) ** 2 * log - inverse - 1.5),
        jnp.where(below, small / (1 + small), 1 - 1 / (1 + 1 / inverse)),
        2 * log / (2 + y),
    )


def f_zz(y: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """ν ν̄ → Z′Z′: (1/y){2ℓ (y² + 4)/[y(y − 2)] − 2β}, β = √(1 − 4/y), cosh ℓ = y/2 − 1; zero for y ≤ 4, where it is 2β.

    ℓ = ln[(y − 2 + yβ)/2] = 2 artanh β is the rapidity between the two Z′. Dimensionless.
    """
    open_, safe, beta, rapidity = boson_pair(y)
    value = (2 * rapidity * (1 + (2 / safe) ** 2) * (safe / (safe - 2)) - 2 * beta) / safe
    return jnp.where(open_, value, 0.0)


def boson_pair(y: Float[Array, "*s"]) -> tuple[Array, Float[Array, "*s"], Float[Array, "*s"], Float[Array, "*s"]]:
    """(whether Z′Z′ is open, a y above threshold, velocity β, rapidity ℓ = 2 artanh β) at y = s/M²."""
    open_ = y > 4
    safe = jnp.where(open_, y, 5.0)
    beta = jnp.sqrt((safe - 4) / safe)
    return open_, safe, beta, jnp.log((1 + beta) ** 2 * (safe / 4))


class Propagator(NamedTuple):
    """The s-channel propagator P = |P|(cosine − i sine) = 1/(y − 1 + iγ)."""

    modulus: Float[Array, "*s"]
    cosine: Float[Array, "*s"]
    sine: Float[Array, "*s"]


def propagator(y: Float[Array, "*s"], gamma: Float[Array, ""]) -> Propagator:
    """P at y = s/M² with γ = Γ_tot/M, below 1e-18 taken as that: finite at the pole for g′ → 0, in float32, too."""
    width = jnp.maximum(gamma, _NARROWEST)
    modulus = 1 / jnp.sqrt((y - 1) ** 2 + width**2)
    return Propagator(modulus, (y - 1) * modulus, width * modulus)


def relative_width(mediator: LmuLtau) -> Float[Array, ""]:
    """γ = Γ_tot/m_Z′ = g′² N(m_Z′²)/24π, dimensionless."""
    return pair_strength(mediator, mediator.mass**2) / (24 * jnp.pi)


def cross_sections(universe: Universe, s: ArrayLike) -> CrossSections:
    """σ of every channel in cm², each (mass, target, *s), at `s` in MeV² (2mE for a relic at rest).

    s: |q_ij|² N(s) (y/3)|P|²; t: R_ii R_jj f_t; st: −2 c_ij Re P f_i; zz: |R_ij|² f_zz; t_u: R_ii R_jj f_n;
    tu: |R_ij|² f_tu; times g′⁴/4πM². N(s) of `mediators.pair_strength` includes charged leptons and the dark fermion,
    the width in P is the one on resonance. The mediator's `prefactor` multiplies s alone, which with
    open neutrino channels only is 1409.4180 eq. 3. In float32 numbers below 1e-38 cm² become zero. Raises ValueError
    unless s > 0.
    """
    s = as_float(s)
    require(s > 0, f"s must be positive (MeV²), got {s}")
    return jax.tree.map(lambda value: value * area(universe.mediator), reduced_cross_sections(universe, s))


def area(mediator: LmuLtau) -> Float[Array, ""]:
    """1/(4πM²) in cm², the unit of the reduced cross sections."""
    return (HBAR_C_CM / MEV / mediator.mass) ** 2 / (4 * jnp.pi)


@jax.jit
@full_precision
def reduced_cross_sections(universe: Universe, s: Float[Array, "*s"]) -> CrossSections:
    """The `cross_sections` in units of 1/(4πM²): numbers that float32 holds down to g′ = 1e-9."""
    mediator = universe.mediator
    flavour = flavour_factors(charge_matrix(universe.neutrinos, mediator.charges))
    y, squared = s / mediator.mass**2, mediator.coupling**2
    pole = propagator(y, relative_width(mediator))
    exchange = exchanged(y, logarithms(y))
    # Each power of |P| goes with one of g′², so that neither overflows.
    resonant = (squared * pole.modulus) * (pair_strength(mediator, s) * pole.modulus)

    def outer(factor: Float[Array, "mass=3 target=3"], function: Float[Array, "*s"]):
        return jnp.tensordot(factor, function, 0)

    return CrossSections(
        s=outer(flavour.s, mediator.prefactor * y / 3 * resonant),
        t=outer(flavour.t, squared**2 * exchange.f_t),
        st=outer(flavour.st, -2 * squared * (squared * pole.modulus) * pole.cosine * exchange.f_i),
        zz=outer(flavour.pair, squared**2 * f_zz(y)),
        t_u=outer(flavour.t, squared**2 * exchange.f_n),
        tu=outer(flavour.pair, squared**2 * exchange.f_tu),
    )


# Terms of `_arctanh_remainder` by the bytes of a number.
_REMAINDER_TERMS = {4: 7, 8: 16}


def _arctanh_remainder(w: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """T = (artanh w − w)/w³ = Σ_k w^{2k}/(2k + 3) for w ≤ 1/3; with w = y/(y + 2), artanh w = ½ ln(1 + y)."""
    total = jnp.zeros_like(w)
    for k in reversed(range(_REMAINDER_TERMS[w.dtype.itemsize])):
        total = 1 / (2 * k + 3) + w**2 * total
    return total


def _square(z: Complex[Array, "*s"]) -> Float[Array, "*s"]:
    """|z|² without the modulus, whose gradient fails at zero."""
    return z.real**2 + z.imag**2
