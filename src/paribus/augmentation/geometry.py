"""Steps that move pixels: crops, flips, rotation."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as F

from paribus.augmentation import Augmentation, draws
from paribus.augmentation.operations import replace, warp
from paribus.errors import ConfigError
from paribus.types import Degrees, Interpolation, NonNegativeInt, PaddingMode, Probability

PADDING_MODES = {"zeros": "constant", "reflect": "reflect"}  # torchvision's names


def crop(*, padding: NonNegativeInt, padding_mode: PaddingMode) -> Augmentation:
    """Pad each side and cut the image's size out again, anywhere. Lee et al. 2015; He et al. 2016, sec. 4.2.

    Raises ConfigError where a reflection would be wider than the image.
    """

    def step(images: Tensor, generator: Generator) -> Tensor:
        if padding_mode == "reflect" and padding >= min(images.shape[-2:]):
            raise ConfigError(
                f"augmentation.crop.padding={padding} cannot be reflected in images of {images.shape[-2]} x "
                f"{images.shape[-1]} pixels; use {min(images.shape[-2:]) - 1} or less, or padding_mode=zeros"
            )
        return _crop(images, *_draw_corners(generator, len(images), padding), padding, padding_mode)

    return step


def _draw_corners(generator: Generator, batch_size: int, padding: int) -> tuple[Tensor, Tensor]:
    top, left = draws.below(generator, torch.full((2, batch_size), 2 * padding + 1))
    return top, left


def _crop(images: Tensor, top: Tensor, left: Tensor, padding: int, padding_mode: str) -> Tensor:
    height, width = images.shape[-2:]
    padded: Tensor = F.pad(images, [padding], padding_mode=PADDING_MODES[padding_mode])
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: every crop that there is
    image = torch.arange(len(images), device=images.device)
    return windows[image, :, top.to(images.device, non_blocking=True), left.to(images.device, non_blocking=True)]


def flip(*, probability: Probability) -> Augmentation:
    """Mirror left and right. Krizhevsky et al. 2012, sec. 4.1."""
    return _sometimes(probability, F.horizontal_flip)


def vertical_flip(*, probability: Probability) -> Augmentation:
    """Turn upside down, mirrored."""
    return _sometimes(probability, F.vertical_flip)


def _sometimes(probability: float, operation: Callable[[Tensor], Tensor]) -> Augmentation:
    def step(images: Tensor, generator: Generator) -> Tensor:
        changed = images.clone()
        replace(changed, draws.happens(generator, len(images), probability), operation)
        return changed

    return step


def rotation(*, degrees: Degrees, interpolation: Interpolation) -> Augmentation:
    """Turn about the centre by up to `degrees` to either side; what comes in from outside is black."""

    def step(images: Tensor, generator: Generator) -> Tensor:
        return _rotate(images, draws.uniform(generator, (len(images),), (-degrees, degrees)), interpolation)

    return step


def _rotate(images: Tensor, degrees: Tensor, interpolation: str) -> Tensor:
    cosine, sine = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    nothing = torch.zeros_like(sine)
    return warp(images, torch.stack((cosine, -sine, nothing, sine, cosine, nothing), 1).view(-1, 2, 3), interpolation)
