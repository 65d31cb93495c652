"""Random draws for the images of a batch, on the CPU and in double precision whatever the images are."""

from collections.abc import Sequence

import torch
from torch import Tensor


def uniform(generator: torch.Generator, shape: tuple[int, ...], bounds: Sequence[float]) -> Tensor:
    """Numbers from the first bound to the second, all as likely."""
    low, high = bounds
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def below(generator: torch.Generator, counts: Tensor) -> Tensor:
    """Whole numbers from 0 to below each of `counts`, all as likely."""
    # The largest double below 1, times a count, is still below it: rounding never reaches the count itself.
    return (torch.rand(counts.shape, generator=generator, dtype=torch.float64) * counts).long()


def happens(generator: torch.Generator, batch_size: int, probability: float) -> Tensor:
    """(B,): true with the probability given."""
    return torch.rand(batch_size, generator=generator, dtype=torch.float64) < probability
