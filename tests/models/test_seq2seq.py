"""Shapes: B batch, S source steps, T target steps, V target tokens, H units, K encoder outputs, E embedding size."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from paribus import initializers
from paribus.data.spec import END, NO_TARGET, PADDING, PairSpec
from paribus.errors import ConfigError
from paribus.initializers import initialize
from paribus.models.seq2seq import Seq2Seq, seq2seq, tokens_before
from paribus.models.stages import head, stages

KINDS = ("none", "bahdanau", "luong_dot", "luong_general", "luong_concat")
TOKENS = tuple("_?.abcdef")
SPEC = PairSpec((6,), TOKENS, vocabulary=TOKENS, longest_target=5, scores="exact", has_one_vocabulary=True)
SOURCES = torch.tensor([[3, 4, 5, 6, 7, END], [8, END, 0, 0, 0, 0], [4, 4, 3, END, 0, 0]], dtype=torch.int32)
TARGETS = torch.tensor([[5, 6, END, -1, -1], [7, 3, 4, 8, END], [END, -1, -1, -1, -1]])
REAL = TARGETS != NO_TARGET
SETTINGS = {
    "cell": "lstm",
    "hidden_size": 6,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "is_bidirectional": True,
    "attention": "luong_general",
    "input_feeding": False,
    "embedding_size": 4,
    "tied_embeddings": "none",
    "teacher_forcing": 1.0,
    "teacher_forcing_end": 1.0,
    "teacher_forcing_schedule": "linear",
}
CHOICES = [(kind, feeds) for kind, feeds in itertools.product(KINDS, (False, True)) if kind != "none" or not feeds]


def _model(dropout: float = 0.0, **chosen: Any) -> Seq2Seq:
    """In double precision, so that a fault cannot hide behind rounding, and with weights that make states differ."""
    torch.manual_seed(0)
    model = seq2seq(SPEC, len(TOKENS), dropout, **{**SETTINGS, **chosen}).double()
    assert isinstance(model, Seq2Seq)
    with torch.no_grad():
        for weight in model.parameters():
            weight.uniform_(-1, 1)
    return model


def _gradients(model: nn.Module, outputs: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad((outputs**2).sum(), list(model.parameters())))


def _chained(model: Seq2Seq, read: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """One step after another: logits (B, T, V) and attention weights (B, T, S).

    read (B, T) says where the true token before is read; None: everywhere, and else the likeliest.
    """
    memory = model.encode(SOURCES)
    state, found, weights = model.begin(memory), list[Tensor](), list[Tensor | None]()
    for step, true in enumerate(tokens_before(TARGETS).unbind(1)):
        tokens = (
            true if read is None or not step else torch.where(read[:, step], true, found[-1][:, END:].argmax(1) + END)
        )
        logits, state, weight = model.step(tokens, state, memory)
        found.append(logits)
        weights.append(weight)
    known = [weight for weight in weights if weight is not None]
    return torch.stack(found, 1), torch.stack(known, 1) if known else None


def test_a_step_reads_the_target_before_it_and_the_first_reads_end() -> None:
    expected = [[END, 5, 6, END, PADDING], [END, 7, 3, 4, 8], [END, END, PADDING, PADDING, PADDING]]
    assert tokens_before(TARGETS).tolist() == expected


@pytest.mark.parametrize(("kind", "feeds"), CHOICES)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_all_steps_at_once_are_one_step_after_another(kind: str, feeds: bool, cell: str) -> None:
    model = _model(attention=kind, input_feeding=feeds, cell=cell)
    together, (chained, _) = model(SOURCES, TARGETS), _chained(model)
    torch.testing.assert_close(together, chained[REAL])
    for one, other in zip(_gradients(model, together), _gradients(model, chained[REAL]), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("kind", "feeds"), CHOICES)
def test_padding_changes_neither_a_logit_nor_a_gradient(kind: str, feeds: bool) -> None:
    model = _model(attention=kind, input_feeding=feeds)
    pairs = zip(SOURCES, TARGETS, strict=True)
    alone = torch.cat([model(x[None, x != PADDING], y[None, y != NO_TARGET]) for x, y in pairs])
    together = model(F.pad(SOURCES, (0, 2)), F.pad(TARGETS, (0, 1), value=NO_TARGET))
    torch.testing.assert_close(together, alone)
    for one, other in zip(_gradients(model, together), _gradients(model, alone), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_the_encoder_is_pytorchs_own_of_packed_sequences(is_bidirectional: bool) -> None:
    """And the decoder begins with what each of its directions ends with, forwards at each sequence's own last step."""
    model = _model(is_bidirectional=is_bidirectional, decoder_layers=1)
    twin = nn.LSTM(4, 6 // (1 + is_bidirectional), 2, batch_first=True, bidirectional=is_bidirectional).double()
    places = itertools.product((1, 2), (("forwards", ""), ("backwards", "_reverse"))[: 1 + is_bidirectional])
    twin.load_state_dict(
        {
            f"{name}_l{layer - 1}{suffix}": model.get_parameter(f"encoder.layer{layer}.{direction}.cell.{name}_l0")
            for layer, (direction, suffix) in places
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
    )
    lengths = (SOURCES != PADDING).sum(1)
    embedded = model.get_submodule("source_embedding")(SOURCES)
    packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
    outputs, (ended, _) = twin(packed)
    expected, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    memory = model.encode(SOURCES)
    torch.testing.assert_close(memory.values[memory.mask], expected[memory.mask])
    assert memory.mask.sum(1).tolist() == memory.lengths.tolist() == lengths.tolist()

    state, last = model.begin(memory), torch.cat(list(ended[-1 - is_bidirectional :]), 1)
    torch.testing.assert_close(torch.cat([state.hidden[0], state.cell[0]], 1), torch.tanh(model.bridge(last)))


Array = NDArray[np.float64]


def _of(layer: nn.Module, name: str) -> Array:
    return layer.get_parameter(name).detach().numpy()


def _lstm_cell(layer: nn.Module, inputs: Array, hidden: Array, cell: Array) -> tuple[Array, Array]:
    """Gers et al. 2000, gates as PyTorch has them: input, forget, cell, output."""
    sums = sum(_of(layer, f"cell.weight_{kind}_l0") @ values for kind, values in (("ih", inputs), ("hh", hidden)))
    sums = sums + _of(layer, "cell.bias_ih_l0") + _of(layer, "cell.bias_hh_l0")
    entering, kept, new, out = np.split(np.asarray(sums), 4)
    cell = cell / (1 + np.exp(-kept)) + np.tanh(new) / (1 + np.exp(-entering))
    return np.tanh(cell) / (1 + np.exp(-out)), cell


def _context(model: Seq2Seq, query: Array, memory: Array) -> Array:
    """query (H,), memory (S, K) without padding -> (K,): Luong et al. 2015, general; Bahdanau et al. 2015, A.1.2."""
    attention = model.get_submodule("decoder.attention")
    if hasattr(attention, "score"):
        inner = np.tanh(_of(attention, "queries.weight") @ query + memory @ _of(attention, "keys.weight").T)
        scores = inner @ _of(attention, "score.weight")[0]
    else:
        scores = memory @ _of(attention, "keys.weight").T @ query
    return np.exp(scores) @ memory / np.exp(scores).sum()


def _written_out(model: Seq2Seq, row: int, feeding: str) -> Array:
    """Logits (T, V) of a row, by the papers' formulas; feeding is none, luong or bahdanau."""
    memory = model.encode(SOURCES[row : row + 1, : int((SOURCES[row] != PADDING).sum())])
    state, values = model.begin(memory), memory.values[0].detach().numpy()
    hidden, cell = list(state.hidden[:, 0].detach().numpy()), list(state.cell[:, 0].detach().numpy())
    vector, found = np.zeros(4), []
    for token in tokens_before(TARGETS)[row]:
        inputs = _of(model, "target_embedding.weight")[token]
        if feeding == "bahdanau":  # c_i of s_{i-1}
            context = _context(model, hidden[-1], values)
            inputs = np.concatenate([inputs, context])
        elif feeding == "luong":
            inputs = np.concatenate([inputs, vector])
        for number in range(2):
            layer = model.get_submodule(f"decoder.layer{number + 1}")
            hidden[number], cell[number] = _lstm_cell(layer, inputs, hidden[number], cell[number])
            inputs = hidden[number]
        if feeding != "bahdanau":
            context = _context(model, hidden[-1], values)
        combination = model.get_submodule("decoder.combination")
        both = np.concatenate([context, hidden[-1]])
        vector = np.tanh(_of(combination, "weight") @ both + _of(combination, "bias"))
        found.append(_of(model, "output.weight") @ vector + _of(model, "output.bias"))
    return np.stack(found)


@pytest.mark.parametrize(
    ("kind", "feeding"),
    [("luong_general", "none"), ("bahdanau", "none"), ("luong_general", "luong"), ("bahdanau", "bahdanau")],
)
def test_the_decoder_is_what_the_papers_formulas_say(kind: str, feeding: str) -> None:
    model = _model(attention=kind, input_feeding=feeding != "none")
    expected = np.concatenate([_written_out(model, row, feeding)[REAL[row].numpy()] for row in range(len(REAL))])
    np.testing.assert_allclose(model(SOURCES, TARGETS).detach().numpy(), expected)


@pytest.mark.parametrize("forced", [0.0, 0.5])
@pytest.mark.parametrize(("kind", "feeds"), CHOICES)
def test_a_step_reads_the_models_own_likeliest_token_where_the_draw_says_so(
    kind: str, feeds: bool, forced: float
) -> None:
    """With forced=0 it is greedy."""
    model = _model(attention=kind, input_feeding=feeds)
    torch.manual_seed(3)
    outputs = model(SOURCES, TARGETS, forced)
    torch.manual_seed(3)
    chained, _ = _chained(model, torch.rand(TARGETS.shape) < forced)
    torch.testing.assert_close(outputs, chained[REAL])
    assert not torch.allclose(outputs, model(SOURCES, TARGETS))  # and that is not what it does with true tokens


def test_true_tokens_alone_draw_nothing() -> None:
    model = _model(input_feeding=True)
    before = torch.get_rng_state()
    model(SOURCES, TARGETS)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("kind", "feeds"), CHOICES)
def test_forced_decoding_gives_log_probabilities_and_attention(kind: str, feeds: bool) -> None:
    model = _model(attention=kind, input_feeding=feeds)
    found, weights = model.aligned(SOURCES, TARGETS)
    logits, expected = _chained(model)
    chosen = logits.log_softmax(2).gather(2, TARGETS.clamp(min=0)[..., None]).squeeze(2)
    torch.testing.assert_close(found, chosen.where(REAL, 0))
    if weights is None or expected is None:
        assert kind == "none" and weights is None and expected is None
        return
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(weights.sum(2), torch.ones_like(found))
    assert (weights.transpose(1, 2)[SOURCES == PADDING] == 0).all()


@pytest.mark.parametrize(("kind", "feeds"), CHOICES)
def test_chosen_rows_go_on_as_they_would_have(kind: str, feeds: bool) -> None:
    model, rows = _model(attention=kind, input_feeding=feeds), torch.tensor([2, 0, 2, 1])
    memory, tokens = model.encode(SOURCES), torch.tensor([3, 4, 5])
    _, state, _ = model.step(tokens, model.begin(memory), memory)
    expected, after, _ = model.step(tokens, state, memory)
    found, chosen, _ = model.step(tokens[rows], state.select(rows), memory.select(rows))
    torch.testing.assert_close(found, expected[rows])
    torch.testing.assert_close(chosen.hidden, after.select(rows).hidden)
    torch.testing.assert_close(chosen.cell, after.cell[:, rows])
    assert torch.equal(memory.select(rows).lengths, memory.lengths[rows])


@pytest.mark.parametrize(("tied", "sides"), [("target", ("target",)), ("all", ("target", "source"))])
def test_a_tied_weight_is_one_and_the_output_layers(tied: str, sides: tuple[str, ...]) -> None:
    model, plain = _model(tied_embeddings=tied), _model()
    names = {name for name, _ in plain.named_parameters()} - {f"{side}_embedding.weight" for side in sides}
    assert names == {name for name, _ in model.named_parameters()} == set(model.state_dict())
    assert head(model) is model.output and sum(map(len, stages(model))) == len(names)

    plain.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        for side in sides:
            plain.get_parameter(f"{side}_embedding.weight").copy_(2 * model.output.weight)  # times sqrt E
    torch.testing.assert_close(model(SOURCES, TARGETS), plain(SOURCES, TARGETS))


@pytest.mark.parametrize("name", ["default", "xavier_uniform", "lecun_normal", "orthogonal"])
@pytest.mark.parametrize("tied", ["none", "target", "all"])
def test_initial_logits_are_small_and_embeddings_are_not(name: str, tied: str) -> None:
    """So that training begins at a loss near log V."""
    tokens = tuple(map(str, range(300)))
    spec = PairSpec((6,), tokens, vocabulary=tokens, longest_target=5, scores="exact", has_one_vocabulary=True)
    model = seq2seq(spec, 300, 0.0, **{**SETTINGS, "embedding_size": 64, "hidden_size": 64, "tied_embeddings": tied})
    settings = {"xavier_uniform": {"gain": 1.0}, "orthogonal": {"gain": 1.0}}.get(name, {})
    fill, embedded = getattr(initializers, name), list[Tensor]()
    initialize(
        model,
        lambda weight: fill(weight, **settings),
        0,
        bias=None,
        forget_bias=None,
        recurrent="same",
        embedding_std=1.0,
    )
    model.encoder.register_forward_hook(lambda _, inputs, __: embedded.append(inputs[0]))
    loss = F.cross_entropy(model(SOURCES, TARGETS), TARGETS[REAL])
    assert float(loss.detach()) == pytest.approx(np.log(300), rel=0.1)
    assert 0.3 < float(embedded[0][SOURCES != PADDING].detach().std()) < 1.5


@pytest.mark.parametrize(("kind", "feeds"), CHOICES)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_mixed_precision_changes_little(kind: str, feeds: bool, cell: str) -> None:
    model = _model(attention=kind, input_feeding=feeds, cell=cell).float()
    exact, _ = model.aligned(SOURCES, TARGETS)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = model.aligned(SOURCES, TARGETS)
        sampled = model(SOURCES, TARGETS, 0.5).float()
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0.1)
    assert all(gradient.any() for gradient in _gradients(model, sampled))


def test_dropout_is_of_embeddings_between_layers_and_before_the_output() -> None:
    model, shapes = _model(0.5, encoder_layers=3), list[tuple[int, ...]]()
    model.dropout.register_forward_hook(lambda _, __, outputs: shapes.append(tuple(outputs.shape)))
    model(SOURCES, TARGETS)
    num_real = int(REAL.sum())
    assert sorted(shapes) == sorted([(3, 6, 4), (3, 6, 6), (3, 6, 6), (3, 5, 4), (3, 5, 6), (num_real, 4)])


def test_it_learns_to_turn_sequences_round() -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(3, 9, (64, 5), generator=generator)
    end = torch.full((64, 1), END)
    sources, targets = torch.cat([tokens, end], 1), torch.cat([tokens.flip(1), end], 1)
    small = {"hidden_size": 32, "embedding_size": 16, "encoder_layers": 1, "decoder_layers": 1}
    torch.manual_seed(0)
    model = seq2seq(SPEC, len(TOKENS), 0.0, **{**SETTINGS, **small})
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(80):
        loss = F.cross_entropy(model(sources, targets), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model(sources, targets, 0.0).argmax(1) == targets.flatten()).float().mean() > 0.99


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"hidden_size": 7}, "model.hidden_size=7 "),
        ({"attention": "none", "input_feeding": True}, "model.input_feeding=true "),
        ({"teacher_forcing_schedule": "exponential", "teacher_forcing_end": 0.0}, "model.teacher_forcing_end=0:"),
    ],
)
def test_what_does_not_go_together_is_an_error(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _model(**chosen)


def test_one_embedding_needs_one_vocabulary() -> None:
    spec = PairSpec((6,), TOKENS, vocabulary=TOKENS, longest_target=5, scores="exact", has_one_vocabulary=False)
    with pytest.raises(ConfigError, match=r"model\.tied_embeddings=all "):
        seq2seq(spec, len(TOKENS), 0.0, **{**SETTINGS, "tied_embeddings": "all"})


def test_one_direction_may_have_an_odd_size() -> None:
    assert _model(hidden_size=7, is_bidirectional=False)(SOURCES, TARGETS).shape == (int(REAL.sum()), len(TOKENS))


def test_the_share_of_true_tokens_is_the_schedules() -> None:
    assert _model(teacher_forcing=0.8, teacher_forcing_end=0.4).teacher_forcing(0.5) == pytest.approx(0.6)
