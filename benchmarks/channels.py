"""All channels: error of the flux against tests/reference_channels.json, and time beside the narrow width.

    python benchmarks/channels.py

Errors are the largest over the bins of 14 points, in excess of the reference's own, where a tenth or a hundredth of the
flux arrives. Times are of the binned flux and of its Jacobian in (m_Z′, g′, m_lightest, γ), calls of both alternated.
"""

import json
import statistics
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from timing import RESOLUTIONS, begin, options, row, table

import jaxnu
from jaxnu.earth import binned_spectrum

REFERENCE = json.loads((Path(__file__).parents[1] / "tests" / "reference_channels.json").read_text())
NAMES = ("mass_mev", "coupling", "lightest_ev", "gamma")
EDGES = jnp.asarray(REFERENCE["edges_gev"])


def flux(numbers, mixing, channels, resolution):
    """In bins, summed over flavours, over 10⁻¹⁸."""
    mass, coupling, lightest, index = numbers
    universe = jaxnu.Universe(
        jaxnu.LmuLtau(mass, coupling, channels=channels),
        jaxnu.Neutrinos(lightest, "either", mixing),
        jaxnu.Source(jaxnu.PowerLaw(1.0, index), jaxnu.StarFormation()),
    )
    return 1e18 * jnp.sum(binned_spectrum(jaxnu.propagate(universe, resolution), universe, EDGES), axis=0)


def errors(channels: str, resolution: jaxnu.Resolution, points) -> tuple[float, float]:
    """Largest ones in per cent, where a tenth and where a hundredth arrives."""
    worst = {0.1: 0.0, 0.01: 0.0}
    for point in points:
        numbers = tuple(jnp.asarray(point[name]) for name in NAMES)
        mixing = jaxnu.Neutrinos(0.01, point["ordering"], "nufit-5.0").mixing
        free = flux((numbers[0], jnp.asarray(0.0), *numbers[2:]), mixing, "narrow", resolution)
        found = np.asarray(flux(numbers, mixing, channels, resolution) / free)
        truth, unsure = (np.array(point[channels][name]["total"]) for name in ("open", "open_error"))
        error = 100 * np.maximum(np.abs(found - truth) - unsure, 0) / truth
        for least in worst:
            worst[least] = max(worst[least], *error[truth > least], 0.0)
    return worst[0.1], worst[0.01]


def times(make, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Medians in ms and seconds of compilation, of `make(channels)`, a function of the numbers."""
    functions = {channels: jax.jit(make(channels)) for channels in ("narrow", "all")}
    numbers, compiled, spent = jnp.asarray([5.0, 0.01, 0.02, 2.5]), {}, {channels: [] for channels in functions}
    for channels, function in functions.items():
        start = time.perf_counter()
        jax.block_until_ready(function(numbers))
        compiled[channels] = time.perf_counter() - start
    for number in range(repeats):
        for channels, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function(numbers.at[0].add(0.01 * number)))
            spent[channels].append(1e3 * (time.perf_counter() - start))
    return {channels: statistics.median(each) for channels, each in spent.items()}, compiled


if __name__ == "__main__":
    asked = options(__doc__).parse_args()
    begin(asked)
    points = REFERENCE["points"][:2] if asked.quick else REFERENCE["points"]
    table("channels", "nodes × shells", "error %, T > 0.1", "error %, T > 0.01")
    for name, mesh in list(RESOLUTIONS.items())[: 1 if asked.quick else 3]:
        for channels in ("breit-wigner", "all"):
            tenth, hundredth = errors(channels, mesh, points)
            row(channels, f"{name}, {mesh.nodes} × {mesh.shells}", f"{tenth:.2f}", f"{hundredth:.2f}")
    print()
    mesh = RESOLUTIONS["fast" if asked.quick else "default"]
    mixing = jaxnu.Neutrinos(0.01, "normal", "nufit-5.0").mixing
    table("what", "narrow ms", "all ms", "ratio", "compile s, narrow", "all")

    def value(channels):
        return lambda numbers: flux(numbers, mixing, channels, mesh)

    for name, make in {"value": value, "value and Jacobian": lambda c: lambda n: jax.jacfwd(value(c))(n)}.items():
        ms, seconds = times(make, 3 if asked.quick else 20)
        row(
            name,
            f"{ms['narrow']:.1f}",
            f"{ms['all']:.1f}",
            f"{ms['all'] / ms['narrow']:.1f}",
            f"{seconds['narrow']:.0f}",
            f"{seconds['all']:.0f}",
        )
