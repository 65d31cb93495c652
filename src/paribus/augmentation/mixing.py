"""Steps that mix each example with a partner of its batch: mixup, CutMix.

Partners are a random permutation of the batch, as in the papers' code, and one share serves the batch. Where an
example's own share is below one half, it and its partner change roles: a pair's first becomes its second. The inverse
of a random permutation is as likely as itself, so that this gives the same batches as often, in another order; but
the label of an example is then always the one that weighs more.
"""

import math

import torch
from torch import Generator, Tensor

from paribus.augmentation import Mixing, draws
from paribus.types import PositiveFloat


def mixup(*, alpha: PositiveFloat) -> Mixing:
    """Weighted means of two examples, the weight from Beta(alpha, alpha). Zhang et al. 2018, eq. 1. For all inputs."""

    def mix(inputs: Tensor, generator: Generator) -> tuple[Tensor, Tensor, float]:
        partner = torch.randperm(len(inputs), generator=generator)
        share = _draw_share(generator, alpha)
        return _mix(inputs, partner, max(share, 1 - share))

    return Mixing(mix, images_only=False)


def _mix(inputs: Tensor, partner: Tensor, share: float) -> tuple[Tensor, Tensor, float]:
    partner = partner.to(inputs.device, non_blocking=True)
    return torch.lerp(inputs[partner], inputs, share), partner, share


def cutmix(*, alpha: PositiveFloat) -> Mixing:
    """A box of one image in the other, its area from Beta(alpha, alpha) before clipping. Yun et al. 2019, alg. A1.

    The share is that of the area after clipping. For images alone.
    """

    def mix(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor, float]:
        partner = torch.randperm(len(images), generator=generator)
        return _cut(images, partner, _draw_box(generator, alpha, *images.shape[-2:]))

    return Mixing(mix, images_only=True)


def _draw_box(generator: Generator, alpha: float, height: int, width: int) -> tuple[slice, slice]:
    share = _draw_share(generator, alpha)
    y, x = draws.below(generator, torch.tensor([height, width])).tolist()
    return _box(share, y, x, height, width)


def _box(share: float, y: int, x: int, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns: sides of sqrt(1 - share) of the image's about (y, x), rounded as in v2, clipped."""
    half = 0.5 * math.sqrt(1 - share)
    down, across = int(half * height), int(half * width)
    return slice(max(y - down, 0), min(y + down, height)), slice(max(x - across, 0), min(x + across, width))


def _cut(images: Tensor, partner: Tensor, box: tuple[slice, slice]) -> tuple[Tensor, Tensor, float]:
    rows, columns = box
    area = (rows.stop - rows.start) * (columns.stop - columns.start) / (images.shape[-2] * images.shape[-1])
    partner = partner.to(images.device, non_blocking=True)
    outside, inside = (images.clone(), images[partner]) if area <= 0.5 else (images[partner], images)
    outside[..., rows, columns] = inside[..., rows, columns]
    return outside, partner, max(area, 1 - area)


def _draw_share(generator: Generator, alpha: float) -> float:
    """From Beta(alpha, alpha): X / (X + Y) for two of Gamma(alpha), each Gamma(alpha + 1) times U^(1 / alpha).

    In logarithms, since for a small alpha both would be zero. Marsaglia & Tsang 2000, sec. 6.
    """
    gamma = torch._standard_gamma(torch.full((2,), alpha + 1, dtype=torch.float64), generator=generator)
    uniform = torch.rand(2, generator=generator, dtype=torch.float64)
    first, second = gamma.log() + torch.log1p(-uniform) / alpha  # 1 - uniform: never the logarithm of zero
    return float(torch.sigmoid(first - second))
