"""Gathers a stage's batches and turns them into figures a few times an epoch.

torchmetrics updated at every step, and a loss read at every step, would double the time of a small model's step.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from paribus.errors import RunError

FLUSH_VALUES = 2**21  # outputs held before they go to the metrics: 8 MB of float32
FLUSH_STEPS = 200  # steps before losses are looked at
DIVERGED = 1e6  # times the first loss (or 1, if that is more): no run comes back from there


class Meter:
    """The mean of every loss, weighted by batch size, and the metrics of one stage.

    `readable` turns outputs and targets into what the metrics take, such as probabilities.
    A loss that is not finite, or DIVERGED times the first one, raises RunError with its step and the last loss
    before it, at the next flush.
    """

    def __init__(
        self,
        stage: str,
        metrics: MetricCollection,
        readable: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    ) -> None:
        self.stage, self.metrics, self._readable = stage, metrics, readable
        self.metrics.persistent(True)  # so that its state_dict holds what was gathered
        self._limit: float | None = None
        self._last: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        self._sums: dict[str, float] = {}
        self._count = 0
        self._clear()
        self.metrics.reset()

    def _clear(self) -> None:
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._losses: list[dict[str, Tensor]] = []
        self._steps: list[int] = []

    def add(self, outputs: Tensor, targets: Tensor, losses: dict[str, Tensor], step: int) -> None:
        """One batch, its tensors as they are on the device: outputs (B, K), targets (B,), named scalar losses.

        `step` counts from 1 and is named where a loss is wrong.
        """
        self._outputs.append(outputs.detach())
        self._targets.append(targets)
        self._losses.append({name: loss.detach() for name, loss in losses.items()})
        self._steps.append(step)
        if len(self._losses) >= FLUSH_STEPS or len(self._losses) * outputs.numel() >= FLUSH_VALUES:
            self.flush()

    def flush(self) -> None:
        """Check the losses and update the metrics with all that is held."""
        if not self._losses:
            return
        sizes = torch.tensor([len(targets) for targets in self._targets], dtype=torch.float64)
        for name in self._losses[0]:
            values = torch.stack([losses[name] for losses in self._losses]).to("cpu", torch.float64)
            self._check(name, values)
            self._sums[name] = self._sums.get(name, 0.0) + float(values @ sizes)
            self._last[name] = float(values[-1])
        self._count += int(sizes.sum())
        outputs, targets = torch.cat(self._outputs), torch.cat(self._targets)
        self._clear()
        with _any_order():
            self.metrics.update(*self._readable(outputs, targets))

    def compute(self) -> dict[str, float]:
        """The figures of the stage by full name, such as val/loss, and a fresh start."""
        self.flush()
        figures = {f"{self.stage}/{name}": total / self._count for name, total in self._sums.items()}
        for name, value in self.metrics.compute().items():
            bound = self.metrics[name].plot_upper_bound  # which a mean in 32 bits can miss by a digit
            figures[f"{self.stage}/{name}"] = float(value) if bound is None else min(float(value), bound)
        self.reset()
        return figures

    def state_dict(self) -> dict[str, Any]:
        """What was gathered so far, as plain data, for a checkpoint within an epoch."""
        self.flush()
        return {"sums": self._sums, "count": self._count, "metrics": self.metrics.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._sums, self._count = state["sums"], state["count"]
        self.metrics.load_state_dict(state["metrics"])

    def _check(self, name: str, values: Tensor) -> None:
        if self._limit is None:  # the first name is "loss"
            first = float(values[0])
            self._limit = DIVERGED * (max(1.0, first) if math.isfinite(first) else 1.0)
        wrong = (~(values.abs() <= self._limit)).nonzero()  # written so that nan is wrong too
        if len(wrong) == 0:
            return
        place = int(wrong[0])
        value, last = float(values[place]), float(values[place - 1]) if place else self._last.get(name)
        raise RunError(
            f"{self.stage}/{name} is {value:.4g} at step {self._steps[place]}"
            + (f", over {DIVERGED:,.0f} times the first" if math.isfinite(value) else "")
            + (f"; the last finite loss before was {last:.4g}" if last is not None else "; it never was finite")
            + "; lower optimizer.lr, set regularization.gradient_clip or scale the data"
        )


@contextmanager
def _any_order() -> Iterator[None]:
    """Without torch's deterministic mode: counts come out the same in any order, and in that mode torchmetrics
    counts classes by a table of rows times classes squared, which no memory holds.
    """
    mode, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode, warn_only=warn_only)
