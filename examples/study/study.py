"""Do IceCube's flux points prefer a Z′ to a power law, or to a broken one? python study.py [--quick]

For every choice of data and likelihood: ln Z of four models by importance sampling (a power law and a broken one, each
without and with a Z′), the best χ² among the draws, and how often a power law alone looks as much like a Z′ as the data
do (pseudo-experiments on a bank of predictions). Writes study.csv and study.png, and prints study.csv as Markdown.
"""

import argparse
from functools import partial

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import jaxnu
from jaxnu.inference import broken_power_law, can_be_simulated, make_bank, measurement, refined, significance

CHOICES = [
    (("icecube-cascades-6yr", "icecube-tracks-9.5yr"), "split-normal"),
    (("icecube-cascades-6yr", "icecube-tracks-9.5yr"), "hooper2023"),
    (("icecube-cascades-6yr", "icecube-tracks-9.5yr"), "delavega2024"),
    (("icecube-cascades-6yr",), "split-normal"),
    (("icecube-combined-2025",), "split-normal"),
    (("icecube-mese-2025",), "split-normal"),
    (("icecube-hese-7.5yr",), "split-normal"),
]
# Without a Z′ nothing scatters, by the narrow resonance fastest.
FREE = partial(jaxnu.default_prior, coupling=None, channels="narrow")
PRIORS = {
    "power law": FREE,
    "broken": partial(FREE, spectrum=broken_power_law),
    "Z′": jaxnu.default_prior,
    "broken, Z′": partial(jaxnu.default_prior, spectrum=broken_power_law),
}
AXES = {
    "mass": np.geomspace(1, 20, 16),
    "coupling": np.geomspace(1e-5, 1e-1, 9),
    "lightest": np.geomspace(1e-4, 0.1, 5),
    "index": np.linspace(1.8, 3.5, 9),
}


def compare(sets, convention, resolution, draws, sweep, experiments, axes):
    """One row of the table."""
    terms = [jaxnu.load(name, convention) for name in sets]
    models = {name: jaxnu.posterior(prior, *terms, resolution=resolution) for name, prior in PRIORS.items()}
    names = " + ".join(name.removeprefix("icecube-") for name in sets)
    row = {"data": names, "likelihood": convention, "points": sum(term.low.size for term in terms)}
    found = {
        name: jaxnu.evidence(model, jax.random.key(i), draws=draws, sweep=sweep)
        for i, (name, model) in enumerate(models.items())
    }
    for first, second in (("broken", "power law"), ("Z′", "power law"), ("Z′", "broken"), ("broken, Z′", "broken")):
        one, two = found[first], found[second]
        row[f"ln B {first} : {second}"] = one.log_evidence - two.log_evidence
        row[f"Δχ² {first} : {second}"] = 2 * (np.max(one.log_likelihood) - np.max(two.log_likelihood))
    row["error of ln B"] = np.hypot(*sorted(result.error for result in found.values())[-2:])
    if can_be_simulated(measurement(terms)):
        bank = refined(make_bank(models["Z′"], axes), "index", 4)
        chance = significance(bank, jax.random.key(10), experiments=experiments)
        row |= {"Δχ² of the bank": chance.delta_chi2, "p local": chance.local_p, "p global": chance.global_p}
    return row


def draw(table):
    """Bayes factors of all choices, with the bounds of Kass and Raftery (1995)."""
    figure, ax = plt.subplots(figsize=(8, 0.6 * len(table) + 1.6), layout="constrained")
    columns = [name for name in table.columns if name.startswith("ln B")]
    rows = np.arange(len(table))[::-1]
    for i, (name, colour) in enumerate(zip(columns, ("#0072B2", "#D55E00", "#CC79A7", "#009E73"), strict=True)):
        height = rows + 0.15 * (1.5 - i)
        label = name.removeprefix("ln B ")
        ax.errorbar(table[name], height, xerr=table["error of ln B"], fmt="os^D"[i], color=colour, ms=5, label=label)
    ax.axvspan(-1, 1, color="0.92", lw=0, zorder=0)
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    ax.set_yticks(rows, [f"{data}\n{form}" for data, form in zip(table["data"], table["likelihood"], strict=True)])
    ax.set_xlabel("ln of the Bayes factor, first : second (grey: hardly any evidence)")
    ax.set_ylim(-0.6, len(table) - 0.4)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def main():
    """Compare, tabulate, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one data set, coarse: to see that it works")
    quick = parser.parse_args().quick
    jax.config.update("jax_enable_x64", True)
    if quick:
        coarse = {name: axis[::4] if name != "index" else axis[::2] for name, axis in AXES.items()}
        settings = (jaxnu.Resolution(60, 8), 2048, 1024, 50, coarse)
    else:
        settings = (jaxnu.Resolution(80, 16), 6144, 2048, 1000, AXES)
    rows = []
    for choice in CHOICES[-1:] if quick else CHOICES:
        rows.append(compare(*choice, *settings))
        table = pd.DataFrame(rows)
        table.to_csv("study.csv", index=False, float_format="%.3g")
    draw(table).savefig("study.png", dpi=150)
    cells = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in table.to_numpy()]
    for line in [list(table.columns), ["---"] * len(table.columns), *cells]:
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()
