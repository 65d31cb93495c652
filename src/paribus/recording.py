"""Records each epoch in metrics.csv and train.log."""

import logging

from lightning.pytorch import Callback, LightningModule, Trainer

from paribus.results import RunFolder

log = logging.getLogger("paribus")


class EpochRows(Callback):
    """One row of metrics.csv for each epoch, written before the epoch's checkpoint."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After a resume, forget the rows that come after the checkpoint."""
        self._folder.keep_rows(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the row and the line."""
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        self._folder.append_row({"epoch": trainer.current_epoch + 1, "step": trainer.global_step, **figures})
        shown = ", ".join(f"{name} {value:.6g}" for name, value in figures.items())
        log.info("epoch %d of %d: %s", trainer.current_epoch + 1, trainer.max_epochs, shown)
