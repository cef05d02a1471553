"""IceCube's published flux points as likelihood terms."""

from jaxnu.icecube.datasets import datasets as datasets
from jaxnu.icecube.datasets import load as load
from jaxnu.icecube.datasets import table as table
from jaxnu.icecube.likelihood import FluxPoints as FluxPoints
from jaxnu.icecube.likelihood import check_overlaps as check_overlaps
