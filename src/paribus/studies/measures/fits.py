"""What was learned: fit on training and test rows after the last epoch, and the weights it took."""

import torch

from paribus.data.spec import ClassificationSpec
from paribus.studies.measured import Measured
from paribus.tasks.task import Task
from paribus.types import PositiveFloat


def gap(run: Measured) -> dict[str, float]:
    """Loss, and of classes accuracy, on training and test rows with the weights of the last epoch, dropout off.

    "loss" is test less training, "accuracy" training less test: how much of the fit is of the training rows alone.
    """
    task = run.last()
    train, test = _fit(task, run, "train"), _fit(task, run, "test")
    found = {f"train_{name}": value for name, value in train.items()}
    found |= {f"test_{name}": value for name, value in test.items()}
    found["loss"] = test["loss"] - train["loss"]
    if "accuracy" in train:
        found["accuracy"] = train["accuracy"] - test["accuracy"]
    return found


def weights(run: Measured, *, below: PositiveFloat) -> dict[str, float]:
    """ "near_zero": the share of the weights that are smaller than `below` after the last epoch, biases left out."""
    found = torch.cat([each.detach().flatten() for each in run.last().model.parameters() if each.ndim > 1])
    return {"near_zero": float((found.abs() < below).float().mean())}


def _fit(task: Task, run: Measured, stage: str) -> dict[str, float]:
    task.eval()
    loss, right, count = 0.0, 0, 0
    with torch.no_grad():
        for inputs, targets in run.batches(stage):
            outputs, flat = task.flat(task.predicted(inputs, targets), targets)
            loss += float(task.loss(outputs, flat)) * len(flat)
            right += int((outputs.argmax(1) == flat).sum())
            count += len(flat)
    found = {"loss": loss / count}
    if isinstance(task.spec, ClassificationSpec) and task.spec.num_classes > 2:
        found["accuracy"] = right / count
    return found
