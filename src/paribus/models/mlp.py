"""Multilayer perceptron. Shapes: B batch, F features of one flattened example."""

from collections import OrderedDict
from collections.abc import Callable
from math import prod

from torch import nn

from paribus.data.spec import DataSpec
from paribus.errors import ConfigError
from paribus.models.layers import dense_layers
from paribus.types import PositiveIntList


def mlp(
    spec: DataSpec,
    num_outputs: int,
    activation: Callable[[], nn.Module],
    normalization: str,
    dropout: float,
    *,
    hidden_sizes: PositiveIntList,
) -> nn.Module:
    """(B, *input_shape) -> (B, num_outputs). Without hidden layers: the perceptron, or logistic regression."""
    if spec.is_text:
        raise ConfigError("model mlp reads numbers, and the data is text; use model=lstm or model=bilstm")
    if spec.is_aligned:
        raise ConfigError("model mlp gives one output an example, and the data wants one for each step; use model=lstm")
    if normalization == "instance":
        raise ConfigError("regularization.normalization=instance is for images; model mlp takes batch, layer or group")
    hidden = dense_layers(prod(spec.input_shape), hidden_sizes, num_outputs, activation, normalization, dropout)
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), **hidden))
