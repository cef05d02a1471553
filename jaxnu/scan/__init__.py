"""Large scans of parameters: designs of points, and the engine that evaluates a function at them into one store."""

from jaxnu.scan.design import Design as Design
from jaxnu.scan.design import grid as grid
from jaxnu.scan.design import latin_hypercube as latin_hypercube
from jaxnu.scan.design import listed as listed
from jaxnu.scan.design import sobol as sobol
from jaxnu.scan.engine import sweep as sweep
from jaxnu.scan.likelihood import BinnedFlux as BinnedFlux
from jaxnu.scan.likelihood import Gradient as Gradient
from jaxnu.scan.likelihood import LogLikelihood as LogLikelihood
from jaxnu.scan.maps import Map as Map
from jaxnu.scan.maps import make_map as make_map
from jaxnu.scan.maps import parameters as parameters
from jaxnu.scan.plan import Plan as Plan
from jaxnu.scan.plan import plan as plan
from jaxnu.scan.processes import start_processes as start_processes
from jaxnu.scan.profile import ProfileLikelihood as ProfileLikelihood
from jaxnu.scan.report import ChunksFailed as ChunksFailed
from jaxnu.scan.report import Report as Report
from jaxnu.scan.universe import standard_universe as standard_universe
