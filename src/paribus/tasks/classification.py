"""Classification. Shapes: B batch, N test examples, C classes."""

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics import classification as metric

from paribus import figures
from paribus.data.module import TensorData
from paribus.data.spec import ClassificationSpec
from paribus.data.texts.module import TextData
from paribus.tasks.task import Task

TOP = 5  # of images: the share whose class is among the five likeliest, as usual since ImageNet


def probabilities(outputs: Tensor) -> Tensor:
    """Logits (B, C), or one logit (B, 1) of the second of two classes -> probabilities (B, C)."""
    if outputs.shape[1] > 1:
        return outputs.softmax(1)
    positive = outputs.sigmoid()
    return torch.cat([1 - positive, positive], 1)


class Classification(Task):
    """Accuracy over all examples; precision, recall, F1 and AUROC as means over classes; the calibration error (ECE).

    With two classes they are those of the second class, the positive one. Images of more than TOP classes have
    top-5 accuracy too.
    """

    spec: ClassificationSpec

    def metrics(self, stage: str) -> MetricCollection:
        """Training gets accuracy alone: the others are for judging."""
        found = _binary_metrics() if self.spec.num_classes == 2 else _multiclass_metrics(self.spec.num_classes)
        if stage == "train":
            return MetricCollection({"accuracy": found["accuracy"]})
        if self.spec.is_image and self.spec.num_classes > TOP:
            found["top5_accuracy"] = metric.MulticlassAccuracy(self.spec.num_classes, top_k=TOP, average="micro")
        # Left to itself, torchmetrics joins metrics whose counts are equal after the first batches: where a model makes
        # no mistake in them, top-5 accuracy would be computed from the counts of precision ever after.
        same_counts = ["precision", "recall", "f1"]
        others = [[name] for name in found if name not in same_counts]
        return MetricCollection(found, compute_groups=[same_counts, *others])

    def readable(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B, C), or of two classes that of the second (B,); targets as they are."""
        found = probabilities(outputs)
        return (found[:, 1].contiguous() if self.spec.num_classes == 2 else found), targets

    def figures(self, run: str, data: TensorData) -> dict[str, Figure]:
        """Confusion matrix, ROC, reliability, scores of each class; worst mistakes of images and texts; filters."""
        found, targets = self._tested_probabilities()
        predicted, names = found.argmax(1), self.spec.class_names
        drawn = {
            "confusion_matrix": figures.confusion_matrix(predicted, targets, names, run=run),
            "roc": figures.roc(found, targets, names, run=run),
            "reliability": figures.reliability(found, targets, names, run=run),
            "per_class": figures.per_class(class_scores(predicted, targets, names), run=run),
        }
        if self.spec.is_image:
            images = partial(data.images, "test")
            drawn["worst_mistakes"] = figures.worst_mistakes(found, targets, names, images, run=run)
        if isinstance(data, TextData) and not self.spec.is_aligned:
            drawn["worst_mistakes"] = figures.worst_texts(found, targets, names, partial(data.texts, "test"), run=run)
        weights = first_filters(self.model, self.spec.input_shape) if self.spec.is_image else None
        if weights is not None:
            drawn["filters"] = figures.filters(weights, run=run)
        return drawn

    def tables(self, data: TensorData) -> dict[str, list[dict[str, Any]]]:
        """The scores of each class; of texts the most confident mistakes."""
        found, targets = self._tested_probabilities()
        names = self.spec.class_names
        scores = {"classes": class_scores(found.argmax(1), targets, names)}
        if not isinstance(data, TextData) or self.spec.is_aligned:  # a tag is of a step, not of a text
            return scores
        return scores | {"mistakes": figures.confident_mistakes(found, targets, names, partial(data.texts, "test"))}

    def _tested_probabilities(self) -> tuple[Tensor, Tensor]:
        """(N, C), and targets (N,)."""
        found, targets = self.test_results()
        return (torch.stack([1 - found, found], 1) if found.ndim == 1 else found), targets


def _binary_metrics() -> dict[str, Metric | MetricCollection]:
    return {
        "accuracy": metric.BinaryAccuracy(),
        "precision": metric.BinaryPrecision(),
        "recall": metric.BinaryRecall(),
        "f1": metric.BinaryF1Score(),
        "auroc": metric.BinaryAUROC(),
        "ece": metric.BinaryCalibrationError(n_bins=figures.BINS, norm="l1"),
    }


def _multiclass_metrics(num_classes: int) -> dict[str, Metric | MetricCollection]:
    return {
        "accuracy": metric.MulticlassAccuracy(num_classes, average="micro"),
        "precision": metric.MulticlassPrecision(num_classes),
        "recall": metric.MulticlassRecall(num_classes),
        "f1": metric.MulticlassF1Score(num_classes),
        "auroc": metric.MulticlassAUROC(num_classes),
        "ece": metric.MulticlassCalibrationError(num_classes, n_bins=figures.BINS, norm="l1"),
    }


def class_scores(predicted: Tensor, targets: Tensor, names: Sequence[str]) -> list[dict[str, Any]]:
    """predicted (N,), targets (N,) -> a row a class: class, examples, precision, recall, f1.

    What would be 0 / 0 is 0, and all three are None where a class was neither seen nor predicted: their means over
    classes are the test's figures.
    """
    count = len(names)
    true, chosen = targets.bincount(minlength=count).double(), predicted.bincount(minlength=count).double()
    right = targets[predicted == targets].bincount(minlength=count).double()
    scores = [right / chosen.clamp_min(1), right / true.clamp_min(1), 2 * right / (true + chosen).clamp_min(1)]
    rows = []
    for index, name in enumerate(names):
        known = bool(true[index] + chosen[index])
        values = [float(score[index]) if known else None for score in scores]
        row = {"class": name, "examples": int(true[index])}
        rows.append(row | dict(zip(("precision", "recall", "f1"), values, strict=True)))
    return rows


def first_filters(model: nn.Module, input_shape: tuple[int, ...]) -> Tensor | None:
    """The weights (n, C, H, W) of the layer that sees the image, C being 1 or 3; None where they are no pictures."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.weight if layer.weight.shape[1] in (1, 3) else None
        if isinstance(layer, nn.Linear):
            sees_all = layer.in_features == prod(input_shape) and input_shape[0] in (1, 3)
            return layer.weight.unflatten(1, input_shape) if sees_all else None
        is_leaf = next(layer.children(), None) is None
        if is_leaf and any(weight.ndim > 1 for weight in layer.parameters(recurse=False)):
            return None
    return None
