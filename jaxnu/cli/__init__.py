"""The command line: `jaxnu posterior | fit | profile | sweep | spectrum | plot`."""

from jaxnu.cli.main import main as main
