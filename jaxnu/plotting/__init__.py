"""Pictures. `plot_…` draws into the Axes that it is given and returns it, `…_figure` makes a figure.

Colours are Okabe and Ito's, which the colour-blind can tell apart; lines differ in dashes as well.
"""

from jaxnu.plotting.corner import corner_figure as corner_figure
from jaxnu.plotting.spectrum import interaction_figure as interaction_figure
from jaxnu.plotting.spectrum import plot_bands as plot_bands
from jaxnu.plotting.spectrum import plot_flux as plot_flux
from jaxnu.plotting.spectrum import plot_points as plot_points
from jaxnu.plotting.spectrum import plot_pulls as plot_pulls
from jaxnu.plotting.spectrum import spectrum_figure as spectrum_figure
