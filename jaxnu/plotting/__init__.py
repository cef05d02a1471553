"""Pictures. `plot_…` draws into the Axes that it is given and returns it, `…_figure` makes a figure.

Colours are Okabe and Ito's, which the colour-blind can tell apart; lines differ in dashes as well.
"""

import lazy_loader

# Names are listed in __init__.pyi and imported when they are first used: a spectrum needs no sampler.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
