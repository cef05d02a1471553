"""Pictures. `plot_…` draws into the Axes that it is given and returns it, `…_figure` makes a figure.

Colours are Okabe and Ito's, which the colour-blind can tell apart; lines differ in dashes as well.
"""

from jaxnu.plotting.chains import chains_figure as chains_figure
from jaxnu.plotting.corner import corner_figure as corner_figure
from jaxnu.plotting.maps import map_figure as map_figure
from jaxnu.plotting.maps import plot_best as plot_best
from jaxnu.plotting.maps import plot_muon_moment as plot_muon_moment
from jaxnu.plotting.maps import plot_regions as plot_regions
from jaxnu.plotting.maps import plot_white_dwarf as plot_white_dwarf
from jaxnu.plotting.plane import plane_figure as plane_figure
from jaxnu.plotting.predictive import predictive_figure as predictive_figure
from jaxnu.plotting.pseudo import limits_figure as limits_figure
from jaxnu.plotting.pseudo import significance_figure as significance_figure
from jaxnu.plotting.spectrum import interaction_figure as interaction_figure
from jaxnu.plotting.spectrum import plot_bands as plot_bands
from jaxnu.plotting.spectrum import plot_flux as plot_flux
from jaxnu.plotting.spectrum import plot_points as plot_points
from jaxnu.plotting.spectrum import plot_pulls as plot_pulls
from jaxnu.plotting.spectrum import spectrum_figure as spectrum_figure
