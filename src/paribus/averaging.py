"""Averaging of weights over training: what is validated, saved and tested is the average."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from paribus.schedulers import Horizon
from paribus.types import Probability, ProbabilityBelowOne


@dataclass(frozen=True)
class Averaging:
    """When weights join the average, and how: with a decay, or all alike where that is None."""

    each: Literal["step", "epoch"]
    decay: float | None
    first_epoch: int  # from 0


def none() -> None:
    """The weights as trained."""


def ema(*, decay: ProbabilityBelowOne) -> Averaging:
    """average = d average + (1 - d) weights after each step (Polyak & Juditsky 1992).

    d = min(decay, (1 + t) / (10 + t)): it grows, as TensorFlow's does, so that the first weights do not linger.
    """
    return Averaging("step", decay, 0)


def swa(horizon: Horizon, *, start_fraction: Probability) -> Averaging:
    """The plain mean of the weights at the end of each epoch after start_fraction of the run (Izmailov et al. 2018)."""
    return Averaging("epoch", None, min(round(start_fraction * horizon.epochs), horizon.epochs - 1))


class Average:
    """The running average of a model's weights and buffers."""

    def __init__(self, model: nn.Module, rule: Averaging) -> None:
        self._model, self._rule = model, rule
        self._count = 0
        self._tensors: list[Tensor] = []

    @property
    def needs_new_statistics(self) -> bool:
        """Whether batch normalization's are to be measured anew: a mean over epochs is far from each of them."""
        return self._rule.each == "epoch" and self.has_begun

    @property
    def has_begun(self) -> bool:
        """Whether there is anything in it."""
        return self._count > 0

    @torch.no_grad()
    def update(self, event: Literal["step", "epoch"], epoch: int) -> None:
        """Take the model's weights of now in, if this is the time."""
        if event != self._rule.each or (not self._count and epoch < self._rule.first_epoch):
            return  # once begun it goes on, also where a resumed run is longer and would begin later
        now = self._of_model()
        if not self._count:
            self._tensors = [tensor.clone() for tensor in now]
        else:
            share = 1 / (self._count + 1)
            if self._rule.decay is not None:
                share = 1 - min(self._rule.decay, (1 + self._count) / (10 + self._count))
            floats = [place for place, tensor in enumerate(now) if tensor.is_floating_point()]
            torch._foreach_lerp_([self._tensors[place] for place in floats], [now[place] for place in floats], share)
            for place in set(range(len(now))) - set(floats):  # counters, such as batch normalization's
                self._tensors[place].copy_(now[place])
        self._count += 1

    def move(self) -> None:
        """Go where the model has gone: a checkpoint is loaded before that."""
        self._tensors = [mine.to(tensor.device) for mine, tensor in zip(self._tensors, self._of_model(), strict=False)]

    def exchange(self) -> None:
        """Let the model and the average change places."""
        for place, tensor in enumerate(self._of_model() if self._tensors else ()):
            tensor.data, self._tensors[place] = self._tensors[place], tensor.data
        for layer in self._model.modules():
            if isinstance(layer, nn.RNNBase):
                layer.flatten_parameters()  # cuDNN wants an LSTM's weights in one piece of memory

    def state_dict(self) -> dict[str, Any]:
        """How many weights are in it; the average itself is what a checkpoint's state_dict holds."""
        return {"count": self._count}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any], weights: dict[str, Tensor]) -> None:
        """Go on from an average: weights by the model's own names."""
        self._count = state["count"]
        self._tensors = [torch.empty_like(tensor).copy_(weights[name]) for name, tensor in self._named().items()]

    def _named(self) -> dict[str, Tensor]:
        """Each tensor once: tied weights have several names."""
        found = self._model.state_dict(keep_vars=True)
        first = {id(tensor): name for name, tensor in reversed(found.items())}
        return {name: found[name] for name in reversed(first.values())}

    def _of_model(self) -> list[Tensor]:
        return list(self._named().values())
