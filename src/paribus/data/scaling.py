"""Scaling of inputs, fitted on the training split alone and kept as plain numbers."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from paribus.errors import ConfigError

# Of 0..1, red green blue: torchvision's, with which the weights that it publishes were trained.
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

CHUNK_BYTES = 2**26  # of images that are counted at a time


@dataclass(frozen=True)
class Scaler:
    """(x - shift) / scale: a number for each feature of a row or each channel of an image."""

    shift: list[float]
    scale: list[float]

    def __call__(self, inputs: Tensor) -> Tensor:
        """inputs (N, F), (N, steps, F) or (N, C, H, W) of any type -> the same shape, float32.

        Inputs in double precision are centred in it: values far from zero would lose their digits.
        """
        view = (1, 1, -1) if inputs.ndim == 3 else (1, -1) + (1,) * (inputs.ndim - 2)
        dtype = torch.float64 if inputs.dtype == torch.float64 else torch.float32
        shift, scale = (
            torch.tensor(values, dtype=dtype).view(view).to(inputs.device, non_blocking=True)
            for values in (self.shift, self.scale)
        )
        return inputs.to(dtype, copy=True).sub_(shift).div_(scale).to(torch.float32)

    def for_range(self, image_range: float) -> "Scaler":
        """The same for images whose values were divided by image_range."""
        return Scaler([value / image_range for value in self.shift], [value / image_range for value in self.scale])

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers for the checkpoint."""
        return {"shift": self.shift, "scale": self.scale}


def fit(kind: str, inputs: Tensor, image_range: float | None, rows: Tensor | None = None) -> Scaler:
    """A scaler fitted on training inputs (N, F), (N, steps, F) or (N, C, H, W), or on some rows (n,) of them.

    kind: standard (mean 0, deviation 1), min_max (0..1; for images over their type's range 0..image_range, so that
    every pixel has the same scale), imagenet (the mean and deviation that ImageNet's weights were trained with) or
    none. A constant feature is only shifted. Raises ConfigError for imagenet where images are not of three channels.
    """
    inputs = inputs.transpose(1, 2) if inputs.ndim == 3 else inputs  # features first, as an image's channels
    features = inputs.shape[1]
    shift, scale = torch.zeros(features), torch.ones(features)
    if kind == "imagenet":
        if image_range is None or features != len(IMAGENET_MEAN):
            raise ConfigError("data.scaling=imagenet is for images of three channels; use standard or min_max")
        shift, scale = (torch.tensor(values) * image_range for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    elif kind == "min_max" and image_range is not None:
        scale = torch.full_like(scale, image_range)
    elif kind != "none":
        measure = _of_bytes if inputs.dtype == torch.uint8 else _of_numbers
        mean, deviation, low, high = measure(inputs, torch.arange(len(inputs)) if rows is None else rows)
        shift, scale = (mean, deviation) if kind == "standard" else (low, high - low)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return Scaler(shift.tolist(), scale.tolist())


def _of_numbers(inputs: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean, deviation, least and greatest value, each (C,)."""
    channels = inputs[rows].transpose(0, 1).reshape(inputs.shape[1], -1).to(torch.float64)
    return channels.mean(1), channels.std(1, correction=0), channels.amin(1), channels.amax(1)


def _of_bytes(inputs: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same by counting each byte, a few rows at a time: images may lie on the disk."""
    counts = torch.zeros(inputs.shape[1], 256, dtype=torch.float64)
    for some in rows.split(max(1, CHUNK_BYTES // inputs[0].numel())):
        for channel, values in zip(counts, inputs[some].transpose(0, 1), strict=True):
            channel += torch.bincount(values.reshape(-1), minlength=256)
    values, total = torch.arange(256, dtype=torch.float64), counts.sum(1)
    mean = counts @ values / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / total
    seen = [torch.nonzero(channel).flatten() for channel in counts]
    return (
        mean,
        variance.sqrt(),
        torch.stack([each.min() for each in seen]).double(),
        torch.stack([each.max() for each in seen]).double(),
    )
