"""From checked settings to the objects of the library."""

from __future__ import annotations

from jaxnu._field import as_float
from jaxnu.cli.evolutions import make_evolution
from jaxnu.cli.fields import Refused
from jaxnu.cli.settings import FitSettings, Mesh, PosteriorSettings, ProfileSettings, SpectrumSettings
from jaxnu.mediators import LmuLtau
from jaxnu.narrow import channels_in_words
from jaxnu.neutrinos import Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw
from jaxnu.transport.mesh import Resolution
from jaxnu.universe import Universe


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
        mediator = LmuLtau(as_float(point.mass), as_float(point.coupling), channels=model.channels)
        return Universe(mediator, neutrinos, source)
    except ValueError as error:
        raise Refused(str(error)) from None


def make_resolution(mesh: Mesh) -> Resolution:
    """The mesh that the settings describe."""
    return Resolution(nodes=mesh.nodes, shells=mesh.shells, lowest=mesh.lowest, highest=mesh.highest)


def prior_channels_in_words(settings: PosteriorSettings | FitSettings | ProfileSettings) -> str:
    """The channels, and how wrong they are where the prior reaches farthest: the lightest Z′, the largest g′."""
    mass, coupling = settings.prior.mass[0], settings.prior.coupling[1]
    return channels_in_words(LmuLtau(as_float(mass), as_float(coupling), channels=settings.model.channels))
