"""Time and accuracy at many resolutions, as a table and a picture: python benchmarks/run.py

Accuracy is against the independent brute-force solver of the tests (tests/bruteforce.py): largest error of the flux in
third-of-a-decade bins from 10 TeV to 10 PeV, however opaque, and root mean square error of derivatives of ln(flux) over
that of the true derivative. The time is that of the likelihood of cascades and tracks at one point, and of its value
with the gradient by four parameters; the ratios within one run are what to quote. accuracy.png shows errors over times.
"""

import json
from pathlib import Path
from statistics import median
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter
from timing import RESOLUTIONS, begin, compiled, likelihood, measure, options, row, table, typical, universe

import jaxnu

HERE = Path(__file__).parent
REFERENCE = json.loads((HERE.parent / "tests" / "reference_bruteforce.json").read_text())
NAMES = ("ln_mass", "ln_coupling", "ln_lightest", "gamma")
SIZES = ((80, 20), (160, 40), (240, 32), (240, 128), (480, 64), (640, 200))


class Accuracy(NamedTuple):
    """Largest flux error, and median and largest error of the derivatives, over the reference points."""

    flux: float
    slope: float
    worst_slope: float


def accuracy(resolution):
    """Of one resolution."""
    edges = jnp.asarray(REFERENCE["edges_gev"])

    def log_flux(theta):
        return jnp.log(jnp.sum(jaxnu.binned_flux(universe(theta), edges, resolution), axis=0))

    both = jax.jit(lambda theta: (log_flux(theta), jax.jacfwd(log_flux)(theta)))
    flux_errors, slope_errors = [], []
    for point in REFERENCE["points"]:
        if point["z_source"] is not None:
            continue
        lightest = point["lightest_ev"]
        values, slopes = both(
            jnp.asarray([np.log(point["mass_mev"]), np.log(point["coupling"]), lightest, point["gamma"]])
        )
        error = np.exp(np.asarray(values) - np.log(1e-18 * np.asarray(point["flux"]))) - 1
        flux_errors.append(np.max(np.abs(error)))
        for i, name in enumerate(NAMES):
            truth = point["slopes"][name]
            if truth is not None:
                slope = np.asarray(slopes)[:, i] * (lightest if name == "ln_lightest" else 1.0)
                slope_errors.append(np.sqrt(np.mean((slope - truth) ** 2) / np.mean(np.square(truth))))
    return Accuracy(max(flux_errors), median(slope_errors), max(slope_errors))


def draw(found):
    """accuracy.png: errors over times, the presets by their names."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
    for panel, time, error in ((panels[0], "value", "flux"), (panels[1], "gradient", "slope")):
        for (nodes, shells), name, times, errors in found:
            x, y = 1e3 * times[time].median, 100 * getattr(errors, error)
            panel.plot(x, y, "o", color="C1" if name else "C0")
            offset, side = ((-5, -9), "right") if name else ((5, 3), "left")
            words = {"xytext": offset, "textcoords": "offset points", "ha": side, "fontsize": 8}
            panel.annotate(name or f"{nodes} × {shells}", (x, y), **words)
        panel.set(xscale="log", yscale="log")
        panel.margins(0.25, 0.15)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    panels[0].set(xlabel="likelihood, ms", ylabel="error, %", title="largest error of the flux in bins")
    panels[1].set(xlabel="likelihood and gradient, ms", title="median error of derivatives")
    figure.savefig(HERE / "accuracy.png", dpi=150)


def main():
    """Print the table and save the picture."""
    asked = options(__doc__).parse_args()
    begin(asked)
    sizes = [(size, "") for size in SIZES]
    cases = sorted(sizes + [((r.nodes, r.shells), name) for name, r in RESOLUTIONS.items()])
    columns = "lnL ms", "lnL + gradient ms", "compile lnL s", "compile gradient s"
    table("nodes × shells", *columns, "flux error, max %", "gradient error, median %", "gradient error, max %")
    found = []
    for (nodes, shells), name in cases[:2] if asked.quick else cases:
        resolution, theta = jaxnu.Resolution(nodes, shells), typical()
        value, compile_value = compiled(likelihood(resolution), theta)
        gradient, compile_gradient = compiled(jax.value_and_grad(likelihood(resolution)), theta)
        times = {"value": measure(value, theta), "gradient": measure(gradient, theta)}
        errors = accuracy(resolution)
        row(
            f"{name + ', ' if name else ''}{nodes} × {shells}",
            *(time.ms() for time in times.values()),
            *(f"{seconds:.1f}" for seconds in (compile_value, compile_gradient)),
            *(f"{100 * error:.2f}" for error in errors),
        )
        found.append(((nodes, shells), name, times, errors))
    draw(found)


if __name__ == "__main__":
    main()
