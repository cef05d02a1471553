"""Cross sections of every channel against the energy in the centre of mass, and the spectra of what comes out.

Mean over the three mass states of the projectile, sum over those of the target. Writes cross_sections.png.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import jaxnu
from jaxnu.daughters import daughter_spectra

jax.config.update("jax_enable_x64", True)

MASS, COUPLING = 5.0, 0.05  # MeV, 1
FAR = 20.0  # s/M² of the spectra

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--output", default="cross_sections.png", help="file of the picture")
output = parser.parse_args().output

universe = jaxnu.Universe(
    mediator=jaxnu.LmuLtau(mass=MASS, coupling=COUPLING),
    neutrinos=jaxnu.Neutrinos(0.02),
    source=jaxnu.Source(jaxnu.PowerLaw(amplitude=1.5, index=2.5), jaxnu.StarFormation()),
)

# √s/M: evenly in ln, and in the angle of the propagator around the resonance, which is 1/15000 wide.
angles = np.linspace(-1, 1, 401) * np.arctan(3e3)
near = np.sqrt(1 + 6.6e-5 * np.tan(angles))
ratio = np.unique(np.concatenate([np.geomspace(0.1, 100, 900), near]))
sections = jax.tree.map(
    lambda value: np.asarray(jnp.sum(value, axis=(0, 1))) / 3, jaxnu.cross_sections(universe, (ratio * MASS) ** 2)
)

x = np.linspace(0.001, 0.999, 999)
spectra = daughter_spectra(universe, jnp.full(x.shape, FAR * MASS**2), x)
same, opposite, like, bosons = (np.asarray(jnp.sum(value, axis=(0, 1, 2))) / 3 for value in spectra)

figure = Figure(figsize=(10, 4.6), layout="constrained")
left, right = figure.subplots(1, 2)
energy = ratio * MASS
left.loglog(energy, sections.on_antineutrino, color="black", linewidth=2, label=r"on $\bar\nu$: all")
left.loglog(energy, sections.s, color="#D55E00", label="$s$")
left.loglog(energy, sections.t, color="#0072B2", label="$t$")
for sign, style, label in ((1, "-", "$st$"), (-1, ":", "$-st$")):
    one_sign = np.where(sign * sections.st > 0, sign * sections.st, np.nan)
    left.loglog(energy, one_sign, color="#009E73", linestyle=style, label=label)
left.loglog(energy, np.where(sections.zz > 0, sections.zz, np.nan), color="#CC79A7", label="$Z'Z'$")
left.loglog(energy, sections.on_neutrino, color="0.5", linewidth=2, linestyle="--", label=r"on $\nu$: all")
left.loglog(energy, sections.tu, color="0.5", linewidth=1, linestyle="-.", label="$tu$")
left.set(xlabel=r"$\sqrt{s}$ [MeV]", ylabel=r"$\sigma$ [cm$^2$]", ylim=(1e-33, 3e-21), xlim=(0.5, 500))
left.set_title(f"$M$ = {MASS:g} MeV, $g'$ = {COUPLING:g}")
left.legend(ncols=2)

unit = 1e-30
right.plot(x, same / unit, color="#0072B2", label=r"$\nu_i\bar\nu_j\to\nu_a\bar\nu_b$: $\nu_a$")
right.plot(x, opposite / unit, color="#D55E00", linestyle="--", label=r"$\nu_i\bar\nu_j\to\nu_a\bar\nu_b$: $\bar\nu_b$")
right.plot(x, like / unit, color="0.5", linestyle="-.", label=r"$\nu_i\nu_j\to\nu_a\nu_b$: both")
right.plot(x, bosons / unit, color="#CC79A7", linestyle=":", linewidth=2, label=r"$\nu_i\bar\nu_j\to Z'Z'$: all four")
right.set(
    xlabel=r"$x = E_\mathrm{out}/E$",
    ylabel=r"$d\sigma/dx$ [$10^{-30}$ cm$^2$]",
    xlim=(0, 1),
    ylim=(1e-2, 500),
    yscale="log",
)
right.set_title(f"$s$ = {FAR:g} $M^2$")
right.legend(loc="upper center")
figure.savefig(output, dpi=150)

print("cross section in cm², mean over projectiles, sum over targets:")
for at in (0.5, 1.0, 2.0, 10.0, 100.0):
    one = np.argmin(np.abs(ratio - at))
    on_both = (sections.on_antineutrino[one], sections.on_neutrino[one])
    print(f"  sqrt(s) = {energy[one]:6.1f} MeV: on antineutrinos {on_both[0]:.3e}, on neutrinos {on_both[1]:.3e}")
