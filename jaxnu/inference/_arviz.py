"""ArviZ, without the announcement of its refactoring that it prints once for every new cache directory."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)
    import arviz as az

__all__ = ["az"]
