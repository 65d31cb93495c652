"""What models of images share."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from paribus.data.spec import DataSpec
from paribus.errors import ConfigError

Model = TypeVar("Model", bound=nn.Module)


def image_shape(spec: DataSpec, model: str, least_size: int = 1) -> tuple[int, int, int]:
    """Channels, height and width of an image, for the model of that name.

    Raises ConfigError for data that are no images, and for images of fewer than `least_size` pixels a side.
    """
    if not spec.is_image:
        raise ConfigError(f"model {model} needs images, and the data gives {_what(spec)}")
    channels, height, width = spec.input_shape
    if min(height, width) < least_size:
        raise ConfigError(
            f"model {model} needs images of {least_size}x{least_size} pixels or more, and the data gives "
            f"{height}x{width}; use larger images or another model"
        )
    return channels, height, width


def without_values(build: Callable[[], Model]) -> Model:
    """The model that `build` gives, its weights as they lie in memory: initialize() or a file fills all of them.

    torchvision fills them as well, which takes seconds for a large model.
    """
    with torch.device("meta"):
        model = build()
    return model.to_empty(device="cpu")


def _what(spec: DataSpec) -> str:
    """What the data gives that is no image, and which models are for it."""
    if spec.is_text:
        return "texts; use model=bilstm or model=lstm"
    if spec.is_sequence:
        return f"sequences {spec.input_shape}; use model=lstm, or model=mlp"
    return f"{spec.input_shape} an example; use model=mlp"
