"""Windows of a series: overlapping views into one tensor, never copies. Shapes: T rows, F columns, N windows."""

import torch
from torch import Tensor


def windows(series: Tensor, length: int, stride: int) -> Tensor:
    """series (T, F) -> (N, length, F), the windows that begin at rows 0, stride, 2 stride ..., as one view."""
    return series.unfold(0, length, stride).transpose(1, 2)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device. A view of overlapping windows stays one there: only what it shows once is moved."""
    if tensor.device.type == device.type or tensor.numel() == 0:
        return tensor.to(device)
    reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    if reach >= tensor.numel():
        return tensor.to(device)
    shown = tensor.as_strided((reach,), (1,))
    return shown.to(device).as_strided(tensor.shape, tensor.stride(), 0)
