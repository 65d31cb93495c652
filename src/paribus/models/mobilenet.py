"""MobileNet. Shapes: B batch, C channels, H height, W width."""

from torch import nn

from paribus.data.spec import DataSpec
from paribus.models.images import image_shape, without_values
from paribus.models.pretrained import load_pretrained
from paribus.torchvision_ops import torchvision
from paribus.types import StemStride, Weights


def mobilenet_v3_small(
    spec: DataSpec, num_outputs: int, dropout: float, *, stem_stride: StemStride, weights: Weights
) -> nn.Module:
    """(B, C, H, W) -> (B, num_outputs). Howard et al. 2019, table 2, with a stem_stride of 2.

    Dropout precedes the head. Raises ConfigError for data that are no images.
    """
    channels, _, _ = image_shape(spec, "mobilenet_v3_small")
    model = without_values(lambda: torchvision.models.mobilenet_v3_small(num_classes=num_outputs, dropout=dropout))
    model.features[0][0] = nn.Conv2d(channels, 16, 3, stem_stride, padding=1, bias=False)
    return load_pretrained(model, "mobilenet_v3_small", weights)
