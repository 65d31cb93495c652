"""VGG networks. Shapes: B batch, C channels, H height, W width."""

import torch
from torch import Tensor, nn

from paribus.data.spec import DataSpec
from paribus.models.images import image_shape, without_values
from paribus.models.pretrained import load_pretrained
from paribus.torchvision_ops import torchvision
from paribus.types import Weights

REDUCTION = 32  # pixels of the image for one of the last map, along each side: five poolings by two
POOLED = 7  # the side of the map that the dense layers see


def vgg11_bn(spec: DataSpec, num_outputs: int, dropout: float, *, weights: Weights) -> nn.Module:
    """(B, C, H, W) -> (B, num_outputs). Simonyan & Zisserman 2015, table 1, A, with batch normalization.

    Dropout follows both hidden dense layers. Maps that are not 7x7 at their end, those of images of other sizes than
    224, are averaged to it. Raises ConfigError for data that are no images and for images under 32 pixels a side.
    """
    channels, height, width = image_shape(spec, "vgg11_bn", REDUCTION)
    model = without_values(lambda: torchvision.models.vgg11_bn(num_classes=num_outputs, dropout=dropout))
    model.features[0] = nn.Conv2d(channels, 64, 3, padding=1)
    size = height // REDUCTION, width // REDUCTION
    model.avgpool = nn.Identity() if size == (POOLED, POOLED) else Averaging(*size, POOLED)
    return load_pretrained(model, "vgg11_bn", weights)


class Averaging(nn.Module):
    """(B, C, H, W) -> (B, C, size, size): adaptive average pooling as two products of matrices.

    PyTorch's own adds its gradients up in any order on a GPU, and a run would not give the same bits twice.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, height: int, width: int, size: int) -> None:
        super().__init__()
        self.register_buffer("rows", _windows(height, size), persistent=False)
        self.register_buffer("columns", _windows(width, size).T.contiguous(), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Average along H, then along W."""
        return self.rows @ inputs @ self.columns


def _windows(length: int, size: int) -> Tensor:
    """(size, length): row i averages the places from floor(i length / size) to ceil((i + 1) length / size)."""
    weights = torch.zeros(size, length)
    for index in range(size):
        start, end = index * length // size, -(-(index + 1) * length // size)
        weights[index, start:end] = 1 / (end - start)
    return weights
