"""Optimizers. Fused kernels where torch has them: one call updates every weight, on CPU and CUDA alike."""

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from paribus.errors import ConfigError
from paribus.types import Flag, NonNegativeFloat, PositiveFloat, ProbabilityBelowOne


def sgd(
    parameters: Iterable[nn.Parameter],
    *,
    lr: PositiveFloat,
    momentum: ProbabilityBelowOne,
    nesterov: Flag,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """Stochastic gradient descent; momentum as in Sutskever et al. 2013 (PyTorch's form, lr outside the velocity)."""
    if nesterov and not momentum:
        raise ConfigError("optimizer.nesterov=true needs optimizer.momentum above 0")
    return SGD(parameters, lr, momentum, weight_decay=weight_decay, nesterov=nesterov, fused=True)


def adam(
    parameters: Iterable[nn.Parameter],
    *,
    lr: PositiveFloat,
    beta1: ProbabilityBelowOne,
    beta2: ProbabilityBelowOne,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """Adam. Kingma & Ba 2015, alg. 1; weight decay is added to the gradient."""
    return Adam(parameters, lr, (beta1, beta2), eps, weight_decay, fused=True)


def adamw(
    parameters: Iterable[nn.Parameter],
    *,
    lr: PositiveFloat,
    beta1: ProbabilityBelowOne,
    beta2: ProbabilityBelowOne,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """AdamW. Loshchilov & Hutter 2019, alg. 2."""
    return AdamW(parameters, lr, (beta1, beta2), eps, weight_decay, fused=True)


def rmsprop(
    parameters: Iterable[nn.Parameter],
    *,
    lr: PositiveFloat,
    alpha: ProbabilityBelowOne,
    eps: PositiveFloat,
    momentum: ProbabilityBelowOne,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """RMSprop. Hinton 2012, lecture 6e."""
    return RMSprop(parameters, lr, alpha, eps, weight_decay, momentum)
