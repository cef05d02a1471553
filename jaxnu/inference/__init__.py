"""From a prior and likelihood terms to a best fit and a posterior.

Three ways to a posterior, compared in benchmarks/README.md:

`sample`
    chains, whose r̂ and effective sizes tell whether to trust them: for a posterior to publish, and any prior.
`evidence`
    importance sampling, the cheapest: for Bayes factors. Where too few draws count, it says so.
`nested`
    nested sampling: a second opinion that shares nothing with the others but the likelihood, with ln Z. Some five times
    as many values of the likelihood.
"""

from jaxnu.inference.amplitude import measurement as measurement
from jaxnu.inference.amplitude import profile_amplitude as profile_amplitude
from jaxnu.inference.bank import Bank as Bank
from jaxnu.inference.bank import load_bank as load_bank
from jaxnu.inference.bank import make_bank as make_bank
from jaxnu.inference.bank import refined as refined
from jaxnu.inference.calibration import Calibration as Calibration
from jaxnu.inference.calibration import calibrate as calibrate
from jaxnu.inference.diagnostics import Diagnostics as Diagnostics
from jaxnu.inference.diagnostics import diagnostics as diagnostics
from jaxnu.inference.diagnostics import summary_table as summary_table
from jaxnu.inference.diagnostics import verdict as verdict
from jaxnu.inference.fit import Comparison as Comparison
from jaxnu.inference.fit import Fit as Fit
from jaxnu.inference.fit import Mode as Mode
from jaxnu.inference.fit import fit as fit
from jaxnu.inference.forecast import Forecast as Forecast
from jaxnu.inference.forecast import asimov as asimov
from jaxnu.inference.forecast import forecast as forecast
from jaxnu.inference.freedom import broken_power_law as broken_power_law
from jaxnu.inference.freedom import cutoff_power_law as cutoff_power_law
from jaxnu.inference.freedom import log_parabola as log_parabola
from jaxnu.inference.freedom import measured_angles as measured_angles
from jaxnu.inference.freedom import power_evolution as power_evolution
from jaxnu.inference.importance import Evidence as Evidence
from jaxnu.inference.importance import evidence as evidence
from jaxnu.inference.limits import Limits as Limits
from jaxnu.inference.limits import coupling_limits as coupling_limits
from jaxnu.inference.nested import nested as nested
from jaxnu.inference.posterior import Model as Model
from jaxnu.inference.posterior import flux_points as flux_points
from jaxnu.inference.posterior import posterior as posterior
from jaxnu.inference.posterior import universe_at as universe_at
from jaxnu.inference.predictive import Predictive as Predictive
from jaxnu.inference.predictive import predictive as predictive
from jaxnu.inference.predictive import thinned as thinned
from jaxnu.inference.prior import default_prior as default_prior
from jaxnu.inference.profile import Profile as Profile
from jaxnu.inference.profile import profile as profile
from jaxnu.inference.pseudo import Significance as Significance
from jaxnu.inference.pseudo import can_be_simulated as can_be_simulated
from jaxnu.inference.pseudo import significance as significance
from jaxnu.inference.pseudo import simulate as simulate
from jaxnu.inference.result import Posterior as Posterior
from jaxnu.inference.result import load_posterior as load_posterior
from jaxnu.inference.sample import sample as sample
