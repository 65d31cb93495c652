"""EfficientNet. Shapes: B batch, C channels, H height, W width."""

from torch import nn

from paribus.data.spec import DataSpec
from paribus.models.images import image_shape, without_values
from paribus.models.pretrained import load_pretrained
from paribus.torchvision_ops import torchvision
from paribus.types import ProbabilityBelowOne, StemStride, Weights


def efficientnet_b0(
    spec: DataSpec,
    num_outputs: int,
    dropout: float,
    *,
    stem_stride: StemStride,
    stochastic_depth: ProbabilityBelowOne,
    weights: Weights,
) -> nn.Module:
    """(B, C, H, W) -> (B, num_outputs). Tan & Le 2019, table 1, with a stem_stride of 2; dropout precedes the head.

    A block with a shortcut is skipped for an example with a probability that rises from 0 in the first block towards
    stochastic_depth in the last (Huang et al. 2016). Raises ConfigError for data that are no images.
    """
    channels, _, _ = image_shape(spec, "efficientnet_b0")
    model = without_values(
        lambda: torchvision.models.efficientnet_b0(
            num_classes=num_outputs, dropout=dropout, stochastic_depth_prob=stochastic_depth
        )
    )
    model.features[0][0] = nn.Conv2d(channels, 32, 3, stem_stride, padding=1, bias=False)
    return load_pretrained(model, "efficientnet_b0", weights)
