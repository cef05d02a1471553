"""Neutrino masses and mixing, and the charges of the new force in the mass basis."""

from __future__ import annotations

from functools import partial
from math import pi, radians

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, Inexact

from jaxnu._field import as_float, full_precision, param, require

_ORDERINGS = ("normal", "inverted")

# sin²θ12, sin²θ23, sin²θ13, δ (rad), Δm²21, Δm²3ℓ (eV²), by ordering; sources in the docstring of `Neutrinos`.
_PRESETS = {
    "nufit-5.0": {
        "normal": (0.304, 0.573, 0.02219, radians(197), 7.42e-5, 2.517e-3),
        "inverted": (0.304, 0.575, 0.02238, radians(282), 7.42e-5, -2.498e-3),
    },
    "nufit-5.2": {
        "normal": (0.303, 0.451, 0.02225, radians(232), 7.41e-5, 2.507e-3),
        "inverted": (0.303, 0.569, 0.02223, radians(276), 7.41e-5, -2.486e-3),
    },
    "nufit-6.0": {
        "normal": (0.308, 0.470, 0.02215, radians(212), 7.49e-5, 2.513e-3),
        "inverted": (0.308, 0.550, 0.02231, radians(274), 7.49e-5, -2.484e-3),
    },
    # The fit quotes Δm² = m3² − (m1² + m2²)/2: 2.43e-3 (normal) and −2.38e-3 (inverted).
    "kamada-yu-2015": {
        "normal": (0.308, 0.437, 0.0234, 1.39 * pi, 7.54e-5, 2.43e-3 + 7.54e-5 / 2),
        "inverted": (0.308, 0.455, 0.0240, 1.31 * pi, 7.54e-5, -2.38e-3 - 7.54e-5 / 2),
    },
    # The fit quotes |Δm²31|: 2.48e-3 (normal) and 2.38e-3 (inverted).
    "araki-2014": {
        "normal": (0.3225, 0.5679, 0.0208, 1.478 * pi, 7.60e-5, 2.48e-3),
        "inverted": (0.3229, 0.5729, 0.0218, 1.478 * pi, 7.60e-5, -2.38e-3 - 7.60e-5),
    },
}


class Mixing(eqx.Module):
    """The PMNS angles and phase in the PDG convention, and the two mass splittings.

    Δm²3ℓ is m3² − m1² > 0 for normal and m3² − m2² < 0 for inverted ordering (NuFIT's convention, 2007.14792).
    Raises ValueError for sin²θ outside [0, 1], dm2_21 ≤ 0, |dm2_3l| ≤ dm2_21, and numbers that are not finite.
    """

    sin2_12: Float[Array, ""] = param("sin²θ12")
    sin2_23: Float[Array, ""] = param("sin²θ23")
    sin2_13: Float[Array, ""] = param("sin²θ13")
    delta: Float[Array, ""] = param("CP phase δ", "rad")
    dm2_21: Float[Array, ""] = param("m2² − m1²", "eV²")
    dm2_3l: Float[Array, ""] = param("m3² − m1² (normal, > 0) or m3² − m2² (inverted, < 0)", "eV²")

    def __check_init__(self) -> None:
        for name in ("sin2_12", "sin2_23", "sin2_13"):
            value = getattr(self, name)
            require((value >= 0) & (value <= 1), f"{name} must lie in [0, 1], got {value}")
        require(jnp.isfinite(self.delta), f"delta must be finite (rad), got {self.delta}")
        require(self.dm2_21 > 0, f"dm2_21 must be positive (eV²), got {self.dm2_21}")
        splitting = jnp.abs(self.dm2_3l)
        valid = jnp.isfinite(splitting) & (splitting > self.dm2_21)
        require(valid, f"|dm2_3l| must be finite and exceed dm2_21 = {self.dm2_21} eV², got dm2_3l = {self.dm2_3l}")


class Neutrinos(eqx.Module):
    """Three neutrinos: the lightest mass in eV, the ordering ("normal", "inverted" or "either") and the mixing.

    "either" is the ordering that the sign of Δm²3ℓ says, which may be traced, and needs a `Mixing`.
    `mixing` is a `Mixing` or the name of a published set, each with a normal and an inverted version:
    "nufit-5.0" (July 2020, 2007.14792), "nufit-5.2" (November 2022, www.nu-fit.org, same reference) and
    "nufit-6.0" (September 2024, 2410.05380 table 1, variant IC24), all three *with* Super-Kamiokande atmospheric data;
    "kamada-yu-2015", the normal-ordering angles of 1504.00711 (below eq. 23), the rest from the same fit (1312.2878);
    "araki-2014", angles that reproduce the |q_ij| of 1409.4180 (eq. 4), with the splittings of 1405.7540 (table 1).
    Raises ValueError for an unknown ordering or set, a negative or non-finite mass, and a Δm²3ℓ of the wrong sign.
    """

    ordering: str = eqx.field(static=True)
    mixing: Mixing
    lightest: Float[Array, ""] = param("mass of the lightest neutrino", "eV")

    def __init__(self, lightest: ArrayLike, ordering: str = "normal", mixing: str | Mixing = "nufit-6.0") -> None:
        self.lightest = as_float(lightest)
        self.ordering = ordering
        self.mixing = _resolve(mixing, ordering)

    def __check_init__(self) -> None:
        valid = (self.lightest >= 0) & jnp.isfinite(self.lightest)
        require(valid, f"lightest mass must be finite and not negative (eV), got {self.lightest}")

    @classmethod
    def from_sum(cls, total: ArrayLike, ordering: str = "normal", mixing: str | Mixing = "nufit-6.0") -> Neutrinos:
        """Neutrinos whose masses add up to `total` = Σm (eV); differentiable in Σm and in the splittings.

        Raises ValueError if Σm is below the sum for a massless lightest neutrino; a traced Σm below it is taken as it.
        The ordering must be one of the two.
        """
        if ordering == "either":
            raise ValueError("from_sum needs the ordering to be normal or inverted, got 'either'")
        resolved = _resolve(mixing, ordering)
        wanted = as_float(total)
        minimum = jnp.sum(_masses(jnp.zeros_like(wanted), ordering, resolved))
        message = f"total must be finite and at least {minimum} eV, the minimum for {ordering} ordering, got {wanted}"
        require((wanted >= minimum) & jnp.isfinite(wanted), message)
        return cls(_lightest_from_sum(jnp.maximum(wanted, minimum), ordering, resolved), ordering, resolved)

    @property
    def masses(self) -> Float[Array, "mass=3"]:
        """(m1, m2, m3) in eV."""
        return _masses(self.lightest, self.ordering, self.mixing)


def pmns(neutrinos: Neutrinos) -> Complex[Array, "flavour=3 mass=3"]:
    """The mixing matrix U_αi, ν_α = Σ_i U_αi ν_i, without Majorana phases (PDG convention: U_e3 = s13 e^{−iδ})."""
    mixing = neutrinos.mixing
    s12, c12 = _sine_cosine(mixing.sin2_12)
    s23, c23 = _sine_cosine(mixing.sin2_23)
    s13, c13 = _sine_cosine(mixing.sin2_13)
    even, odd, zero = s13 * jnp.cos(mixing.delta), s13 * jnp.sin(mixing.delta), jnp.zeros_like(s13)
    real = (
        (c12 * c13, s12 * c13, even),
        (-s12 * c23 - c12 * s23 * even, c12 * c23 - s12 * s23 * even, s23 * c13),
        (s12 * s23 - c12 * c23 * even, -c12 * s23 - s12 * c23 * even, c23 * c13),
    )
    imaginary = (
        (zero, zero, -odd),
        (-c12 * s23 * odd, -s12 * s23 * odd, zero),
        (-c12 * c23 * odd, -s12 * c23 * odd, zero),
    )
    return jax.lax.complex(jnp.array(real), jnp.array(imaginary))


def flavour_content(neutrinos: Neutrinos) -> Float[Array, "flavour=3 mass=3"]:
    """|U_αi|², the share of flavour α in mass state i."""
    return _square(pmns(neutrinos))


@full_precision
def charge_matrix(neutrinos: Neutrinos, charges: Inexact[Array, "..."]) -> Complex[Array, "mass=3 target=3"]:
    """q = U† Q U, the Hermitian charge matrix between mass states (1409.4180 eq. 2), dimensionless.

    `charges` is Q in (e, μ, τ): 3 diagonal entries or a Hermitian 3×3 matrix. For L_μ−L_τ, q³ = q and (q²)_ij = δ_ij −
    U_ei* U_ej. Raises ValueError for charges of another shape.
    """
    if charges.shape not in ((3,), (3, 3)):
        raise ValueError(f"charges must be 3 numbers or a 3×3 matrix, got shape {charges.shape}")
    matrix = pmns(neutrinos)
    charge = charges.astype(matrix.dtype)
    charge = jnp.diag(charge) if charge.ndim == 1 else charge
    return matrix.conj().T @ charge @ matrix


def charge_couplings(neutrinos: Neutrinos, charges: Inexact[Array, "..."]) -> Float[Array, "mass=3 target=3"]:
    """|q_ij|², the squared modulus of `charge_matrix`, with the same arguments and errors.

    For L_μ−L_τ, Σ_j |q_ij|² = 1 − |U_ei|² and Σ_ij |q_ij|² = 2, whatever the mixing.
    """
    return _square(charge_matrix(neutrinos, charges))


def _resolve(mixing: str | Mixing, ordering: str) -> Mixing:
    """The mixing itself, or the published set of that name; its Δm²3ℓ must have the sign of the ordering."""
    if ordering == "either" and isinstance(mixing, Mixing):
        return mixing
    if ordering not in _ORDERINGS:
        known = f"{', '.join(_ORDERINGS)} (or, with a Mixing, either)"
        raise ValueError(f"ordering must be one of {known}, got {ordering!r}")
    if isinstance(mixing, Mixing):
        sign, relation = (1, "positive") if ordering == "normal" else (-1, "negative")
        require(sign * mixing.dm2_3l > 0, f"dm2_3l must be {relation} for {ordering} ordering, got {mixing.dm2_3l}")
        return mixing
    if mixing not in _PRESETS:
        raise ValueError(f"mixing must be a Mixing or one of {', '.join(_PRESETS)}, got {mixing!r}")
    return Mixing(*map(as_float, _PRESETS[mixing][ordering]))


def _masses(lightest: Float[Array, ""], ordering: str, mixing: Mixing) -> Float[Array, "mass=3"]:
    """(m1, m2, m3) in eV from the lightest: m1 for normal, m3 for inverted ordering."""
    square, splitting = lightest**2, jnp.abs(mixing.dm2_3l)
    normal = jnp.stack([lightest, jnp.sqrt(square + mixing.dm2_21), jnp.sqrt(square + splitting)])
    inverted = jnp.stack([jnp.sqrt(square + splitting - mixing.dm2_21), jnp.sqrt(square + splitting), lightest])
    if ordering == "either":
        return jnp.where(mixing.dm2_3l > 0, normal, inverted)
    return normal if ordering == "normal" else inverted


@partial(jax.jit, static_argnames="ordering")
def _lightest_from_sum(total: Float[Array, ""], ordering: str, mixing: Mixing) -> Float[Array, ""]:
    """The lightest mass in eV at which the masses add up to `total`.

    Σm is convex and increasing in the lightest mass, so Newton from Σm/3, which is too heavy, descends to the root.
    """

    def newton(lightest: Float[Array, ""]) -> Float[Array, ""]:
        masses = _masses(lightest, ordering, mixing)
        heavier = masses[1:] if ordering == "normal" else masses[:2]
        slope = 1 + jnp.sum(lightest / heavier)
        return lightest - (jnp.sum(masses) - total) / slope

    root = jax.lax.fori_loop(0, 8, lambda _, lightest: newton(lightest), total / 3)
    # Derivatives need the last two steps only: they are exact up to third order.
    return jnp.maximum(newton(newton(jax.lax.stop_gradient(root))), 0.0)


def _sine_cosine(sine_squared: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """sin θ and cos θ for θ in the first quadrant; where one vanishes its infinite slope is replaced by zero."""
    return _root(sine_squared), _root(1 - sine_squared)


def _root(x: Float[Array, ""]) -> Float[Array, ""]:
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def _square(z: Complex[Array, "*s"]) -> Float[Array, "*s"]:
    """|z|² without the modulus, whose gradient fails at zero."""
    return z.real**2 + z.imag**2
