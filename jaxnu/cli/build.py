"""From checked settings to the objects of the library."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxnu._field import as_float
from jaxnu.cli.evolutions import make_evolution
from jaxnu.cli.fields import Refused
from jaxnu.cli.settings import SPECTRA, FitSettings, Mesh, PosteriorSettings, ProfileSettings, SpectrumSettings
from jaxnu.constraints import SumOfMasses
from jaxnu.icecube import load
from jaxnu.inference import (
    Model,
    broken_power_law,
    cutoff_power_law,
    default_prior,
    log_parabola,
    measured_angles,
    posterior,
    power_evolution,
)
from jaxnu.mediators import LmuLtau
from jaxnu.mesh import Resolution
from jaxnu.neutrinos import Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw, Spectrum
from jaxnu.universe import Universe

_SPECTRA: dict[str, Callable[..., Spectrum]] = dict(
    zip(SPECTRA, (PowerLaw, cutoff_power_law, broken_power_law, log_parabola), strict=True)
)


def make_model(settings: PosteriorSettings | FitSettings | ProfileSettings, interactions: bool = True) -> Model:
    """The numpyro model; whatever the library refuses is refused here, before anything is compiled."""
    prior, model = settings.prior, settings.model
    try:
        return posterior(
            partial(
                default_prior,
                mass=prior.mass,
                coupling=prior.coupling if interactions else None,
                lightest=prior.lightest,
                amplitude=prior.amplitude,
                index=prior.index,
                ordering=model.ordering if prior.ordering == "fixed" else prior.ordering,
                mixing=model.mixing,
                angles=measured_angles if prior.angles == "measured" else None,
                spectrum=_SPECTRA[prior.spectrum],
                evolution=power_evolution if prior.evolution == "power" else make_evolution(model.evolution),
                flavour=model.flavour,
            ),
            *(load(name, settings.data.convention) for name in settings.data.sets),
            *([] if prior.sum_limit is None else [SumOfMasses(as_float(prior.sum_limit))]),
            resolution=make_resolution(settings.mesh),
        )
    except ValueError as error:
        raise Refused(str(error)) from None


def make_universe(settings: SpectrumSettings) -> Universe:
    """The point of `jaxnu spectrum`."""
    point, model = settings.point, settings.model
    try:
        if point.sum_masses is not None:
            neutrinos = Neutrinos.from_sum(point.sum_masses, model.ordering, model.mixing)
        else:
            assert point.lightest is not None
            neutrinos = Neutrinos(point.lightest, model.ordering, model.mixing)
        source = Source(
            PowerLaw(as_float(point.amplitude), as_float(point.index)), make_evolution(model.evolution), model.flavour
        )
        return Universe(LmuLtau(as_float(point.mass), as_float(point.coupling)), neutrinos, source)
    except ValueError as error:
        raise Refused(str(error)) from None


def make_resolution(mesh: Mesh) -> Resolution:
    """The mesh that the settings describe."""
    return Resolution(nodes=mesh.nodes, shells=mesh.shells, lowest=mesh.lowest, highest=mesh.highest)
