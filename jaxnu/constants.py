"""Physical constants in natural units (CODATA 2018, PDG 2024); energies in eV unless the name says otherwise."""

GEV = 1e9
"""eV per GeV."""

MEV = 1e6
"""eV per MeV."""

BOLTZMANN = 8.617333262e-5
"""Boltzmann constant in eV/K (CODATA 2018, exact)."""

HBAR_C_CM = 1.973269804e-5
"""ħc in eV cm (CODATA 2018, exact)."""

CENTIMETRES_PER_MPC = 3.0856775814913673e24
"""One megaparsec in cm (IAU 2015)."""

HBAR_C_MPC = HBAR_C_CM / CENTIMETRES_PER_MPC
"""ħc in eV Mpc."""

HUBBLE_DISTANCE_MPC = 2997.92458
"""c/(100 km/s/Mpc) in Mpc: the Hubble distance is this over h."""

ELECTRON_MASS_MEV = 0.51099895
"""Electron mass in MeV (PDG 2024)."""

MUON_MASS_MEV = 105.6583755
"""Muon mass in MeV (PDG 2024)."""

TAU_MASS_MEV = 1776.93
"""Tau mass in MeV (PDG 2024)."""

PIVOT_ENERGY_GEV = 1e5
"""100 TeV, where IceCube quotes normalisations, in GeV."""

FLUX_UNIT = 1e-18
"""IceCube's unit of normalisation in GeV⁻¹ cm⁻² s⁻¹ sr⁻¹."""
