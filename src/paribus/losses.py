"""Losses, from what the output layer gives (B, K) and targets (B,) to a mean. Shapes: B batch, K outputs, C classes.

The annotation of `spec` says which kind of task a loss is for: a wrong pairing is reported with the fitting ones.
Softmax and sigmoid belong to the loss and to prediction, never to the model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from paribus.data.spec import BinarySpec, ClassificationSpec, NumericSpec
from paribus.errors import ConfigError
from paribus.types import Fraction, NonNegativeFloat, NonNegativeFloatList, PositiveFloat


@dataclass(frozen=True)
class Loss:
    """outputs (B, num_outputs), targets (B,) -> scalar."""

    num_outputs: int
    function: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the batch."""
        return self.function(outputs, targets)


# Classification: targets (B,) are class indices; where a docstring says so, also (B, C) shares of the classes.


def cross_entropy(
    spec: ClassificationSpec, label_smoothing: float, *, class_weights: NonNegativeFloatList | None
) -> Loss:
    """-log softmax(outputs)[target], a mean weighted by class; smoothing as in Szegedy et al. 2016, sec. 7."""
    if class_weights is None:
        return Loss(spec.num_classes, lambda outputs, y: F.cross_entropy(outputs, y, label_smoothing=label_smoothing))
    class_weight = _class_weight(spec, class_weights)

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        weight = class_weight.to(outputs)
        losses = F.cross_entropy(outputs, targets, weight, reduction="none", label_smoothing=label_smoothing)
        return _divide_by_weight(losses, weight[targets])

    return Loss(spec.num_classes, function)


def soft_cross_entropy(spec: ClassificationSpec, label_smoothing: float) -> Loss:
    """-sum over classes of target * log softmax(outputs); targets (B,) or (B, C)."""

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, _shares(targets, outputs), label_smoothing=label_smoothing)

    return Loss(spec.num_classes, function)


def kl_divergence(spec: ClassificationSpec, label_smoothing: float) -> Loss:
    """Sum over classes of target * log(target / softmax(outputs)) (Kullback & Leibler 1951); targets (B,) or (B, C)."""

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        smooth = _shares(targets, outputs) * (1 - label_smoothing) + label_smoothing / spec.num_classes
        return F.kl_div(outputs.log_softmax(1), smooth, reduction="batchmean")

    return Loss(spec.num_classes, function)


def nll(spec: ClassificationSpec) -> Loss:
    """-log softmax(outputs)[target]: the negative log-likelihood."""
    return Loss(spec.num_classes, lambda outputs, targets: F.nll_loss(outputs.log_softmax(1), targets))


def binary_cross_entropy(spec: BinarySpec, label_smoothing: float, *, positive_weight: PositiveFloat) -> Loss:
    """-log sigmoid of the one logit for the true class, times positive_weight for the second class.

    A mean over examples, not over weights. Smoothing moves targets 0 and 1 towards a half.
    """

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        smooth = targets.to(outputs.dtype) * (1 - label_smoothing) + label_smoothing / 2
        weight = None if positive_weight == 1 else outputs.new_full((), positive_weight)
        return F.binary_cross_entropy_with_logits(outputs.squeeze(1), smooth, pos_weight=weight)

    return Loss(1, function)


def focal(spec: ClassificationSpec, *, gamma: NonNegativeFloat, class_weights: NonNegativeFloatList | None) -> Loss:
    """-(1 - p)^gamma * log p, p = softmax(outputs)[target], a mean weighted by class (Lin et al. 2017, eq. 5)."""
    class_weight = _class_weight(spec, [1.0] * spec.num_classes if class_weights is None else class_weights)

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        losses = F.cross_entropy(outputs, targets, reduction="none")
        # Kept above zero, where a power below 1 has an infinite slope.
        missing = (-torch.expm1(-losses)).clamp_min(torch.finfo(losses.dtype).tiny)
        weight = class_weight.to(outputs)[targets]
        return _divide_by_weight(weight * missing**gamma * losses, weight)

    return Loss(spec.num_classes, function)


def hinge(spec: ClassificationSpec, *, margin: PositiveFloat) -> Loss:
    """max(0, margin - y * output), y = -1 or 1, for two classes (Cortes & Vapnik 1995).

    For more, the sum over wrong classes j of max(0, margin - outputs[target] + outputs[j]) / C (Weston & Watkins 1999).
    """
    return _hinge(spec, margin, 1)


def squared_hinge(spec: ClassificationSpec, *, margin: PositiveFloat) -> Loss:
    """As `hinge`, each max(0, ...) squared (Tang 2013)."""
    return _hinge(spec, margin, 2)


def dice(spec: ClassificationSpec, *, eps: NonNegativeFloat) -> Loss:
    """1 - (2 sum p t + eps) / (sum p^2 + sum t^2 + eps), summed over the batch; p softmax, t the one-hot target.

    The mean over classes present. Milletari et al. 2016, which has two classes and no eps.
    """

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        p, t = outputs.softmax(1), _shares(targets, outputs)
        overlap = (2 * (p * t).sum(0) + eps) / (p.square().sum(0) + t.square().sum(0) + eps)
        present = t.sum(0) > 0  # so t^2 sums to 1 or more: nothing is divided by zero
        return 1 - (overlap * present).sum() / present.sum()

    return Loss(spec.num_classes, function)


def cosine_similarity(spec: ClassificationSpec) -> Loss:
    """1 - cos(outputs, one-hot target) (Barz & Denzler 2020)."""
    return Loss(
        spec.num_classes, lambda outputs, y: (1 - F.cosine_similarity(outputs, _shares(y, outputs), dim=1)).mean()
    )


def _hinge(spec: ClassificationSpec, margin: float, power: int) -> Loss:
    def multi_class(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.multi_margin_loss(outputs, targets, p=power, margin=margin)

    def binary(outputs: Tensor, targets: Tensor) -> Tensor:
        signs = 2 * targets.to(outputs.dtype) - 1
        return F.relu(margin - signs * outputs.squeeze(1)).pow(power).mean()

    return Loss(1, binary) if isinstance(spec, BinarySpec) else Loss(spec.num_classes, multi_class)


def _shares(targets: Tensor, outputs: Tensor) -> Tensor:
    """Targets (B,) or (B, C) -> the share of each class (B, C), in the type of outputs (B, C)."""
    return (F.one_hot(targets, outputs.shape[1]) if targets.ndim == 1 else targets).to(outputs.dtype)


def _class_weight(spec: ClassificationSpec, given: list[float]) -> Tensor:
    """(C,). Raises ConfigError unless there is one number a class, not all of them zero."""
    if len(given) != spec.num_classes or not any(given):
        raise ConfigError(
            f"loss.class_weights={given} has {len(given)} numbers for {spec.num_classes} classes; give one number a "
            f"class, one above 0 at least"
        )
    return torch.tensor(given, dtype=torch.float64)


def _divide_by_weight(losses: Tensor, weight: Tensor) -> Tensor:
    """Weighted losses (B,) and their weights (B,) -> the weighted mean. A batch of classes of weight 0 is no 0 / 0."""
    total = weight.sum()
    return losses.sum() / total.where(total > 0, 1)


# Regression: outputs (B, 1), targets (B,) in standard units.


def mse(spec: NumericSpec) -> Loss:
    """(output - target)^2."""
    return Loss(1, lambda outputs, targets: F.mse_loss(outputs.squeeze(1), targets))


def mae(spec: NumericSpec) -> Loss:
    """|output - target|."""
    return Loss(1, lambda outputs, targets: F.l1_loss(outputs.squeeze(1), targets))


def huber(spec: NumericSpec, *, delta: PositiveFloat) -> Loss:
    """Half the squared error up to delta, then delta * (|error| - delta / 2) (Huber 1964)."""
    return Loss(1, lambda outputs, targets: F.huber_loss(outputs.squeeze(1), targets, delta=delta))


def smooth_l1(spec: NumericSpec, *, beta: PositiveFloat) -> Loss:
    """Half the squared error / beta up to beta, then |error| - beta / 2 (Girshick 2015, eq. 3, with beta = 1)."""
    return Loss(1, lambda outputs, targets: F.smooth_l1_loss(outputs.squeeze(1), targets, beta=beta))


def pseudo_huber(spec: NumericSpec, *, delta: PositiveFloat) -> Loss:
    """delta^2 * (sqrt(1 + (error / delta)^2) - 1) (Charbonnier et al. 1997; Hartley & Zisserman 2003, app. 6.8)."""

    def function(errors: Tensor) -> Tensor:
        # The same without the difference, in which small errors would vanish.
        return errors.square() / (1 + (1 + (errors / delta).square()).sqrt())

    return _of_errors(function)


def log_cosh(spec: NumericSpec) -> Loss:
    """log cosh(error) = a + log((1 + e^(-2 a)) / 2) with a = |error|, which never overflows (Saleh & Saleh 2022)."""
    return _of_errors(lambda errors: errors.abs() + torch.log1p(torch.expm1(-2 * errors.abs()) / 2))


def quantile(spec: NumericSpec, *, quantile: Fraction) -> Loss:
    """quantile * |error| where the output is too low, else (1 - quantile) * |error| (Koenker & Bassett 1978)."""
    return _of_errors(lambda errors: torch.maximum(-quantile * errors, (1 - quantile) * errors))


def _of_errors(function: Callable[[Tensor], Tensor]) -> Loss:
    """The mean of a function of output - target (B,)."""

    def mean(outputs: Tensor, targets: Tensor) -> Tensor:
        assert outputs.shape == (len(targets), 1) and targets.ndim == 1  # else the difference would broadcast
        return function(outputs.squeeze(1) - targets).mean()

    return Loss(1, mean)
