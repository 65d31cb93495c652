"""What a config chooses of the steps, put together. Shapes: B batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from paribus.augmentation import Augmentation, Mixing
from paribus.seeding import derive


def in_order(steps: Sequence[Augmentation]) -> Augmentation:
    """One step after the other, all from the same stream of draws."""

    def augment(images: Tensor, generator: torch.Generator) -> Tensor:
        for step in steps:
            images = step(images, generator)
        return images

    return augment


@dataclass(frozen=True)
class Mixer:
    """Mixes each batch in one of several ways, drawn evenly; draws are a function of seed, step and place alone."""

    seed: int
    ways: Sequence[Mixing]

    def __call__(self, inputs: Tensor, step: int, place: int) -> tuple[Tensor, Tensor, float]:
        """Inputs (B, ...), batch number `place` of a step -> mixed inputs, partners (B,), the inputs' own share."""
        draws = torch.Generator().manual_seed(derive(self.seed, "mixing", step, place))
        way = self.ways[int(torch.randint(len(self.ways), (), generator=draws))]
        return way(inputs, draws)
