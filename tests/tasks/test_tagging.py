"""A class for each step: padding counts nowhere."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn import metrics as reference
from torch import Tensor, nn
from torch.optim import SGD

from conftest import NO_REGULARIZATION
from paribus import losses
from paribus.data.module import TensorData
from paribus.data.spec import NO_TARGET, ClassificationSpec, classification_spec
from paribus.losses import Loss
from paribus.tasks.tagging import Tagging

STEPS = 7
BINARY = classification_spec((STEPS, 2), ("no", "yes"), is_aligned=True)
THREE = classification_spec((STEPS,), ("a", "b", "c"), vocabulary=("<padding>", "<unknown>", "x"), is_aligned=True)
KINDS: dict[str, tuple[ClassificationSpec, Loss]] = {
    "one logit": (BINARY, losses.binary_cross_entropy(BINARY, 0, positive_weight=1.0)),
    "two logits": (BINARY, losses.cross_entropy(BINARY, 0, class_weights=None)),
    "three classes": (THREE, losses.cross_entropy(THREE, 0, class_weights=None)),
}


def _task(kind: str) -> Tagging:
    """A task whose model gives its inputs as outputs."""
    spec, loss = KINDS[kind]
    return Tagging(
        spec,
        nn.Identity(),
        loss,
        lambda parameters: SGD(parameters, 0.1),
        lambda monitor_mode: None,
        NO_REGULARIZATION,
        None,
        None,
        None,
        None,
        steps_per_epoch=1,
        monitor="val/loss",
        log_every_n_steps=1,
    )


def _examples(kind: str, count: int = 30) -> tuple[Tensor, Tensor, Tensor]:
    """outputs (N, T, C), targets (N, T) with padding, and which steps are real (N, T)."""
    spec, loss = KINDS[kind]
    generator = torch.Generator().manual_seed(0)
    outputs = 2 * torch.randn(count, STEPS, loss.num_outputs, generator=generator)
    targets = torch.randint(spec.num_classes, (count, STEPS), generator=generator)
    lengths = torch.randint(1, STEPS + 1, (count, 1), generator=generator)
    is_real = torch.arange(STEPS) < lengths
    return outputs, targets.where(is_real, NO_TARGET), is_real


def _measured(task: Tagging, stage: str, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """The figures of a stage that came in uneven batches."""
    steps = [[batch] for batch in zip(outputs.split(20), targets.split(20), strict=True)]
    (task.test_step if stage == "test" else task.validation_step)(steps, 0)
    return task._meters[stage].compute()


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_are_those_of_the_real_steps_whatever_is_predicted_for_padding(kind: str) -> None:
    outputs, targets, is_real = _examples(kind)
    values, truth = outputs[is_real], targets[is_real].numpy()
    predicted = (values.argmax(1) if values.shape[1] > 1 else values[:, 0] > 0).long().numpy()
    average = "macro" if kind == "three classes" else "binary"
    expected = {
        "val/accuracy": reference.accuracy_score(truth, predicted),
        "val/precision": reference.precision_score(truth, predicted, average=average),
        "val/recall": reference.recall_score(truth, predicted, average=average),
        "val/f1": reference.f1_score(truth, predicted, average=average),
    }
    for fill in (-50.0, 0.0, 50.0):
        found = _measured(_task(kind), "val", outputs.where(is_real[..., None], fill), targets)
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert not is_real.all() and is_real.sum() > 50


def test_the_loss_is_the_mean_over_real_steps_not_over_batches_or_examples() -> None:
    outputs, targets, is_real = _examples("one logit")
    logits, truth = outputs[is_real][:, 0].double().numpy(), targets[is_real].numpy()
    expected = -np.log(expit(np.where(truth == 1, logits, -logits))).mean()
    found = _measured(_task("one logit"), "val", outputs, targets)["val/loss"]
    assert found == pytest.approx(expected, rel=1e-6)


def test_padding_that_counted_would_change_the_accuracy() -> None:
    outputs = torch.tensor([[[5.0, 0, 0], [0, 5, 0], [5, 0, 0]], [[0, 5, 0], [0, 0, 5], [0, 0, 5]]])
    targets = torch.tensor([[0, 2, NO_TARGET], [1, NO_TARGET, NO_TARGET]])
    task = _task("three classes")
    task.validation_step([[(outputs, targets)]], 0)
    assert task._meters["val"].compute()["val/accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", KINDS)
def test_each_real_step_is_a_row_in_order(kind: str) -> None:
    outputs, targets, is_real = _examples(kind)
    flat, true = _task(kind).flat(outputs, targets)
    assert flat.shape == (int(is_real.sum()), outputs.shape[2]) and len(true) == len(flat)
    assert torch.equal(flat, torch.cat([outputs[row][is_real[row]] for row in range(len(outputs))]))
    assert (true != NO_TARGET).all() and _task(kind).count(targets) == len(flat)


def test_accumulated_batches_weigh_as_their_real_steps() -> None:
    """One step of two batches, full and mostly padding, has the gradient of both as one batch."""
    outputs, targets, _ = _examples("three classes", 8)
    targets[4:, 1:] = NO_TARGET
    weights = nn.Linear(3, 3, bias=False)
    found = []
    for step in ([(outputs, targets)], [(outputs[:4], targets[:4]), (outputs[4:], targets[4:])]):
        task = _task("three classes")
        task.model = weights
        weights.zero_grad()
        task.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
        task._backward(step, 0, is_measured=True)
        assert weights.weight.grad is not None
        found.append(weights.weight.grad.clone())
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_figures_and_the_table_are_of_steps(kind: str) -> None:
    """None of them asks the data for examples: what the test has kept are steps."""
    outputs, targets, is_real = _examples(kind)
    task = _task(kind)
    _measured(task, "test", outputs, targets)
    data = cast(TensorData, SimpleNamespace())
    assert set(task.figures("a run", data)) == {"confusion_matrix", "roc", "reliability", "per_class"}
    (rows,) = task.tables(data).values()
    counts = targets[is_real].bincount(minlength=len(rows)).tolist()
    assert [row["examples"] for row in rows] == counts
