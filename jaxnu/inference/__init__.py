"""From a prior and likelihood terms to a best fit and a posterior."""

from jaxnu.inference.diagnostics import Diagnostics as Diagnostics
from jaxnu.inference.diagnostics import diagnostics as diagnostics
from jaxnu.inference.diagnostics import summary_table as summary_table
from jaxnu.inference.diagnostics import verdict as verdict
from jaxnu.inference.fit import Comparison as Comparison
from jaxnu.inference.fit import Fit as Fit
from jaxnu.inference.fit import Mode as Mode
from jaxnu.inference.fit import fit as fit
from jaxnu.inference.posterior import Model as Model
from jaxnu.inference.posterior import posterior as posterior
from jaxnu.inference.posterior import universe_at as universe_at
from jaxnu.inference.prior import default_prior as default_prior
from jaxnu.inference.result import Posterior as Posterior
from jaxnu.inference.result import load_posterior as load_posterior
from jaxnu.inference.sample import sample as sample
