"""What is believed before the data: numpyro models that return a `Universe`."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike

from jaxnu.evolutions import Evolution, SingleRedshift, StarFormation
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Mixing, Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.universe import Universe

Range = tuple[float, float]


def default_prior(
    *,
    mass: Range = (1.0, 20.0),
    coupling: Range = (1e-5, 1e-1),
    lightest: Range = (1e-4, 0.1),
    amplitude: Range = (0.1, 4.0),
    index: Range = (1.8, 3.5),
    ordering: str = "normal",
    mixing: str | Mixing = "nufit-6.0",
    evolution: Evolution | SingleRedshift | None = None,
    flavour: str | ArrayLike = "equal",
) -> Universe:
    """L_μ−L_τ and a power law: log-uniform `mass` (MeV), `coupling`, `lightest` (eV), uniform `amplitude`, `index`.

    The amplitude is in 1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ per flavour at 100 TeV; `evolution` defaults to `StarFormation()`.
    Other ranges: `functools.partial(default_prior, mass=(2, 8))`. A prior of one's own is any numpyro model that
    returns a `Universe`, with continuous sites of fixed range, whose units are given as `infer={"unit": "eV"}`.
    Raises ValueError for ranges that are empty or not positive and for whatever the classes of the universe refuse.
    """
    return Universe(
        mediator=LmuLtau(mass=_log_uniform("mass", mass, "MeV"), coupling=_log_uniform("coupling", coupling, "")),
        neutrinos=Neutrinos(_log_uniform("lightest", lightest, "eV"), ordering, mixing),
        source=Source(
            PowerLaw(
                amplitude=_uniform("amplitude", amplitude, "1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹", positive=True),
                index=_uniform("index", index, ""),
            ),
            StarFormation() if evolution is None else evolution,
            flavour,
        ),
    )


def _log_uniform(name: str, bounds: Range, unit: str) -> Array:
    support = _checked(name, bounds, positive=True)
    return jnp.asarray(numpyro.sample(name, dist.LogUniform(*support), infer={"unit": unit}))


def _uniform(name: str, bounds: Range, unit: str, positive: bool = False) -> Array:
    support = _checked(name, bounds, positive)
    return jnp.asarray(numpyro.sample(name, dist.Uniform(*support), infer={"unit": unit}))


def _checked(name: str, bounds: Range, positive: bool) -> Range:
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"the range of {name} must be two finite numbers, the lower first, got {low} and {high}")
    if positive and low <= 0:
        raise ValueError(f"the range of {name} must be positive, got {low} to {high}")
    return float(low), float(high)
