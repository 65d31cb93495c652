"""Tokens and vocabularies, against plain Python and facts about the texts."""

import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from paribus.data.spec import END, NO_TARGET, PADDING, UNKNOWN
from paribus.data.texts.tokens import Encoded, Tokenizer, Tokenizing, encoded, padded
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


# ---- back to texts, and from a checkpoint


def _pair_tokenizer(kind: str, texts: list[str] = TEXTS, **settings: Any) -> Tokenizer:
    chosen = {"vocabulary_size": 1000, "min_count": 1, "lowercase": False, "max_length": 100, **settings}
    return Tokenizer.learned(pl.Series(texts), Tokenizing(kind, **chosen, of_pairs=True))


@pytest.mark.parametrize("kind", ["character", "byte_pair"])
def test_characters_and_byte_pairs_come_back_as_they_were(kind: str) -> None:
    if kind == "byte_pair":
        pytest.importorskip("tokenizers")
    tokenizer = _pair_tokenizer(kind, [*TEXTS, "two  spaces\tand a tab"])
    texts = [*TEXTS, "mat  sat\tun", "Ōत3?"]  # of known bytes and characters, in another order
    expected = [unicodedata.normalize("NFC", text.strip()) for text in texts]
    assert tokenizer.decode(tokenizer.encode(pl.Series(texts)).inputs.tolist()) == expected


def test_spaced_tokens_come_back_with_single_spaces() -> None:
    tokenizer = _pair_tokenizer("spaced", ["AH0 B  AY1"])
    assert tokenizer.decode(tokenizer.encode(pl.Series([" AY1   B AH0"])).inputs.tolist()) == ["AY1 B AH0"]


@pytest.mark.parametrize("text", ["Hello, world!", "(so [they] say): 5% of it; yes?", "one two"])
def test_words_come_back_with_spaces_where_they_are_usual(text: str) -> None:
    tokenizer = _pair_tokenizer("word", [text])
    assert tokenizer.decode(tokenizer.encode(pl.Series([text])).inputs.tolist()) == [text]


def test_end_closes_every_sequence_of_a_pair_and_is_not_counted() -> None:
    found = _pair_tokenizer("character", ["abc", "a"], max_length=2).encode(pl.Series(["abc", "a", ""]))
    a, b = (found.vocabulary.index(letter) for letter in "ab")
    assert found.inputs.tolist() == [[a, b, END], [a, END, PADDING], [END, PADDING, PADDING]]
    assert found.lengths.tolist() == [3, 1, 0] and found.vocabulary[:3] == ("<padding>", "<unknown>", "<end>")


def test_what_is_no_token_of_the_text_is_left_out_and_unknown_ones_are_shown() -> None:
    tokenizer = _pair_tokenizer("spaced", ["a b"])
    a = tokenizer.vocabulary.index("a")
    assert tokenizer.decode([[a, UNKNOWN, END, PADDING], [a, END, NO_TARGET], []]) == ["a <unknown>", "a", ""]


def test_tokens_one_by_one_show_spaces_and_letters() -> None:
    assert _shown(_pair_tokenizer("character", ["a b"]), "a b") == ["a", "▁", "b", "<end>"]
    pytest.importorskip("tokenizers")
    shown = _shown(_pair_tokenizer("byte_pair", ["ein für für für"]), "für ein")
    assert shown == ["▁für", "▁", "e", "i", "n", "<end>"]


def _shown(tokenizer: Tokenizer, text: str) -> list[str]:
    return tokenizer.tokens(tokenizer.encode(pl.Series([text])).inputs[0].tolist())


@pytest.mark.parametrize("kind", ["character", "word", "spaced", "byte_pair"])
def test_a_tokenizer_comes_back_from_plain_data(kind: str, tmp_path: Path) -> None:
    if kind == "byte_pair":
        pytest.importorskip("tokenizers")
    tokenizer = _pair_tokenizer(kind, lowercase=True)
    torch.save(tokenizer.state_dict(), tmp_path / "state")
    again = Tokenizer.from_state(torch.load(tmp_path / "state", weights_only=True))
    one, other = (each.encode(pl.Series(TEXTS)) for each in (tokenizer, again))
    assert torch.equal(one.inputs, other.inputs) and one.vocabulary == other.vocabulary and again.how == tokenizer.how
    assert again.decode(other.inputs.tolist()) == tokenizer.decode(one.inputs.tolist())


def test_byte_pairs_of_pairs_know_every_text_of_known_bytes() -> None:
    pytest.importorskip("tokenizers")
    tokenizer = _pair_tokenizer("byte_pair", ["abc abc abc abc"])  # "b" and "ab" are in training in "abc" alone
    assert not (tokenizer.encode(pl.Series(["b ab ba ac"])).inputs == UNKNOWN).any()
    assert tokenizer.decode(tokenizer.encode(pl.Series(["b ab ba ac"])).inputs.tolist()) == ["b ab ba ac"]


def test_byte_pairs_of_pairs_need_room_for_the_bytes() -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(ConfigError, match=r"^data.vocabulary_size=5 has no room for the 4 different .* use 7 or more$"):
        _pair_tokenizer("byte_pair", ["abc"], vocabulary_size=5)


@pytest.mark.parametrize(
    ("form", "expected"), [("nfc", "\ufb01e\u0301"), ("nfkc", "fi\u00e9"), ("none", "\ufb01e\u0301")]
)
def test_the_form_of_unicode_is_as_set(form: str, expected: str) -> None:
    tokenizer = _pair_tokenizer("character", ["\ufb01e\u0301"], normalization=form)
    expected = expected if form == "none" else unicodedata.normalize("NFC", expected)
    assert tokenizer.decode(tokenizer.encode(pl.Series(["\ufb01e\u0301"])).inputs.tolist()) == [expected]
