"""Learning-rate schedules. A schedule says itself whether it moves by step, by epoch or by the monitored metric.

In the formulas t is the time, in steps or epochs (`interval`), and T the length of the run, both less the warm-up: it
raises the rate linearly first, and then the schedule begins. A checkpoint holds what a schedule has seen, never its
settings: those of the config apply, also after a resume.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi, sqrt
from typing import Any, Literal, SupportsFloat

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from paribus.errors import ConfigError
from paribus.types import (
    Fraction,
    Interval,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PositiveIntList,
    Probability,
    Share,
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
    """Remembers the best figure, how long ago it was, and how low each learning rate has come, the warm-up aside."""

    def __init__(self, optimizer: Optimizer, warmup: int, **settings: Any) -> None:
        super().__init__(optimizer, **settings)
        self._warmup = warmup
        self._base_lrs = [group["lr"] for group in optimizer.param_groups]
        self._set(self._base_lrs)

    def _set(self, lrs: list[float]) -> None:
        self._lrs = lrs
        self._last_lr = [lr * _warm(self.last_epoch, self._warmup) for lr in lrs]
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override] # as torch does
        """One more epoch; figures of the warm-up do not count."""
        if self.last_epoch < self._warmup:
            self.last_epoch += 1
            self._set(self._lrs)
        else:
            super().step(metrics)
            self._lrs = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What it has seen, and the learning rates that came of it."""
        return {
            "best": self.best,
            "num_bad_epochs": self.num_bad_epochs,
            "last_epoch": self.last_epoch,
            "lrs": self._lrs,
            "base_lrs": self._base_lrs,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there; a learning rate that the config has changed since begins anew."""
        self.best, self.num_bad_epochs = state_dict["best"], state_dict["num_bad_epochs"]
        self.last_epoch = state_dict["last_epoch"]
        fallen = dict(zip(state_dict["base_lrs"], state_dict["lrs"], strict=True))  # groups may be others by now
        is_changed = any(lr not in fallen for lr in self._base_lrs)
        self._set(self._base_lrs if is_changed else [fallen[lr] for lr in self._base_lrs])


def _warm(time: int, warmup: int) -> float:
    """(t + 1) / (w + 1) for t < w, then 1."""
    return min((time + 1) / (warmup + 1), 1)


def _schedule(horizon: Horizon, interval: Interval, warmup: int, factor: Callable[[int, int], float]) -> Schedule:
    """Warm-up, then lr * factor(t, T)."""
    total = _length(horizon, interval, warmup)

    def whole(time: int) -> float:
        return _warm(time, warmup) if time < warmup else factor(time - warmup, total)

    return Schedule(lambda optimizer: Factor(optimizer, whole), interval)


def _length(horizon: Horizon, interval: Interval, warmup: int) -> int:
    """The run's length in units of `interval`, less the warm-up. Raises ConfigError if nothing is left."""
    total = horizon.steps if interval == "step" else horizon.epochs
    if warmup and warmup >= total:
        raise ConfigError(
            f"scheduler.warmup={warmup} must be below the length of the run, which is {total} "
            f"{interval}{'' if total == 1 else 's'}; lower it or raise trainer.max_epochs"
        )
    return total - warmup


def _arc(start: float, end: float, share: float) -> float:
    """Half a cosine from start to end, and end for good from share 1 on."""
    return end + (start - end) * (1 + cos(pi * min(share, 1))) / 2


def none() -> None:
    """A constant learning rate."""


def constant(horizon: Horizon, *, interval: Interval, warmup: NonNegativeInt) -> Schedule:
    """lr, after the warm-up."""
    return _schedule(horizon, interval, warmup, lambda time, total: 1)


def step(
    horizon: Horizon, *, interval: Interval, warmup: NonNegativeInt, every: PositiveInt, gamma: PositiveFloat
) -> Schedule:
    """lr * gamma^(t // every)."""
    return _schedule(horizon, interval, warmup, lambda time, total: gamma ** (time // every))


def multistep(
    horizon: Horizon, *, interval: Interval, warmup: NonNegativeInt, milestones: PositiveIntList, gamma: PositiveFloat
) -> Schedule:
    """lr * gamma^(number of milestones <= t). Raises ConfigError for milestones that do not ascend."""
    if any(later <= earlier for earlier, later in pairwise(milestones)):
        raise ConfigError(f"scheduler.milestones={milestones} must ascend")
    return _schedule(horizon, interval, warmup, lambda time, total: gamma ** bisect_right(milestones, time))


def exponential(horizon: Horizon, *, interval: Interval, warmup: NonNegativeInt, gamma: PositiveFloat) -> Schedule:
    """lr * gamma^t."""
    return _schedule(horizon, interval, warmup, lambda time, total: gamma**time)


def cosine(horizon: Horizon, *, interval: Interval, warmup: NonNegativeInt, final_fraction: Probability) -> Schedule:
    """lr * (f + (1 - f) (1 + cos(pi t / T)) / 2). Loshchilov & Hutter 2017, eq. 5, without restarts."""
    return _schedule(horizon, interval, warmup, lambda time, total: _arc(1, final_fraction, time / total))


def linear(horizon: Horizon, *, interval: Interval, warmup: NonNegativeInt, final_fraction: Probability) -> Schedule:
    """lr * (f + (1 - f) (1 - t / T))."""
    return polynomial(horizon, interval=interval, warmup=warmup, power=1, final_fraction=final_fraction)


def polynomial(
    horizon: Horizon,
    *,
    interval: Interval,
    warmup: NonNegativeInt,
    power: PositiveFloat,
    final_fraction: Probability,
) -> Schedule:
    """lr * (f + (1 - f) (1 - t / T)^power)."""

    def factor(time: int, total: int) -> float:
        return final_fraction + (1 - final_fraction) * float((1 - min(time / total, 1)) ** power)

    return _schedule(horizon, interval, warmup, factor)


def one_cycle(
    horizon: Horizon,
    *,
    interval: Interval,
    warmup: NonNegativeInt,
    start_fraction: Share,
    peak_share: Fraction,
    final_fraction: Probability,
) -> Schedule:
    """Half a cosine from s * lr up to lr at time p * T, then half a cosine down to f * lr at T.

    Smith & Topin 2018, with the learning rate only (momentum stays) and cosines for the paper's straight lines.
    """

    def factor(time: int, total: int) -> float:
        peak = peak_share * total
        if time < peak:
            return _arc(start_fraction, 1, time / peak)
        return _arc(1, final_fraction, (time - peak) / (total - peak))

    return _schedule(horizon, interval, warmup, factor)


def inverse_sqrt(horizon: Horizon, *, interval: Interval, warmup: NonNegativeInt) -> Schedule:
    """lr * sqrt((w + 1) / (t + w + 1)), w the warm-up. Vaswani et al. 2017, eq. 3, without the model-size factor.

    lr is the peak; the paper's warmup_steps are w + 1.
    """
    return _schedule(horizon, interval, warmup, lambda time, total: sqrt((warmup + 1) / (time + warmup + 1)))


def plateau(
    monitor_mode: str,
    horizon: Horizon,
    *,
    warmup: NonNegativeInt,
    factor: Fraction,
    patience: NonNegativeInt,
    min_delta: NonNegativeFloat,
) -> Schedule:
    """lr * factor after more than `patience` epochs in which the metric did not improve by min_delta."""
    _length(horizon, "epoch", warmup)
    mode: Literal["min", "max"] = "max" if monitor_mode == "max" else "min"
    return Schedule(
        lambda optimizer: Plateau(
            optimizer,
            warmup,
            mode=mode,
            factor=factor,
            patience=patience,
            threshold=min_delta,
            threshold_mode="abs",
            eps=0,  # no learning rate is too low to be lowered
        ),
        "metric",
    )
