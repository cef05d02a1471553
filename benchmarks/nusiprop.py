"""Time and error beside those of nuSIprop (2107.13568), as a table: python benchmarks/nusiprop.py

nuSIprop (github.com/ivan-esteban-phys/nuSIprop) has to be importable; `python setup.py build_ext --inplace` in its
folder builds it, with Cython and GSL.

The same in both: the resonance as the only interaction (`non_resonant` and `phiphi` off), a mediator that couples to
ν_τ alone, sources with a power law and smooth star formation up to z = 5, equal mass states, the energy bins, and the
masses, mixing, density of relics and cosmology that nuSIprop has built in. A scalar of coupling g absorbs as much as a
vector of g′ = g/√2: σ = πg² |U_τi|² |U_τj|² δ(s − m²).

Different: nuSIprop's mediator is a scalar, whose decays share the energy evenly (F = 2/E′), and its relics are at rest;
jaxnu's mediator is a vector (F = 3/E′ [x² + (1−x)²]), and its relics have a temperature. Each is compared with the
brute-force solver of the tests (tests/bruteforce.py) for its own equations, relics at rest being ten times colder than
they are, at the same density.
"""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from timing import RESOLUTIONS, begin, compiled, measure, options, row, table

import jaxnu

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import bruteforce

# Built into nuSIprop: θ12, θ23, θ13, splittings (eV²), relics per mass state and helicity (eV³), H₀ (eV), Ω_m.
ANGLES, DELTA_DEGREES = np.radians([33.44, 49.0, 8.57]), 195.0
SPLITTINGS, DENSITY, HUBBLE, OMEGA_M = (7.42e-5, 2.514e-3), 4.3528e-13, 1.5e-33, 0.308
H = HUBBLE / (1e2 * bruteforce.HBAR_C / bruteforce.LIGHT_SPEED / bruteforce.MEGAPARSEC)
# The point: mediator (MeV), coupling of a vector, Σm (eV), γ; temperature of the relics (K), or nearly none.
MASS, COUPLING, TOTAL, GAMMA = 6.5, 5e-4, 0.1, 2.5
WARM, COLD = 1.95, 0.195
# nuSIprop steps in redshift as in energy: bins that are half of its way to z = 5 let it arrive there exactly.
EDGES = 1e4 * 6 ** (np.arange(9) / 2)
VECTOR, SCALAR = np.array([3.0, -6.0, 6.0]), np.array([2.0, 0.0, 0.0])


def overdensity(temperature):
    """What makes relics of this temperature as dense as those of nuSIprop."""
    return DENSITY / (3 * 1.2020569 * (bruteforce.BOLTZMANN * temperature) ** 3 / (4 * np.pi**2))


def universe():
    """The comparison's universe, with a vector."""
    mixing = jaxnu.Mixing(*np.sin(ANGLES) ** 2, np.radians(DELTA_DEGREES), *SPLITTINGS)
    return jaxnu.Universe(
        jaxnu.LmuLtau(MASS, COUPLING, charges=(0.0, 0.0, 1.0), channels="narrow"),
        jaxnu.Neutrinos.from_sum(TOTAL, mixing=mixing),
        jaxnu.Source(jaxnu.PowerLaw(1.0, GAMMA), jaxnu.SmoothStarFormation()),
        jaxnu.Relics(WARM, overdensity(WARM)),
        jaxnu.Cosmology(H, OMEGA_M),
    )


def truth(kernel, temperature, **options):
    """The flux in the bins by brute force, 1e-18 cm⁻² s⁻¹ sr⁻¹, for decays with E F(E′, E) = Σ_p kernel_p (E/E′)^p."""
    content, couplings = bruteforce.pmns_squared(*np.sin(ANGLES) ** 2, DELTA_DEGREES, charges=(0.0, 0.0, 1.0))
    masses = np.asarray(universe().neutrinos.masses, float)
    bruteforce.KERNEL = kernel
    result = bruteforce.solve(
        MASS,
        COUPLING,
        masses,
        couplings,
        1 - 2 * content[2],  # half of the rest is what decays put into a mass state: |U_τi|²
        gamma=GAMMA,
        evolution=lambda z: ((1 + z) ** -34 + ((1 + z) / 5161) ** 3 + ((1 + z) / 9.06) ** 35) ** -0.1,
        h=H,
        omega_m=OMEGA_M,
        t0_kelvin=temperature,
        prefactor=overdensity(temperature),
        edges_gev=EDGES,
        **options,
    )
    bruteforce.KERNEL = VECTOR
    return result["flux"].sum(axis=0)


def solve_jaxnu(resolution):
    """(flux in the bins, times of one spectrum)."""
    edges, point = jnp.asarray(EDGES), universe()
    run, _ = compiled(lambda point: jnp.sum(jaxnu.binned_flux(point, edges, resolution), axis=0) / 1e-18, point)
    return np.asarray(run(point), float), measure(run, point)


def solve_nusiprop(pyprop, fine):
    """The same by nuSIprop with `fine` of its bins in each of ours, out to two of ours above them."""
    steps = fine * (EDGES.size + 1)
    step = np.log10(6) / 2 / fine
    evolver = pyprop(
        MASS * 1e6,
        np.sqrt(2) * COUPLING,
        TOTAL,
        GAMMA,
        norm=3.0,  # three flavours
        non_resonant=False,
        phiphi=False,
        N_bins_E=steps,
        lEmin=13.0,
        lEmax=13.0 + step * steps,
        zmax=4.99,  # goes on to the next step, at 5
    )

    def run():
        evolver.evolve()
        return evolver.get_flux()

    ends = 1e4 * 10 ** (step * np.arange(steps + 1))
    cells = run().sum(axis=0) * np.diff(ends)
    return cells.reshape(-1, fine).sum(axis=1)[: EDGES.size - 1], measure(run)


def show(name, found, exact):
    """Print a line."""
    flux, time = found
    error = 100 * np.abs(flux / exact - 1)
    row(name, time.ms(), f"{error.max():.2f}", f"{np.median(error):.2f}")


def main():
    """Print the table."""
    asked = options(__doc__).parse_args()
    try:
        from nuSIprop import pyprop
    except ImportError as error:
        sys.exit(f"nuSIprop cannot be imported ({error}): build it in its folder and set PYTHONPATH to that folder.")
    begin(asked)
    effort = {"nodes": 600, "shells": 800} if asked.quick else {"nodes": 1800, "shells": 4800}
    table("code", "ms per spectrum", "error, max %", "error, median %")
    exact = truth(VECTOR, WARM, **effort)
    for name, resolution in RESOLUTIONS.items():
        show(f"jaxnu {name}, {resolution.nodes} × {resolution.shells}", solve_jaxnu(resolution), exact)
    exact = truth(SCALAR, COLD, **effort)
    for fine in (10, 20, 30, 60, 120):
        show(f"nuSIprop, {fine * (EDGES.size + 1)} bins", solve_nusiprop(pyprop, fine), exact)
    at_rest = 100 * np.max(np.abs(exact / truth(SCALAR, WARM, **effort) - 1))
    print(f"\nThat its relics are at rest changes the flux by up to {at_rest:.1f} %, which is not counted.")


if __name__ == "__main__":
    main()
