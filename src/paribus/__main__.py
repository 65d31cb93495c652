"""`python -m paribus` does what `paribus` does."""

import sys

from paribus.cli import main

sys.exit(main())
