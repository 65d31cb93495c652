"""`python -m paribus.companion`: what companions.py starts, the process of one device but the first.

It prints nothing and writes nothing. Its last line on stderr says why it failed.
"""

import contextlib
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from paribus.errors import Interrupted, UserError

# Environment variables: the run folder, where its processes meet, and the device of this one, counted from 0.
FOLDER, PORT, RANK = "PARIBUS_RUN_FOLDER", "PARIBUS_PORT", "PARIBUS_DEVICE"


def main() -> int:
    """Train along with the first process; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the first process says when to stop
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    try:
        _follow(Path(os.environ[FOLDER]), os.environ["PARIBUS_EXTEND"])
    except Interrupted:
        return 0
    except UserError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return error.exit_code
    except Exception as error:
        traceback.print_exc()
        print(" ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        return 1
    return 0


def _follow(folder: Path, extension: str) -> None:
    from paribus import composition, config

    chosen = config.check(composition.recompose(folder / "config.yaml", [], Path(extension) if extension else None))
    from paribus.experiment import follow

    follow(chosen, folder, int(os.environ[PORT]), is_resumed=sys.argv[1] == "resume")


def _end_with_the_first() -> None:
    with contextlib.suppress(OSError):
        os.read(0, 1)  # nothing is ever written there: it returns when the first process has ended, however it did
    os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # at once: nothing is left to be written
