"""Optimizers: torch's own, each with the quickest kernel that torch has for it.

A fused kernel updates every weight in one call; foreach, where there is none, makes one call for each operation. Weight
decay is for weights alone: biases and the scales of normalization decay too where the program says `decay_all`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adadelta, Adagrad, Adam, AdamW, Muon, NAdam, Optimizer, RAdam, RMSprop

from paribus.errors import ConfigError
from paribus.types import Flag, NonNegativeFloat, PositiveFloat, PositiveInt, ProbabilityBelowOne

# Gradient descent in the strict sense: the program gives these the whole training set as one batch.
FULL_BATCH = ("gd",)


def settings_of_now(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's state under the groups and settings that `optimizer` has: a hook before load_state_dict.

    It takes a resume with other settings, a weight decay that splits the parameters into two groups included.
    """
    return {**state, "param_groups": optimizer.state_dict()["param_groups"]}


@torch.no_grad()
def layout_of_now(optimizer: Optimizer) -> None:
    """Give a checkpoint's state the memory layout of its parameter: a hook after load_state_dict.

    That may differ from the layout it was saved with (channels last), and fused kernels go through both side by side.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _groups(parameters: Iterable[nn.Parameter], weight_decay: float, decay_all: bool) -> list[dict[str, Any]]:
    """Weights (two dimensions or more), then the rest, which do not decay unless `decay_all` is set.

    Where both are treated alike they are one group, in the same order, so that the places in a checkpoint stay.
    """
    every = list(parameters)
    weights = [parameter for parameter in every if parameter.ndim > 1]
    others = [parameter for parameter in every if parameter.ndim <= 1]
    if decay_all or not weight_decay:
        return [{"params": weights + others, "weight_decay": weight_decay}]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def gd(
    parameters: Iterable[nn.Parameter], decay_all: bool, *, lr: PositiveFloat, weight_decay: NonNegativeFloat
) -> Optimizer:
    """Gradient descent, one step for the whole training set. Cauchy 1847."""
    return SGD(_groups(parameters, weight_decay, decay_all), lr, fused=True)


def sgd(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    momentum: ProbabilityBelowOne,
    nesterov: Flag,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """Stochastic gradient descent; momentum as in Sutskever et al. 2013 (PyTorch's form, lr outside the velocity)."""
    if nesterov and not momentum:
        raise ConfigError("optimizer.nesterov=true needs optimizer.momentum above 0")
    return SGD(_groups(parameters, weight_decay, decay_all), lr, momentum, nesterov=nesterov, fused=True)


def adagrad(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """Adagrad. Duchi et al. 2011, fig. 1, diagonal."""
    groups = _groups(parameters, weight_decay, decay_all)
    # Not every torch that we run on has a fused kernel of it for CUDA.
    on_cpu = all(parameter.device.type == "cpu" for group in groups for parameter in group["params"])
    return Adagrad(groups, lr, eps=eps, fused=on_cpu, foreach=not on_cpu)


def adadelta(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    rho: ProbabilityBelowOne,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """Adadelta, times lr. Zeiler 2012, alg. 1."""
    return Adadelta(_groups(parameters, weight_decay, decay_all), lr, rho, eps, foreach=True)


def rmsprop(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    alpha: ProbabilityBelowOne,
    eps: PositiveFloat,
    momentum: ProbabilityBelowOne,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """RMSprop. Hinton 2012, lecture 6e."""
    return RMSprop(_groups(parameters, weight_decay, decay_all), lr, alpha, eps, momentum=momentum, foreach=True)


def adam(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    beta1: ProbabilityBelowOne,
    beta2: ProbabilityBelowOne,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """Adam. Kingma & Ba 2015, alg. 1; weight decay is added to the gradient."""
    return Adam(_groups(parameters, weight_decay, decay_all), lr, (beta1, beta2), eps, fused=True)


def adamw(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    beta1: ProbabilityBelowOne,
    beta2: ProbabilityBelowOne,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """AdamW. Loshchilov & Hutter 2019, alg. 2."""
    return AdamW(_groups(parameters, weight_decay, decay_all), lr, (beta1, beta2), eps, fused=True)


def nadam(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    beta1: ProbabilityBelowOne,
    beta2: ProbabilityBelowOne,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """NAdam: Adam with Nesterov's momentum. Dozat 2016, alg. 2; weight decay is added to the gradient."""
    optimizer = NAdam(_groups(parameters, weight_decay, decay_all), lr, (beta1, beta2), eps, foreach=True)

    def keep_precision(loaded: Optimizer) -> None:  # torch gives the product the weights' type, but leaves the step's
        for state in loaded.state.values():
            state["mu_product"] = state["mu_product"].to(state["step"])

    optimizer.register_load_state_dict_post_hook(keep_precision)
    return optimizer


def radam(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    beta1: ProbabilityBelowOne,
    beta2: ProbabilityBelowOne,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """RAdam: Adam with its variance rectified. Liu et al. 2020, alg. 2; weight decay is added to the gradient."""
    return RAdam(_groups(parameters, weight_decay, decay_all), lr, (beta1, beta2), eps, foreach=True)


def lbfgs(
    parameters: Iterable[nn.Parameter], *, lr: PositiveFloat, max_iter: PositiveInt, history_size: PositiveInt
) -> Optimizer:
    """L-BFGS with a strong Wolfe line search. Liu & Nocedal 1989, alg. 2.1; Nocedal & Wright 2006, alg. 3.5.

    Its step needs a closure that computes loss and gradients anew; meant for the full batch or large batches.
    """
    return LBFGS(parameters, lr, max_iter, history_size=history_size, line_search_fn="strong_wolfe")


def muon(
    parameters: Iterable[nn.Parameter],
    decay_all: bool,
    *,
    lr: PositiveFloat,
    momentum: ProbabilityBelowOne,
    beta1: ProbabilityBelowOne,
    beta2: ProbabilityBelowOne,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """Muon for matrices, AdamW (beta1, beta2, eps) for all else. Jordan et al. 2024, with Nesterov's momentum.

    One lr serves both, since updates are scaled to the size of AdamW's: Liu et al. 2025, eq. 4. Jordan et al. leave
    embeddings and the last layer to AdamW and flatten convolutions; here all 2-D weights and only those are Muon's.
    """
    every = list(parameters)
    matrices = [parameter for parameter in every if parameter.ndim == 2]
    others = [parameter for parameter in every if parameter.ndim != 2]
    parts: list[Optimizer] = []
    if matrices:
        parts.append(Muon(matrices, lr, weight_decay, momentum, adjust_lr_fn="match_rms_adamw"))
    if others:
        parts.append(AdamW(_groups(others, weight_decay, decay_all), lr, (beta1, beta2), eps, fused=True))
    return Joint(parts)


class Joint(Optimizer):
    """Several optimizers as one: their groups in a row, and one state."""

    def __init__(self, parts: list[Optimizer]) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """A step of each, with the groups and the state of now: load_state_dict replaces both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        first = 0
        for part in self.parts:
            last = first + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[first:last], self.state
            part.step()
            first = last
        return loss
