"""Tokens and vocabularies, against plain Python and facts about the texts."""

import sys
import unicodedata
from collections import Counter

import polars as pl
import pytest
import torch

from paribus.data.spec import PADDING, UNKNOWN
from paribus.data.texts.tokens import Encoded, Tokenizing, encoded, padded
from paribus.errors import ConfigError

TEXTS = [
    "The cat sat on the mat.",
    "A café, un cafe\u0301: 3 or 4?",
    "नमस्ते दुनिया!",
    "  Straße\u00a0nach Ōita  ",
    "日本語 и русский",
    "the the the end",
]
ALL = torch.arange(len(TEXTS))


def _encoded(kind: str, texts: list[str] = TEXTS, train: torch.Tensor | None = None, **settings: object) -> Encoded:
    chosen = {"vocabulary_size": 1000, "min_count": 1, "lowercase": False, "max_length": 100, **settings}
    rows = torch.arange(len(texts)) if train is None else train
    return encoded(pl.Series(texts), rows, Tokenizing(kind, **chosen))  # type: ignore[arg-type]


def _tokens(found: Encoded, row: int) -> list[str]:
    return [found.vocabulary[number] for number in found.inputs[row].tolist() if number != PADDING]


# ---- what a token is


def test_characters_are_those_of_the_composed_text() -> None:
    found = _encoded("character")
    for row, text in enumerate(TEXTS):
        assert _tokens(found, row) == list(unicodedata.normalize("NFC", text.strip()))
    assert found.lengths.tolist() == [len(_tokens(found, row)) for row in range(len(TEXTS))]


WORDS = {
    "The cat sat.": ["The", "cat", "sat", "."],
    "don't — stop!?": ["don", "'", "t", "—", "stop", "!", "?"],
    "नमस्ते दुनिया।": ["नमस्ते", "दुनिया", "।"],  # vowel signs are marks, no letters
    "snake_case x1 3.14": ["snake_case", "x1", "3", ".", "14"],
    "e\u0301te\u0301\u2003日本語。": ["été", "日本語", "。"],
    "tab\tand\nline": ["tab", "and", "line"],
}


@pytest.mark.parametrize("text", WORDS)
def test_words_are_runs_of_letters_marks_and_digits(text: str) -> None:
    assert _tokens(_encoded("word", [text]), 0) == WORDS[text]


def test_what_stands_between_spaces_is_whole() -> None:
    assert _tokens(_encoded("spaced", ["don't  stop, (now)"]), 0) == ["don't", "stop,", "(now)"]


def test_lower_case_is_one_with_upper_case_if_set() -> None:
    found = _encoded("word", ["The the THE Été"], lowercase=True)
    assert _tokens(found, 0) == ["the", "the", "the", "été"]
    assert len(set(_tokens(_encoded("word", ["The the THE"]), 0))) == 3


# ---- the vocabulary


def test_the_most_frequent_tokens_come_first_and_equal_ones_by_their_text() -> None:
    counts = Counter(letter for text in TEXTS for letter in unicodedata.normalize("NFC", text.strip()))
    expected = sorted(counts, key=lambda letter: (-counts[letter], letter))
    assert _encoded("character").vocabulary == ("<padding>", "<unknown>", *expected)
    assert _encoded("character", vocabulary_size=7).vocabulary[2:] == tuple(expected[:5])
    frequent = [letter for letter in expected if counts[letter] >= 3]
    assert _encoded("character", min_count=3).vocabulary[2:] == tuple(frequent)


@pytest.mark.parametrize("kind", ["character", "word"])
def test_the_vocabulary_is_learned_from_the_training_texts_alone(kind: str) -> None:
    train = torch.tensor([0, 5])
    found = _encoded(kind, train=train)
    other = _encoded(kind, [TEXTS[0], "Ω", "ξ", "Ψ", "ж", TEXTS[5]], train)
    assert found.vocabulary == other.vocabulary
    assert (other.inputs[1:5, 0] == UNKNOWN).all() and (other.inputs[1:5, 1:] == PADDING).all()
    assert not (found.inputs[train] == UNKNOWN).any()
    assert other.is_unknown.tolist() == [False, True, True, True, True, False]


def test_tokens_that_are_cut_off_are_in_no_vocabulary() -> None:
    found = _encoded("word", ["a b c d", "a b"], max_length=2)
    assert found.vocabulary[2:] == ("a", "b")
    assert found.inputs.shape == (2, 2) and found.lengths.tolist() == [4, 2]


@pytest.mark.parametrize("size", [1, 2])
def test_a_vocabulary_needs_room_for_a_token(size: int) -> None:
    with pytest.raises(ConfigError, match=f"^data.vocabulary_size={size} leaves no token .* use 3 or more$"):
        _encoded("word", vocabulary_size=size)


def test_a_vocabulary_of_nothing_names_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"^data.min_count=9 leaves no token: .*, 'the', is there 4 times; use 4 or"):
        _encoded("word", min_count=9)


def test_rows_are_filled_up_to_the_longest() -> None:
    found = padded(torch.tensor([5, 6, 7, 8]), torch.tensor([1, 3]), -1)
    assert found.tolist() == [[5, -1, -1], [6, 7, 8]]


def test_numbers_are_of_32_bits() -> None:
    assert _encoded("word").inputs.dtype == torch.int32


# ---- pairs of bytes


def _decoded(tokens: list[str]) -> str:
    from tokenizers import decoders

    return str(decoders.ByteLevel().decode(tokens))


def test_byte_pairs_spell_every_text() -> None:
    pytest.importorskip("tokenizers")
    found = _encoded("byte_pair")
    for row, text in enumerate(TEXTS):
        assert _decoded(_tokens(found, row)) == f" {unicodedata.normalize('NFC', text.strip())}"


def test_the_most_frequent_pair_of_bytes_is_merged_first() -> None:
    pytest.importorskip("tokenizers")
    texts = ["xy"] * 3 + ["xz", "qx", "zq"]  # "x" and "y" stand together 3 times, all else once, but for the space
    found = _encoded("byte_pair", texts, vocabulary_size=2 + 5 + 1)  # 5 bytes, and one merge: a space and x, 4 times
    assert "Ġx" in found.vocabulary and max(map(len, found.vocabulary[2:])) == 2
    assert _tokens(found, 0) == ["Ġx", "y"]
    found = _encoded("byte_pair", texts, vocabulary_size=2 + 5 + 2)
    assert _tokens(found, 0) == ["Ġxy"] and _tokens(found, 3) == ["Ġx", "z"]


def test_byte_pairs_are_the_same_each_time_and_of_training_alone() -> None:
    pytest.importorskip("tokenizers")
    texts = [f"{text} {place * 37 % 101}" for place, text in enumerate(TEXTS * 20)]
    train = torch.arange(80)
    found, again = (_encoded("byte_pair", texts, train, vocabulary_size=150) for _ in range(2))
    assert found.vocabulary == again.vocabulary and torch.equal(found.inputs, again.inputs)
    assert len(found.vocabulary) <= 150
    other = _encoded("byte_pair", texts[:80] + ["Ω"] * 40, train, vocabulary_size=150)
    assert other.vocabulary == found.vocabulary
    assert other.inputs[80].tolist().count(UNKNOWN) == 2  # the bytes of Ω; that of the space is known


def test_byte_pairs_without_the_package_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError) as error:
        _encoded("byte_pair")
    assert str(error.value) == "data.tokens=byte_pair needs tokenizers; install it with pip install 'paribus[text]'"
