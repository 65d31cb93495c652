"""Augmentation: training batches changed at random, so that no epoch shows an example twice in the same way.

Shapes, here and in all files of this folder: B batch, C channels, H height, W width.

A step is an Augmentation or a Mixing. Every random draw is made on the CPU from the generator given, as a small tensor
with a value for each image, and then moved to the images' device: CPU and GPU augment alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import paribus.torchvision_ops  # noqa: F401 - before any file of this folder imports torchvision

# (images (B, C, H, W) from 0 to 1, generator on the CPU) -> images from 0 to 1 of the same shape, dtype and device.
# Each image has its own draw, and the images given stay as they are.
Augmentation = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Mixing:
    """Examples mixed with their partners in the batch, targets included; a class, so that it is told from the others.

    The loss is share * loss(outputs, targets) + (1 - share) * loss(outputs, targets[partner]), with share >= 0.5.
    """

    mix: Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor, float]]
    images_only: bool

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
        """(inputs (B, ...), generator on the CPU) -> mixed inputs, partner (B,): places in the batch, share."""
        return self.mix(inputs, generator)
