"""The command line: `jaxnu posterior | fit | spectrum`."""

from jaxnu.cli.main import main as main
