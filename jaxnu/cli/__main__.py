"""`python -m jaxnu.cli` is `jaxnu`."""

import sys

from jaxnu.cli.main import main

sys.exit(main())
