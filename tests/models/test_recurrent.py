"""Shapes: B batch, T steps, F features."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from paribus import composition, config, initializers
from paribus.building import build_data, build_task
from paribus.data.spec import ClassificationSpec, Column, DataSpec, ForecastSpec, RegressionSpec
from paribus.errors import ConfigError
from paribus.initializers import initialize
from paribus.models import recurrent
from paribus.models.carrying import CarriesState
from paribus.models.recurrent_layers import RecurrentLayer, SequenceDropout
from paribus.models.sequence_pooling import Attention
from paribus.models.stages import head, stages

KINDS = ("rnn", "gru", "lstm")
STEPS, FEATURES, HIDDEN = 6, 3, 4
LENGTHS = torch.tensor([6, 1, 4, 3])
TEXT = ClassificationSpec((STEPS,), ("a", "b"), vocabulary=tuple("_?abcde"))
NUMBERS = RegressionSpec((STEPS, FEATURES), "y", 0.0, 1.0)
SMALL = {"hidden_size": HIDDEN, "num_layers": 1, "is_bidirectional": False, "pooling": "last", "embedding_size": 5}


def _model(
    kind: str, spec: DataSpec, normalization: str = "none", dropout: float = 0.0, outputs: int = 2, **chosen: Any
) -> nn.Module:
    """In double precision, so that a fault cannot hide behind rounding."""
    torch.manual_seed(0)
    settings = {**SMALL, "initial_state": "zero", "variational_dropout": False, **chosen}
    if kind == "rnn":
        settings.setdefault("nonlinearity", "tanh")
    model: nn.Module = getattr(recurrent, kind)(spec, outputs, normalization, dropout, **settings)
    return model.double()


def _tokens() -> Tensor:
    """(B, T), with padding."""
    tokens = torch.randint(1, 7, (len(LENGTHS), STEPS), generator=torch.Generator().manual_seed(1))
    return tokens.masked_fill(torch.arange(STEPS) >= LENGTHS[:, None], 0)


def _numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def _gradients(model: nn.Module, outputs: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad((outputs**2).sum(), list(model.parameters())))


CHOICES = list(itertools.product(KINDS, (False, True), ("last", "mean", "max", "attention"), ("none", "layer")))


def _check_padding(model: nn.Module, tolerance: float) -> None:
    """Outputs and gradients of padded sequences are those of each sequence read alone."""
    tokens = _tokens()
    alone = torch.cat([model(row[None, :length]) for row, length in zip(tokens, LENGTHS, strict=True)])
    together = model(tokens)
    torch.testing.assert_close(together, alone, rtol=tolerance, atol=tolerance)
    for one, other in zip(_gradients(model, together), _gradients(model, alone), strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("kind", "is_bidirectional", "pooling", "normalization"), CHOICES)
def test_padding_changes_neither_a_result_nor_a_gradient(
    kind: str, is_bidirectional: bool, pooling: str, normalization: str
) -> None:
    chosen: dict[str, Any] = {"is_bidirectional": is_bidirectional, "pooling": pooling, "initial_state": "learned"}
    _check_padding(_model(kind, TEXT, normalization, num_layers=2, **chosen), 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_nor_in_single_precision(kind: str) -> None:
    """PyTorch computes an LSTM by other means there."""
    _check_padding(_model(kind, TEXT, num_layers=2, is_bidirectional=True).float(), 3e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_padding_changes_no_step_that_is_real(kind: str, is_bidirectional: bool) -> None:
    spec = ClassificationSpec((STEPS,), ("a", "b"), vocabulary=TEXT.vocabulary, is_aligned=True)
    model, tokens = _model(kind, spec, is_bidirectional=is_bidirectional, num_layers=2), _tokens()
    together = model(tokens)
    assert together.shape == (len(LENGTHS), STEPS, 2)
    for row, length, found in zip(tokens, LENGTHS, together, strict=True):
        torch.testing.assert_close(found[:length], model(row[None, :length])[0])


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_text_without_tokens_gives_a_finite_output_and_gradient(pooling: str) -> None:
    model = _model("lstm", TEXT, "layer", pooling=pooling, is_bidirectional=True)
    tokens = torch.cat([_tokens(), torch.zeros(1, STEPS, dtype=torch.long)])
    outputs = model(tokens)
    assert outputs.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in _gradients(model, outputs))
    torch.testing.assert_close(outputs[-1:], model(tokens[-1:, :2]))  # however much padding there is


def _torch_twin(model: nn.Module, kind: str, num_layers: int, is_bidirectional: bool, num_features: int) -> nn.RNNBase:
    """PyTorch's own model of several layers and directions, with the same weights."""
    build = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind]
    twin: nn.RNNBase = build(
        num_features, HIDDEN, num_layers, batch_first=True, bidirectional=is_bidirectional
    ).double()
    ours = {
        f"{name}_l{layer}{suffix}": weight
        for layer in range(num_layers)
        for direction, suffix in (("forwards", ""), ("backwards", "_reverse"))[: 1 + is_bidirectional]
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for weight in [model.get_parameter(f"layer{layer + 1}.{direction}.cell.{name}_l0").detach()]
    }
    twin.load_state_dict(ours)
    return twin


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_it_is_pytorchs_own_model_of_packed_sequences(kind: str, is_bidirectional: bool) -> None:
    model, tokens = _model(kind, TEXT, is_bidirectional=is_bidirectional, num_layers=2), _tokens()
    twin = _torch_twin(model, kind, 2, is_bidirectional, 5)
    packed = nn.utils.rnn.pack_padded_sequence(
        model.get_submodule("embedding")(tokens), LENGTHS, batch_first=True, enforce_sorted=False
    )
    _, ended = twin(packed)
    last = ended[0] if kind == "lstm" else ended
    top = torch.cat(list(last[-1 - is_bidirectional :]), 1)  # of the second layer, forwards and then backwards
    torch.testing.assert_close(model(tokens), model.get_submodule("output")(top))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_numbers_are_read_from_both_ends(kind: str, is_bidirectional: bool) -> None:
    spec = RegressionSpec((STEPS, FEATURES), "y", 0.0, 1.0, is_aligned=True)
    model, inputs = _model(kind, spec, is_bidirectional=is_bidirectional, num_layers=2), _numbers(5, STEPS, FEATURES)
    twin = _torch_twin(model, kind, 2, is_bidirectional, FEATURES)
    torch.testing.assert_close(model(inputs), model.get_submodule("output")(twin(inputs)[0]))


def _torch_pooled(outputs: Tensor, pooling: str) -> Tensor:
    """outputs (T, D) of one sequence without padding."""
    return {"last": outputs[-1], "mean": outputs.mean(0), "max": outputs.max(0).values}[pooling]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_pooling_of_numbers(pooling: str) -> None:
    model, inputs = _model("gru", NUMBERS, pooling=pooling), _numbers(5, STEPS, FEATURES)
    outputs, _ = _torch_twin(model, "gru", 1, False, FEATURES)(inputs)
    pooled = torch.stack([_torch_pooled(each, pooling) for each in outputs])
    torch.testing.assert_close(model(inputs), model.get_submodule("output")(pooled))


def test_attention_is_the_formula() -> None:
    """Yang et al. 2016, eq. 5 to 7, for each sequence by itself."""
    pooling, outputs = Attention(HIDDEN).double(), _numbers(len(LENGTHS), STEPS, HIDDEN)
    weights = pooling.weights(outputs, LENGTHS)[..., 0]
    for each, length, weight, pooled in zip(outputs, LENGTHS, weights, pooling(outputs, LENGTHS), strict=True):
        hidden = torch.tanh(each[:length] @ pooling.projection.weight.T + pooling.projection.bias)
        alpha = torch.exp(hidden @ pooling.context.weight[0])
        torch.testing.assert_close(weight[:length], alpha / alpha.sum())
        assert (weight[length:] == 0).all()
        torch.testing.assert_close(pooled, (alpha / alpha.sum()) @ each[:length])


@pytest.mark.parametrize("kind", KINDS)
def test_one_vector_is_the_input_of_each_step_to_come(kind: str) -> None:
    column = Column("height", 0.0, 1.0, None, 1.0)
    spec = ForecastSpec((FEATURES,), (column, column), horizon=STEPS, num_past=0, in_standard_units=True)
    model, inputs = _model(kind, spec, outputs=2 * STEPS), _numbers(5, FEATURES)
    hidden, _ = _torch_twin(model, kind, 1, False, FEATURES)(inputs[:, None].repeat(1, STEPS, 1))
    outputs = model(inputs)
    assert outputs.shape == (5, STEPS * 2)
    torch.testing.assert_close(outputs.view(5, STEPS, 2), model.get_submodule("output")(hidden))


def test_a_forecast_of_several_steps_is_one_vector_of_outputs() -> None:
    column = Column("height", 0.0, 1.0, 0, 1.0)
    spec = ForecastSpec((STEPS, FEATURES), (column,), horizon=7, num_past=STEPS, in_standard_units=True)
    assert _model("lstm", spec, outputs=7)(_numbers(5, STEPS, FEATURES)).shape == (5, 7)


@pytest.mark.parametrize("choices", [["data=adding_problem", "model=lstm"], ["data=sine_waves", "model=gru"]])
def test_a_config_builds_it_with_the_same_weights_each_time(choices: list[str]) -> None:
    """build_task checks the shape of the outputs."""
    plain = ["experiment=null", "trainer=cpu", "logger=none", "loss=mse", "model.hidden_size=8", *choices]
    checked = config.check(composition.compose(plain))
    data = build_data(checked)
    first, second = build_task(checked, data).model.state_dict(), build_task(checked, data).model.state_dict()
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_the_nonlinearity_of_the_plain_network() -> None:
    """h_t = f(W x_t + b + U h_{t-1} + c)."""
    model, inputs = _model("rnn", NUMBERS, nonlinearity="relu"), _numbers(5, STEPS, FEATURES)
    w, u, b, c = model.get_submodule("layer1.forwards.cell").parameters()
    hidden = torch.zeros(5, HIDDEN, dtype=torch.float64)
    for step in range(STEPS):
        hidden = torch.relu(inputs[:, step] @ w.T + b + hidden @ u.T + c)
    torch.testing.assert_close(model(inputs), model.get_submodule("output")(hidden))


def test_initial_weights_are_those_of_recurrent_layers() -> None:
    """A forget gate that is open, matrices from state to state that keep lengths, and a zero for padding."""
    model = _model("lstm", TEXT, is_bidirectional=True, initial_state="learned")
    _initialize(model, 0)
    _, recurrent_weight, *biases = (
        weight.detach() for weight in model.get_submodule("layer1.backwards.cell").parameters()
    )
    torch.testing.assert_close(biases[0] + biases[1], torch.eye(4)[1].repeat_interleave(HIDDEN).double())
    for gate in recurrent_weight.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(HIDDEN, dtype=torch.float64))
    assert (model.get_parameter("embedding.weight")[0] == 0).all()
    for direction in ("forwards", "backwards"):
        assert (model.get_parameter(f"layer1.{direction}.initial.values.1") == 0).all()


def _initialize(model: nn.Module, seed: int) -> None:
    settings: dict[str, Any] = {"bias": 0.0, "forget_bias": 1.0, "recurrent": "orthogonal", "embedding_std": 0.1}
    initialize(model, lambda weight: initializers.xavier_uniform(weight, gain=1.0), seed, **settings)


def test_a_swap_leaves_the_initial_weights_of_all_other_layers() -> None:
    plain = _model("gru", TEXT, num_layers=2)
    _initialize(plain, 3)
    for chosen in ({"normalization": "layer", "dropout": 0.5}, {"initial_state": "learned", "pooling": "attention"}):
        other = _model("gru", TEXT, num_layers=2, **chosen)
        _initialize(other, 3)
        weights = other.state_dict()
        assert all(torch.equal(weight, weights[name]) for name, weight in plain.state_dict().items())


def test_a_saved_model_gives_the_same_outputs() -> None:
    chosen: dict[str, Any] = {"is_bidirectional": True, "pooling": "attention", "initial_state": "learned"}
    model, other = _model("lstm", TEXT, **chosen), _model("lstm", TEXT, **chosen)
    _initialize(other, 1)
    assert not torch.equal(model(_tokens()), other(_tokens()))
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(_tokens()), other(_tokens()))


def test_stages_are_the_embedding_each_layer_and_the_head() -> None:
    model = _model("lstm", TEXT, "layer", num_layers=2, is_bidirectional=True, initial_state="learned")
    assert head(model) is model.get_submodule("output")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [{names[id(parameter)].split(".")[0] for parameter in stage} for stage in stages(model)]
    assert found == [{"embedding"}, {"layer1"}, {"layer2"}, {"output"}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_learned_initial_state_is_what_pytorch_begins_with(kind: str) -> None:
    model, inputs = _model(kind, NUMBERS, initial_state="learned"), _numbers(5, STEPS, FEATURES)
    vectors = list(model.get_submodule("layer1.forwards.initial").parameters())
    for place, vector in enumerate(vectors):
        vector.data = _numbers(HIDDEN) + place
    state = tuple(vector.expand(1, 5, -1).contiguous() for vector in vectors)
    hidden, _ = _torch_twin(model, kind, 1, False, FEATURES)(inputs, state if kind == "lstm" else state[0])
    outputs = model(inputs)
    torch.testing.assert_close(outputs, model.get_submodule("output")(hidden[:, -1]))
    assert all((gradient != 0).any() for gradient in torch.autograd.grad(outputs.sum(), vectors))


def test_layer_normalization_is_of_each_layers_outputs() -> None:
    model, found = _model("lstm", NUMBERS, "layer", num_layers=2, is_bidirectional=True), list[Tensor]()
    for layer in model.children():
        if isinstance(layer, RecurrentLayer):
            layer.register_forward_hook(lambda _layer, _inputs, given: found.append(given[0]))
    model(_numbers(5, STEPS, FEATURES))
    assert [tuple(outputs.shape) for outputs in found] == [(5, STEPS, 2 * HIDDEN)] * 2
    for outputs in found:
        torch.testing.assert_close(outputs.mean(2), torch.zeros(5, STEPS, dtype=torch.float64))
        torch.testing.assert_close(outputs.std(2, correction=0), torch.ones(5, STEPS).double(), rtol=0.01, atol=0.01)


# Dropout


def _what_dropout_takes(model: nn.Module, run: Callable[[], Tensor]) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    for layer in model.modules():
        if isinstance(layer, nn.Dropout | nn.Dropout1d):
            layer.register_forward_hook(lambda _layer, inputs, _outputs: shapes.append(tuple(inputs[0].shape)))
    run()
    return shapes


@pytest.mark.parametrize("variational_dropout", [False, True])
def test_dropout_follows_the_embedding_and_each_layer(variational_dropout: bool) -> None:
    model = _model("gru", TEXT, dropout=0.5, num_layers=3, variational_dropout=variational_dropout)
    batch, between = len(LENGTHS), (len(LENGTHS), STEPS, HIDDEN)
    assert _what_dropout_takes(model, lambda: model(_tokens())) == [
        (batch, STEPS, 5),
        between,
        between,
        (batch, HIDDEN),
    ]


def test_dropout_is_of_no_inputs_and_no_pooling_comes_between_where_each_step_has_an_output() -> None:
    spec = RegressionSpec((STEPS, FEATURES), "y", 0.0, 1.0, is_aligned=True)
    model = _model("gru", spec, dropout=0.5, num_layers=2)
    assert _what_dropout_takes(model, lambda: model(_numbers(5, STEPS, FEATURES))) == [(5, STEPS, HIDDEN)] * 2


def test_variational_dropout_silences_the_same_units_at_every_step() -> None:
    torch.manual_seed(0)
    dropped = SequenceDropout(0.3)(torch.ones(100, STEPS, 50))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)
    torch.testing.assert_close(dropped[dropped != 0], torch.full_like(dropped[dropped != 0], 1 / 0.7))
    assert dropped.is_contiguous()  # as recurrent layers need it on a GPU
    assert not torch.equal(dropped[0], dropped[1])


@pytest.mark.parametrize("variational_dropout", [False, True])
def test_dropout_works_in_training_alone(variational_dropout: bool) -> None:
    model = _model("gru", TEXT, dropout=0.5, num_layers=2, variational_dropout=variational_dropout)
    plain = _model("gru", TEXT, num_layers=2)
    assert not torch.equal(model(_tokens()), model(_tokens()))
    assert torch.equal(model.eval()(_tokens()), plain(_tokens()))


# Carried state


def _streaming(kind: str, **chosen: Any) -> CarriesState:
    spec = RegressionSpec((STEPS, FEATURES), "y", 0.0, 1.0, is_aligned=True, is_stream=True)
    model = _model(kind, spec, "layer", num_layers=2, **chosen)
    assert isinstance(model, CarriesState)
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("initial_state", ["zero", "learned"])
def test_a_stream_in_two_batches_is_read_as_one(kind: str, initial_state: str) -> None:
    model, inputs = _streaming(kind, initial_state=initial_state), _numbers(5, STEPS, FEATURES)
    whole = model(inputs)
    first = model(inputs[:, :4])
    model.carry()
    second = model(inputs[:, 4:])
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    assert model.carried is not None
    assert len(model.carried) == (2 if kind == "lstm" else 1)
    assert all(part.shape == (2, 5, HIDDEN) and not part.requires_grad for part in model.carried)


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_flows_from_one_batch_to_another(kind: str) -> None:
    model, inputs = _streaming(kind), _numbers(5, STEPS, FEATURES).requires_grad_()
    model(inputs[:, :4])
    model.carry()
    (gradient,) = torch.autograd.grad(model(inputs[:, 4:]).sum(), inputs)
    assert (gradient[:, :4] == 0).all()
    assert (gradient[:, 4:] != 0).any()


def test_a_batch_that_is_not_carried_on_may_be_read_again() -> None:
    model, inputs = _streaming("lstm"), _numbers(5, STEPS, FEATURES)
    assert torch.equal(model(inputs), model(inputs))
    model.carry()
    carried = model(inputs)
    assert not torch.equal(carried, _streaming("lstm")(inputs))
    assert torch.equal(carried, model(inputs))


def test_state_takes_the_precision_of_the_inputs() -> None:
    model, inputs = _streaming("lstm").float(), _numbers(5, STEPS, FEATURES).float()
    model(inputs)
    model.carry()
    assert model.carried is not None
    model.carried = tuple(part.bfloat16() for part in model.carried)
    assert model(inputs).dtype == torch.float32


def test_without_streams_nothing_is_carried() -> None:
    model = _model("lstm", NUMBERS)
    model(_numbers(5, STEPS, FEATURES))
    assert isinstance(model, CarriesState)
    assert model.ended is None


@pytest.mark.parametrize("kind", KINDS)
def test_in_mixed_precision(kind: str) -> None:
    model = _model(kind, TEXT, "layer", initial_state="learned", pooling="attention", is_bidirectional=True).float()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(_tokens())
    assert outputs.isfinite().all()
    torch.testing.assert_close(outputs.float(), model(_tokens()), rtol=0.05, atol=0.05)


# What a recurrent model is not for

REFUSED = [
    (DataSpec((4,)), {}, r"^model gru reads sequences, and the data gives \(4,\) an example; use model=mlp$"),
    (DataSpec((1, 8, 8)), {}, r"^model gru reads sequences.* images \(1, 8, 8\); use model=cnn, or data=mnist_rows,"),
    (NUMBERS, {"normalization": "batch"}, r"^regularization.normalization=batch .* model gru takes none or layer\."),
    (
        DataSpec((STEPS, FEATURES), is_aligned=True, is_stream=True),
        {"is_bidirectional": True},
        r"^model.is_bidirectional=true: .*; use model.is_bidirectional=false$",
    ),
]


@pytest.mark.parametrize(("spec", "chosen", "message"), REFUSED)
def test_what_it_cannot_be_is_refused_in_one_line(spec: DataSpec, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        _model("gru", spec, **chosen)
    assert "\n" not in str(error.value)
