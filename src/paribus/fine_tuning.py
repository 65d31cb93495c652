"""Fine-tuning: which weights of a pretrained model learn, from when on, and how fast.

Of a model's stages the last is the head, which is new; all before it are the backbone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import LBFGS, Optimizer

from paribus.errors import ConfigError
from paribus.models.stages import stages
from paribus.optimizers import Joint
from paribus.types import Flag, NonNegativeInt, Share


@dataclass(frozen=True)
class FineTuning:
    """What is done to a model in training. It remembers nothing, so that a resumed run goes on alike."""

    freeze_epochs: int | None  # None: for good
    lr_decay: float
    freeze_statistics: bool

    def apply(self, model: nn.Module, epoch: int) -> None:
        """At the start of an epoch, from 0, of a model in train mode: freeze the backbone, or let it learn.

        Frozen statistics stay so for good: batch normalization then works as in validation.
        """
        is_frozen = self.freeze_epochs is None or epoch < self.freeze_epochs
        for parameter in chain(*stages(model)[:-1]):
            parameter.requires_grad_(not is_frozen)
            if is_frozen:
                parameter.grad = None  # or an optimizer would go on with it
        for layer in self.frozen_norms(model):
            layer.eval()

    def frozen_norms(self, model: nn.Module) -> list[nn.Module]:
        """The layers whose running statistics stay as they were loaded."""
        if not self.freeze_statistics:
            return []
        return [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]

    def scale_learning_rates(self, optimizer: Optimizer, model: nn.Module) -> None:
        """Give a new optimizer of the model lr * lr_decay^n for each stage, n the stages from it to the head.

        A schedule that is made afterwards keeps the ratios. Raises ConfigError for L-BFGS, which has one rate for all.
        """
        if isinstance(optimizer, LBFGS):
            if self.lr_decay != 1:
                raise ConfigError(
                    f"fine_tuning.lr_decay={self.lr_decay}: L-BFGS has one learning rate for all weights; use "
                    "fine_tuning.lr_decay=1 or another optimizer"
                )
            return
        distance = {parameter: number for number, stage in enumerate(reversed(stages(model))) for parameter in stage}
        for part in optimizer.parts if isinstance(optimizer, Joint) else [optimizer]:
            part.param_groups = [new for group in part.param_groups for new in self._split(group, distance)]
        if isinstance(optimizer, Joint):
            optimizer.param_groups = [group for part in optimizer.parts for group in part.param_groups]

    def _split(self, group: dict[str, Any], distance: Mapping[nn.Parameter, int]) -> Iterator[dict[str, Any]]:
        """A group for each run of parameters of one stage: their order, by which a checkpoint knows them, stays.

        That is so for one rate too: PyTorch's fused SGD fails where a group's parameters begin at different times.
        """
        for stages_on, parameters in groupby(group["params"], key=lambda parameter: distance[parameter]):
            yield {**group, "params": list(parameters), "lr": group["lr"] * self.lr_decay**stages_on}


def none() -> None:
    """All weights learn alike from the beginning."""


def staged(*, freeze_epochs: NonNegativeInt | None, lr_decay: Share, freeze_statistics: Flag) -> FineTuning:
    """The backbone is frozen for freeze_epochs, or for good where that is null; then it learns along.

    Each stage has lr_decay times the learning rate of the one after it: Howard & Ruder 2018, sec. 3.2.
    """
    return FineTuning(freeze_epochs, lr_decay, freeze_statistics)
