"""Converged solutions for the accuracy tests, by the brute-force solver: python benchmarks/make_reference.py OUT.json

Fluxes summed over mass states in third-of-a-decade bins and their logarithmic derivatives, extrapolated in the number
of steps in redshift; about half an hour on one core. tests/reference_bruteforce.json was made by this recipe.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import bruteforce

FIELDS = ("mass_mev", "coupling", "lightest_ev", "gamma", "z_source")
POINTS = [
    (6.5, 5e-4, 0.0218, 2.5, None),
    (6.5, 1e-4, 0.0218, 2.5, None),
    (13, 5e-4, 0, 2.5, None),
    (3, 3e-4, 0, 2.2, None),
    (10, 1e-3, 0.1, 2.7, None),
    (5, 5e-2, 0.03, 2.5, None),
    (2, 1e-1, 0, 2.5, None),
    (1.2, 1e-2, 1e-3, 2.0, None),
    (6.5, 5e-4, 0.01, 3.2, None),
    (18, 2e-4, 0.05, 2.0, None),
    (4, 3e-5, 0.002, 2.5, None),
    (13, 5e-4, 0.03, 2.5, 1.0),
    (6.5, 5e-4, 0.003, 2.5, 0.2),
]
CONTENT, COUPLINGS = bruteforce.pmns_squared()
STEP = 1e-3


def solve(point, nodes, shells):
    """(flux, free flux) per bin, summed over mass states."""
    mass, coupling, lightest, gamma, z_source = point
    masses = bruteforce.masses_normal(lightest)
    options = {"gamma": gamma, "z_source": z_source, "nodes": nodes, "shells": shells}
    result = bruteforce.solve(mass, coupling, masses, COUPLINGS, CONTENT[0], **options)
    return result["flux"].sum(0), result["free"].sum(0)


def extrapolated(point, nodes, shells):
    """The flux from `shells` and twice as many steps; the error is of second order."""
    coarse, fine = (solve(point, nodes, count)[0] for count in (shells, 2 * shells))
    return (4 * fine - coarse) / 3


def slope(point, i):
    """Derivative of ln flux by the i-th parameter (logarithmic but for γ), to fourth order in the step."""

    def log_flux(shift):
        moved = list(point)
        moved[i] = point[i] + shift if FIELDS[i] == "gamma" else point[i] * np.exp(shift)
        return np.log(extrapolated(moved, 1200, 1000))

    near, far = ((log_flux(h) - log_flux(-h)) / (2 * h) for h in (STEP, 2 * STEP))
    return (4 * near - far) / 3


def main():
    """Write the reference to the path given."""
    points = []
    for point in POINTS:
        flux = extrapolated(point, 1800, 2400)
        row = dict(zip(FIELDS, point, strict=True))
        row["flux"], row["transmission"] = flux.tolist(), (flux / solve(point, 1800, 1200)[1]).tolist()
        if point[-1] is None:
            names = ("ln_mass", "ln_coupling", "ln_lightest", "gamma")
            row["slopes"] = {name: None if point[i] == 0 else slope(point, i).tolist() for i, name in enumerate(names)}
        points.append(row)
        print(point, flush=True)
    out = {"edges_gev": np.logspace(4, 7, 10).tolist(), "points": points}
    Path(sys.argv[1]).write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
