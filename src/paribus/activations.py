"""Activations: each builder gives a new module (one a layer, since some learn a parameter)."""

from typing import Any

import torch
from torch import Tensor, nn

from paribus.types import NonNegativeFloat, PositiveFloat


def linear() -> nn.Module:
    """x."""
    return nn.Identity()


def step() -> nn.Module:
    """1 where x >= 0, else 0: the perceptron (Rosenblatt 1958), with the gradient of `_StraightThrough`."""
    return Step()


def relu() -> nn.Module:
    """max(0, x)."""
    return nn.ReLU()


def leaky_relu(*, slope: NonNegativeFloat) -> nn.Module:
    """x above zero, slope * x below (Maas et al. 2013)."""
    return nn.LeakyReLU(slope)


def prelu(*, slope: NonNegativeFloat) -> nn.Module:
    """x above zero, a * x below; a is learned, one a layer, from `slope` on (He et al. 2015, eq. 1)."""
    return nn.PReLU(init=slope)


def elu(*, alpha: PositiveFloat) -> nn.Module:
    """x above zero, alpha * (e^x - 1) below (Clevert et al. 2016)."""
    return nn.ELU(alpha)


def selu() -> nn.Module:
    """1.0507 * elu(x) with alpha = 1.6733: keeps mean 0 and variance 1 (Klambauer et al. 2017, eq. 2)."""
    return nn.SELU()


def gelu() -> nn.Module:
    """x * Phi(x), Phi the standard normal's distribution function, exactly (Hendrycks & Gimpel 2016)."""
    return nn.GELU()


def swish() -> nn.Module:
    """x * sigmoid(x) (Ramachandran et al. 2017, with beta = 1)."""
    return nn.SiLU()


def softplus() -> nn.Module:
    """log(1 + e^x) (Dugas et al. 2001)."""
    return nn.Softplus()


def tanh() -> nn.Module:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return nn.Tanh()


def sigmoid() -> nn.Module:
    """1 / (1 + e^-x)."""
    return nn.Sigmoid()


class Step(nn.Module):
    """The module of `step`."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Any shape -> the same shape, of zeros and ones."""
        outputs: Tensor = _StraightThrough.apply(inputs)  # type: ignore[no-untyped-call]
        return outputs


class _StraightThrough(torch.autograd.Function):
    """A step has no slope to learn by, so the gradient passes unchanged where |x| <= 1, and is zero elsewhere.

    Bengio et al. 2013 (straight-through estimator); Hubara et al. 2016 (zero beyond 1).
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        ctx.save_for_backward(inputs)
        return (inputs >= 0).to(inputs.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (inputs,) = ctx.saved_tensors
        passed: Tensor = gradients[0] * (inputs.abs() <= 1)
        return passed


@torch.no_grad()
def gain(activation: nn.Module) -> float:
    """1 / sqrt(E[f(z)^2]) for z ~ N(0, 1): what keeps the variance from layer to layer; sqrt 2 for ReLU.

    He et al. 2015, eqs. 7-10, for any f, integrated numerically.
    """
    z = torch.linspace(-10, 10, 20_000, dtype=torch.float64)  # an even number: none at 0, where a step jumps
    density = torch.exp(-z.square() / 2)
    second_moment = (activation.double()(z).square() * density).sum() / density.sum()
    return float(second_moment.rsqrt())
