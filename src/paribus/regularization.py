"""Regularization: what one config section switches on. Dropout, normalization and smoothing are built into parts."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paribus.types import NonNegativeFloat, Normalization, PositiveFloat, Probability, ProbabilityBelowOne


@dataclass(frozen=True)
class Regularization:
    """Penalties in the loss and clipping of the gradient."""

    l1: float
    l2: float
    gradient_clip: float | None

    def penalties(self, weights: Iterable[Tensor]) -> dict[str, Tensor]:
        """The penalties that are on, by name; weights are those of more than one dimension: no biases, no norms."""
        kept = list(weights)
        found: dict[str, Tensor] = {}
        if self.l1:
            found["l1_penalty"] = self.l1 * torch.stack([weight.abs().sum() for weight in kept]).sum()
        if self.l2:
            found["l2_penalty"] = self.l2 * torch.stack([weight.square().sum() for weight in kept]).sum()
        return found

    def clip(self, parameters: list[nn.Parameter]) -> Tensor | None:
        """Scale the whole gradient to a norm of gradient_clip at most (Pascanu et al. 2013); its norm before, if on."""
        if self.gradient_clip is None:
            return None
        return nn.utils.clip_grad_norm_(parameters, self.gradient_clip)


def standard(
    *,
    l1: NonNegativeFloat,
    l2: NonNegativeFloat,
    dropout: ProbabilityBelowOne,
    normalization: Normalization,
    label_smoothing: Probability,
    gradient_clip: PositiveFloat | None,
) -> Regularization:
    """The model takes dropout and normalization, the loss label_smoothing: each part that asks for them."""
    return Regularization(l1, l2, gradient_clip)
