"""Policies: operations drawn at random from a list, the same for both. Ranges and bins are those of torchvision's v2.

As there, for images in floats: posterize keeps levels of the range from 0 to 1, equalize counts values in bytes, a
warped pixel is the nearest one, and what comes in from outside is black.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as F

from paribus.augmentation import Augmentation, draws, operations
from paribus.errors import ConfigError
from paribus.types import BinCount, NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class _Ranges:
    """The magnitude in the last bin; that in the first is the image as it is."""

    shear: float  # the tangent of the angle
    translation: Callable[[int], float]  # pixels, by the image's height or width
    rotation: float  # degrees
    blending: float  # a factor's distance from 1
    bits: int  # that posterize takes away, of 8


_RAND = _Ranges(0.3, lambda size: 150.0 / 331.0 * size, 30.0, 0.9, 4)
_TRIVIAL = _Ranges(0.99, lambda _: 32.0, 135.0, 0.99, 6)

_WARPS = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
_BLENDS = ("brightness", "color", "contrast", "sharpness")
_OPERATIONS = ("identity", *_WARPS, *_BLENDS, "posterize", "solarize", "autocontrast", "equalize")
_PLACES = {name: place for place, name in enumerate(_OPERATIONS)}
_SIGNED = torch.tensor([name in (*_WARPS, *_BLENDS) for name in _OPERATIONS])  # minus is as likely as plus

_CHANGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": lambda images, magnitude: operations.brightness(images, 1 + magnitude),
    "color": lambda images, magnitude: operations.saturation(images, 1 + magnitude),
    "contrast": lambda images, magnitude: operations.contrast(images, 1 + magnitude),
    "sharpness": lambda images, magnitude: operations.sharpness(images, 1 + magnitude),
    "posterize": operations.posterize,
    "solarize": operations.solarize,
    "autocontrast": lambda images, _: F.autocontrast(images),
    "equalize": lambda images, _: F.equalize(images),
}


def rand_augment(
    *, num_operations: PositiveInt, magnitude: NonNegativeInt, num_magnitude_bins: BinCount
) -> Augmentation:
    """RandAugment: `num_operations` in a row, all of one magnitude. Cubuk et al. 2020, sec. 3."""
    if magnitude >= num_magnitude_bins:
        raise ConfigError(
            f"augmentation.rand_augment.magnitude={magnitude} must be below num_magnitude_bins={num_magnitude_bins}; "
            "bins are counted from 0"
        )

    def step(images: Tensor, generator: Generator) -> Tensor:
        operations.check_channels("rand_augment", images)
        magnitudes = _magnitudes(_RAND, num_magnitude_bins, *images.shape[-2:])
        bins = torch.full((len(images),), magnitude)
        for _ in range(num_operations):
            images = _apply(images, *_draw(generator, magnitudes, bins))
        return images

    return step


def trivial_augment(*, num_magnitude_bins: BinCount) -> Augmentation:
    """TrivialAugment (wide): one operation, of any magnitude. Müller & Hutter 2021, alg. 1."""

    def step(images: Tensor, generator: Generator) -> Tensor:
        operations.check_channels("trivial_augment", images)
        magnitudes = _magnitudes(_TRIVIAL, num_magnitude_bins, *images.shape[-2:])
        bins = draws.below(generator, torch.full((len(images),), num_magnitude_bins))
        return _apply(images, *_draw(generator, magnitudes, bins))

    return step


def _magnitudes(ranges: _Ranges, num_bins: int, height: int, width: int) -> Tensor:
    """(operations, bins). Single precision and then double, as in v2, or bins would not be the very same."""
    last = {
        "shear_x": ranges.shear,
        "shear_y": ranges.shear,
        "translate_x": ranges.translation(width),
        "translate_y": ranges.translation(height),
        "rotate": ranges.rotation,
        **dict.fromkeys(_BLENDS, ranges.blending),
    }
    table = {name: torch.linspace(0.0, most, num_bins) for name, most in last.items()}
    table["posterize"] = (8 - torch.arange(num_bins) / ((num_bins - 1) / ranges.bits)).round()
    table["solarize"] = torch.linspace(1.0, 0.0, num_bins)
    return torch.stack([table.get(name, torch.zeros(num_bins)) for name in _OPERATIONS]).double()


def _draw(generator: Generator, magnitudes: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
    """Bins (B,) -> operation (B,), its place in the list, and magnitude (B,) with its sign."""
    operation = draws.below(generator, torch.full_like(bins, len(_OPERATIONS)))
    negative = draws.happens(generator, len(bins), 0.5) & _SIGNED[operation]
    magnitude = magnitudes[operation, bins]
    return operation, torch.where(negative, -magnitude, magnitude)


def _apply(images: Tensor, operation: Tensor, magnitude: Tensor) -> Tensor:
    """Each operation to the images that drew it; all those that move pixels at once, with a matrix an image."""
    changed = images.clone()
    matrices = _matrices(operation, magnitude, *images.shape[-2:])
    warped = torch.isin(operation, torch.tensor([_PLACES[name] for name in _WARPS]))
    operations.replace(changed, warped, _warp_nearest, matrices)
    for name, change in _CHANGES.items():
        operations.replace(changed, operation == _PLACES[name], change, magnitude)
    return changed


def _warp_nearest(images: Tensor, matrices: Tensor) -> Tensor:
    return operations.warp(images, matrices, "nearest")


def _matrices(operation: Tensor, magnitude: Tensor, height: int, width: int) -> Tensor:
    """(B, 2, 3): where a pixel at (x, y, 1) from the centre comes from. Shears keep the top row or the left column.

    An image has but one operation, so that the parameters of all others are 0.
    """
    shear_x, shear_y, across, down, degrees = (
        torch.where(operation == _PLACES[name], magnitude, 0.0) for name in _WARPS
    )
    cosine, sine = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    for_x = (cosine, shear_x - sine, shear_x * height / 2 - across.trunc())  # whole pixels, as in v2
    for_y = (shear_y + sine, cosine, shear_y * width / 2 - down.trunc())
    return torch.stack((*for_x, *for_y), 1).view(-1, 2, 3)
