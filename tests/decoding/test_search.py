"""Searches in toy models whose log-probabilities are a function of source and prefix, and in the real one."""

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from paribus.data.spec import END, NO_TARGET, PADDING, UNKNOWN, PairSpec
from paribus.decoding.beams import BeamSearch
from paribus.decoding.choices import Decoding
from paribus.decoding.hypotheses import Hypothesis, likeliest, log_probabilities
from paribus.decoding.search import decode
from paribus.errors import RunError
from paribus.models.seq2seq import Seq2Seq, seq2seq
from paribus.models.source_encoder import Memory

A, B, C = 3, 4, 5  # tokens
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Prefixes:
    """The state of a toy: all tokens that it has read, (N, steps)."""

    tokens: Tensor

    def select(self, rows: Tensor) -> "Prefixes":
        return Prefixes(self.tokens[rows])


@dataclass
class Toy:
    """logits(source, prefix) are those of the next token; `rows` counts those of each step."""

    logits: Callable[[Tokens, Tokens], Sequence[float]]
    rows: list[int] = field(default_factory=list)
    training: bool = False

    def encode(self, sources: Tensor) -> Memory:
        mask = sources != PADDING
        return Memory(sources[:, :, None].double(), None, mask, mask.sum(1))

    def begin(self, memory: Memory) -> Prefixes:
        return Prefixes(torch.empty(len(memory.mask), 0, dtype=torch.long))

    def step(self, tokens: Tensor, state: Prefixes, memory: Memory) -> tuple[Tensor, Prefixes, None]:
        assert len(tokens) == len(state.tokens) == len(memory.values)
        self.rows.append(len(tokens))
        read = torch.cat([state.tokens, tokens[:, None]], dim=1)
        sources = memory.values[:, :, 0].long().tolist()
        found = [self.logits(real(source), tuple(row[1:])) for source, row in zip(sources, read.tolist(), strict=True)]
        return torch.tensor(found, dtype=torch.float64), Prefixes(read), None


def real(source: Sequence[int]) -> Tokens:
    return tuple(token for token in source if token not in (PADDING, END))


def sources(*lengths: int) -> Tensor:
    """One of each length, all different."""
    found = torch.zeros(len(lengths), max(lengths) + 1, dtype=torch.int32)
    for row, length in enumerate(lengths):
        found[row, :length] = 3 + row
        found[row, length] = END
    return found


def noise(num_tokens: int, scale: float = 2.0) -> Callable[[Tokens, Tokens], list[float]]:
    """Random logits, always the same for a source and prefix."""

    def logits(source: Tokens, prefix: Tokens) -> list[float]:
        generator = random.Random(f"{source} {prefix}")
        return [generator.gauss(0, scale) for _ in range(num_tokens)]

    return logits


def table(**probabilities: Sequence[float]) -> Callable[[Tokens, Tokens], list[float]]:
    """Probabilities of END, A, B, ... after the prefix of those letters; `other`, else END alone, after all others."""

    def logits(_: Tokens, prefix: Tokens) -> list[float]:
        letters = "".join("abc"[token - A] for token in prefix) if min(prefix, default=A) >= A else "no prefix"
        found = probabilities.get(letters or "start", probabilities.get("other", (1.0, 0.0, 0.0)))
        return [-math.inf, -math.inf, *(math.log(value) if value else -math.inf for value in found)]

    return logits


def log_softmax(logits: Sequence[float]) -> list[float]:
    total = math.log(sum(math.exp(value) for value in logits))
    return [value - total for value in logits]


def exhaustive(
    logits: Callable[[Tokens, Tokens], Sequence[float]], source: Tokens, decoding: Decoding
) -> list[Hypothesis]:
    """All outputs of a source, the best first; a cut one has as many tokens as may be."""
    longest = math.ceil(decoding.max_ratio * len(source)) + decoding.max_extra
    num_tokens = len(logits(source, ()))
    found = []
    for count in range(longest + 1):
        for tokens in itertools.product(range(END + 1, num_tokens), repeat=count):
            is_ended = count < longest
            all_tokens = (*tokens, END) if is_ended else tokens
            total = sum(log_softmax(logits(source, tokens[:at]))[token] for at, token in enumerate(all_tokens))
            score = total / ((5 + len(all_tokens)) / 6) ** decoding.length_penalty
            found.append(Hypothesis(tokens, score, is_ended))
    return sorted(found, key=lambda each: -each.score)


def slow_beam(
    logits: Callable[[Tokens, Tokens], Sequence[float]], source: Tokens, decoding: Decoding
) -> list[Hypothesis]:
    """The beam of one source in a loop over its prefixes, always up to the maximum length."""
    prefixes: list[tuple[Tokens, float]] = [((), 0.0)]
    found = []
    longest = math.ceil(decoding.max_ratio * len(source)) + decoding.max_extra
    for length in range(1, longest + 1):
        candidates = [
            (tokens, token, total + value)
            for tokens, total in prefixes
            for token, value in enumerate(log_softmax(logits(source, tokens)))
            if token >= END
        ]
        candidates.sort(key=lambda each: -each[2])
        penalty = ((5 + length) / 6) ** decoding.length_penalty
        for tokens, token, total in candidates[: decoding.beam_size]:
            if token == END:
                found.append(Hypothesis(tokens, total / penalty, True))
        prefixes = [((*tokens, token), total) for tokens, token, total in candidates if token != END]
        prefixes = prefixes[: decoding.beam_size]
    found += [Hypothesis(tokens, total / penalty, False) for tokens, total in prefixes]
    return sorted(found, key=lambda each: -each.score)[: decoding.n_best]


def same(found: list[list[Hypothesis]], expected: list[list[Hypothesis]]) -> bool:
    """Equal but for the rounding of scores."""
    return all(
        (one.tokens, one.is_ended, one.score) == (other.tokens, other.is_ended, pytest.approx(other.score, rel=1e-5))
        for each, others in zip(found, expected, strict=True)
        for one, other in zip(each, others, strict=True)
    )


GREEDY = Decoding(1, 0.0, 1, 1.5, 3)
BEAM = Decoding(4, 1.0, 3, 1.5, 3)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("num_tokens", [4, 5, 6])
def test_a_wide_beam_finds_what_trying_everything_finds(num_tokens: int, length_penalty: float) -> None:
    logits = noise(num_tokens)
    decoding = Decoding(120, length_penalty, 7, 0.5, 2)
    given = sources(1, 4, 2)
    expected = [exhaustive(logits, real(row), decoding)[:7] for row in given.tolist()]
    assert same(decode(Toy(logits), given, decoding), expected)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("beam_size", [2, 3, 5])
def test_a_narrow_beam_finds_what_a_slow_loop_finds_that_never_stops_early(
    beam_size: int, length_penalty: float
) -> None:
    logits, given = noise(7), sources(*[1, 4, 2, 6] * 5)
    decoding = Decoding(beam_size, length_penalty, beam_size, 1.0, 4)
    expected = [slow_beam(logits, real(row), decoding) for row in given.tolist()]
    assert same(decode(Toy(logits), given, decoding), expected)


@pytest.mark.parametrize("decoding", [GREEDY, BEAM, Decoding(1, 1.5, 1, 1.0, 4), Decoding(3, 0.0, 2, 1.0, 4)])
def test_the_rest_of_the_batch_and_its_order_do_not_matter(decoding: Decoding) -> None:
    model, given = Toy(noise(7)), sources(5, 1, 3, 8, 2, 1, 4)
    expected = decode(model, given, decoding)
    assert [len(each) for each in expected] == [decoding.n_best] * 7
    assert [found for part in given.split(3) for found in decode(model, part, decoding)] == expected
    assert [found for row, length in enumerate((5, 1, 3, 8, 2, 1, 4))
            for found in decode(model, given[row : row + 1, : length + 1], decoding)] == expected  # fmt: skip
    order = torch.tensor([3, 0, 6, 5, 1, 4, 2])
    assert decode(model, given[order], decoding) == [expected[row] for row in order]


def test_greedy_takes_the_likeliest_token_at_each_step() -> None:
    logits, given = noise(9), sources(5, 1, 3, 8, 2)
    expected = []
    for source in map(real, given.tolist()):
        tokens, total, longest = (), 0.0, math.ceil(1.5 * len(source)) + 3
        while END not in tokens and len(tokens) < longest:
            found = log_softmax(logits(source, tokens))
            token = max(range(END, 9), key=lambda each, found=found: found[each])
            tokens, total = (*tokens, token), total + found[token]
        expected.append([Hypothesis(tuple(each for each in tokens if each != END), total, END in tokens)])
    assert {each.is_ended for (each,) in expected} == {True, False}
    assert same(decode(Toy(logits), given, GREEDY), expected)


def test_a_beam_of_one_is_greedy() -> None:
    model, given = Toy(noise(9)), sources(5, 1, 3, 8, 2)
    assert same(BeamSearch(model, given, GREEDY).run(), decode(model, given, GREEDY))


def test_a_beam_of_one_with_a_penalty_writes_the_same_and_divides() -> None:
    model, given = Toy(noise(9)), sources(5, 1, 3, 8, 2)
    plain, scored = decode(model, given, GREEDY), decode(model, given, Decoding(1, 1.0, 1, 1.5, 3))
    assert {each.is_ended for (each,) in plain} == {True, False}
    for (one,), (other,) in zip(plain, scored, strict=True):
        assert (other.tokens, other.is_ended) == (one.tokens, one.is_ended)
        assert other.score == pytest.approx(one.score * 6 / (5 + len(one.tokens) + one.is_ended))


def test_a_beam_of_two_finds_what_greedy_misses() -> None:
    # END, A, B: A is likelier at first, but whatever follows it is not
    model = Toy(table(start=(0.0, 0.6, 0.4), a=(0.4, 0.3, 0.3), b=(0.9, 0.05, 0.05), other=(1.0, 0.0, 0.0)))
    ((greedy,),) = decode(model, sources(1), GREEDY)
    ((beam,),) = decode(model, sources(1), Decoding(2, 0.0, 1, 1.5, 3))
    assert (greedy.tokens, math.exp(greedy.score)) == ((A,), pytest.approx(0.24))
    assert (beam.tokens, math.exp(beam.score)) == ((B,), pytest.approx(0.36))


def test_the_length_penalty_favours_longer_outputs() -> None:
    model = Toy(table(start=(0.5, 0.5, 0.0), a=(0.1, 0.9, 0.0), aa=(1.0, 0.0, 0.0)))
    best = [decode(model, sources(1), Decoding(2, penalty, 1, 1.0, 5))[0][0] for penalty in (0.0, 1.0)]
    assert [each.tokens for each in best] == [(), (A, A)]
    assert [each.score for each in best] == pytest.approx([math.log(0.5), math.log(0.45) / (8 / 6)])


@pytest.mark.parametrize("beam_size", [1, 2])
def test_outputs_without_an_end_are_cut_and_scored_by_their_tokens(beam_size: int) -> None:
    model = Toy(table(other=(0.0, 0.75, 0.25)))
    found = decode(model, sources(3, 1), Decoding(beam_size, 1.0, 1, 1.5, 2))
    assert [(each.tokens, each.is_ended) for (each,) in found] == [((A,) * 7, False), ((A,) * 4, False)]
    assert [each.score for (each,) in found] == pytest.approx([math.log(0.75) * 7 / 2, math.log(0.75) * 4 / 1.5])


@pytest.mark.parametrize("beam_size", [1, 3])
def test_finished_sentences_leave_the_batch(beam_size: int) -> None:
    def logits(source: Tokens, prefix: Tokens) -> list[float]:
        return [0.0, 0.0, 50.0 if len(prefix) >= len(source) else -50.0, *(20.0 * -each for each in range(5))]

    model = Toy(logits)
    found = decode(model, sources(2, 0, 1, 5), Decoding(beam_size, 0.0, 1, 2.0, 5))
    assert [each.tokens for (each,) in found] == [(A, A), (), (A,), (A,) * 5]
    if beam_size == 1:
        assert model.rows == [4, 3, 2, 1, 1, 1]
    else:  # sentences are done when their beam_size best are known
        assert model.rows[0] == 4
        assert model.rows[1:] == sorted(model.rows[1:], reverse=True)
        assert model.rows[-1] == beam_size


def test_the_search_ends_once_no_prefix_can_become_better() -> None:
    model = Toy(table(start=(0.6, 0.4, 0.0), a=(0.6, 0.4, 0.0), other=(0.01, 0.49, 0.5)))
    found = decode(model, sources(1), Decoding(2, 0.0, 2, 0.0, 50))
    assert [each.tokens for each in found[0]] == [(), (A,)]
    assert len(model.rows) == 2


def test_a_beam_wider_than_there_are_continuations() -> None:
    found = decode(Toy(noise(4)), sources(1, 2), Decoding(5, 0.0, 5, 0.0, 3))  # only A can be put out
    assert [sorted(each.tokens for each in found_of) for found_of in found] == [[(), (A,), (A, A), (A, A, A)]] * 2
    (only_end,) = decode(Toy(noise(3)), sources(2), Decoding(5, 0.0, 5, 0.0, 3))
    assert [each.tokens for each in only_end] == [()]


@pytest.mark.parametrize("decoding", [GREEDY, Decoding(3, 0.0, 3, 1.5, 3)])
def test_padding_and_unknown_are_never_put_out_and_cost_what_they_have(decoding: Decoding) -> None:
    model = Toy(lambda _, prefix: [9.0, 9.0, 2.0 * len(prefix), 1.0, 0.5])
    (found,) = decode(model, sources(2), decoding)
    assert found
    assert all(min(each.tokens, default=A) >= A for each in found)
    for each in found:
        tokens = (*each.tokens, END) if each.is_ended else each.tokens
        parts = [log_softmax([9.0, 9.0, 2.0 * at, 1.0, 0.5])[token] for at, token in enumerate(tokens)]
        assert each.score == pytest.approx(sum(parts), rel=1e-5)


def test_of_equal_tokens_the_lowest_is_taken_whatever_the_batch() -> None:
    model = Toy(lambda source, prefix: [0.0, 0.0, 5.0 if len(prefix) == len(source) else -5.0, 1.0, 1.0, 1.0, 1.0])
    decoding = Decoding(3, 0.0, 3, 1.0, 3)
    found = decode(model, sources(2, 1, 2), decoding)
    assert [each.tokens for each in found[1]] == [(A,), (B,), (C,)]
    assert [each.tokens for each in found[0]] == [(A, A), (A, B), (A, C)]
    assert found[0] == decode(model, sources(2), decoding)[0]
    assert [each[0].tokens for each in decode(model, sources(2, 1, 2), GREEDY)] == [(A, A), (A,), (A, A)]


def test_likeliest_is_a_stable_sort() -> None:
    found = torch.randint(6, (40, 30), generator=torch.Generator().manual_seed(0)).float()
    found[:, :4] = -torch.inf
    found[3, 2:] = -torch.inf  # a row that has fewer than are asked for
    expected = found.sort(dim=1, descending=True, stable=True)
    for count in (1, 7, 30):
        values, tokens = likeliest(found, count)
        assert torch.equal(values, expected.values[:, :count])
        assert torch.equal(tokens, expected.indices[:, :count])


def test_numbers_that_are_not_finite_are_reported() -> None:
    with pytest.raises(RunError, match="not finite"):
        log_probabilities(torch.tensor([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 1.0, math.nan]]))


def test_a_model_in_training_is_our_own_fault() -> None:
    with pytest.raises(AssertionError):
        decode(Toy(noise(5), training=True), sources(1), GREEDY)


def model_of(attention: str, *, input_feeding: bool = False) -> Seq2Seq:
    """A small real one in double precision, with weights large enough to say different things."""
    torch.manual_seed(1)
    tokens = ("<padding>", "<unknown>", "<end>", *"abcdefg")
    spec = PairSpec((9,), tokens, vocabulary=tokens, longest_target=9, scores="exact", has_one_vocabulary=True)
    settings = {"cell": "lstm", "hidden_size": 6, "encoder_layers": 1, "decoder_layers": 2, "is_bidirectional": True}
    settings |= {"attention": attention, "input_feeding": input_feeding, "embedding_size": 5, "tied_embeddings": "none"}
    settings |= {"teacher_forcing": 1.0, "teacher_forcing_end": 1.0, "teacher_forcing_schedule": "linear"}
    model = seq2seq(spec, len(tokens), 0.3, **settings).double().eval().requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    return model


@pytest.mark.parametrize("decoding", [GREEDY, BEAM])
@pytest.mark.parametrize(("attention", "feeding"), [("none", False), ("luong_general", True), ("bahdanau", True)])
def test_the_real_model_scores_its_outputs_as_forced_decoding_does(
    attention: str, feeding: bool, decoding: Decoding
) -> None:
    model, given = model_of(attention, input_feeding=feeding), sources(5, 1, 3, 7, 2)
    found = decode(model, given, decoding)
    assert same([each for row in range(5) for each in decode(model, given[row : row + 1], decoding)], found)
    outputs = [(row, each) for row, each_of in enumerate(found) for each in each_of]
    assert len({each.tokens for _, each in outputs}) > 2
    for row, each in outputs:
        tokens = torch.tensor([[*each.tokens, *([END] if each.is_ended else [])]])
        scores, _ = model.aligned(given[row : row + 1], tokens)
        assert NO_TARGET not in tokens
        assert each.score == pytest.approx(float(scores.sum() / decoding.penalty(torch.tensor(tokens.shape[1]))))
        assert UNKNOWN not in each.tokens
