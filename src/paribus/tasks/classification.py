"""Classification. Shapes: B batch, N test examples, C classes."""

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics import classification as metric

from paribus import figures
from paribus.data.spec import ClassificationSpec
from paribus.tasks.task import Task


def probabilities(outputs: Tensor) -> Tensor:
    """Logits (B, C), or one logit (B, 1) of the second of two classes -> probabilities (B, C)."""
    if outputs.shape[1] > 1:
        return outputs.softmax(1)
    positive = outputs.sigmoid()
    return torch.cat([1 - positive, positive], 1)


class Classification(Task):
    """Accuracy over all examples; precision, recall, F1 and AUROC as means over classes.

    With two classes they are those of the second class, the positive one.
    """

    spec: ClassificationSpec

    def metrics(self, stage: str) -> MetricCollection:
        """Training gets accuracy alone: the others are for judging."""
        classes = self.spec.num_classes
        found: dict[str, Metric | MetricCollection] = {}
        if classes == 2:
            found["accuracy"] = metric.BinaryAccuracy()
            if stage != "train":
                found["precision"], found["recall"] = metric.BinaryPrecision(), metric.BinaryRecall()
                found["f1"], found["auroc"] = metric.BinaryF1Score(), metric.BinaryAUROC()
        else:
            found["accuracy"] = metric.MulticlassAccuracy(classes, average="micro")
            if stage != "train":
                found["precision"], found["recall"] = (
                    metric.MulticlassPrecision(classes),
                    metric.MulticlassRecall(classes),
                )
                found["f1"], found["auroc"] = metric.MulticlassF1Score(classes), metric.MulticlassAUROC(classes)
        return MetricCollection(found)

    def readable(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B, C), or of two classes that of the second (B,); targets as they are."""
        found = probabilities(outputs)
        return (found[:, 1] if self.spec.num_classes == 2 else found), targets

    def figures(self, run: str) -> dict[str, Figure]:
        """Confusion matrix and ROC."""
        predictions, targets = self.test_results()
        if predictions.ndim == 1:
            predictions = torch.stack([1 - predictions, predictions], 1)
        names = self.spec.class_names
        return {
            "confusion_matrix": figures.confusion_matrix(predictions.argmax(1), targets, names, run=run),
            "roc": figures.roc(predictions, targets, names, run=run),
        }
