"""Early stopping: ends training where the monitored metric stops improving. The best epoch is kept in any case."""

from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping

from paribus.types import Direction, NonNegativeFloat, NonNegativeInt, PositiveInt


class Patience(EarlyStopping):
    """Lightning's, but that its settings are the config's, also after a resume, and that it knows when it is over."""

    start = 0
    state_key = "early_stopping"

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what was seen."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Not before the epoch from which it counts."""
        if trainer.current_epoch >= self.start:
            super().on_train_epoch_end(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run that had stopped early, and was stopped again before its test, is not trained on."""
        trainer.should_stop = self.wait_count >= self.patience


def none() -> None:
    """All epochs."""


def patience(
    monitor: str,
    monitor_mode: Literal["min", "max"],
    *,
    patience: PositiveInt,
    min_delta: NonNegativeFloat,
    direction: Direction,
    start: NonNegativeInt,
) -> Patience:
    """Stops after `patience` epochs in which the metric did not improve by more than min_delta (Prechelt 1998).

    Better is what `direction` says, or for auto what the metric says; the first `start` epochs do not count.
    """
    mode = monitor_mode if direction == "auto" else direction
    stopping = Patience(monitor, min_delta, patience, mode=mode, check_finite=False, check_on_train_epoch_end=True)
    stopping.start = start
    return stopping
