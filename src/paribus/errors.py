"""The errors that end a command with one readable line. Faults of our own are assertions instead."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """A mistake that the user can mend; `kind` opens its line and `exit_code` ends the command."""

    kind = "error"
    exit_code = 2


class ConfigError(UserError):
    """A wrong setting, choice or command line."""

    kind = "config error"


class DataError(UserError):
    """Data that cannot be read or used; names the file and row where there is one."""

    kind = "data error"


class RunError(UserError):
    """A run that started and cannot go on, such as one that diverges."""

    kind = "run failed"
    exit_code = 1


class Pruned(Exception):  # noqa: N818 - it is no error
    """A run of a search that is given up, since others were better at the same epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"given up after epoch {epoch}: others were better by then")


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM. Not an Exception, so that nothing on the way takes it for a fault."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal, self.exit_code = signal_number, 128 + signal_number
        self.folder: Path | None = None  # of the run that can go on from its last checkpoint, if any
        self.verb = "train"  # of the command that goes on with it


def nearest(word: str, words: Iterable[str], label: str = "choices") -> str:
    """The end of an error line: the nearest right word, or all of them where none is near."""
    known = sorted(words)
    begun = [each for each in known if each.startswith(word)] if word else []
    if len(begun) == 1:
        return f"did you mean {begun[0]}?"
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.65)
    return f"did you mean {close[0]}?" if close else f"{label}: {', '.join(known) or 'none'}"
