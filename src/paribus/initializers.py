"""Initial weights. Each initializer fills one weight in place; `initialize` says which weights a layer has.

A weight is (fan_out, fan_in, *kernel): that of a dense layer, of one group of a convolution, of one gate.
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from paribus.seeding import derive
from paribus.types import Number, PositiveFloat, Reduction

Fill = Callable[[Tensor], None]


@torch.no_grad()
def initialize(
    model: nn.Module,
    fill: Fill,
    seed: int,
    *,
    bias: float | None,
    forget_bias: float | None,
    recurrent: str,
    embedding_std: float,
) -> None:
    """Give every layer its initial weights, each from a random stream of its own name.

    So a layer that two models share by name and shape starts alike in both. All layers reset themselves first: that is
    all normalization needs, and what `default` and a null leave standing. A module with the attribute
    `is_pretrained = True` is left alone, and all that it holds.
    """
    for name, layer in model.named_modules(memo=_pretrained(model)):
        stream = derive(seed, "weights", name)
        torch.manual_seed(stream)
        _reset(layer)
        torch.manual_seed(stream)  # again: how much PyTorch drew is not to shift what an initializer draws
        match layer:
            case nn.Linear() | _ConvNd():
                _fill_layer(layer, fill)
                _fill_bias(layer.bias, bias)
            case nn.RNNBase() | nn.RNNCellBase():
                _fill_recurrent(layer, fill, {"same": fill, "orthogonal": _ORTHOGONAL}[recurrent])
                _fill_recurrent_biases(layer, bias, forget_bias)
            case nn.Embedding() | nn.EmbeddingBag():
                init.normal_(layer.weight, 0, embedding_std)
                layer._fill_padding_idx_with_zero()
            case nn.MultiheadAttention():  # its output projection is a dense layer, which comes by itself
                _fill_attention(layer, fill)
                _fill_bias(layer.in_proj_bias, bias)


def default(weight: Tensor) -> None:
    """PyTorch's own: what each layer's reset_parameters has drawn stays."""


def zeros(weight: Tensor) -> None:
    """All zero."""
    init.zeros_(weight)


def constant(weight: Tensor, *, value: Number) -> None:
    """All of one value."""
    init.constant_(weight, value)


def normal(weight: Tensor, *, std: PositiveFloat) -> None:
    """Normal with mean 0 and deviation std, whatever the layer's size."""
    init.normal_(weight, 0, std)


def truncated_normal(weight: Tensor, *, std: PositiveFloat) -> None:
    """Normal with mean 0, drawn again beyond 2 std; std is meant before the cut, which leaves 0.88 of it."""
    init.trunc_normal_(weight, 0, std, -2 * std, 2 * std)


def uniform(weight: Tensor, *, bound: PositiveFloat) -> None:
    """Uniform from -bound to bound, whatever the layer's size."""
    init.uniform_(weight, -bound, bound)


def xavier_uniform(weight: Tensor, *, gain: PositiveFloat) -> None:
    """Uniform with variance gain^2 * 2 / (fan_in + fan_out). Glorot & Bengio 2010, eq. 16."""
    init.xavier_uniform_(weight, gain)


def xavier_normal(weight: Tensor, *, gain: PositiveFloat) -> None:
    """Normal with variance gain^2 * 2 / (fan_in + fan_out). Glorot & Bengio 2010, eq. 12."""
    init.xavier_normal_(weight, gain)


def he_uniform(weight: Tensor, activation_gain: float, *, mode: Reduction) -> None:
    """Uniform with variance activation_gain^2 / fan; 2 / fan for ReLU. He et al. 2015, eq. 10."""
    _uniform(weight, activation_gain / math.sqrt(_fan(weight, mode)))


def he_normal(weight: Tensor, activation_gain: float, *, mode: Reduction) -> None:
    """Normal with variance activation_gain^2 / fan; 2 / fan for ReLU. He et al. 2015, eq. 10."""
    init.normal_(weight, 0, activation_gain / math.sqrt(_fan(weight, mode)))


def lecun_uniform(weight: Tensor) -> None:
    """Uniform with variance 1 / fan_in. LeCun et al. 1998, eq. 16."""
    _uniform(weight, 1 / math.sqrt(_fan(weight, "fan_in")))


def lecun_normal(weight: Tensor) -> None:
    """Normal with variance 1 / fan_in. LeCun et al. 1998, eq. 16."""
    init.normal_(weight, 0, 1 / math.sqrt(_fan(weight, "fan_in")))


def orthogonal(weight: Tensor, *, gain: PositiveFloat) -> None:
    """W W^T = gain^2 I, or W^T W where W is tall; W is (fan_out, fan_in * kernel). Saxe et al. 2014."""
    matrix = init.orthogonal_(weight.new_empty(weight.shape), gain)  # PyTorch's fills no transposed view
    weight.copy_(matrix)


_ORTHOGONAL: Fill = functools.partial(orthogonal, gain=1.0)


def _fan(weight: Tensor, mode: str) -> int:
    return {"fan_in": weight[0], "fan_out": weight[:, 0]}[mode].numel()


def _uniform(weight: Tensor, deviation: float) -> None:
    bound = 3**0.5 * deviation
    init.uniform_(weight, -bound, bound)


def _pretrained(model: nn.Module) -> set[nn.Module]:
    marked = [module for module in model.modules() if getattr(module, "is_pretrained", False)]
    return {module for whole in marked for module in whole.modules()}


def _reset(layer: nn.Module) -> None:
    name = "_reset_parameters" if isinstance(layer, nn.MultiheadAttention) else "reset_parameters"
    if hasattr(layer, name):
        getattr(layer, name)()


def _fill_layer(layer: nn.Linear | _ConvNd, fill: Fill) -> None:
    weight = layer.weight
    for block in weight.chunk(layer.groups if isinstance(layer, _ConvNd) else 1):
        is_transposed = isinstance(layer, _ConvTransposeNd)  # stored as (fan_in, fan_out, *kernel)
        fill(block.transpose(0, 1) if is_transposed else block)
    layer.weight = weight  # under weight normalization it is computed, and has to be given back


def _fill_recurrent(layer: nn.RNNBase | nn.RNNCellBase, fill: Fill, fill_state: Fill) -> None:
    """Gate by gate: `fill` for weights from the inputs, then `fill_state` for those from state to state."""
    for start, fill_block in (("weight_ih", fill), ("weight_h", fill_state)):
        for name, weight in layer.named_parameters(recurse=False):
            if name.startswith(start):
                num_gates = max(1, len(weight) // layer.hidden_size)  # 1 for weight_hr, an LSTM's projection
                for block in weight.chunk(num_gates):
                    fill_block(block)


def _fill_recurrent_biases(layer: nn.RNNBase | nn.RNNCellBase, bias: float | None, forget_bias: float | None) -> None:
    """PyTorch adds b_ih and b_hh: only one is filled, or each value doubles. Jozefowicz et al. 2015 for forget_bias."""
    for name, vector in layer.named_parameters(recurse=False):
        if name.startswith("bias"):
            share = 1 if name.startswith("bias_ih") else 0
            _fill_bias(vector, bias, share)
            if isinstance(layer, nn.LSTM | nn.LSTMCell):
                _fill_bias(vector.chunk(4)[1], forget_bias, share)  # gates stand as input, forget, cell, output


def _fill_attention(layer: nn.MultiheadAttention, fill: Fill) -> None:
    separate = (layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight)
    for block in separate if layer.in_proj_weight is None else layer.in_proj_weight.chunk(3):
        fill(block)


def _fill_bias(vector: Tensor | None, value: float | None, share: int = 1) -> None:
    if vector is not None and value is not None:
        init.constant_(vector, share * value)
