"""`python scripts/evaluate.py run=DIR` does the same as `paribus evaluate run=DIR`."""

import sys

from paribus.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
