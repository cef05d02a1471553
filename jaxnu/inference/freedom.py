"""What else may be unknown: parts of a prior, to be given to `default_prior` by name.

    partial(default_prior, ordering="either", angles=measured_angles, spectrum=broken_power_law)

Ranges of one's own: `spectrum=partial(cutoff_power_law, cutoff=(1e6, 1e7))`.
"""

from __future__ import annotations

from math import pi

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnu.evolutions import PowerEvolution
from jaxnu.inference.sites import Range, log_uniform, normal, uniform
from jaxnu.neutrinos import Mixing, Neutrinos
from jaxnu.spectra import BrokenPowerLaw, CutoffPowerLaw, LogParabola

Scalar = Float[Array, ""]


def cutoff_power_law(amplitude: Scalar, index: Scalar, *, cutoff: Range = (1e5, 1e8)) -> CutoffPowerLaw:
    """A power law with an exponential cutoff: log-uniform site `cutoff` in GeV."""
    return CutoffPowerLaw(amplitude, index, log_uniform("cutoff", cutoff, "GeV"))


def broken_power_law(
    amplitude: Scalar, index: Scalar, *, index_low: Range = (0.0, 3.5), break_energy: Range = (1e4, 1e6)
) -> BrokenPowerLaw:
    """A power law of `index` above a break: uniform site `index_low` below it, log-uniform `break_energy` in GeV.

    The ranges hold the breaks that IceCube's two fits of 2025 find: 25 TeV with indices 1.31 and 2.735, and 33 TeV with
    1.72 and 2.839 (2507.22233).
    """
    return BrokenPowerLaw(
        amplitude=amplitude,
        index_low=uniform("index_low", index_low),
        index_high=index,
        break_energy=log_uniform("break_energy", break_energy, "GeV"),
    )


def log_parabola(amplitude: Scalar, index: Scalar, *, curvature: Range = (-0.5, 1.0)) -> LogParabola:
    """A power law whose `index` at 100 TeV grows by the uniform site `curvature` per decade of energy."""
    return LogParabola(amplitude, index, uniform("curvature", curvature))


def power_evolution(*, evolution: Range = (-3.0, 5.0)) -> PowerEvolution:
    """Sources that evolve as (1+z)^m out to z = 5: uniform site `evolution`, m.

    From BL Lacs, which were rarer in the past, through m = 3.4 of star formation to z = 1, to the fastest quasars.
    """
    return PowerEvolution(uniform("evolution", evolution))


def measured_angles(mixing: Mixing) -> Mixing:
    """The mixing with its angles free within their errors: sites sin2_12, sin2_13, sin2_23 and delta (rad).

    sin²θ12 and sin²θ13 are normal about the values of `mixing`, with errors 0.012 and 0.0006: the relative precisions
    of θ12 and θ13 at 3σ, 13 and 8 % of the angle from end to end, that the abstract of 2410.05380 gives. That fit can
    tell neither the octant of θ23 nor, for normal ordering, the phase from CP conservation: sin²θ23 is uniform from
    0.42 to 0.60, δ over the circle. The splittings, known to 1 %, stay fixed. A best fit, which maximises the
    likelihood of the terms alone, sees the ranges but not the errors.
    """
    free = (
        normal("sin2_12", mixing.sin2_12, 0.012, (0.26, 0.36)),
        uniform("sin2_23", (0.42, 0.60)),
        normal("sin2_13", mixing.sin2_13, 0.0006, (0.019, 0.026)),
        uniform("delta", (0.0, 2 * pi), "rad"),
    )
    return eqx.tree_at(lambda m: (m.sin2_12, m.sin2_23, m.sin2_13, m.delta), mixing, free)


def either_mixing(mixing: str) -> Mixing:
    """The published set `mixing` of the ordering that the uniform site `ordering` chooses: normal below ½.

    Both orderings are equally probable beforehand; the share of draws below ½ is the posterior probability of the
    normal one. Where the site crosses ½ the density jumps, which the Metropolis step of NUTS accounts for.
    """
    is_normal = uniform("ordering", (0.0, 1.0)) < 0.5
    sets = [Neutrinos(0.0, ordering, mixing).mixing for ordering in ("normal", "inverted")]
    return jax.tree.map(lambda *values: jnp.where(is_normal, *values), *sets)
