"""What all pictures share: colours and the names of the parameters."""

from __future__ import annotations

import numpy as np
from jaxtyping import Array

Numbers = Array | np.ndarray

BLUE, ORANGE, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"

# Sites of the default prior: axis label, symbol, and whether its logarithm is drawn.
LABELS = {
    "mass": (r"$\log_{10}\,m_{Z'}$ / MeV", r"$\log_{10}\,m_{Z'}$", True),
    "coupling": (r"$\log_{10}\,g'$", r"$\log_{10}\,g'$", True),
    "lightest": ("$\\log_{10}$ lightest\nmass / eV", r"$\log_{10}\,m_\mathrm{lightest}$", True),
    "amplitude": ("$A$ / ($10^{-18}$ GeV$^{-1}$\ncm$^{-2}$ s$^{-1}$ sr$^{-1}$)", "$A$", False),
    "index": (r"$\gamma$", r"$\gamma$", False),
}
