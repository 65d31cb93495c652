"""`python scripts/train.py ...` does the same as `paribus train ...`."""

import sys

from paribus.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
