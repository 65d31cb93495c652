import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn import metrics as reference
from torch import Tensor, nn
from torch.optim import SGD

from conftest import NO_REGULARIZATION
from paribus import losses
from paribus.data.spec import BinarySpec, ClassificationSpec
from paribus.errors import ConfigError
from paribus.losses import Loss
from paribus.tasks.classification import Classification, probabilities

BINARY = BinarySpec((2,), ("no", "yes"))
THREE = ClassificationSpec((2,), ("a", "b", "c"))
KINDS: dict[str, tuple[ClassificationSpec, Loss]] = {
    "one logit": (BINARY, losses.binary_cross_entropy(BINARY, 0, positive_weight=1.0)),
    "two logits": (BINARY, losses.cross_entropy(BINARY, 0, class_weights=None)),
    "three classes": (THREE, losses.cross_entropy(THREE, 0, class_weights=None)),
}
METRICS = ("accuracy", "precision", "recall", "f1", "auroc")


def _task(kind: str, monitor: str = "val/loss") -> Classification:
    """A task whose model gives its inputs as outputs."""
    spec, loss = KINDS[kind]
    return Classification(
        spec,
        nn.Identity(),
        loss,
        lambda parameters: SGD(parameters, 0.1),
        lambda monitor_mode: None,
        NO_REGULARIZATION,
        None,
        steps_per_epoch=1,
        monitor=monitor,
        log_every_n_steps=1,
    )


def _examples(kind: str, seed: int, count: int = 90) -> tuple[Tensor, Tensor]:
    spec, loss = KINDS[kind]
    generator = torch.Generator().manual_seed(seed)
    outputs = 2 * torch.randn(count, loss.num_outputs, generator=generator)
    return outputs, torch.randint(spec.num_classes, (count,), generator=generator)


def _measured(task: Classification, stage: str, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """The figures of a stage that came in uneven batches."""
    steps = [[batch] for batch in zip(outputs.split(40), targets.split(40), strict=True)]
    (task.test_step if stage == "test" else task.validation_step)(steps, 0)
    return task._meters[stage].compute()


def _expected(kind: str, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """scikit-learn's figures: of the second class where there are two, else means over classes."""
    values, truth = outputs.double().numpy(), targets.numpy()
    if kind == "one logit":
        values = np.hstack([np.zeros_like(values), values])
    predicted, found = values.argmax(1), softmax(values, axis=1)
    average = "macro" if kind == "three classes" else "binary"
    scores = found if kind == "three classes" else found[:, 1]
    return {
        "loss": reference.log_loss(truth, found),
        "accuracy": reference.accuracy_score(truth, predicted),
        "precision": reference.precision_score(truth, predicted, average=average),
        "recall": reference.recall_score(truth, predicted, average=average),
        "f1": reference.f1_score(truth, predicted, average=average),
        "auroc": reference.roc_auc_score(truth, scores, multi_class="ovr"),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", ["val", "test"])
@pytest.mark.parametrize("seed", [0, 1])
def test_figures_are_those_of_scikit_learn(kind: str, stage: str, seed: int) -> None:
    outputs, targets = _examples(kind, seed)
    figures = _measured(_task(kind), stage, outputs, targets)
    expected = {f"{stage}/{name}": value for name, value in _expected(kind, outputs, targets).items()}
    assert figures == pytest.approx(expected, abs=1e-6)


def test_one_logit_and_two_give_the_same_figures() -> None:
    outputs, targets = _examples("one logit", 0)
    one = _measured(_task("one logit"), "val", outputs, targets)
    two = _measured(_task("two logits"), "val", torch.cat([torch.zeros_like(outputs), outputs], 1), targets)
    assert one == pytest.approx(two, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_sum_to_one_and_have_their_formula(kind: str) -> None:
    outputs, _ = _examples(kind, 0)
    found, values = probabilities(outputs), outputs.numpy()
    torch.testing.assert_close(found.sum(1), torch.ones(len(outputs)))
    assert ((found >= 0) & (found <= 1)).all()
    positive = expit(values)
    expected = np.hstack([1 - positive, positive]) if kind == "one logit" else softmax(values, axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_perfect_outputs_get_perfect_figures(kind: str) -> None:
    _, targets = _examples(kind, 0)
    sure = 20.0 * (2 * targets[:, None] - 1) if kind == "one logit" else 20.0 * torch.eye(3)[targets]
    figures = _measured(_task(kind), "val", sure[:, : KINDS[kind][1].num_outputs], targets)
    assert [figures[f"val/{name}"] for name in METRICS] == pytest.approx([1.0] * 5)


def test_training_measures_accuracy_alone() -> None:
    assert set(_task("three classes").metrics("train")) == {"accuracy"}
    assert set(_task("three classes").metrics("val")) == set(METRICS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_results_are_all_examples_in_order(kind: str) -> None:
    outputs, targets = _examples(kind, 0)
    task = _task(kind)
    _measured(task, "test", outputs, targets)
    found, truth = task.test_results()
    assert torch.equal(truth, targets)
    expected = probabilities(outputs)
    torch.testing.assert_close(found, expected if kind == "three classes" else expected[:, 1])


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val/loss", "min"), ("val/accuracy", "max"), ("train/accuracy", "max"), ("val/f1", "max")]
)
def test_the_monitored_metric_knows_its_direction(monitor: str, mode: str) -> None:
    assert _task("one logit", monitor).monitor_mode == mode


@pytest.mark.parametrize(
    ("monitor", "nearest"),
    [("val/acuracy", "did you mean val/accuracy"), ("train/f1", "")],  # f1 is not for training
)
def test_a_metric_that_is_not_measured_is_an_error(monitor: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=rf"^trainer\.monitor={monitor} is not measured; {nearest}"):
        _task("one logit", monitor)


@pytest.mark.parametrize(
    ("made", "given"), [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)]
)
def test_outputs_are_never_below_32_bits_nor_rounded_to_them(made: torch.dtype, given: torch.dtype) -> None:
    outputs = torch.tensor([[0.5], [-2.0]], dtype=made)
    assert _task("one logit")(outputs).dtype == given
    smooth = losses.binary_cross_entropy(BINARY, 0.1, positive_weight=1.0)
    loss = smooth(_task("one logit")(outputs), torch.tensor([1, 0]))
    logits = np.array([0.5, -2.0])
    targets = np.array([0.95, 0.05])  # 0.95 in bfloat16 would be 0.9492
    expected = -(targets * np.log(expit(logits)) + (1 - targets) * np.log(expit(-logits))).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-6)
