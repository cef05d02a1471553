"""Spectra, evolutions and flavour compositions against closed forms and published numbers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from jaxnu.evolutions import (
    BLLac,
    Flat,
    GammaRayBursts,
    MadauDickinson,
    PowerEvolution,
    SingleRedshift,
    SmoothStarFormation,
    StarFormation,
    TabulatedEvolution,
)
from jaxnu.neutrinos import Mixing, Neutrinos, flavour_content
from jaxnu.sources import Source, mass_fractions
from jaxnu.spectra import BrokenPowerLaw, CutoffPowerLaw, LogParabola, PowerLaw, TabulatedSpectrum

SPECTRA = [
    PowerLaw(1.5, 2.5),
    CutoffPowerLaw(1.5, 2.0, 1e6),
    BrokenPowerLaw(1.5, 1.7, 2.8, 3e4),
    BrokenPowerLaw(1.5, 1.7, 2.8, 3e6),
    LogParabola(1.5, 2.5, 0.3),
    TabulatedSpectrum(np.array([1e4, 1e5, 1e6]), np.array([1e-16, 2e-18, 1e-20])),
]
EVOLUTIONS = [
    StarFormation(),
    SmoothStarFormation(),
    MadauDickinson(),
    Flat(),
    PowerEvolution(3.0),
    GammaRayBursts(),
    BLLac(),
    BLLac(weight="number"),
    TabulatedEvolution(np.array([0.0, 1.0, 3.0]), np.array([1.0, 8.0, 2.0])),
]


def flux(spectrum, energy):
    """In 1e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹."""
    return float(jnp.exp(spectrum.log_flux(jnp.log(jnp.asarray(float(energy))))))


def density(evolution, z):
    return float(evolution.density(jnp.asarray(float(z))))


# ---- spectra


def test_power_law():
    spectrum = PowerLaw(1.66, 2.53)
    assert flux(spectrum, 1e5) == pytest.approx(1.66)
    assert flux(spectrum, 1e7) == pytest.approx(1.66 * 100**-2.53)


def test_cutoff_power_law():
    spectrum = CutoffPowerLaw(2.0, 2.0, 1e6)
    assert flux(spectrum, 1e6) == pytest.approx(2.0 * 0.01 / math.e)
    assert flux(CutoffPowerLaw(2.0, 2.0, 1e14), 1e4) == pytest.approx(200.0)


@pytest.mark.parametrize("break_energy", [3e4, 3e6])
def test_broken_power_law(break_energy):
    """The flux at 100 TeV is the amplitude wherever the break lies; slopes hold on either side; no jump."""
    spectrum = BrokenPowerLaw(1.77, 1.72, 2.84, break_energy)
    assert flux(spectrum, 1e5) == pytest.approx(1.77)
    assert flux(spectrum, break_energy / 10) / flux(spectrum, break_energy / 100) == pytest.approx(10**-1.72)
    assert flux(spectrum, break_energy * 100) / flux(spectrum, break_energy * 10) == pytest.approx(10**-2.84)
    assert flux(spectrum, break_energy * (1 + 1e-9)) == pytest.approx(flux(spectrum, break_energy * (1 - 1e-9)))


def test_log_parabola():
    """One decade above 100 TeV the exponent is γ + β, two decades above γ + 2β."""
    spectrum = LogParabola(2.0, 2.5, 0.3)
    assert flux(spectrum, 1e5) == pytest.approx(2.0)
    assert flux(spectrum, 1e6) == pytest.approx(2.0 * 10**-2.8)
    assert flux(spectrum, 1e7) == pytest.approx(2.0 * 100**-3.1)
    assert flux(spectrum, 1e4) == pytest.approx(2.0 * 10**2.2)


def test_tabulated_spectrum():
    """Points are met, a power law is reproduced between and beyond them; fluxes are in plain units."""
    spectrum = TabulatedSpectrum(np.array([1e3, 1e4, 1e6]), np.array([1e-15, 1e-18, 1e-24]))
    assert flux(spectrum, 1e4) == pytest.approx(1.0)
    for energy in (1e1, 3e3, 2e5, 1e9):
        assert flux(spectrum, energy) == pytest.approx((energy / 1e4) ** -3)
    kinked = TabulatedSpectrum(np.array([1e3, 1e5, 1e6]), np.array([1e-16, 1e-18, 1e-21]))
    assert flux(kinked, 1e4) == pytest.approx(10.0)
    assert flux(kinked, math.sqrt(1e5 * 1e6)) == pytest.approx(10**-1.5)


@pytest.mark.parametrize("spectrum", SPECTRA, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_log_flux_is_finite_everywhere(spectrum, dtype):
    """From 10 to 1e12 GeV values, slopes and parameter gradients are finite; shape and precision are kept."""
    spectrum = jax.tree.map(lambda leaf: leaf.astype(dtype), spectrum)
    log_energy = jnp.linspace(math.log(1e1), math.log(1e12), 36, dtype=dtype).reshape(2, 3, 6)
    values = spectrum.log_flux(log_energy)
    assert values.shape == log_energy.shape and values.dtype == dtype
    gradient = jax.grad(lambda s, x: s.log_flux(x).sum(), argnums=(0, 1))(spectrum, log_energy)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((values, gradient)))
    reference = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), spectrum).log_flux(log_energy.astype(jnp.float64))
    np.testing.assert_allclose(values, reference, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("spectrum", SPECTRA, ids=lambda s: type(s).__name__)
def test_amplitude_scales_the_flux(spectrum):
    """∂ ln φ/∂ ln A = 1, and for a table the sum over its points of ∂ ln φ/∂ ln φ_k."""
    name = "flux" if isinstance(spectrum, TabulatedSpectrum) else "amplitude"
    gradient = jax.grad(lambda s: s.log_flux(jnp.asarray(12.3)))(spectrum)
    assert float(jnp.sum(getattr(gradient, name) * getattr(spectrum, name))) == pytest.approx(1)


# ---- evolutions


def test_star_formation_is_continuous_with_the_published_slopes():
    evolution = StarFormation()
    assert density(evolution, 0) == pytest.approx(1)
    assert density(evolution, 1) == pytest.approx(2**3.4)
    assert density(evolution, 4) == pytest.approx(2**3.7 * 5**-0.3)
    for z, below, above in ((1, 3.4, -0.3), (4, -0.3, -3.5)):
        assert density(evolution, z - 1e-9) == pytest.approx(density(evolution, z + 1e-9))
        for side, slope in ((-1e-3, below), (1e-3, above)):
            assert _slope(evolution, z + side) == pytest.approx(slope)


def test_smooth_star_formation_joins_the_broken_one():
    """Same values far from the breaks, 2^−0.1 of them at one, and the constants that put the breaks at z = 1 and 4."""
    smooth, broken = SmoothStarFormation(), StarFormation()
    assert pytest.approx(5161, rel=1e-3) == 2 ** (1 + 3.4 / 0.3)
    assert pytest.approx(9.06, rel=1e-3) == 2 ** (3.7 / 3.5) * 5 ** (1 - 0.3 / 3.5)
    for z in (0, 0.3, 2.2, 9, 20):
        assert density(smooth, z) == pytest.approx(density(broken, z), rel=2e-3)
    assert density(smooth, 1) == pytest.approx(2 ** (3.4 - 0.1), rel=1e-3)


def test_madau_dickinson_history():
    """The abstract of 1403.0007: peak at z ≈ 1.9, half of the stars formed before z = 1.3, a quarter after z = 0.7.

    For its cosmology, Ω_m = 0.3. The rate today is 0.015 M_⊙ yr⁻¹ Mpc⁻³.
    """
    evolution = MadauDickinson()
    peak = minimize_scalar(lambda z: -density(evolution, z), bounds=(0.5, 4), method="bounded").x
    assert peak == pytest.approx(1.9, abs=0.05)
    assert density(evolution, 0) == pytest.approx(0.015, rel=5e-3)

    def stars(low, high):
        def per_redshift(z):
            return density(evolution, z) / ((1 + z) * math.sqrt(0.3 * (1 + z) ** 3 + 0.7))

        return quad(per_redshift, low, high, epsrel=1e-4)[0]

    total = stars(0, 20)
    assert stars(1.3, 20) / total == pytest.approx(0.5, abs=0.03)
    assert stars(0, 0.7) / total == pytest.approx(0.25, abs=0.03)


def test_gamma_ray_bursts():
    evolution = GammaRayBursts()
    assert density(evolution, 1) == pytest.approx(2**4.8)
    assert density(evolution, 1 - 1e-9) == pytest.approx(density(evolution, 1 + 1e-9))
    assert _slope(evolution, 0.5) == pytest.approx(4.8)
    assert _slope(evolution, 3.0) == pytest.approx(1.4)
    assert float(evolution.z_max) == 4.5


@pytest.mark.parametrize(("weight", "power"), [("luminosity", 1), ("number", 0)])
def test_bl_lac_against_the_luminosity_function(weight, power):
    """Integral of the luminosity-dependent density evolution of 1310.0006 over 7e43 < L < 1e52 erg/s, to 5 %."""
    luminosity = np.geomspace(7e43, 1e52, 4001)
    local = 1 / ((luminosity / 0.28e48) ** 0.27 + (luminosity / 0.28e48) ** 1.86)
    peak = 1 + 1.34 * (luminosity / 1e48) ** 0.0453
    rise = 2.24 + 4.92 * (np.log10(luminosity) - 46)

    def integral(z):
        evolution = 1 / (((1 + z) / peak) ** -rise + ((1 + z) / peak) ** 7.37)
        return np.trapezoid(local * evolution * luminosity**power, np.log(luminosity))

    for z in np.linspace(0, 5.9, 30):
        assert density(BLLac(weight=weight), z) == pytest.approx(integral(z) / integral(0), rel=0.05)


def test_bl_lac_shape():
    """Luminous BL Lacs peak near z = 1.2, as 1310.0006 finds; the numerous faint ones only decline."""
    peak = minimize_scalar(lambda z: -density(BLLac(), z), bounds=(0.6, 3), method="bounded").x
    assert peak == pytest.approx(1.25, abs=0.1)
    assert all(_slope(BLLac(weight="number"), z) < 0 for z in np.linspace(0.01, 6, 20))


def test_power_and_flat_evolution():
    assert density(PowerEvolution(3.0), 1) == pytest.approx(8)
    assert density(PowerEvolution(-2.0), 4) == pytest.approx(1 / 25)
    assert density(Flat(), 3) == 1


def test_tabulated_evolution():
    """A power law of 1+z through two points, extended beyond them; z_max is the last point."""
    evolution = TabulatedEvolution(np.array([0.0, 1.0, 3.0]), np.array([2.0, 16.0, 4.0]))
    assert density(evolution, 0.5) == pytest.approx(2 * 1.5**3)
    assert density(evolution, 2.0) == pytest.approx(16 * 1.5**-2)
    assert density(evolution, 9.0) == pytest.approx(16 * 5**-2)
    assert float(evolution.z_max) == 3


@pytest.mark.parametrize("evolution", EVOLUTIONS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_density_is_finite_everywhere(evolution, dtype):
    """Between z = 0 and 25 values, slopes and parameter gradients are finite and W is positive."""
    evolution = jax.tree.map(lambda leaf: leaf.astype(dtype), evolution)
    z = jnp.linspace(0, 25, 52, dtype=dtype).reshape(2, 26)
    values = evolution.density(z)
    assert values.shape == z.shape and values.dtype == dtype and bool((values > 0).all())
    gradient = jax.grad(lambda e, x: e.density(x).sum(), argnums=(0, 1))(evolution, z)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((values, gradient)))
    reference = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), evolution).density(z.astype(jnp.float64))
    np.testing.assert_allclose(values, reference, rtol=2e-5)


def test_single_redshift():
    source = SingleRedshift(0.2)
    assert float(source.z) == float(source.z_max) == 0.2


# ---- flavours

TRI_BIMAXIMAL = Neutrinos(0.01, "normal", Mixing(1 / 3, 0.5, 0.0, 0.0, 7.5e-5, 2.5e-3))


@pytest.mark.parametrize(
    ("flavour", "at_earth"),
    [
        ("equal", (1, 1, 1)),
        ("pp", (1, 1, 1)),
        ("pgamma", (1, 1, 1)),
        ("muon-damped", (4, 7, 7)),
        ("neutron", (5, 2, 2)),
        ((0, 0, 1), (4, 7, 7)),
        ((2.0, 1.0, 0.0), (8, 5, 5)),
    ],
)
def test_flavours_at_earth_for_tri_bimaximal_mixing(flavour, at_earth):
    """The classic ratios, e.g. (1:2:0) → (1:1:1), (0:1:0) → (4:7:7), (1:0:0) → (5:2:2)."""
    fractions = mass_fractions(Source(PowerLaw(1.0, 2.5), StarFormation(), flavour), TRI_BIMAXIMAL)
    earth = flavour_content(TRI_BIMAXIMAL) @ fractions
    np.testing.assert_allclose(earth / earth.sum(), np.array(at_earth) / sum(at_earth), atol=1e-14)
    assert float(fractions.sum()) == pytest.approx(3)


def test_equal_mass_states_are_exact_for_any_mixing():
    source = Source(PowerLaw(1.0, 2.5), Flat())
    for preset in ("nufit-5.0", "kamada-yu-2015"):
        np.testing.assert_allclose(mass_fractions(source, Neutrinos(0.01, mixing=preset)), 1, atol=1e-14)


def test_mass_fractions_of_a_neutron_source_are_the_electron_row():
    fractions = mass_fractions(Source(PowerLaw(1.0, 2.5), Flat(), "neutron"), Neutrinos(0.01, mixing="nufit-6.0"))
    # c12² c13², s12² c13², s13² of NuFIT 6.0.
    np.testing.assert_allclose(fractions / 3, [0.692 * 0.97785, 0.308 * 0.97785, 0.02215], atol=1e-14)


def test_source_gradients():
    """Everything but the options is a leaf; only the ratios of the composition count."""
    source = Source(PowerLaw(1.0, 2.5), SingleRedshift(0.5), (1.0, 2.0, 0.0), source_k=3)
    gradient = jax.grad(lambda s: mass_fractions(s, TRI_BIMAXIMAL)[0] + s.evolution.z_max)(source)
    assert float(jnp.dot(gradient.flavour, source.flavour)) == pytest.approx(0, abs=1e-14)
    assert float(gradient.evolution.z) == 1
    traced = jax.jit(lambda x: mass_fractions(Source(PowerLaw(1.0, 2.5), Flat(), (x, 2.0, 0.0)), TRI_BIMAXIMAL))
    np.testing.assert_allclose(traced(1.0), mass_fractions(source, TRI_BIMAXIMAL))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PowerLaw(0.0, 2.5), "amplitude"),
        (lambda: PowerLaw(math.nan, 2.5), "amplitude"),
        (lambda: PowerLaw(1.0, math.inf), "index"),
        (lambda: CutoffPowerLaw(1.0, 2.5, -1e6), "cutoff"),
        (lambda: BrokenPowerLaw(1.0, 2.0, math.nan, 1e5), "index_high"),
        (lambda: BrokenPowerLaw(1.0, 2.0, 3.0, 0.0), "break_energy"),
        (lambda: LogParabola(1.0, 2.0, math.nan), "curvature"),
        (lambda: TabulatedSpectrum(np.array([1e3, 1e3]), np.array([1.0, 1.0])), "energy must increase"),
        (lambda: TabulatedSpectrum(np.array([1e3, 1e4]), np.array([1.0, 0.0])), "flux"),
        (lambda: TabulatedSpectrum(np.array([1e3, 1e4]), np.array([1.0, 1.0, 1.0])), "equally long"),
        (lambda: TabulatedSpectrum(np.array([1e3]), np.array([1.0])), "at least 2"),
        (lambda: StarFormation(z_max=0.0), "z_max"),
        (lambda: PowerEvolution(math.nan), "index"),
        (lambda: PowerEvolution(3.0, z_max=-1.0), "z_max"),
        (lambda: BLLac(weight="mass"), "luminosity, number"),
        (lambda: BLLac(z_max=math.nan), "z_max"),
        (lambda: TabulatedEvolution(np.array([0.0, 2.0, 1.0]), np.array([1.0, 1.0, 1.0])), "z must increase"),
        (lambda: TabulatedEvolution(np.array([-0.5, 2.0]), np.array([1.0, 1.0])), "z must increase"),
        (lambda: TabulatedEvolution(np.array([0.0, 2.0]), np.array([1.0, -1.0])), "density"),
        (lambda: TabulatedEvolution(1.0, 1.0), "equally long"),
        (lambda: SingleRedshift(0.0), "z must be positive"),
        (lambda: SingleRedshift(math.nan), "z must be positive"),
        (lambda: Source(PowerLaw(1.0, 2.5), Flat(), "tau"), "equal, pp, pgamma, muon-damped, neutron"),
        (lambda: Source(PowerLaw(1.0, 2.5), Flat(), (1.0, 2.0)), "flavour must be 3 numbers"),
        (lambda: Source(PowerLaw(1.0, 2.5), Flat(), (1.0, -2.0, 3.0)), "flavour"),
        (lambda: Source(PowerLaw(1.0, 2.5), Flat(), (0.0, 0.0, 0.0)), "flavour"),
        (lambda: Source(PowerLaw(1.0, 2.5), Flat(), source_k=2), "source_k"),
    ],
)
def test_wrong_input_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def _slope(evolution, z):
    """d ln W / d ln(1+z) by a central difference."""
    step = 1e-6
    ratio = density(evolution, (1 + z) * math.exp(step) - 1) / density(evolution, (1 + z) * math.exp(-step) - 1)
    return math.log(ratio) / (2 * step)
