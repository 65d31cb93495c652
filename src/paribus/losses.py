"""Losses, from what the output layer gives (B, K) and targets (B,) to a mean. Shapes: B batch, K outputs.

The annotation of `spec` says which kind of task a loss is for: a wrong pairing is reported with the fitting ones.
Softmax and sigmoid belong to the loss and to prediction, never to the model.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from paribus.data.spec import BinarySpec, ClassificationSpec, RegressionSpec
from paribus.types import PositiveFloat


@dataclass(frozen=True)
class Loss:
    """outputs (B, num_outputs), targets (B,) -> scalar."""

    num_outputs: int
    function: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the batch."""
        return self.function(outputs, targets)


def cross_entropy(spec: ClassificationSpec, label_smoothing: float) -> Loss:
    """-log softmax(outputs)[target]; smoothing as in Szegedy et al. 2016, sec. 7."""
    return Loss(spec.num_classes, lambda outputs, y: F.cross_entropy(outputs, y, label_smoothing=label_smoothing))


def binary_cross_entropy(spec: BinarySpec, label_smoothing: float) -> Loss:
    """-log sigmoid of the one logit for the true class; smoothing moves targets 0 and 1 towards a half."""

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        smooth = targets.to(outputs.dtype) * (1 - label_smoothing) + label_smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs.squeeze(1), smooth)

    return Loss(1, function)


def mse(spec: RegressionSpec) -> Loss:
    """(output - target)^2."""
    return Loss(1, lambda outputs, targets: F.mse_loss(outputs.squeeze(1), targets))


def mae(spec: RegressionSpec) -> Loss:
    """|output - target|."""
    return Loss(1, lambda outputs, targets: F.l1_loss(outputs.squeeze(1), targets))


def huber(spec: RegressionSpec, *, delta: PositiveFloat) -> Loss:
    """Half the squared error up to delta, then delta * (|error| - delta / 2) (Huber 1964)."""
    return Loss(1, lambda outputs, targets: F.huber_loss(outputs.squeeze(1), targets, delta=delta))
