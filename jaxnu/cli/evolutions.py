"""Names of source evolutions, as settings spell them: some take a number after a colon."""

from __future__ import annotations

from math import isfinite

from jaxnu import evolutions
from jaxnu.cli.fields import Refused

_PLAIN = {
    "star-formation": evolutions.StarFormation,
    "star-formation-smooth": evolutions.SmoothStarFormation,
    "madau-dickinson": evolutions.MadauDickinson,
    "flat": evolutions.Flat,
    "gamma-ray-bursts": evolutions.GammaRayBursts,
    "bl-lac": evolutions.BLLac,
}
_WITH_NUMBER = {"power": evolutions.PowerEvolution, "single-redshift": evolutions.SingleRedshift}

EVOLUTIONS = (*_PLAIN, "power:INDEX", "single-redshift:Z")


def check_evolution(value: str, name: str) -> None:
    """Refuse anything that `make_evolution` cannot make."""
    kind, colon, given = value.partition(":")
    if value in _PLAIN:
        return
    if kind not in _WITH_NUMBER or not colon:
        raise Refused(f"{name} must be one of {', '.join(EVOLUTIONS)}, got {value!r}")
    try:
        number = float(given)
    except ValueError:
        raise Refused(f"{name} needs a number after the colon, got {value!r}") from None
    if not isfinite(number):
        raise Refused(f"{name} needs a finite number after the colon, got {value!r}")
    if kind == "single-redshift" and number <= 0:
        raise Refused(f"{name} needs a positive redshift, got {value!r}")


def make_evolution(value: str) -> evolutions.Evolution | evolutions.SingleRedshift:
    """The evolution that a checked setting names."""
    kind, _, given = value.partition(":")
    return _WITH_NUMBER[kind](float(given)) if given else _PLAIN[kind]()
