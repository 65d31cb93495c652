"""Standard output whose reader has gone, as after `| head`, or whose disk is full."""

import contextlib
import io
import os
import sys


def discard() -> None:
    """Send all that is still to be printed nowhere, what is buffered included."""
    with contextlib.suppress(io.UnsupportedOperation, AttributeError):  # no file, or none at all
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
