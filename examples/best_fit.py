"""The best fit of the Z' model to IceCube's cascades and tracks, against the best power law.

Reduced for speed: 60 energy nodes, 8 shells and 3 searches of at most 15 steps. Writes best_fit.png.
"""

import jax

import jaxnu
from jaxnu.plotting import spectrum_figure

jax.config.update("jax_enable_x64", True)

terms = [jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr")]
model = jaxnu.posterior(jaxnu.default_prior, *terms, resolution=jaxnu.Resolution(nodes=60, shells=8))
best = jaxnu.fit(model, jax.random.key(1), sweep=256, starts=3, steps=15)

lines = {"best fit with Z′": best.universe, "best power law": best.power_law_universe}
spectrum_figure(terms, lines, resolution=model.resolution).savefig("best_fit.png", dpi=150)
print(best.summary())
