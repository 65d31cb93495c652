from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn import metrics as reference
from torch import Tensor, nn
from torch.optim import SGD

from conftest import NO_REGULARIZATION
from paribus import losses
from paribus.data.module import TensorData
from paribus.data.spec import BinarySpec, ClassificationSpec
from paribus.errors import ConfigError
from paribus.losses import Loss
from paribus.tasks.classification import Classification, class_scores, first_filters, probabilities

BINARY = BinarySpec((2,), ("no", "yes"))
THREE = ClassificationSpec((2,), ("a", "b", "c"))
KINDS: dict[str, tuple[ClassificationSpec, Loss]] = {
    "one logit": (BINARY, losses.binary_cross_entropy(BINARY, 0, positive_weight=1.0)),
    "two logits": (BINARY, losses.cross_entropy(BINARY, 0, class_weights=None)),
    "three classes": (THREE, losses.cross_entropy(THREE, 0, class_weights=None)),
}
METRICS = ("accuracy", "precision", "recall", "f1", "auroc")  # best at 1
SCORES = ("precision", "recall", "f1")
TEN = ClassificationSpec((1, 8, 8), tuple("0123456789"))


def _data(images: Tensor | None = None) -> TensorData:
    """Stands for the data that a test has run on, of which only the images are asked for."""
    return cast(TensorData, SimpleNamespace(images=lambda name, positions: images[positions]))


def _task(kind: str, monitor: str = "val/loss") -> Classification:
    """A task whose model gives its inputs as outputs."""
    return _task_of(*KINDS[kind], nn.Identity(), monitor)


def _task_of(spec: ClassificationSpec, loss: Loss, model: nn.Module, monitor: str = "val/loss") -> Classification:
    return Classification(
        spec,
        model,
        loss,
        lambda parameters: SGD(parameters, 0.1),
        lambda monitor_mode: None,
        NO_REGULARIZATION,
        None,
        None,
        None,
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
        "ece": _calibration_error(
            *((found.max(1), predicted == truth) if kind == "three classes" else (scores, truth))
        ),
    }


def _calibration_error(confidence: np.ndarray, true: np.ndarray) -> float:
    """Guo et al. 2017, eq. 3, with 15 bins."""
    index = np.minimum(np.floor(confidence * 15), 14)
    gaps = [abs((true[index == place] - confidence[index == place]).sum()) for place in range(15)]
    return sum(gaps) / len(true)


def _loss(spec: ClassificationSpec) -> Loss:
    return losses.cross_entropy(spec, 0, class_weights=None)


def _images_task(model: nn.Module | None = None) -> Classification:
    return _task_of(TEN, _loss(TEN), model or nn.Identity())


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
    assert figures["val/ece"] == pytest.approx(0, abs=1e-6)


def test_training_measures_accuracy_alone() -> None:
    assert set(_task("three classes").metrics("train")) == {"accuracy"}
    assert set(_task("three classes").metrics("val")) == {*METRICS, "ece"}


def test_top5_accuracy_is_for_images_of_more_than_five_classes() -> None:
    assert "top5_accuracy" in _images_task().metrics("val") and "top5_accuracy" not in _images_task().metrics("train")
    assert "top5_accuracy" not in _task("three classes").metrics("val")
    spec = ClassificationSpec((64,), TEN.class_names)
    assert "top5_accuracy" not in _task_of(spec, _loss(spec), nn.Identity()).metrics("val")


def test_top5_accuracy_is_that_of_scikit_learn_even_if_the_first_batches_have_no_mistakes() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(300) % 10
    outputs = torch.randn(300, 10, generator=generator)
    outputs[:100] += 9 * torch.eye(10)[targets[:100]]
    task = _images_task()
    for part in (slice(0, 100), slice(100, 300)):
        task.validation_step([[(outputs[part], targets[part])]], 0)
        task._meters["val"].flush()
    figures = task._meters["val"].compute()
    expected = reference.top_k_accuracy_score(targets, outputs, k=5)
    assert figures["val/top5_accuracy"] == pytest.approx(expected) and figures["val/accuracy"] < expected < 0.8


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
    ("monitor", "mode"),
    [("val/loss", "min"), ("val/ece", "min"), ("val/accuracy", "max"), ("train/accuracy", "max"), ("val/f1", "max")],
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_has_the_scores_of_each_class(kind: str) -> None:
    outputs, targets = _examples(kind, 0)
    task = _task(kind)
    _measured(task, "test", outputs, targets)
    (rows,) = task.tables(_data()).values()
    predicted = outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).long()
    expected = reference.precision_recall_fscore_support(targets, predicted)
    assert [row["class"] for row in rows] == list(KINDS[kind][0].class_names)
    for name, values in zip((*SCORES, "examples"), expected, strict=True):
        assert [row[name] for row in rows] == pytest.approx(values.tolist())


def test_the_means_over_classes_are_the_figures_even_of_classes_never_seen_or_never_predicted() -> None:
    targets = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    predicted = torch.tensor([0, 0, 1, 1, 0, 0, 1, 3])  # 2 is never predicted, 3 never seen, 4 neither
    rows = class_scores(predicted, targets, ["a", "b", "c", "d", "e"])
    assert rows[4] == {"class": "e", "examples": 0, "precision": None, "recall": None, "f1": None}
    assert [row["recall"] for row in rows[:4]] == pytest.approx([2 / 3, 1 / 2, 0, 0])
    spec = ClassificationSpec((2,), tuple("abcde"))
    metrics = _task_of(spec, _loss(spec), nn.Identity()).metrics("test")
    for name in SCORES:
        measured = metrics[name](torch.eye(5)[predicted], targets).item()
        assert np.mean([row[name] for row in rows[:4]]) == pytest.approx(measured)


ONE_LAYER = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
CONVOLUTION = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 10, 8), nn.Flatten())
ALL = {"confusion_matrix", "roc", "reliability", "per_class"}


@pytest.mark.parametrize("model", [ONE_LAYER, CONVOLUTION], ids=["one layer", "convolution"])
def test_images_have_figures_of_their_own(model: nn.Module) -> None:
    task = _images_task(model)
    inputs = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        task.test_step([[(inputs, torch.arange(40) % 10)]], 0)
    drawn = task.figures("a run", _data(inputs))
    assert set(drawn) == ALL | {"worst_mistakes", "filters"}


@pytest.mark.parametrize("kind", ["one logit", "two logits"])
def test_a_table_has_no_figures_of_images(kind: str) -> None:
    task = _task(kind)
    _measured(task, "test", *_examples(kind, 0))
    assert set(task.figures("a run", _data())) == ALL


FIRST = {
    "convolution": (nn.Conv2d(3, 5, 3), (3, 8, 8), (5, 3, 3, 3)),
    "behind a norm": (nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 5, 3)), (1, 8, 8), (5, 1, 3, 3)),
    "four channels": (nn.Conv2d(4, 5, 3), (4, 8, 8), None),
    "linear": (ONE_LAYER, (1, 8, 8), (10, 1, 8, 8)),
    "linear, colour": (nn.Linear(48, 7), (3, 4, 4), (7, 3, 4, 4)),
    "linear, two channels": (nn.Linear(32, 7), (2, 4, 4), None),
    "linear behind pooling": (nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 7)), (1, 8, 8), None),
    "another layer": (nn.Sequential(nn.LSTM(8, 64), nn.Linear(64, 10)), (1, 8, 8), None),
    "no weights": (nn.Flatten(), (1, 8, 8), None),
}


@pytest.mark.parametrize("kind", FIRST)
def test_filters_are_the_weights_of_the_layer_that_sees_the_image(kind: str) -> None:
    model, input_shape, expected = FIRST[kind]
    found = first_filters(model, input_shape)
    assert (found if found is None else tuple(found.shape)) == expected


def test_a_linear_filter_has_its_weights_where_the_pixels_are() -> None:
    layer = nn.Linear(48, 7, bias=False)
    image = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = first_filters(layer, (3, 4, 4))
    torch.testing.assert_close((found * image).sum((1, 2, 3)), layer(image.flatten()))
