"""tests/reference_channels.json: converged transmissions with every channel, by `tests/referee.py`.

    OMP_NUM_THREADS=1 python benchmarks/make_channel_reference.py [first [last]]      (some 2 minutes a point)

Each point is solved with 30, 60 and 120 cells per decade (8 fine cells and steps in each), extrapolated at second
order, corrected for the spread of the relics' energies (4 copies against 1 at 30 cells). The error of a bin is
|extrapolated − finest| + ½ |extrapolated from 60, 120 − extrapolated from 30, 60| + ½ |correction| + 2e-5 T, which is
the true error even where the scheme is of first order (opaque universes).

"cut": the source ends at 10⁹ GeV (today's energy); "open": at 10¹² GeV, by the ratio of both at 60
cells (error: plus its difference to the ratio at 30). All of it:
broken star formation to z = 5, equal mass states, Majorana, thermal, NuFIT 5.0, h = .674, Ω_m = .315, T₀ = 1.95 K.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))
import referee  # noqa: E402

TARGET = TESTS / "reference_channels.json"
LEVELS = (30, 60, 120)
POINTS = [  # m_Z′ MeV, g′, lightest eV, ordering, γ
    (3.0, 0.02, 0.02, "normal", 2.5),
    (10.0, 0.05, 0.05, "normal", 2.5),
    (0.5, 0.1, 0.0, "normal", 2.0),
    (0.5, 0.003, 0.1, "inverted", 2.2),
    (1.0, 0.01, 0.0, "normal", 3.0),
    (1.0, 0.004, 0.01, "inverted", 2.5),
    (2.0, 0.001, 0.05, "normal", 2.5),
    (5.0, 0.008, 0.005, "inverted", 2.3),
    (6.5, 0.02, 0.0, "inverted", 2.5),
    (6.5, 0.1, 0.02, "normal", 2.2),
    (15.0, 0.07, 0.001, "normal", 2.7),
    (20.0, 0.1, 0.1, "inverted", 2.8),
    (50.0, 0.1, 0.0, "normal", 2.0),
    (50.0, 0.03, 0.1, "normal", 3.0),
]


def transmissions(point, channels, **options):
    """Nine bins: the sum, then each mass state (4, 9)."""
    mass, coupling, lightest, ordering, gamma = point
    result = referee.solve(
        mass,
        coupling,
        referee.masses(lightest, ordering),
        referee.charge_matrix(ordering),
        channels=channels,
        gamma=gamma,
        split=8,
        **options,
    )
    return np.vstack([result["transmission"], result["by_state"]])


def converged(point, channels):
    """Extrapolated transmissions and their errors, source cut at 1e9 GeV; and open."""
    coarse, middle, fine = (transmissions(point, channels, cells=n) for n in LEVELS)
    best, before = fine + (fine - middle) / 3, middle + (middle - coarse) / 3
    shift = transmissions(point, channels, cells=30, copies=4) - coarse if channels == "all" else 0.0
    error = np.abs(best - fine) + np.abs(best - before) / 2 + np.abs(shift) / 2 + 2e-5 * best
    best = best + shift
    few, many = (transmissions(point, channels, cells=n, energy_max=1e12) for n in LEVELS[:2])
    wider, unsure = many / middle, np.abs(many / middle - few / coarse)
    return {"cut": best, "cut_error": error, "open": best * wider, "open_error": error * wider + best * unsure}


def entry(point):
    """The record of one point."""
    record = dict(zip(("mass_mev", "coupling", "lightest_ev", "ordering", "gamma"), point, strict=True))
    for channels in ("all", "breit-wigner"):
        record[channels] = {}
        for name, value in converged(point, channels).items():
            digits = [[float(f"{x:.6g}" if "error" not in name else f"{x:.2g}") for x in row] for row in value]
            record[channels][name] = {"total": digits[0], "by_state": digits[1:]}
    return record


def write(records):
    """All records, a few lines for each point."""
    about = " ".join(__doc__.split("\n\n", 2)[2].split())
    edges = [float(f"{x:.12g}") for x in np.logspace(4, 7, 10)]
    text = json.dumps({"about": about, "edges_gev": edges, "points": records})
    for key in ('{"mass_mev"', '"all"', '"breit-wigner"'):
        text = text.replace(key, "\n" + key)
    TARGET.write_text(text + "\n")


def main(first=0, last=14):
    """Solve points first … last − 1 and put them into the file."""
    records = json.loads(TARGET.read_text())["points"] if TARGET.exists() else []
    records += [{}] * (len(POINTS) - len(records))
    for k in range(int(first), int(last)):
        start = time.time()
        records[k] = entry(POINTS[k])
        write(records)
        rows = (records[k]["all"][name]["total"] for name in ("cut", "cut_error", "open"))
        print(*POINTS[k], *rows, f"{time.time() - start:.0f} s", sep="\n ", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
