"""How training went, from the figures of its epochs, and how noisy its gradients are."""

from math import sqrt

import torch
from torch import Tensor

from paribus.data.loader import Step
from paribus.errors import ConfigError, nearest
from paribus.metric_names import lower_is_better
from paribus.studies.measured import Measured
from paribus.studies.measuring import NotMeasurable
from paribus.tasks.task import Task
from paribus.types import MetricName, Number, PositiveInt, TextList


def last_epoch(run: Measured, *, metrics: TextList) -> dict[str, float]:
    """Figures of the last epoch, such as train/loss, where the run's own are those of the best epoch."""
    for name in metrics:
        _known(run, name)
    return {name: run.rows[-1][name] for name in metrics}


def reaching(run: Measured, *, metric: MetricName, value: Number) -> dict[str, float]:
    """Epochs and steps until a figure is as good as `value`; of a run that never is, one epoch more than it had."""
    _known(run, metric)
    sign = 1 if lower_is_better(metric) else -1
    for row in run.rows:
        if sign * row[metric] <= sign * value:
            return {"epochs": row["epoch"], "steps": row["step"]}
    epochs, steps = run.rows[-1]["epoch"], run.rows[-1]["step"]
    return {"epochs": epochs + 1, "steps": steps * (epochs + 1) / epochs}


def gradient_noise(run: Measured, *, steps: PositiveInt) -> dict[str, float]:
    """ "relative": before training, how far the gradient of one optimizer step lies from that of all training rows.

    The root mean square of |step - all| / |all| over the first `steps` steps of an epoch.
    """
    task = run.initial()
    task.eval()
    found = [_gradient(task, step) for step in run.steps()]
    rows = sum(count for _, count in found)
    whole = torch.stack([gradient * (count / rows) for gradient, count in found]).sum(0)
    squares = [float((gradient - whole).square().sum()) for gradient, _ in found[:steps]]
    return {"relative": sqrt(sum(squares) / len(squares)) / float(whole.norm())}


def _known(run: Measured, name: str) -> None:
    """Raise ConfigError where the run's epochs have no such figure, NotMeasurable where there is no epoch."""
    if not run.rows:
        raise NotMeasurable
    if name not in run.rows[0]:
        raise ConfigError(f"{name} is no figure of an epoch; {nearest(name, run.rows[0], 'there are')}")


def _gradient(task: Task, step: Step) -> tuple[Tensor, int]:
    """All weights' in one row, of the mean loss over the rows of a step; and how many rows these are."""
    task.zero_grad()
    count = sum(len(targets) for _, targets in step)
    for inputs, targets in step:
        loss = task.loss(*task.flat(task.predicted(inputs, targets), targets))
        (loss * (len(targets) / count)).backward()
    return torch.cat([each.grad.flatten() for each in task.model.parameters() if each.grad is not None]), count
