"""An activation of one's own."""

from torch import nn


def mish() -> nn.Module:
    """x * tanh(softplus(x)) (Misra 2020)."""
    return nn.Mish()
