"""Layers that several models are built from."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

NORMALIZATIONS: dict[str, dict[str, Callable[[int], nn.Module]]] = {
    "none": {},
    "batch": {"dense": nn.BatchNorm1d, "image": nn.BatchNorm2d},
    # One group over all channels is layer normalization of an image (Wu & He 2018).
    "layer": {"dense": nn.LayerNorm, "image": lambda channels: nn.GroupNorm(1, channels)},
}


class MinPool2d(nn.Module):
    """(B, C, H, W) -> (B, C, H / size, W / size): the smallest value of each window."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, inputs: Tensor) -> Tensor:
        """Max pooling of the negative."""
        return -torch.nn.functional.max_pool2d(-inputs, self.size)


POOLINGS: dict[str, Callable[[int], nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d, "min": MinPool2d}


def dense_layers(
    num_inputs: int,
    sizes: list[int],
    num_outputs: int,
    activation: Callable[[], nn.Module],
    normalization: str,
    dropout: float,
) -> "OrderedDict[str, nn.Module]":
    """Hidden layers (dense, normalization, activation, dropout) and the output layer, which gives logits.

    Layers are named, not numbered: switching a normalization on leaves the names, and so the initial weights, of
    all others as they are.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index, size in enumerate(sizes, start=1):
        layers[f"dense{index}"] = nn.Linear(num_inputs, size)
        add_normalization(layers, f"normalization{index}", normalization, "dense", size)
        layers[f"activation{index}"] = activation()
        if dropout:
            layers[f"dropout{index}"] = nn.Dropout(dropout)
        num_inputs = size
    layers["output"] = nn.Linear(num_inputs, num_outputs)
    return layers


def add_normalization(
    layers: "OrderedDict[str, nn.Module]", name: str, normalization: str, kind: str, size: int
) -> None:
    """Add the normalization chosen, if any, for `kind` "dense" (B, size) or "image" (B, size, H, W)."""
    if normalization != "none":
        layers[name] = NORMALIZATIONS[normalization][kind](size)
