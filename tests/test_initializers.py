import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from paribus import activations, initializers
from paribus.data.spec import DataSpec
from paribus.initializers import Weighted, initialize
from paribus.models.mlp import mlp

# Large enough for a sample variance within 2 %. A convolution's fans are its channels times the kernel's area.
LAYERS: dict[str, Callable[[], Weighted]] = {
    "dense": lambda: nn.Linear(400, 250),
    "convolution": lambda: nn.Conv2d(60, 100, 4),
}
FANS = {"dense": (400, 250), "convolution": (60 * 16, 100 * 16)}
UNIFORM = {"xavier_uniform", "he_uniform"}
SETTINGS = [
    # initializer, provided and settings, variance from (fan_in, fan_out)
    ("xavier_uniform", {"gain": 1.0}, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    ("xavier_uniform", {"gain": 3.0}, lambda fan_in, fan_out: 9 * 2 / (fan_in + fan_out)),
    ("xavier_normal", {"gain": 1.0}, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    ("xavier_normal", {"gain": 3.0}, lambda fan_in, fan_out: 9 * 2 / (fan_in + fan_out)),
    ("he_uniform", {"activation_gain": 1.5, "mode": "fan_in"}, lambda fan_in, _: 2.25 / fan_in),
    ("he_uniform", {"activation_gain": 1.5, "mode": "fan_out"}, lambda _, fan_out: 2.25 / fan_out),
    ("he_normal", {"activation_gain": 1.5, "mode": "fan_in"}, lambda fan_in, _: 2.25 / fan_in),
    ("he_normal", {"activation_gain": 1.5, "mode": "fan_out"}, lambda _, fan_out: 2.25 / fan_out),
]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("name", "settings", "variance"), SETTINGS)
def test_weights_have_the_variance_of_the_paper(
    kind: str, name: str, settings: dict[str, object], variance: Callable[[int, int], float]
) -> None:
    torch.manual_seed(0)
    layer, expected = LAYERS[kind](), variance(*FANS[kind])
    getattr(initializers, name)(layer, **settings)
    weights = layer.weight.detach()
    assert float(weights.var()) == pytest.approx(expected, rel=0.02)
    assert float(weights.mean()) == pytest.approx(0, abs=0.02 * math.sqrt(expected))
    largest = float(weights.abs().max()) / math.sqrt(3 * expected)  # 1: the bound of a uniform of that variance
    assert 0.999 < largest <= 1 + 1e-6 if name in UNIFORM else largest > 1.5
    assert not layer.bias.any()


@pytest.mark.parametrize("name", ["he_uniform", "he_normal"])
def test_he_with_relu_has_the_variance_two_over_fan_in(name: str) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(500, 300)
    getattr(initializers, name)(layer, activations.gain(activations.relu()), mode="fan_in")
    assert float(layer.weight.detach().var()) == pytest.approx(2 / 500, rel=0.02)


@pytest.mark.parametrize("kind", LAYERS)
def test_zeros(kind: str) -> None:
    layer = LAYERS[kind]()
    initializers.zeros(layer)
    assert not layer.weight.any()
    assert not layer.bias.any()


@pytest.mark.parametrize("kind", LAYERS)
def test_default_is_uniform_within_one_over_the_root_of_fan_in(kind: str) -> None:
    layer, bound = LAYERS[kind](), 1 / math.sqrt(FANS[kind][0])
    initializers.zeros(layer)
    torch.manual_seed(0)
    initializers.default(layer)
    weights = layer.weight.detach()
    assert 0.999 * bound < float(weights.abs().max()) <= bound
    assert float(weights.var()) == pytest.approx(bound**2 / 3, rel=0.02)
    assert 0 < float(layer.bias.detach().abs().max()) <= bound


def test_a_layer_without_bias_is_filled_too() -> None:
    layer = nn.Linear(3, 2, bias=False)
    initializers.zeros(layer)
    assert not layer.weight.any()


def _initialized(
    seed: int = 0, sizes: tuple[int, ...] = (6, 5), normalization: str = "none", dropout: float = 0.0
) -> dict[str, torch.Tensor]:
    model = mlp(DataSpec((4,)), 3, nn.ReLU, normalization, dropout, hidden_sizes=list(sizes))
    initialize(model, lambda layer: initializers.he_normal(layer, 1.4, mode="fan_in"), seed)
    return model.state_dict()


def test_same_seed_same_weights_whatever_was_drawn_before() -> None:
    first = _initialized()
    torch.rand(17)
    second = _initialized()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights() -> None:
    first, second = _initialized(0), _initialized(1)
    assert not any(torch.equal(first[name], second[name]) for name in first if name.endswith("weight"))


def test_layers_of_one_shape_differ() -> None:
    weights = _initialized(sizes=(4, 4))
    assert not torch.equal(weights["dense1.weight"], weights["dense2.weight"])


@pytest.mark.parametrize(("normalization", "dropout"), [("batch", 0.0), ("layer", 0.0), ("none", 0.5), ("batch", 0.5)])
def test_normalization_and_dropout_leave_the_dense_weights_as_they_were(normalization: str, dropout: float) -> None:
    plain, other = _initialized(), _initialized(normalization=normalization, dropout=dropout)
    assert set(plain) <= set(other)
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_a_later_size_leaves_the_layers_before_it_as_they_were() -> None:
    first, second = _initialized(sizes=(6, 5)), _initialized(sizes=(6, 9))
    assert torch.equal(first["dense1.weight"], second["dense1.weight"])


def test_normalization_layers_start_as_the_identity() -> None:
    model = mlp(DataSpec((4,)), 3, nn.ReLU, "batch", 0.0, hidden_sizes=[5])
    layer = model.get_submodule("normalization1")
    nn.init.constant_(layer.weight, 7)
    layer.running_mean.fill_(7)
    initialize(model, initializers.default, 0)
    assert layer.weight.tolist() == [1] * 5
    assert layer.running_mean.tolist() == [0] * 5


@pytest.mark.parametrize("layer", [nn.Conv1d(3, 4, 5), nn.Conv3d(3, 4, 2), nn.ConvTranspose2d(3, 4, 2)])
def test_every_kind_of_convolution_is_filled(layer: nn.Module) -> None:
    initialize(layer, initializers.zeros, seed=0)
    assert not any(weight.any() for weight in layer.parameters())
