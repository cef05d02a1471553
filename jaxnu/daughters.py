"""Energies and mass states of the neutrinos that leave each 2→2 process: dσ/dx, x = E_out/E_in.

For targets slow against E, t = −s(1 − x) of an outgoing neutrino. With P of `jaxnu.channels`, A = 1/[1 + y(1 − x)] and
B = 1/(1 + yx), amplitudes are sums of P, A and B times charges, and dσ/dx sums their squares over the other particle.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float
from numpy.polynomial.legendre import leggauss

from jaxnu._field import as_float, full_precision, require
from jaxnu.channels import area, boson_pair, propagator, relative_width
from jaxnu.mediators import neutrino_branching
from jaxnu.neutrinos import charge_matrix
from jaxnu.universe import Universe

Projectile = Literal["both", "neutrino", "antineutrino"]

_NODES, _WEIGHTS = leggauss(48)


class Daughters(NamedTuple):
    """dσ/dx of the daughters of mass state a from i on target j.

    For an incoming neutrino: `same` is ν_a and `opposite` is ν̄_a of ν_i ν̄_j → ν ν̄, `like` is ν_a (both that come out)
    of ν_i ν_j → ν ν, and `bosons` is ν_a + ν̄_a of ν_i ν̄_j → Z′Z′ after both have decayed.
    """

    same: Float[Array, "mass=3 target=3 daughter=3 *s"]
    opposite: Float[Array, "mass=3 target=3 daughter=3 *s"]
    like: Float[Array, "mass=3 target=3 daughter=3 *s"]
    bosons: Float[Array, "mass=3 target=3 daughter=3 *s"]


class DaughterFlavours(NamedTuple):
    """Flavour factors (mass i, target j, daughter a) of the squares ss, tt, uu, of the interferences and of Z′Z′.

    ss = |q_ij|² R_aa, tt = |q_ai|² R_jj, uu = |q_aj|² R_ii, st = q_ji R_aj q_ia, su = q_ji R_ia q_aj, tu = Re[q_ja q_ai
    R_ij], bosons = |R_ij|² R_aa/tr q².
    """

    ss: Float[Array, "mass=3 target=3 daughter=3"]
    tt: Float[Array, "mass=3 target=3 daughter=3"]
    uu: Float[Array, "mass=3 target=3 daughter=3"]
    st: Complex[Array, "mass=3 target=3 daughter=3"]
    su: Complex[Array, "mass=3 target=3 daughter=3"]
    tu: Float[Array, "mass=3 target=3 daughter=3"]
    bosons: Float[Array, "mass=3 target=3 daughter=3"]


@full_precision
def daughter_flavours(q: Complex[Array, "mass=3 target=3"]) -> DaughterFlavours:
    """The flavour factors of the spectra, for any Hermitian charge matrix q between mass states; R = q²."""
    r = q @ q
    diagonal = jnp.diagonal(r).real
    q_square, r_square = (q * q.conj()).real, (r * r.conj()).real
    return DaughterFlavours(
        ss=jnp.einsum("ij,a->ija", q_square, diagonal),
        tt=jnp.einsum("ai,j->ija", q_square, diagonal),
        uu=jnp.einsum("aj,i->ija", q_square, diagonal),
        st=jnp.einsum("ji,aj,ia->ija", q, r, q),
        su=jnp.einsum("ji,ia,aj->ija", q, r, q),
        tu=jnp.einsum("ja,ai,ij->ija", q, q, r).real,
        bosons=jnp.einsum("ij,a->ija", r_square, diagonal / jnp.sum(diagonal)),
    )


def daughter_spectra(universe: Universe, s: ArrayLike, x: ArrayLike, projectile: Projectile = "both") -> Daughters:
    """dσ/dx in cm², each (mass, target, daughter, *s), at `s` in MeV² and energy fractions `x` of the same shape.

    same: y x² {ss |P|² + tt A² − 2 Re[st P] A}; opposite: y(1 − x)² {ss |P|² + uu B² − 2 Re[su P] B}; like: y {tt A² +
    uu B² + 2 tu AB}; bosons: `boson_daughters` times Γ_νν/Γ_tot; times g′⁴/4πM², with flavours of `DaughterFlavours`.
    `projectile` "both" is the mean of neutrinos and antineutrinos, where Re[st P] becomes Re st Re P. The mediator's
    `prefactor` is not applied. Raises ValueError unless s > 0, 0 ≤ x ≤ 1 and the shapes agree.
    """
    s, x = as_float(s), as_float(x)
    require(s > 0, f"s must be positive (MeV²), got {s}")
    require((x >= 0) & (x <= 1), f"x must lie in [0, 1], got {x}")
    if s.shape != x.shape:
        raise ValueError(f"s and x must have the same shape, got {s.shape} and {x.shape}")
    if projectile not in ("both", "neutrino", "antineutrino"):
        raise ValueError(f"projectile must be both, neutrino or antineutrino, got {projectile!r}")
    sign = {"both": 0.0, "neutrino": 1.0, "antineutrino": -1.0}[projectile]
    spectra = reduced_spectra(universe, s, x, jnp.asarray(sign, dtype=s.dtype))
    return jax.tree.map(lambda value: value * area(universe.mediator), spectra)


@jax.jit
@full_precision
def reduced_spectra(
    universe: Universe, s: Float[Array, "*s"], x: Float[Array, "*s"], cp_sign: Float[Array, ""]
) -> Daughters:
    """The `daughter_spectra` in units of 1/(4πM²); `cp_sign` 1 for ν, −1 for ν̄ and 0 for their mean."""
    mediator = universe.mediator
    flavour = daughter_flavours(charge_matrix(universe.neutrinos, mediator.charges))
    gamma, branching = relative_width(mediator), neutrino_branching(mediator)

    def at_point(y: Float[Array, ""], x: Float[Array, ""]) -> Daughters:
        # Propagators come with their g′², so that squares do not overflow.
        pole = propagator(y, gamma)
        p = mediator.coupling**2 * pole.modulus
        real, imaginary = p * pole.cosine, -cp_sign * p * pole.sine
        a = mediator.coupling**2 / (1 + y * (1 - x))
        b = mediator.coupling**2 / (1 + y * x)
        same = flavour.ss * p**2 + flavour.tt * a**2 - 2 * a * (flavour.st.real * real - flavour.st.imag * imaginary)
        other = flavour.ss * p**2 + flavour.uu * b**2 - 2 * b * (flavour.su.real * real - flavour.su.imag * imaginary)
        like = flavour.tt * a**2 + flavour.uu * b**2 + 2 * (a * b) * flavour.tu
        bosons = branching * mediator.coupling**4 * boson_daughters(y, x)
        return Daughters(y * x**2 * same, y * (1 - x) ** 2 * other, y * like, flavour.bosons * bosons)

    spectra = jax.vmap(at_point, out_axes=-1)(jnp.ravel(s / mediator.mass**2), jnp.ravel(x))
    return jax.tree.map(lambda value: value.reshape(*value.shape[:3], *s.shape), spectra)


def boson_daughters(y: Float[Array, ""], x: Float[Array, ""]) -> Float[Array, ""]:
    """Neutrinos and antineutrinos per dx of ν ν̄ → Z′Z′ at y = s/M², if Z′ → ν ν̄ only; integral over x 4 f_zz(y).

    Σ over both Z′ of ∫ dζ/ζ {T(ζ) 3[x′² + (1 − x′)²] + L(ζ) 12 x′(1 − x′)}, with x′ = x/ζ, ζ = E_Z′/E, and T and L the
    parts of dσ/dζ that are transverse and longitudinal about the target's direction. With t = 1 − y(1 − ζ), u = 1 −
    yζ: T + L = [t/u + u/t + 4y/(tu) − 1/t² − 1/u²]/y and L = 2(1 − t)²/[t²(1 − u)²]. The variable is the rapidity η,
    tu = cosh²ℓ/cosh²η, in which T + L and L are free of peaks and of cancellations. Gauss–Legendre, to
    2e-12 at y = 100, 6e-8 at 1e3, 3e-6 at 1e4 and 6e-4 up to 1e12. Dimensionless; zero for y ≤ 4.
    """
    open_, y, _, rapidity = boson_pair(y)
    # −u and −t at ζ = x, which lie between e^{−ℓ} and e^ℓ where ζ is in range.
    nearest, farthest = jnp.exp(-rapidity), jnp.exp(rapidity)
    minus_u, minus_t = (jnp.clip(y * share - 1, nearest, farthest) for share in (x, 1 - x))
    lowest = (jnp.log(minus_u) - jnp.log(minus_t)) / 2
    half = (rapidity - lowest) / 2
    # ℓ − η, of full precision at the forward end.
    distance = half * jnp.asarray(1 - _NODES, dtype=y.dtype)
    eta = rapidity - distance
    tanh = jnp.tanh(eta)
    zeta, rest = jax.nn.sigmoid(2 * eta) - tanh / y, jax.nn.sigmoid(-2 * eta) + tanh / y
    cosh = y / 2 - 1
    both = (2 * (1 + tanh**2) * jnp.sinh(distance) * jnp.sinh(2 * rapidity - distance) / y + 4) / (y * cosh)
    longitudinal = 2 * (rest / zeta * jnp.exp(eta)) ** 2 / (y * cosh)
    fraction = x / zeta
    density = (both - longitudinal) * 3 * (fraction**2 + (1 - fraction) ** 2)
    density = density + longitudinal * 12 * fraction * (1 - fraction)
    total = half * jnp.sum(jnp.asarray(_WEIGHTS, dtype=y.dtype) * density / zeta)
    return jnp.where(open_, total, 0.0)
