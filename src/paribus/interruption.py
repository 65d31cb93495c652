"""Ctrl-C, SIGTERM, a closed terminal: training stops at the end of the step with a checkpoint and an exit code."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from paribus.errors import Interrupted
from paribus.several_devices import SeveralDevices

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption(Callback):
    """While training, a first signal waits for the end of the step; a second, or one at another time, acts at once.

    On several devices it is the first process that listens, and the others stop after the same step.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint
        self._received: int | None = None
        self._training = False
        self._is_ignoring = False
        self._several: SeveralDevices | None = None
        self._taken: dict[signal.Signals, Any] = {}  # and who had them before

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals over for the length of a run."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals belong to the main thread
            return
        self._taken = {number: signal.getsignal(number) for number in SIGNALS}
        if self._taken[signal.SIGHUP] is signal.SIG_IGN:  # started with nohup
            del self._taken[signal.SIGHUP]
        self._take()
        try:
            yield
        finally:
            for number, handler in self._taken.items():
                signal.signal(number, handler)

    def ignore(self) -> None:
        """Take the signals over for good, and leave it to the first process what becomes of them."""
        self._is_ignoring = True
        self._taken = dict.fromkeys(SIGNALS)
        self._take()

    def _take(self) -> None:
        for number in self._taken:
            signal.signal(number, signal.SIG_IGN if self._is_ignoring else self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._training or self._received is not None:
            raise Interrupted(number)
        self._received = number

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on a signal waits. Lightning has put a handler over ours that ends in exit code 0."""
        self._training = True
        self._several = trainer.strategy if isinstance(trainer.strategy, SeveralDevices) else None
        self._take()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop between steps; after the last of an epoch, only when its validation and checkpoint are done."""
        if self._received is None and self._several is None:
            return
        if batch_idx + 1 >= trainer.num_training_batches:
            return
        if self._several is not None:
            self._agree(self._several)
        if self._received is not None:
            trainer.save_checkpoint(self._checkpoint)
            raise Interrupted(self._received)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop after the checkpoint of the epoch before."""
        if self._several is not None:
            self._agree(self._several)
        if self._received is not None:
            raise Interrupted(self._received)

    def _agree(self, several: SeveralDevices) -> None:
        """All have received what the first process has."""
        self._received = several.agreed(self._received or 0) or None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on a signal acts at once."""
        self._training = False
        if self._received is not None:
            raise Interrupted(self._received)
