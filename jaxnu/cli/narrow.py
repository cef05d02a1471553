"""How far the narrow width can be trusted, in words."""

from __future__ import annotations

import numpy as np

# g′ at which some bin of a third of a decade, 10 TeV to 10 PeV, is wrong by these shares of its flux without the other
# channels: m_lightest 0.02 eV, γ = 2.5, star formation; measured with two independent solvers.
_MASSES = (1.0, 3.0, 6.5, 10.0, 20.0)  # MeV
_REACH = {
    0.003: (0.0031, 0.0046, 0.0068, 0.0084, 0.0112),
    0.01: (0.0043, 0.0064, 0.0094, 0.0117, 0.0155),
    0.1: (0.0081, 0.0125, 0.0182, 0.0234, 0.0307),
}


def narrow_width_in_words(channels: str, mass: float, coupling: float) -> str | None:
    """A caution where the narrow width is not good to 0.3 %; masses outside of the table count as its nearest one."""
    if channels != "narrow" or coupling <= 0:
        return None
    errors = np.log(list(_REACH))
    limits = [np.interp(np.log(mass), np.log(_MASSES), np.log(values)) for values in _REACH.values()]
    if np.log(coupling) <= limits[0]:
        return None
    error = np.exp(np.interp(np.log(coupling), limits, errors))
    size = f"about {100 * error:.1g} %" if error < 0.1 else "more than 10 %"
    return (
        f"The narrow width leaves out wings and exchange: at m_Z' = {mass:.3g} MeV and g' = {coupling:.2g} that "
        f"changes some third of a decade by {size}. --channels all has everything."
    )
