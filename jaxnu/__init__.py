"""Differentiable propagation of high-energy neutrinos through the cosmic neutrino background."""

import lazy_loader

# Names are listed in __init__.pyi and imported when they are first used: a spectrum needs no sampler.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
