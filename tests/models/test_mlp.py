from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn

from paribus import activations
from paribus.data.spec import DataSpec
from paribus.models.mlp import mlp

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": activations.relu,
    "leaky_relu": lambda: activations.leaky_relu(slope=0.1),
    "tanh": activations.tanh,
    "sigmoid": activations.sigmoid,
}


def _mlp(
    sizes: list[int], normalization: str = "none", dropout: float = 0.0, shape: tuple[int, ...] = (4,)
) -> nn.Module:
    torch.manual_seed(0)
    return mlp(DataSpec(shape), 3, nn.Tanh, normalization, dropout, hidden_sizes=sizes)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("shape", [(4,), (2, 3, 3)])
def test_gives_a_row_of_outputs_an_example(
    activation: str, normalization: str, dropout: float, shape: tuple[int, ...]
) -> None:
    model = mlp(DataSpec(shape), 3, ACTIVATIONS[activation], normalization, dropout, hidden_sizes=[6, 5])
    outputs = model(torch.randn(7, *shape))
    assert outputs.shape == (7, 3)
    assert outputs.isfinite().all()


def test_without_hidden_layers_it_is_one_linear_map() -> None:
    model, inputs = _mlp([]), torch.randn(5, 4)
    (layer,) = [module for module in model.modules() if isinstance(module, nn.Linear)]
    torch.testing.assert_close(model(inputs), inputs @ layer.weight.T + layer.bias)
    assert not any(isinstance(module, nn.Tanh) for module in model.modules())


def test_with_a_hidden_layer_it_is_the_formula() -> None:
    """W2 tanh(W1 x + b1) + b2: logits, with no softmax behind them."""
    model, inputs = _mlp([6]), torch.randn(5, 4)
    w1, b1, w2, b2 = model.parameters()
    torch.testing.assert_close(model(inputs), torch.tanh(inputs @ w1.T + b1) @ w2.T + b2)


@pytest.mark.parametrize("sizes", [[], [8], [8, 5, 2]])
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_number_of_parameters(sizes: list[int], normalization: str) -> None:
    """(n + 1) m for each dense layer, and a scale and a shift for each normalized unit."""
    widths = [4, *sizes, 3]
    expected = sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))
    expected += 2 * sum(sizes) if normalization != "none" else 0
    assert sum(parameter.numel() for parameter in _mlp(sizes, normalization).parameters()) == expected


def test_normalization_stands_before_the_activation_and_dropout_behind() -> None:
    kinds = [type(layer) for layer in _mlp([6], "batch", 0.5)]
    assert kinds == [nn.Flatten, nn.Linear, nn.BatchNorm1d, nn.Tanh, nn.Dropout, nn.Linear]


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_a_permuted_batch_gives_permuted_outputs(normalization: str) -> None:
    model, inputs = _mlp([6, 5], normalization, 0.5).eval(), torch.randn(9, 4)
    order = torch.randperm(9)
    torch.testing.assert_close(model(inputs[order]), model(inputs)[order])


def test_dropout_works_in_training_alone() -> None:
    model, inputs = _mlp([50], dropout=0.5), torch.randn(5, 4)
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))


def test_dropout_silences_its_share_and_scales_up_the_rest() -> None:
    model = _mlp([20_000], dropout=0.3)
    hidden = model.get_submodule("activation1")(model.get_submodule("dense1")(torch.randn(1, 4)))
    dropped = model.get_submodule("dropout1")(hidden)
    silent = dropped == 0
    assert silent.float().mean().item() == pytest.approx(0.3, abs=0.015)
    torch.testing.assert_close(dropped[~silent], hidden[~silent] / 0.7)
