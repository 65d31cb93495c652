"""Learning-rate schedules. A schedule says itself whether it moves by step, by epoch or by the monitored metric.

A checkpoint holds what a schedule has seen, never its settings: those of the config apply, also after a resume.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from paribus.types import (
    Fraction,
    Interval,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
)


@dataclass(frozen=True)
class Horizon:
    """How long a run is to be."""

    steps: int
    epochs: int


@dataclass(frozen=True)
class Schedule:
    """Makes the scheduler of an optimizer, and says what moves it on."""

    make: Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]
    moved_by: Literal["step", "epoch", "metric"]


class Factor(LambdaLR):
    """lr * factor(time), where the time is all there is to remember."""

    def state_dict(self) -> dict[str, Any]:
        """The time."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there, with the factor and the learning rate of now."""
        self.last_epoch = state_dict["last_epoch"]
        self._step_count = self.last_epoch + 1
        self._last_lr = [
            lr * factor(self.last_epoch) for lr, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr


class Plateau(ReduceLROnPlateau):
    """Remembers the best figure, how long ago it was, and by how much it has lowered each learning rate so far."""

    def __init__(self, optimizer: Optimizer, *arguments: Any, **settings: Any) -> None:
        super().__init__(optimizer, *arguments, **settings)
        self._base_lrs = [group["lr"] for group in optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What it has seen, and the learning rates that came of it."""
        return {
            "best": self.best,
            "num_bad_epochs": self.num_bad_epochs,
            "last_epoch": self.last_epoch,
            "lrs": [group["lr"] for group in self.optimizer.param_groups],
            "base_lrs": self._base_lrs,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there; a learning rate that the config has changed since begins anew."""
        self.best, self.num_bad_epochs = state_dict["best"], state_dict["num_bad_epochs"]
        self.last_epoch = state_dict["last_epoch"]
        if state_dict["base_lrs"] == self._base_lrs:
            for group, lr in zip(self.optimizer.param_groups, state_dict["lrs"], strict=True):
                group["lr"] = lr


def none() -> None:
    """A constant learning rate."""


def cosine(horizon: Horizon, *, interval: Interval, final_fraction: Probability) -> Schedule:
    """lr * (f + (1 - f) (1 + cos(pi t / T)) / 2). Loshchilov & Hutter 2017, eq. 5, without restarts."""
    total = horizon.steps if interval == "step" else horizon.epochs

    def factor(time: int) -> float:
        return final_fraction + (1 - final_fraction) * (1 + cos(pi * min(time / total, 1))) / 2

    return Schedule(lambda optimizer: Factor(optimizer, factor), interval)


def step(*, interval: Interval, every: PositiveInt, gamma: PositiveFloat) -> Schedule:
    """lr * gamma^(t // every)."""
    return Schedule(lambda optimizer: Factor(optimizer, lambda time: gamma ** (time // every)), interval)


def plateau(monitor_mode: str, *, factor: Fraction, patience: NonNegativeInt, min_delta: NonNegativeFloat) -> Schedule:
    """lr * factor after more than `patience` epochs in which the metric did not improve by min_delta."""
    mode: Literal["min", "max"] = "max" if monitor_mode == "max" else "min"
    return Schedule(
        lambda optimizer: Plateau(
            optimizer, mode, factor=factor, patience=patience, threshold=min_delta, threshold_mode="abs"
        ),
        "metric",
    )
