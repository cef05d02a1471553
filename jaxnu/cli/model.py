"""From checked settings to a model: apart from the rest, for a spectrum needs no sampler."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxnu._field import as_float
from jaxnu.cli.build import make_resolution
from jaxnu.cli.evolutions import make_evolution
from jaxnu.cli.fields import Refused
from jaxnu.cli.settings import SPECTRA, FitSettings, PosteriorSettings, ProfileSettings
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
from jaxnu.spectra import PowerLaw, Spectrum

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
                # Without a Z′ nothing scatters, by the narrow resonance fastest.
                channels=model.channels if interactions else "narrow",
            ),
            *(load(name, settings.data.convention) for name in settings.data.sets),
            *([] if prior.sum_limit is None else [SumOfMasses(as_float(prior.sum_limit))]),
            resolution=make_resolution(settings.mesh),
        )
    except ValueError as error:
        raise Refused(str(error)) from None
