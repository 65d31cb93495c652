"""Tagging: a class for each step. Shapes: B batch, T steps, C outputs a step, M real steps of the batch."""

from torch import Tensor

from paribus.data.spec import NO_TARGET
from paribus.tasks.classification import Classification


class Tagging(Classification):
    """Classification of each real step: padding counts nowhere, neither in the loss nor in any metric.

    What figures, tables and test_results call examples are steps.
    """

    def flat(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """outputs (B, T, C), targets (B, T) -> those of real steps, (M, C) and (M,)."""
        is_real = targets != NO_TARGET
        return outputs[is_real], targets[is_real]

    def count(self, targets: Tensor) -> int:
        """M of targets (B, T)."""
        return int((targets != NO_TARGET).sum())
