"""Operations on a batch of images from 0 to 1, with a parameter for each image: torchvision's v2, for batches.

Parameters are tensors on the CPU, (B,) where nothing else is said. Images are never changed in place but by `replace`.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.transforms.v2 import functional as F

from paribus.errors import ConfigError


def column(values: Tensor, images: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1) of the images' dtype, on their device."""
    return values.to(images, non_blocking=True).view(-1, 1, 1, 1)


def replace(images: Tensor, chosen: Tensor, operation: Callable[..., Tensor], *amounts: Tensor) -> None:
    """Put operation(images, *amounts) in the place of the images chosen.

    chosen (B,) true or false; amounts (B, ...).
    """
    if chosen.any():  # known on the CPU: no waiting for the GPU
        rows = chosen.nonzero().flatten().to(images.device, non_blocking=True)
        changed = operation(images.index_select(0, rows), *(amount[chosen] for amount in amounts))
        images.index_copy_(0, rows, changed)


def check_channels(step: str, images: Tensor) -> None:
    """Raise ConfigError for images that are neither grey nor red, green and blue."""
    if images.shape[1] not in (1, 3):
        raise ConfigError(
            f"augmentation.{step} knows images of 1 or 3 channels, and this data has {images.shape[1]}; leave it out"
        )


def warp(images: Tensor, matrices: Tensor, interpolation: str) -> Tensor:
    """Look up each pixel at matrix (2, 3) times its own place (x, y, 1), in pixels from the centre; black beyond.

    matrices (B, 2, 3). The sums are v2's, in its order: affine_grid rounds otherwise, and half-way between two pixels
    the nearest would be the other one. A matrix product would lose digits where training is of mixed precision.
    """
    height, width = images.shape[-2:]
    size = torch.tensor([0.5 * width, 0.5 * height])
    x_share, y_share, offset = (
        (matrices.to(images, non_blocking=True).transpose(1, 2) / size.to(images, non_blocking=True))
        .view(-1, 3, 1, 1, 2)
        .unbind(1)
    )
    grid = _centred(width, images).view(1, width, 1) * x_share + _centred(height, images).view(height, 1, 1) * y_share
    warped = grid_sample(images, grid + offset, mode=interpolation, padding_mode="zeros", align_corners=False)
    return warped.clamp_(0, 1)


def _centred(length: int, images: Tensor) -> Tensor:
    last = (length - 1) * 0.5
    return torch.linspace(-last, last, length, dtype=images.dtype, device=images.device)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Black at 0, the image at 1, brighter above."""
    return (images * column(factor, images)).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """The mean grey of each image at 0, the image at 1. The mean is not rounded, as v2's of images in floats."""
    grey = F.rgb_to_grayscale(images, num_output_channels=1)
    return _blend(grey.mean((-3, -2, -1), keepdim=True), images, factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Grey at 0, the image at 1. Grey images stay as they are."""
    return _blend(F.rgb_to_grayscale(images, num_output_channels=1), images, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Smoothed at 0, the image at 1. The pixels of its edge stay as they are."""
    with torch.autocast(images.device.type, enabled=False):  # a convolution, which would lose digits
        smooth = F.adjust_sharpness(images, 0.0)
    return _blend(smooth, images, factor)


def _blend(other: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(other, images, column(factor, images)).clamp_(0, 1)


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue, a circle of length 1. Grey images stay as they are.

    Back from hue, value v and chroma c: a channel is v - c min(k, 4 - k), the last from 0 to 1, with k its distance
    on the circle of six sixths. Equal to the table of six cases in v2, and quicker.
    """
    if images.shape[1] == 1:
        return images
    value = images.amax(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    red, green, blue = (images / torch.where(chroma == 0, 1, chroma)).split(1, dim=1)  # grey pixels have no hue
    sixths = torch.where(images[:, 1:2] == value, 2 + blue - red, 4 + red - green)
    sixths = torch.where(images[:, 0:1] == value, green - blue, sixths) + 6 * column(turn, images)
    distance = (sixths + torch.tensor([5, 3, 1]).to(images, non_blocking=True).view(1, 3, 1, 1)).remainder_(6)
    return (value - chroma * torch.minimum(distance, 4 - distance).clamp_(0, 1)).clamp_(0, 1)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep 2^bits levels, as v2 does for floats: the lowest value of each."""
    levels = column(2**bits, images)
    return torch.minimum((images * levels).floor_(), levels - 1) / levels


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert the values from the threshold on. At 1, as in v2, pure white still turns black."""
    return torch.where(images >= column(threshold, images), 1 - images, images)
