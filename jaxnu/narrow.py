"""How far the narrow width can be trusted, as a number and in words."""

from __future__ import annotations

import numpy as np

from jaxnu.mediators import LmuLtau

# g′ at which some bin of a third of a decade, 10 TeV to 10 PeV, is wrong by these shares of its flux without the other
# channels: m_lightest 0.02 eV, γ = 2.5, star formation; measured with two independent solvers.
_MASSES = (1.0, 3.0, 6.5, 10.0, 20.0)  # MeV
_REACH = {
    0.003: (0.0031, 0.0046, 0.0068, 0.0084, 0.0112),
    0.01: (0.0043, 0.0064, 0.0094, 0.0117, 0.0155),
    0.1: (0.0081, 0.0125, 0.0182, 0.0234, 0.0307),
}


def narrow_width_error(mediator: LmuLtau) -> float:
    """The share of the flux by which `channels="narrow"` is wrong in the worst third of a decade; 0 for other channels.

    Known from 0.003 to 0.1, which stand for less and for more; masses outside of 1 to 20 MeV count as the nearest.
    """
    if mediator.channels != "narrow" or mediator.coupling <= 0:
        return 0.0
    mass, coupling = np.log(float(mediator.mass)), np.log(float(mediator.coupling))
    limits = [np.interp(mass, np.log(_MASSES), np.log(values)) for values in _REACH.values()]
    return float(np.exp(np.interp(coupling, limits, np.log(list(_REACH)))))


def channels_in_words(mediator: LmuLtau) -> str:
    """The channels of a result, with a caution where they are the narrow resonance and that is not good to 0.3 %."""
    words = f"Channels: {mediator.channels}."
    error = narrow_width_error(mediator)
    if error <= min(_REACH) * (1 + 1e-9):
        return words
    size = f"about {100 * error:.1g} %" if error < max(_REACH) * (1 - 1e-9) else "more than 10 %"
    return (
        f"{words} The narrow width leaves out wings and exchange: at m_Z′ = {float(mediator.mass):.3g} MeV and "
        f"g′ = {float(mediator.coupling):.2g} that changes some third of a decade by {size}. "
        'channels="all" leaves out nothing.'
    )
