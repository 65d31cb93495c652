import functools
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from paribus import activations, initializers
from paribus.data.spec import DataSpec
from paribus.initializers import Fill, initialize
from paribus.models.mlp import mlp
from paribus.seeding import derive

SHARED = {"bias": 0.0, "forget_bias": 1.0, "recurrent": "orthogonal", "embedding_std": 1.0}
OWN = {"bias": None, "forget_bias": None, "recurrent": "same", "embedding_std": 1.0}  # as default.yaml: PyTorch's own
lecun = initializers.lecun_normal
he = functools.partial(initializers.he_normal, activation_gain=1.4, mode="fan_in")


def _filled(model: nn.Module, fill: Fill, seed: int = 0, **changed: object) -> nn.Module:
    initialize(model, fill, seed, **{**SHARED, **changed})
    return model


# One weight: the distribution of each initializer.

# Large enough for a sample variance within 2 %. A convolution's fans are its channels times the kernel's area.
SHAPES = {"dense": (250, 400), "convolution": (100, 60, 4, 4)}
FANS = {"dense": (400, 250), "convolution": (60 * 16, 100 * 16)}
UNIFORM = {"uniform", "xavier_uniform", "he_uniform", "lecun_uniform"}
SETTINGS = [
    # initializer, provided and settings, variance from (fan_in, fan_out)
    ("normal", {"std": 0.3}, lambda *_: 0.09),
    ("uniform", {"bound": 0.3}, lambda *_: 0.03),
    ("xavier_uniform", {"gain": 1.0}, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    ("xavier_uniform", {"gain": 3.0}, lambda fan_in, fan_out: 9 * 2 / (fan_in + fan_out)),
    ("xavier_normal", {"gain": 1.0}, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    ("xavier_normal", {"gain": 3.0}, lambda fan_in, fan_out: 9 * 2 / (fan_in + fan_out)),
    ("he_uniform", {"activation_gain": 1.5, "mode": "fan_in"}, lambda fan_in, _: 2.25 / fan_in),
    ("he_uniform", {"activation_gain": 1.5, "mode": "fan_out"}, lambda _, fan_out: 2.25 / fan_out),
    ("he_normal", {"activation_gain": 1.5, "mode": "fan_in"}, lambda fan_in, _: 2.25 / fan_in),
    ("he_normal", {"activation_gain": 1.5, "mode": "fan_out"}, lambda _, fan_out: 2.25 / fan_out),
    ("lecun_uniform", {}, lambda fan_in, _: 1 / fan_in),
    ("lecun_normal", {}, lambda fan_in, _: 1 / fan_in),
]


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(("name", "settings", "variance"), SETTINGS)
def test_weights_have_the_variance_of_the_paper(
    kind: str, name: str, settings: dict[str, object], variance: Callable[[int, int], float]
) -> None:
    torch.manual_seed(0)
    weight, expected = torch.empty(SHAPES[kind]), variance(*FANS[kind])
    getattr(initializers, name)(weight, **settings)
    assert float(weight.var()) == pytest.approx(expected, rel=0.02)
    assert float(weight.mean()) == pytest.approx(0, abs=0.02 * math.sqrt(expected))
    largest = float(weight.abs().max()) / math.sqrt(3 * expected)  # 1: the bound of a uniform of that variance
    assert 0.999 < largest <= 1 + 1e-6 if name in UNIFORM else largest > 1.5


@pytest.mark.parametrize("name", ["he_uniform", "he_normal"])
def test_he_with_relu_has_the_variance_two_over_fan_in(name: str) -> None:
    torch.manual_seed(0)
    weight = torch.empty(300, 500)
    getattr(initializers, name)(weight, activations.gain(activations.relu()), mode="fan_in")
    assert float(weight.var()) == pytest.approx(2 / 500, rel=0.02)


def test_a_truncated_normal_ends_at_two_deviations_and_is_a_normal_up_to_there() -> None:
    torch.manual_seed(0)
    weight = torch.empty(1000, 400)
    initializers.truncated_normal(weight, std=0.1)
    assert 0.1999 < float(weight.abs().max()) <= 0.2 + 1e-7
    inside = math.erf(2**0.5)  # the share of a normal within two deviations
    density = math.exp(-2) / math.sqrt(2 * math.pi)  # of a standard normal at 2
    assert float(weight.var()) == pytest.approx(0.01 * (1 - 2 * 2 * density / inside), rel=0.02)
    assert float((weight.abs() < 0.1).float().mean()) == pytest.approx(math.erf(0.5**0.5) / inside, rel=0.01)


@pytest.mark.parametrize("shape", [(30, 80), (80, 30), (40, 40), (12, 5, 3, 3), (64, 2, 3)])
def test_an_orthogonal_weight_times_its_transpose_is_the_gain_squared(shape: tuple[int, ...]) -> None:
    weight = torch.empty(shape)
    initializers.orthogonal(weight, gain=1.5)
    matrix = weight.flatten(1)
    product = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    torch.testing.assert_close(product, 2.25 * torch.eye(len(product)), atol=1e-5, rtol=0)


def test_zeros_and_constant() -> None:
    weight = torch.ones(3, 4)
    initializers.constant(weight, value=-0.5)
    assert set(weight.flatten().tolist()) == {-0.5}
    initializers.zeros(weight)
    assert not weight.any()


# Dense layers and convolutions.

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "dense": lambda: nn.Linear(7, 5),
    "dense without bias": lambda: nn.Linear(7, 5, bias=False),
    "convolution 1d": lambda: nn.Conv1d(3, 4, 5),
    "convolution 2d": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "convolution 3d": lambda: nn.Conv3d(3, 4, 2),
    "transposed 1d": lambda: nn.ConvTranspose1d(3, 4, 2),
    "transposed 2d": lambda: nn.ConvTranspose2d(4, 6, 2, groups=2),
    "transposed 3d": lambda: nn.ConvTranspose3d(3, 4, 2),
}
RECURRENT: dict[str, Callable[[], nn.Module]] = {
    "rnn": lambda: nn.RNN(5, 4),
    "gru": lambda: nn.GRU(5, 4, num_layers=2),
    "lstm": lambda: nn.LSTM(5, 4, num_layers=2, bidirectional=True, proj_size=3),
    "rnn cell": lambda: nn.RNNCell(5, 4),
    "gru cell": lambda: nn.GRUCell(5, 4),
    "lstm cell": lambda: nn.LSTMCell(5, 4),
}
OTHERS: dict[str, Callable[[], nn.Module]] = {
    "embedding": lambda: nn.Embedding(9, 4, padding_idx=2),
    "embedding bag": lambda: nn.EmbeddingBag(9, 4, padding_idx=2),
    "bilinear": lambda: nn.Bilinear(3, 4, 5),
    "learned slope": lambda: nn.PReLU(),
}
ALL = {**LAYERS, **RECURRENT, **OTHERS}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_dense_layer_and_convolution_is_filled_and_its_bias_set(kind: str) -> None:
    layer = _filled(LAYERS[kind](), functools.partial(initializers.constant, value=3.0), bias=0.25)
    for name, parameter in layer.named_parameters():
        assert set(parameter.flatten().tolist()) == {3.0 if name == "weight" else 0.25}


@pytest.mark.parametrize("kind", ALL)
def test_default_gives_the_bits_of_reset_parameters_with_the_same_seed(kind: str) -> None:
    ours, theirs = ALL[kind](), ALL[kind]()
    torch.manual_seed(derive(3, "weights", ""))
    theirs.reset_parameters()
    initialize(ours, initializers.default, 3, **OWN)
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in theirs.state_dict().items())


@pytest.mark.parametrize("kind", [*LAYERS, *RECURRENT])
def test_a_null_bias_is_pytorchs_own_beside_any_initializer(kind: str) -> None:
    ours, theirs = ALL[kind](), ALL[kind]()
    initialize(theirs, initializers.default, 3, **OWN)
    initialize(ours, initializers.zeros, 3, **OWN)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name] if name.startswith("bias") else torch.zeros_like(value))


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_the_fans_of_a_convolution_are_those_of_one_group_from_input_to_output(groups: int, transposed: bool) -> None:
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    shapes: list[tuple[int, ...]] = []
    layer = _filled(kind(40, 120, 3, groups=groups), lambda weight: shapes.append(tuple(weight.shape)))
    assert shapes == [(120 // groups, 40 // groups, 3, 3)] * groups
    _filled(layer, lecun)
    assert float(layer.weight.detach().var()) == pytest.approx(groups / (40 * 9), rel=0.04)


def test_a_transposed_convolution_is_orthogonal_from_input_to_output() -> None:
    layer = _filled(nn.ConvTranspose2d(8, 20, 3), functools.partial(initializers.orthogonal, gain=1.0))
    matrix = layer.weight.detach().transpose(0, 1).flatten(1)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(20), atol=1e-5, rtol=0)


def test_a_layer_under_weight_normalization_is_filled() -> None:
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    _filled(layer, functools.partial(initializers.constant, value=0.5))
    torch.testing.assert_close(layer.weight.detach(), torch.full((2, 3), 0.5))


# Recurrent layers. Shapes: I inputs, H hidden, G gates; weight_ih (G * H, I), weight_hh (G * H, H).

GATES = {nn.RNN: 1, nn.GRU: 3, nn.LSTM: 4, nn.RNNCell: 1, nn.GRUCell: 3, nn.LSTMCell: 4}


def _weights(layer: nn.Module, start: str) -> Iterator[Tensor]:
    return (parameter.detach() for name, parameter in layer.named_parameters() if name.startswith(start))


@pytest.mark.parametrize("kind", GATES)
def test_every_gate_has_the_fans_of_its_own_block(kind: type[nn.Module]) -> None:
    layer = _filled(kind(300, 200), functools.partial(initializers.xavier_normal, gain=1.0), recurrent="same")
    for start, fan_in in (("weight_ih", 300), ("weight_hh", 200)):
        blocks = next(_weights(layer, start)).split(200)
        assert len(blocks) == GATES[kind]
        for block in blocks:  # the stacked matrix's fan_out, G * 200, would give a GRU a variance 45 % smaller
            assert float(block.var()) == pytest.approx(2 / (fan_in + 200), rel=0.04)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("recurrent", ["orthogonal", "same"])
def test_recurrent_weights_are_orthogonal_gate_by_gate_only_if_so_set(kind: type[nn.Module], recurrent: str) -> None:
    layer = _filled(kind(5, 30), lecun, recurrent=recurrent)
    for block in next(_weights(layer, "weight_hh")).split(30):
        assert torch.allclose(block @ block.T, torch.eye(30), atol=1e-5) == (recurrent == "orthogonal")


def test_gates_differ_and_so_do_layers_and_directions() -> None:
    layer = _filled(nn.LSTM(20, 20, num_layers=2, bidirectional=True), lecun)
    blocks = [
        block[:, :20] for start in ("weight_ih", "weight_hh") for w in _weights(layer, start) for block in w.split(20)
    ]
    assert len(blocks) == 4 * 2 * 2 * 2
    assert len({tuple(block.flatten().tolist()) for block in blocks}) == len(blocks)


def test_a_projected_state_is_orthogonal_in_both_its_weights() -> None:
    layer = _filled(nn.LSTM(5, 30, proj_size=10), lecun)
    (projection,) = _weights(layer, "weight_hr")  # (10, 30)
    torch.testing.assert_close(projection @ projection.T, torch.eye(10), atol=1e-5, rtol=0)
    for block in next(_weights(layer, "weight_hh")).split(30):  # (30, 10)
        torch.testing.assert_close(block.T @ block, torch.eye(10), atol=1e-5, rtol=0)


def test_the_weights_from_the_inputs_are_alike_for_either_setting_of_recurrent() -> None:
    fill = functools.partial(initializers.truncated_normal, std=0.5)  # draws more numbers than orthogonal
    first, second = (_filled(nn.LSTM(5, 6, num_layers=2), fill, recurrent=each) for each in ("same", "orthogonal"))
    pairs = list(zip(_weights(first, "weight_ih"), _weights(second, "weight_ih"), strict=True))
    assert len(pairs) == 2 and all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("fill", [lecun, initializers.default])
@pytest.mark.parametrize("bias", [0.0, 0.5])
@pytest.mark.parametrize(
    "layer",
    [nn.LSTM(3, 4), nn.LSTM(3, 4, num_layers=2, bidirectional=True), nn.LSTM(3, 4, proj_size=2), nn.LSTMCell(3, 4)],
)
def test_both_biases_of_a_forget_gate_add_up_to_the_setting(layer: nn.Module, bias: float, fill: Fill) -> None:
    _filled(layer, fill, forget_bias=1.5, bias=bias)
    pairs = list(zip(_weights(layer, "bias_ih"), _weights(layer, "bias_hh"), strict=True))
    assert len(pairs) == (4 if getattr(layer, "bidirectional", False) else 1)
    for one, other in pairs:
        gates = (one + other).split(4)  # input, forget, cell, output
        assert [set(gate.tolist()) for gate in gates] == [{bias}, {1.5}, {bias}, {bias}]


def test_a_raised_forget_gate_keeps_the_cell() -> None:
    cell = _filled(nn.LSTMCell(2, 3), initializers.zeros, forget_bias=3.0, recurrent="same")
    state = torch.full((1, 3), 2.0)
    _, kept = cell(torch.ones(1, 2), (state, state))  # c' = sigmoid(3) c + sigmoid(0) tanh(0)
    torch.testing.assert_close(kept, 2 / (1 + math.exp(-3)) * torch.ones(1, 3))


def test_without_its_own_setting_a_forget_gate_has_the_bias_of_all() -> None:
    layer = _filled(nn.LSTM(3, 4), lecun, forget_bias=None, bias=0.5)
    assert set((layer.bias_ih_l0 + layer.bias_hh_l0).tolist()) == {0.5}


@pytest.mark.parametrize("layer", [nn.GRU(3, 4), nn.RNN(3, 4), nn.GRUCell(3, 4)])
def test_the_forget_bias_is_for_an_lstm_alone(layer: nn.Module) -> None:
    _filled(layer, lecun, forget_bias=1.5)
    assert not any(bias.any() for bias in _weights(layer, "bias"))


def test_a_recurrent_layer_without_biases_is_filled() -> None:
    assert not any(
        weight.any() for weight in _filled(nn.LSTM(3, 4, bias=False), initializers.zeros, recurrent="same").parameters()
    )


# Attention, embeddings, normalization, pretrained modules.


@pytest.mark.parametrize("kdim", [None, 100])
def test_queries_keys_and_values_have_their_own_fans(kdim: int | None) -> None:
    layer = nn.MultiheadAttention(200, 4, kdim=kdim, vdim=kdim)
    shapes: list[tuple[int, ...]] = []
    _filled(layer, lambda weight: shapes.append(tuple(weight.shape)))
    assert shapes == [(200, 200), (200, kdim or 200), (200, kdim or 200), (200, 200)]  # and the output projection
    _filled(layer, functools.partial(initializers.constant, value=2.0), bias=0.25)
    assert {value for each in layer.parameters() for value in each.flatten().tolist()} == {2.0, 0.25}


def test_default_gives_attention_pytorchs_own_input_weights() -> None:
    ours, theirs = nn.MultiheadAttention(8, 2), nn.MultiheadAttention(8, 2)
    torch.manual_seed(derive(3, "weights", ""))
    theirs._reset_parameters()
    initialize(ours, initializers.default, 3, **OWN)
    assert torch.equal(ours.in_proj_weight, theirs.in_proj_weight)
    assert not ours.in_proj_bias.any()


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize("fill", [lecun, initializers.default])
def test_embeddings_are_normal_and_their_padding_is_zero(kind: type[nn.Module], fill: Fill) -> None:
    layer = _filled(kind(500, 200, padding_idx=3), fill, embedding_std=0.1)
    rows = layer.weight.detach()
    assert not rows[3].any()
    others = rows[torch.arange(500) != 3]
    assert float(others.std()) == pytest.approx(0.1, rel=0.02)
    assert float(others.abs().max()) > 0.35


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm1d(5), nn.BatchNorm2d(5), nn.LayerNorm(5), nn.GroupNorm(1, 5), nn.InstanceNorm2d(5, affine=True)],
)
def test_normalization_layers_start_as_the_identity(layer: nn.Module) -> None:
    nn.init.constant_(layer.weight, 7)
    nn.init.constant_(layer.bias, 7)
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        layer.running_mean.fill_(7)
    state = _filled(layer, functools.partial(initializers.constant, value=3.0), bias=0.5).state_dict()
    assert state["weight"].tolist() == [1] * 5
    assert state["bias"].tolist() == [0] * 5
    assert "running_mean" not in state or state["running_mean"].tolist() == [0] * 5


def test_a_pretrained_module_is_left_alone_with_all_that_it_holds() -> None:
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.LSTM(4, 4), nn.Embedding(4, 4)))
    for parameter in body.parameters():
        nn.init.constant_(parameter, 7)
    body.is_pretrained = True
    model = nn.ModuleDict({"body": body, "head": nn.Linear(4, 2), "again": body[2]})
    _filled(model, initializers.zeros)
    assert all((parameter == 7).all() for parameter in body.parameters())
    assert not model["head"].weight.any()
    body.is_pretrained = False
    _filled(model, initializers.zeros)
    assert not any((parameter == 7).any() for parameter in body.parameters())


# Random streams.


def _initialized(
    seed: int = 0, sizes: tuple[int, ...] = (6, 5), normalization: str = "none", dropout: float = 0.0
) -> dict[str, Tensor]:
    model = mlp(DataSpec((4,)), 3, nn.ReLU, normalization, dropout, hidden_sizes=list(sizes))
    return _filled(model, he, seed).state_dict()


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


def test_what_an_initializer_draws_is_the_start_of_the_layers_stream() -> None:
    expected = torch.empty(6, 4)
    torch.manual_seed(derive(0, "weights", "dense1"))
    he(expected)
    assert torch.equal(_initialized()["dense1.weight"], expected)


def test_a_later_size_leaves_the_layers_before_it_as_they_were() -> None:
    first, second = _initialized(sizes=(6, 5)), _initialized(sizes=(6, 9))
    assert torch.equal(first["dense1.weight"], second["dense1.weight"])


def test_a_layer_that_two_models_share_by_name_starts_alike_in_both() -> None:
    first = _filled(nn.ModuleDict({"encoder": nn.GRU(3, 4), "head": nn.Linear(4, 2)}), he)
    second = _filled(nn.ModuleDict({"new": nn.Linear(9, 9), "head": nn.Linear(4, 2), "encoder": nn.GRU(3, 4)}), he)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
