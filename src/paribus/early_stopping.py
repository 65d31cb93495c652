"""Early stopping: ends training where the monitored metric stops improving. The best epoch is kept in any case."""

from typing import Literal

from lightning.pytorch.callbacks import EarlyStopping

from paribus.types import NonNegativeFloat, PositiveInt


def none() -> None:
    """All epochs."""


def patience(
    monitor: str, monitor_mode: Literal["min", "max"], *, patience: PositiveInt, min_delta: NonNegativeFloat
) -> EarlyStopping:
    """Stops after `patience` epochs in which the metric did not improve by more than min_delta (Prechelt 1998)."""
    return EarlyStopping(
        monitor, min_delta, patience, mode=monitor_mode, check_finite=False, check_on_train_epoch_end=True
    )
