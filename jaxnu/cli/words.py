"""What the program says: progress on stderr, and results in words."""

from __future__ import annotations

import math
import sys
from bisect import bisect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxnu.inference import Evidence, Fit, Posterior

DEMONSTRATION = "This was a demonstration with small settings (--quick): see that it works, do not use its numbers."
BEST, POWER_LAW = "best fit with Z′", "best power law"


def say(words: str, quiet: bool) -> None:
    """Progress, on stderr so that stdout holds the result alone."""
    if not quiet:
        print(words, file=sys.stderr, flush=True)


def best_fit_in_words(best: Fit) -> str:
    """The best point and what the interactions gain over a power law."""
    values, against = best.best, best.comparison
    gain = "no better than" if against.delta_chi2 < 0.1 else f"Δχ² = {against.delta_chi2:.1f} better than"
    aic, bic = against.aic - against.aic_power_law, against.bic - against.bic_power_law
    free, extra = best.power_law.values, against.parameters - against.parameters_power_law
    return (
        f"Best fit: m_Z′ = {values['mass']:.3g} MeV, g′ = {values['coupling']:.2g}, lightest neutrino "
        f"{values['lightest']:.2g} eV, "
        f"A = {values['amplitude']:.3g}e-18 GeV⁻¹ cm⁻² s⁻¹ sr⁻¹, γ = {values['index']:.3g};\n"
        f"χ² = {best.chi2:.1f} for {best.points} points, {gain} the best power law (A = {free['amplitude']:.3g}e-18, "
        f"γ = {free['index']:.3g}, χ² = {best.power_law.chi2:.1f}).\n"
        f"ΔAIC = {aic:+.1f} and ΔBIC = {bic:+.1f}: {_preference(aic, bic, extra)}."
    )


def bayes_factor_in_words(result: Posterior, free: Evidence) -> str:
    """ln Z with and without a Z′, and their difference on the scale of Kass & Raftery (1995)."""
    log_evidence, error = result.log_evidence, result.log_evidence_error
    assert log_evidence is not None and error is not None
    gain = log_evidence - free.log_evidence
    grade = ("hardly any", "positive", "strong", "very strong")[bisect((1, 3, 5), abs(gain))]
    side = "for" if gain > 0 else "against"
    return (
        f"ln Z = {log_evidence:.2f} ± {error:.2f}, and {free.log_evidence:.2f} ± {free.error:.2f} without a Z′.\n"
        f"Bayes factor {math.exp(gain):.2g} (ln B = {gain:+.2f} ± {math.hypot(error, free.error):.2f}): {grade} "
        f"evidence {side} a Z′ in the prior's ranges."
    )


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(count: float) -> str:
    """Bytes with a unit."""
    power = min(int(math.log10(max(count, 1)) // 3), 4)
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def _preference(aic: float, bic: float, extra: int) -> str:
    if aic < 0 and bic < 0:
        return "both prefer the interactions"
    if aic >= 0 and bic >= 0:
        return f"neither prefers the interactions, which cost {extra} parameters"
    return f"{'AIC' if aic < 0 else 'BIC'} alone prefers the interactions"
