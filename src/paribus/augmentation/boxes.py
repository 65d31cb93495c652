"""Steps that draw a box of some share of the image's area: a crop resized to the image's size, and erasing.

Boxes are drawn as torchvision's v2 draws them: an area and a ratio of the sides until the box fits, ten times at most.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

from paribus.augmentation import Augmentation, draws
from paribus.types import PositiveRange, Probability, ShareRange

ATTEMPTS = 10


@dataclass(frozen=True)
class _Boxes:
    """(B,) each, in pixels."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def columns(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Top, left, height, width as (B, 1) on the images' device."""
        top, left, height, width = (
            torch.stack((self.top, self.left, self.height, self.width)).to(device, non_blocking=True).unsqueeze(2)
        )
        return top, left, height, width


def _draw_sides(generator: Generator, images: Tensor, scale: list[float], ratio: list[float]) -> tuple[Tensor, Tensor]:
    """(B, ATTEMPTS) each: two sides in whole pixels whose product is a share `scale` of the area, quotient `ratio`."""
    shape = (len(images), ATTEMPTS)
    area = images.shape[-2] * images.shape[-1] * draws.uniform(generator, shape, scale)
    quotient = draws.uniform(generator, shape, [math.log(bound) for bound in ratio]).exp()
    return (area * quotient).sqrt().round().long(), (area / quotient).sqrt().round().long()


def _first(sides: Tensor, fits: Tensor, otherwise: int) -> Tensor:
    """(B,): the side of the first attempt that fits."""
    first = sides.gather(1, fits.int().argmax(1, keepdim=True)).squeeze(1)
    return torch.where(fits.any(1), first, otherwise)


def resized_crop(*, scale: ShareRange, ratio: PositiveRange) -> Augmentation:
    """Cut out a box and resize it to the image's size, bilinear. Szegedy et al. 2015, sec. 6.

    scale: its share of the image's area; ratio: its width / height.
    """

    def step(images: Tensor, generator: Generator) -> Tensor:
        return _crop_and_resize(images, _draw_crops(generator, images, scale, ratio))

    return step


def _draw_crops(generator: Generator, images: Tensor, scale: list[float], ratio: list[float]) -> _Boxes:
    image_height, image_width = images.shape[-2:]
    widths, heights = _draw_sides(generator, images, scale, ratio)
    fits = (widths > 0) & (widths <= image_width) & (heights > 0) & (heights <= image_height)
    central_height, central_width = _central(image_height, image_width, ratio)
    height, width = _first(heights, fits, central_height), _first(widths, fits, central_width)
    top, left = draws.below(generator, torch.stack((image_height - height, image_width - width)) + 1)
    found = fits.any(1)
    return _Boxes(
        torch.where(found, top, (image_height - central_height) // 2),
        torch.where(found, left, (image_width - central_width) // 2),
        height,
        width,
    )


def _central(height: int, width: int, ratio: list[float]) -> tuple[int, int]:
    """The largest box of a ratio allowed, for images in which no draw fits."""
    if width / height < ratio[0]:
        return max(round(width / ratio[0]), 1), width
    if width / height > ratio[1]:
        return height, max(round(height * ratio[1]), 1)
    return height, width


def _crop_and_resize(images: Tensor, boxes: _Boxes) -> Tensor:
    """A box is never larger than the image, so that v2's antialiasing, which is for shrinking, changes nothing."""
    top, left, height, width = boxes.columns(images.device)
    y = _sources(top, height, images.shape[-2], images)[:, :, None].expand(-1, -1, images.shape[-1])
    x = _sources(left, width, images.shape[-1], images)[:, None, :].expand_as(y)
    return grid_sample(images, torch.stack((x, y), 3), mode="bilinear", align_corners=False).clamp_(0, 1)


def _sources(start: Tensor, length: Tensor, size: int, images: Tensor) -> Tensor:
    """(B, size): where each pixel comes from, -1 to 1 across the image; never from outside of the box."""
    pixels = torch.arange(size, dtype=images.dtype, device=images.device)
    inside = ((pixels + 0.5) * (length / size).to(images, non_blocking=True) - 0.5).clamp_(min=0)
    return (2 * (start + torch.minimum(inside, length - 1)) + 1) / size - 1


def erasing(*, probability: Probability, scale: ShareRange, ratio: PositiveRange) -> Augmentation:
    """Blacken a box, if one smaller than the image is found. Zhong et al. 2020, alg. 1; the fill is torchvision's.

    scale: its share of the image's area; ratio: its height / width.
    """

    def step(images: Tensor, generator: Generator) -> Tensor:
        return _erase(images, _draw_holes(generator, images, probability, scale, ratio))

    return step


def _draw_holes(
    generator: Generator, images: Tensor, probability: float, scale: list[float], ratio: list[float]
) -> _Boxes:
    """Boxes of no size where nothing is erased."""
    erased = draws.happens(generator, len(images), probability)
    heights, widths = _draw_sides(generator, images, scale, ratio)
    fits = (heights < images.shape[-2]) & (widths < images.shape[-1]) & erased[:, None]
    height, width = _first(heights, fits, 0), _first(widths, fits, 0)
    top, left = draws.below(generator, torch.stack((images.shape[-2] - height, images.shape[-1] - width)) + 1)
    return _Boxes(top, left, height, width)


def _erase(images: Tensor, boxes: _Boxes) -> Tensor:
    top, left, height, width = boxes.columns(images.device)
    rows = torch.arange(images.shape[-2], device=images.device)
    columns = torch.arange(images.shape[-1], device=images.device)
    across = (rows >= top) & (rows < top + height)
    along = (columns >= left) & (columns < left + width)
    return images.masked_fill(across[:, None, :, None] & along[:, None, None, :], 0)
