"""Initial weights. Each initializer fills one dense or convolution layer; biases become zero but for `default`."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import init

from paribus.seeding import derive
from paribus.types import PositiveFloat, Reduction

Weighted = nn.Linear | nn.modules.conv._ConvNd


def initialize(model: nn.Module, fill: Callable[[Weighted], None], seed: int) -> None:
    """Give every layer its initial weights, each from a random stream of its own name.

    So a layer that two models share by name and shape starts alike in both. Layers that are neither dense nor
    convolution (normalization, embedding) reset themselves.
    """
    for name, layer in model.named_modules():
        torch.manual_seed(derive(seed, "weights", name))
        if isinstance(layer, Weighted):
            fill(layer)
        elif hasattr(layer, "reset_parameters"):
            layer.reset_parameters()


def default(layer: Weighted) -> None:
    """PyTorch's own: uniform within 1 / sqrt(fan_in), biases too."""
    layer.reset_parameters()


def zeros(layer: Weighted) -> None:
    """All zero."""
    init.zeros_(layer.weight)
    _no_bias(layer)


def xavier_uniform(layer: Weighted, *, gain: PositiveFloat) -> None:
    """Uniform with variance gain^2 * 2 / (fan_in + fan_out). Glorot & Bengio 2010, eq. 16."""
    init.xavier_uniform_(layer.weight, gain)
    _no_bias(layer)


def xavier_normal(layer: Weighted, *, gain: PositiveFloat) -> None:
    """Normal with variance gain^2 * 2 / (fan_in + fan_out). Glorot & Bengio 2010, eq. 12."""
    init.xavier_normal_(layer.weight, gain)
    _no_bias(layer)


def he_uniform(layer: Weighted, activation_gain: float, *, mode: Reduction) -> None:
    """Uniform with variance activation_gain^2 / fan; 2 / fan for ReLU. He et al. 2015, eq. 10."""
    bound = 3**0.5 * _he_deviation(layer, activation_gain, mode)
    init.uniform_(layer.weight, -bound, bound)
    _no_bias(layer)


def he_normal(layer: Weighted, activation_gain: float, *, mode: Reduction) -> None:
    """Normal with variance activation_gain^2 / fan; 2 / fan for ReLU. He et al. 2015, eq. 10."""
    init.normal_(layer.weight, 0, _he_deviation(layer, activation_gain, mode))
    _no_bias(layer)


def _he_deviation(layer: Weighted, activation_gain: float, mode: str) -> float:
    positions: int = layer.weight[0, 0].numel()  # 1 for a dense layer, the kernel's area for a convolution
    fan: int = layer.weight.shape[1 if mode == "fan_in" else 0] * positions
    return activation_gain / math.sqrt(fan)


def _no_bias(layer: Weighted) -> None:
    if layer.bias is not None:
        init.zeros_(layer.bias)
