"""Residual networks. Shapes: B batch, C channels, H height, W width."""

from torch import nn

from paribus.data.spec import DataSpec
from paribus.models.images import image_shape, without_values
from paribus.models.pretrained import load_pretrained
from paribus.torchvision_ops import torchvision
from paribus.types import StemStride, Weights


def resnet18(spec: DataSpec, num_outputs: int, *, stem_stride: StemStride, weights: Weights) -> nn.Module:
    """(B, C, H, W) -> (B, num_outputs). He et al. 2016, table 1, 18 layers, with a stem_stride of 2.

    Raises ConfigError for data that are no images.
    """
    return _resnet("resnet18", spec, num_outputs, stem_stride, weights)


def resnet50(spec: DataSpec, num_outputs: int, *, stem_stride: StemStride, weights: Weights) -> nn.Module:
    """As resnet18, with 50 layers; the stride is in a block's 3x3 convolution, not in its first (Goyal et al. 2017)."""
    return _resnet("resnet50", spec, num_outputs, stem_stride, weights)


def _resnet(name: str, spec: DataSpec, num_outputs: int, stem_stride: int, weights: str) -> nn.Module:
    channels, _, _ = image_shape(spec, name)
    model = without_values(lambda: getattr(torchvision.models, name)(num_classes=num_outputs))
    if stem_stride == 2:
        model.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    else:  # the usual stem for images of 32 pixels, as He et al. 2016 have it in section 4.2
        model.conv1 = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    return load_pretrained(model, name, weights)
