"""Other measurements of (m_Z′, g′): likelihood terms and the contours they leave."""

from jaxnu.constraints.gminus2 import MEASUREMENTS as MEASUREMENTS
from jaxnu.constraints.gminus2 import MuonMoment as MuonMoment
from jaxnu.constraints.gminus2 import coupling_band as coupling_band
from jaxnu.constraints.gminus2 import coupling_for as coupling_for
from jaxnu.constraints.gminus2 import delta_a_mu as delta_a_mu
from jaxnu.constraints.masses import SumOfMasses as SumOfMasses
