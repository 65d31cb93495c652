"""How long a user waits before anything happens, against the imports that cannot be avoided."""

import sys
from functools import partial

from benchmarks.measuring import PARIBUS, Row, Settings, in_turns, succeeds, wall_seconds

USER_MISTAKE = 2  # exit code of a config error
FIRST_STEP_REACHED = 77

HELP = "`paribus --help`"
MISTAKE = "`paribus train optimizer.lr=abc`, a config error"
FIRST_STEP = "`paribus train` until its first training step"
TORCH = '`python -c "import torch"`'
LIMIT = 1.0
FIRST_STEP_LIMIT = 1.3

END_AT_ONCE = "import os; os._exit(0)"  # as the first step does: else the import alone would pay for the teardown

# `paribus train` that ends at its first training step. The step is replaced right after the program itself has
# imported what holds it, so that nothing is imported earlier, or at all, for the sake of the measurement.
UNTIL_FIRST_STEP = f"""
import builtins, os, sys
original = builtins.__import__

def importing(name, *arguments, **settings):
    module = original(name, *arguments, **settings)
    if name == "paribus.experiment":
        builtins.__import__ = original
        from paribus.tasks.task import Task
        Task.training_step = lambda *_: os._exit({FIRST_STEP_REACHED})
    return module

builtins.__import__ = importing
from paribus.cli import main
sys.exit(main(["train"]))
"""


def benchmark(settings: Settings) -> list[Row]:
    """Seconds from the command to an answer.

    Wall time of whole processes, after one round that is not counted. The first training step is that of the default
    experiment, digits_cnn; the process ends as the step begins. It and the import of lightning both end by `os._exit`,
    since an interpreter's own ending takes about a second once lightning is imported.
    """
    lightning = _lightning_import()
    as_written = f'`python -c "{lightning}"`'
    measures = {
        TORCH: partial(wall_seconds, [sys.executable, "-c", "import torch"]),
        HELP: partial(wall_seconds, [PARIBUS, "--help"]),
        MISTAKE: partial(wall_seconds, [PARIBUS, "train", "optimizer.lr=abc"], USER_MISTAKE),
        as_written: partial(wall_seconds, [sys.executable, "-c", f"{lightning}; {END_AT_ONCE}"]),
        FIRST_STEP: partial(wall_seconds, [sys.executable, "-c", UNTIL_FIRST_STEP], FIRST_STEP_REACHED),
    }
    for measure in measures.values():  # files into the system's cache, bytecode onto the disk
        measure()
    found = in_turns(measures, settings.rounds)
    return [
        found.row(TORCH),
        found.row(HELP, TORCH, LIMIT),
        found.row(MISTAKE, TORCH, LIMIT),
        found.row(as_written),
        found.row(FIRST_STEP, as_written, FIRST_STEP_LIMIT),
    ]


def _lightning_import() -> str:
    """The plain import, or the one with the repair where torchvision's operators do not fit this torch."""
    plain = "import lightning"
    return plain if succeeds([sys.executable, "-c", plain]) else "import paribus.torchvision_ops, lightning"
