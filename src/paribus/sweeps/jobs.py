"""One job of a sweep, in whatever process a launcher gives it. All that it has to say is in its run folder."""

import paribus.torchvision_ops  # noqa: F401, I001 - before anything imports lightning

import contextlib
import faulthandler
import gc
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from omegaconf import DictConfig

from paribus.cross_validation import cross_validate
from paribus.data.sharing import SharedData
from paribus.building import build_data
from paribus.errors import ConfigError, Interrupted, Pruned, UserError, nearest
from paribus.experiment import run
from paribus.results import RunFolder
from paribus.sweeps.assignment import Assignment
from paribus.sweeps.manifest import Manifest
from paribus.tasks.task import Task

OUTPUT = "output.log"  # what a run prints
shared_data = SharedData(build_data)  # by the jobs of this process
TIMES = ("train_seconds", "epochs")  # figures of any run


class Judged(Callback):
    """Sees before the first step that what the sweep goes by is measured."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self._metrics = metrics

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise ConfigError for a metric that is not."""
        assert isinstance(pl_module, Task)
        known = [*(f"{stage}/{name}" for stage in ("val", "train") for name in pl_module.bests(stage)), *TIMES]
        for name in self._metrics:
            if name not in known:
                raise ConfigError(f"sweep.metric={name} is not measured; {nearest(name, known)}")


def execute(assignment: Assignment) -> None:
    """Run the job, go on with it where it was stopped, or begin it again where it failed.

    One that has ended, or that another process is at, is left alone. Raises Interrupted.
    """
    folder = RunFolder(assignment.folder)
    if folder.read_json("status.json").get("status") in ("finished", "pruned") or folder.is_going_on():
        return
    goes_on = folder.can_go_on()
    if not goes_on:
        shutil.rmtree(folder.path, ignore_errors=True)
        folder.path.mkdir(parents=True)
    with _printing_to(folder.path / OUTPUT):
        try:
            _run(assignment, goes_on)
        except Pruned as pruned:
            print(pruned)
        except Interrupted as interrupted:
            folder.close("interrupted")
            print(f"interrupted by signal {interrupted.signal}")
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            folder.close("failed", described(error))
            print(described(error))
        finally:
            _forget()


def _forget() -> None:
    """Give back what a run leaves in its process: memory of a GPU, and compiled code, of which there may be so much."""
    torch._dynamo.reset()
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def _run(assignment: Assignment, goes_on: bool) -> None:
    checked, folder = assignment.checked, assignment.folder
    for note in checked.notes:
        print(f"note: {note}")
    resume = folder if goes_on else None
    callbacks: list[Callback] = [Judged(assignment.metrics)]
    if checked.is_several:
        cross_validate(checked, resume, folder, callbacks)
        return
    if assignment.pruning:
        from paribus.sweeps.pruning import pruning

        callbacks.append(pruning(**assignment.pruning))
    run(checked, resume, folder, callbacks, shared_data)


def described(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}".rstrip(": ")


@contextlib.contextmanager
def _printing_to(file: Path) -> Iterator[None]:
    """All that this process prints, libraries in C and dying words included, goes to a file."""
    with file.open("a", encoding="utf-8", buffering=1) as log:
        was_enabled = faulthandler.is_enabled()
        faulthandler.enable(log)
        kept = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(log.fileno(), number)
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                yield
        finally:
            faulthandler.enable() if was_enabled else faulthandler.disable()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)


def task(chosen: DictConfig) -> None:
    """What other Hydra launchers call, with the job's number and the sweep's folder."""
    manifest = Manifest.read(Path(chosen.sweep))
    execute(Assignment.of(manifest, manifest.jobs[chosen.job]))


def main(arguments: Sequence[str]) -> int:
    """`python -m paribus.sweeps.jobs SWEEP NUMBER`: a job in a process of its own, as several devices need it."""
    threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    manifest = Manifest.read(Path(arguments[0]))
    with contextlib.suppress(Interrupted):
        execute(Assignment.of(manifest, manifest.jobs[int(arguments[1])]))
    return 0


def _end_with_the_sweep() -> None:
    with contextlib.suppress(OSError):
        os.read(0, 1)  # nothing is ever written there: it returns when the sweep has ended, however it did
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
