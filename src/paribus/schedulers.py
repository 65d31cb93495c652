"""Learning-rate schedules. A schedule says itself whether it moves by step, by epoch or by the monitored metric."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from typing import Literal

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


def none() -> None:
    """A constant learning rate."""


def cosine(horizon: Horizon, *, interval: Interval, final_fraction: Probability) -> Schedule:
    """lr * (f + (1 - f) (1 + cos(pi t / T)) / 2). Loshchilov & Hutter 2017, eq. 5, without restarts."""
    total = horizon.steps if interval == "step" else horizon.epochs

    def factor(time: int) -> float:
        return final_fraction + (1 - final_fraction) * (1 + cos(pi * min(time / total, 1))) / 2

    return Schedule(lambda optimizer: LambdaLR(optimizer, factor), interval)


def step(*, interval: Interval, every: PositiveInt, gamma: PositiveFloat) -> Schedule:
    """lr * gamma^(t // every)."""
    return Schedule(lambda optimizer: LambdaLR(optimizer, lambda time: gamma ** (time // every)), interval)


def plateau(monitor_mode: str, *, factor: Fraction, patience: NonNegativeInt, min_delta: NonNegativeFloat) -> Schedule:
    """lr * factor after more than `patience` epochs in which the metric did not improve by min_delta."""
    mode: Literal["min", "max"] = "max" if monitor_mode == "max" else "min"
    return Schedule(
        lambda optimizer: ReduceLROnPlateau(
            optimizer, mode, factor=factor, patience=patience, threshold=min_delta, threshold_mode="abs"
        ),
        "metric",
    )
