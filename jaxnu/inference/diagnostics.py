"""Whether to trust a posterior, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxnu.inference._arviz import az
from jaxnu.inference.result import Posterior

MAX_RHAT = 1.02
MIN_ESS = 400
"""What 1903.08008 asks for before r̂ and the quantiles themselves are reliable."""

MAX_DIVERGENT = 0.01
"""Share of divergent draws above which a part of the posterior is taken to be out of the chains' reach."""


MAX_EVIDENCE_ERROR = 0.5
"""Error of ln Z in nats: a Bayes factor is then known to a factor of 1.6."""

MAX_MEMORY = 0.3
"""Correlation m of new points with those they come from; ln Z may scatter √((1 + m)/(1 − m)) times what is reported."""


@dataclass(frozen=True)
class Diagnostics:
    """Rank-normalised split r̂ and effective sample sizes (1903.08008) by parameter, and counts over all chains."""

    rhat: dict[str, float]
    ess_bulk: dict[str, float]
    ess_tail: dict[str, float]
    divergences: int
    draws: int


def diagnostics(result: Posterior) -> Diagnostics:
    """r̂, bulk and tail ESS of every parameter, divergences and draws. Raises ValueError for a nested run."""
    if result.log_evidence is not None:
        raise ValueError("a nested run has no chains to compare: see its verdict and the attributes of inference_data")
    data = result.inference_data
    return Diagnostics(
        rhat=_by_name(az.rhat(data)),
        ess_bulk=_by_name(az.ess(data, method="bulk")),
        ess_tail=_by_name(az.ess(data, method="tail")),
        divergences=int(data["sample_stats"]["diverging"].sum()),
        draws=int(data["sample_stats"]["diverging"].size),
    )


def verdict(result: Posterior) -> str:
    """ "Trust this: …" or "Do not trust this: …" with every reason.

    Trust asks for r̂ < 1.02, bulk and tail ESS ≥ 400 for every parameter and at most 1 % divergent draws; of a nested
    run for an effective sample size ≥ 400, an error of ln Z ≤ 0.5 and a memory ≤ 0.3 (see `nested`).
    """
    if result.log_evidence is not None:
        return _nested_verdict(result)
    found = diagnostics(result)
    reasons = [f"r̂ = {x:.2f} for {name} (must be < {MAX_RHAT})" for name, x in found.rhat.items() if not x < MAX_RHAT]
    for kind, sizes in (("bulk", found.ess_bulk), ("tail", found.ess_tail)):
        few = {name: x for name, x in sizes.items() if not x >= MIN_ESS}
        reasons += [f"{kind} ESS = {x:.0f} for {name} (must be ≥ {MIN_ESS})" for name, x in few.items()]
    divergent = f"{found.divergences} of {found.draws} draws divergent"
    if found.divergences > MAX_DIVERGENT * found.draws:
        reasons.append(f"{divergent} (must be ≤ {MAX_DIVERGENT:.0%})")
    if reasons:
        return f"Do not trust this: {', '.join(reasons)}."
    return (
        f"Trust this: r̂ ≤ {max(found.rhat.values()):.3f}, bulk ESS ≥ {min(found.ess_bulk.values()):.0f} and tail "
        f"ESS ≥ {min(found.ess_tail.values()):.0f} for every parameter, {divergent}."
    )


def _nested_verdict(result: Posterior) -> str:
    found = result.inference_data.attrs
    size, error, memory = found["effective_sample_size"], found["log_evidence_error"], found["memory"]
    reasons = []
    if not size >= MIN_ESS:
        reasons.append(f"effective sample size {size:.0f} (must be ≥ {MIN_ESS}: take more live points)")
    if not error <= MAX_EVIDENCE_ERROR:
        reasons.append(f"ln Z known to ± {error:.2f} (must be ≤ {MAX_EVIDENCE_ERROR}: take more live points)")
    if not memory <= MAX_MEMORY:
        reasons.append(f"new points with a memory of {memory:.2f} (must be ≤ {MAX_MEMORY}: take more steps)")
    if reasons:
        return f"Do not trust this: {', '.join(reasons)}."
    return (
        f"Trust this: ln Z known to ± {error:.2f} with {found['remainder']:.1%} of Z left in the live points, an "
        f"effective sample size of {size:.0f}, new points with a memory of {memory:.2f}."
    )


def summary_table(result: Posterior) -> pd.DataFrame:
    """One row per parameter: unit, mean, sd, quantiles (median, 68 and 95 % central intervals); for chains r̂, ESS."""
    found = diagnostics(result) if result.log_evidence is None else None
    units = result.units
    rows = {}
    for name, values in _columns(result).items():
        low95, low68, median, high68, high95 = np.quantile(values, [0.025, 0.16, 0.5, 0.84, 0.975])
        rows[name] = {
            "unit": units[name.partition("[")[0]],
            "mean": np.mean(values),
            "sd": np.std(values),
            "median": median,
            "low68": low68,
            "high68": high68,
            "low95": low95,
            "high95": high95,
        }
        if found is not None:
            rows[name] |= {"rhat": found.rhat[name], "ess_bulk": found.ess_bulk[name], "ess_tail": found.ess_tail[name]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")


def _columns(result: Posterior) -> dict[str, np.ndarray]:
    """All draws of every scalar parameter, arrays by element."""
    columns = {}
    for name, values in result.draws.items():
        flat = values.reshape(values.shape[0] * values.shape[1], -1)
        labels = [name] if values.ndim == 2 else [f"{name}[{i}]" for i in range(flat.shape[1])]
        columns |= dict(zip(labels, flat.T, strict=True))
    return columns


def _by_name(data) -> dict[str, float]:
    found = {}
    for name, array in data.data_vars.items():
        values = np.ravel(array.values)
        labels = [str(name)] if array.ndim == 0 else [f"{name}[{i}]" for i in range(values.size)]
        found |= {
            label: float(value) if math.isfinite(value) else math.nan
            for label, value in zip(labels, values, strict=True)
        }
    return found
