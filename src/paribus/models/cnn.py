"""Convolutional network. Shapes: B batch, C channels, H height, W width."""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from paribus.data.spec import DataSpec
from paribus.errors import ConfigError
from paribus.models.images import image_shape
from paribus.models.layers import POOLINGS, add_normalization, dense_layers
from paribus.models.pretrained import load_pretrained
from paribus.types import ConvolutionBlock, ConvolutionBlocks, PositiveIntList, Weights

POOL_SIZE = 2


def cnn(
    spec: DataSpec,
    num_outputs: int,
    activation: Callable[[], nn.Module],
    normalization: str,
    dropout: float,
    spatial_dropout: float,
    *,
    blocks: ConvolutionBlocks,
    hidden_sizes: PositiveIntList,
    weights: Weights,
) -> nn.Module:
    """(B, C, H, W) -> (B, num_outputs). Dropout follows the last block and each hidden dense layer; spatial
    dropout, which silences whole channels (Tompson et al. 2015), each block.

    Raises ConfigError for data that are no images and for blocks that shrink an image to nothing.
    """
    channels, height, width = image_shape(spec, "cnn")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index, block in enumerate(blocks):
        if normalization == "instance" and _convolved(height, block) * _convolved(width, block) == 1:
            raise ConfigError(
                f"regularization.normalization=instance: model.blocks[{index}] leaves one pixel, with nothing to "
                "normalize by; use another normalization or fewer blocks"
            )
        layers[f"block{index + 1}"] = _block(channels, block, activation, normalization, spatial_dropout)
        channels, height, width = block.channels, _size(height, block), _size(width, block)
        if min(height, width) < 1:
            raise ConfigError(
                f"model.blocks[{index}] leaves nothing of an image of {spec.input_shape[1]}x{spec.input_shape[2]}; "
                "use fewer blocks, less pooling or more padding"
            )
    layers["flatten"] = nn.Flatten()
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    layers.update(
        dense_layers(channels * height * width, hidden_sizes, num_outputs, activation, normalization, dropout)
    )
    return load_pretrained(nn.Sequential(layers), "cnn", weights)


def _block(
    channels: int,
    block: ConvolutionBlock,
    activation: Callable[[], nn.Module],
    normalization: str,
    spatial_dropout: float,
) -> nn.Module:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["convolution"] = nn.Conv2d(
        channels, block.channels, block.kernel, block.stride, block.padding, padding_mode=block.padding_mode
    )
    add_normalization(layers, "normalization", normalization, "image", block.channels)
    layers["activation"] = activation()
    if block.pooling != "none":
        layers["pooling"] = POOLINGS[block.pooling](POOL_SIZE)
    if spatial_dropout:
        layers["spatial_dropout"] = nn.Dropout2d(spatial_dropout)
    return nn.Sequential(layers)


def _convolved(size: int, block: ConvolutionBlock) -> int:
    return (size + 2 * block.padding - block.kernel) // block.stride + 1


def _size(size: int, block: ConvolutionBlock) -> int:
    size = _convolved(size, block)
    return size if block.pooling == "none" else size // POOL_SIZE
