"""Activations: each builder gives a new module (one a layer, since some learn a parameter)."""

import torch
from torch import nn

from paribus.types import NonNegativeFloat


def relu() -> nn.Module:
    """max(0, x)."""
    return nn.ReLU()


def leaky_relu(*, slope: NonNegativeFloat) -> nn.Module:
    """x above zero, slope * x below (Maas et al. 2013)."""
    return nn.LeakyReLU(slope)


def tanh() -> nn.Module:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return nn.Tanh()


def sigmoid() -> nn.Module:
    """1 / (1 + e^-x)."""
    return nn.Sigmoid()


@torch.no_grad()
def gain(activation: nn.Module) -> float:
    """1 / sqrt(E[f(z)^2]) for z ~ N(0, 1): what keeps the variance from layer to layer; sqrt 2 for ReLU.

    He et al. 2015, eqs. 7-10, for any f, integrated numerically.
    """
    z = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2)
    second_moment = (activation.double()(z).square() * density).sum() / density.sum()
    return float(second_moment.rsqrt())
