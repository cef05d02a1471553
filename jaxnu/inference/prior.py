"""What is believed before the data: numpyro models that return a `Universe`."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Array, ArrayLike, Float

from jaxnu._field import as_float
from jaxnu.evolutions import Evolution, SingleRedshift, StarFormation
from jaxnu.inference.freedom import either_mixing
from jaxnu.inference.sites import Range, log_uniform, uniform
from jaxnu.mediators import LmuLtau
from jaxnu.neutrinos import Mixing, Neutrinos
from jaxnu.sources import Source
from jaxnu.spectra import PowerLaw, Spectrum
from jaxnu.universe import Universe


def default_prior(
    *,
    mass: Range = (1.0, 20.0),
    coupling: Range | None = (1e-5, 1e-1),
    lightest: Range = (1e-4, 0.1),
    amplitude: Range = (0.1, 4.0),
    index: Range = (1.8, 3.5),
    ordering: str = "normal",
    mixing: str | Mixing = "nufit-6.0",
    angles: Callable[[Mixing], Mixing] | None = None,
    spectrum: Callable[[Float[Array, ""], Float[Array, ""]], Spectrum] = PowerLaw,
    evolution: Evolution | SingleRedshift | Callable[[], Evolution] | None = None,
    flavour: str | ArrayLike = "equal",
    channels: str = "all",
) -> Universe:
    """L_μ−L_τ and a power law: log-uniform `mass` (MeV), `coupling`, `lightest` (eV), uniform `amplitude`, `index`.

    The amplitude is in 1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹ per flavour at 100 TeV; `evolution` defaults to `StarFormation()`;
    `channels` are those of `LmuLtau`.
    Other ranges: `functools.partial(default_prior, mass=(2, 8))`; `coupling=None` is the same without a Z′, and without
    the sites `mass` and `coupling`. More freedom, with sites of its own (see
    `jaxnu.inference.freedom`): `ordering="either"` with the name of a set, `angles=measured_angles`,
    `spectrum=cutoff_power_law`, `broken_power_law` or `log_parabola`, `evolution=power_evolution`, or any function of
    the same arguments. Knowledge from elsewhere, such as a limit on Σm, is a term beside the data: `jaxnu.constraints`.
    A prior of one's own is any numpyro model that returns a `Universe`, with continuous sites of fixed range, whose
    units are given as `infer={"unit": "eV"}`.
    Raises ValueError for ranges that are empty or not positive and for whatever the classes of the universe refuse.
    """
    # numpyro hands out random numbers in the order of the sites: those that every prior has come first.
    if coupling is None:
        mediator = LmuLtau(as_float(1.0), as_float(0.0), channels=channels)
    else:
        mediator = LmuLtau(log_uniform("mass", mass, "MeV"), log_uniform("coupling", coupling), channels=channels)
    lightest_mass = log_uniform("lightest", lightest, "eV")
    height = uniform("amplitude", amplitude, "1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹", positive=True)
    source_spectrum = spectrum(height, uniform("index", index))
    if ordering == "either" and isinstance(mixing, str):
        mixing = either_mixing(mixing)
    neutrinos = Neutrinos(lightest_mass, ordering, mixing)
    if angles is not None:
        neutrinos = Neutrinos(lightest_mass, ordering, angles(neutrinos.mixing))
    if evolution is None:
        evolution = StarFormation()
    elif not isinstance(evolution, (Evolution, SingleRedshift)):
        evolution = evolution()
    return Universe(mediator, neutrinos, Source(source_spectrum, evolution, flavour))
