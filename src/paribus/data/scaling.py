"""Scaling of inputs, fitted on the training split alone and kept as plain numbers."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scaler:
    """(x - shift) / scale: a number for each feature of a row or each channel of an image."""

    shift: list[float]
    scale: list[float]

    def __call__(self, inputs: Tensor) -> Tensor:
        """inputs (N, F) or (N, C, H, W) of any type -> the same shape, float32.

        Inputs in double precision are centred in it: values far from zero would lose their digits.
        """
        view = (1, -1) + (1,) * (inputs.ndim - 2)
        dtype = torch.float64 if inputs.dtype == torch.float64 else torch.float32
        shift = torch.tensor(self.shift, dtype=dtype).view(view)
        scale = torch.tensor(self.scale, dtype=dtype).view(view)
        return inputs.to(dtype, copy=True).sub_(shift).div_(scale).to(torch.float32)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers for the checkpoint."""
        return {"shift": self.shift, "scale": self.scale}


def fit(kind: str, inputs: Tensor, image_range: float | None) -> Scaler:
    """A scaler fitted on training inputs (N, F) or (N, C, H, W).

    kind: standard (mean 0, deviation 1), min_max (0..1; for images over their type's range 0..image_range, so that
    every pixel has the same scale) or none. A constant feature is only shifted.
    """
    shift, scale = torch.zeros(inputs.shape[1]), torch.ones(inputs.shape[1])
    if kind == "min_max" and image_range is not None:
        scale = torch.full_like(scale, image_range)
    elif kind != "none":
        channels = inputs.transpose(0, 1).reshape(inputs.shape[1], -1).to(torch.float64)
        if kind == "standard":
            shift, scale = channels.mean(1), channels.std(1, correction=0)
        else:
            shift, scale = channels.amin(1), channels.amax(1) - channels.amin(1)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return Scaler(shift.tolist(), scale.tolist())
