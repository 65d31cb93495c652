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
    "group": dict.fromkeys(("dense", "image"), lambda size: nn.GroupNorm(groups(size), size)),
    # Each channel of each image by itself (Ulyanov et al. 2016); a dense unit has but one value, so none there.
    "instance": {"image": lambda channels: nn.InstanceNorm2d(channels, affine=True)},
}
MOST_GROUPS = 32  # Wu & He 2018, sec. 4.1


def groups(size: int) -> int:
    """The largest number of groups, up to 32, that divides `size` channels into equal ones of two or more."""
    return max(count for count in range(1, MOST_GROUPS + 1) if size % count == 0 and (count == 1 or size // count > 1))


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
    build = NORMALIZATIONS[normalization].get(kind)
    if build is not None:
        layers[name] = build(size)
