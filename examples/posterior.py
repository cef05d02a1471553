"""A posterior of the Z' model given IceCube's cascades and tracks: too short to be trusted, as it says itself.

Reduced for speed: 60 energy nodes, 8 shells and 2 chains of 30 + 30 steps (`jaxnu posterior` does it properly).
Writes posterior.nc and posterior.png.
"""

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import jaxnu
from jaxnu.inference import universe_at, verdict
from jaxnu.plotting import plot_bands, plot_points

jax.config.update("jax_enable_x64", True)

cascades, tracks = jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr")
resolution = jaxnu.Resolution(nodes=60, shells=8)
model = jaxnu.posterior(jaxnu.default_prior, cascades, tracks, resolution=resolution)
result = jaxnu.sample(model, jax.random.key(1), chains=2, warmup=30, draws=30, sweep=128, progress=False)
result.save("posterior.nc")

energy = np.geomspace(5e3, 5e7, 200)


@jax.jit
@jax.vmap
def cascade_flux(values):
    return cascades.combine(jaxnu.flux_at_earth(universe_at(model, values), energy, resolution))


flux = cascade_flux({name: jnp.asarray(np.ravel(draws)) for name, draws in result.draws.items()})

figure = Figure(figsize=(6, 4.5), layout="constrained")
axes = plot_points(plot_bands(figure.subplots(), energy, flux), cascades)
axes.set(title=r"cascades: mean of $\nu_e$ and $\nu_\tau$", ylim=(2e-10, 2e-7))
axes.legend()
figure.savefig("posterior.png", dpi=150)
for name, draws in result.draws.items():
    low, middle, high = np.percentile(draws, [16, 50, 84])
    print(f"{name:10s} {middle:.3g}, 68 % between {low:.3g} and {high:.3g} {result.units[name]}")
print(verdict(result))
