"""Progress of training: a bar with metrics and time left in a terminal, one line an epoch elsewhere."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from paribus.console import Lasting, duration
from paribus.tasks.task import Task

REFRESH_SECONDS = 0.2


class ProgressReport(Callback):
    """Shows each epoch's losses and the monitored metric as they become known."""

    def __init__(self, monitor: str) -> None:
        self._monitor = monitor
        self._console = Lasting(highlight=False)
        self._bar: Progress | None = None
        self._shown = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        self._started, self._first_epoch = time.monotonic(), trainer.current_epoch
        if not self._console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        assert isinstance(pl_module, Task) and isinstance(trainer.max_epochs, int)
        total = pl_module.steps_per_epoch * trainer.max_epochs
        self._line = self._bar.add_task("", total=total, completed=trainer.global_step, epoch="", figures="")
        self._bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Move the bar on, a few times a second."""
        if self._bar is None or time.monotonic() - self._shown < REFRESH_SECONDS:
            return
        self._shown = time.monotonic()
        epoch = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._bar.update(self._line, completed=trainer.global_step, epoch=epoch, figures=self._figures(trainer))
        self._bar.refresh()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One line for the epoch."""
        assert isinstance(trainer.max_epochs, int)
        done, spent = trainer.current_epoch + 1, time.monotonic() - self._started
        left = spent / (done - self._first_epoch) * (trainer.max_epochs - done)
        times = f"{duration(spent)} spent, {duration(left)} left"
        self._console.print(f"epoch {done}/{trainer.max_epochs}  {self._figures(trainer)}  {times}", soft_wrap=True)

    def _figures(self, trainer: Trainer) -> str:
        names = dict.fromkeys(("train/loss", "val/loss", "val/accuracy", "val/r2", self._monitor))
        known = trainer.callback_metrics
        return "  ".join(f"{name} {float(known[name]):.4f}" for name in names if name in known)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
