"""Tokens: texts become the numbers of their tokens, by a vocabulary that is learned from training texts alone.

Texts are brought to Unicode's composed form (NFC) first, so that é is one letter however it was typed; white space at
their ends is left out. Shapes: N texts, T tokens of the longest.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import polars as pl
import torch
from torch import Tensor

from paribus.data.spec import END, NO_TARGET, PADDING, UNKNOWN
from paribus.data.texts.byte_pairs import BytePairs
from paribus.errors import ConfigError

RESERVED = ("<padding>", "<unknown>")  # the tokens numbered PADDING and UNKNOWN
PAIR_RESERVED = (*RESERVED, "<end>")  # of pairs: END, too

# What a token is, for the engine of Polars, in which \w is any letter, mark or digit of Unicode and the underscore.
PATTERNS = {
    "character": r"(?s).",  # a code point, spaces among them
    "word": r"\w+|[^\w\s]",  # a run of letters, marks and digits; any other character but white space by itself
    "spaced": r"\S+",  # what stands between white space
}
BETWEEN = {"character": "", "spaced": " "}  # what stands between the tokens of a running text
NO_SPACE_BEFORE = frozenset(".,;:!?)]}%…")  # words
NO_SPACE_AFTER = frozenset("([{")
SHOWN_SPACE = "▁"  # a space, where tokens are shown one by one
FORMS: dict[str, Literal["NFC", "NFKC"]] = {"nfc": "NFC", "nfkc": "NFKC"}  # normalization, as Polars names it


@dataclass(frozen=True)
class Tokenizing:
    """How texts become tokens: the settings of these names, and for `tokens` one of PATTERNS or byte_pair.

    Of pairs END closes every text, and byte_pair keeps all its tokens, so that no text of known bytes has an unknown
    one. `setting` is the key below data that `tokens` comes from.
    """

    tokens: str
    vocabulary_size: int
    min_count: int
    lowercase: bool
    max_length: int
    normalization: str = "nfc"
    of_pairs: bool = False
    setting: str = "tokens"

    @property
    def reserved(self) -> tuple[str, ...]:
        """The tokens that every vocabulary begins with."""
        return PAIR_RESERVED if self.of_pairs else RESERVED


@dataclass(frozen=True)
class Encoded:
    """inputs (N, T) int32, PADDING after each text's last token; lengths (N,) before texts were cut to max_length.

    Of pairs END follows the last token, which lengths do not count.
    """

    inputs: Tensor
    lengths: Tensor
    vocabulary: tuple[str, ...]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(T,)."""
        return tuple(self.inputs.shape[1:])

    @property
    def is_unknown(self) -> Tensor:
        """(N,): whether a text has no other than unknown tokens."""
        return (self.inputs <= UNKNOWN).all(1)


class Tokenizer:
    """Texts to numbers of tokens and back, by a vocabulary that was learned. A checkpoint keeps it as plain data."""

    def __init__(self, how: Tokenizing, vocabulary: tuple[str, ...], byte_pairs: BytePairs | None) -> None:
        self.how, self.vocabulary, self._byte_pairs = how, vocabulary, byte_pairs

    @classmethod
    def learned(cls, texts: pl.Series, how: Tokenizing) -> "Tokenizer":
        """From training texts (N,).

        The vocabulary holds the reserved tokens, then those that occur min_count times or more, the most frequent
        first, those of one count in the order of their text; vocabulary_size in all at most. Raises ConfigError where
        a setting leaves none.
        """
        _check_room(how)
        plain = composed(texts, how)
        size, byte_pairs = how.vocabulary_size - len(how.reserved), None
        if how.tokens == "byte_pair":
            byte_pairs = BytePairs.learned(plain, size, how.min_count, how.setting)
        if byte_pairs is not None and how.of_pairs:
            return cls(how, (*how.reserved, *_all_of(byte_pairs, how)), byte_pairs)
        tokens = _split(plain, how, byte_pairs).list.head(how.max_length).explode(empty_as_null=False)
        return cls(how, (*how.reserved, *_most_frequent(tokens, how)), byte_pairs)

    def encode(self, texts: pl.Series) -> Encoded:
        """texts (N,); those longer than max_length are cut."""
        tokens = _split(composed(texts, self.how), self.how, self._byte_pairs)
        lengths = torch.tensor(tokens.list.len().to_list())
        cut = lengths.clamp(max=self.how.max_length)
        first = len(self.how.reserved)
        numbers = (
            tokens.list.head(self.how.max_length)
            .explode(empty_as_null=False)
            .replace_strict(
                self.vocabulary[first:],
                range(first, len(self.vocabulary)),
                default=UNKNOWN,
                return_dtype=pl.Int32,
            )
        )
        inputs = padded(torch.tensor(numbers.to_numpy()), cut, PADDING)
        return Encoded(_ended(inputs, cut) if self.how.of_pairs else inputs, lengths, self.vocabulary)

    def decode(self, numbers: Sequence[Sequence[int]]) -> list[str]:
        """Running texts. PADDING, END and NO_TARGET are skipped, UNKNOWN is shown as <unknown>.

        Exact for byte_pair, character and single spaces. Words are joined with spaces, but for none before closing
        marks such as . or ) and none after opening brackets: it is not known where there were others.
        """
        skipped = {NO_TARGET, PADDING, *((END,) if self.how.of_pairs else ())}
        return [
            self._joined([self.vocabulary[number] for number in sequence if number not in skipped])
            for sequence in numbers
        ]

    def tokens(self, numbers: Sequence[int]) -> list[str]:
        """Each token of one sequence by itself, END among them, a space shown as ▁."""
        found = [self.vocabulary[max(number, PADDING)] for number in numbers]
        if self._byte_pairs is not None:
            found = [self._byte_pairs.joined([token]) for token in found]
        return [token.replace(" ", SHOWN_SPACE) for token in found]

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        state = None if self._byte_pairs is None else self._byte_pairs.state
        return {"how": asdict(self.how), "vocabulary": list(self.vocabulary), "byte_pairs": state}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Tokenizer":
        """As state_dict() gave it. Raises ConfigError where byte_pair's package is not installed."""
        how = Tokenizing(**state["how"])
        pairs = None if state["byte_pairs"] is None else BytePairs.from_state(state["byte_pairs"], how.setting)
        return cls(how, tuple(state["vocabulary"]), pairs)

    def _joined(self, tokens: list[str]) -> str:
        if self._byte_pairs is not None:
            return self._byte_pairs.joined(tokens).removeprefix(" ")
        return _joined_words(tokens) if self.how.tokens == "word" else BETWEEN[self.how.tokens].join(tokens)


def encoded(texts: pl.Series, train: Tensor, how: Tokenizing) -> Encoded:
    """texts (N,), none blank; the vocabulary is that of the rows `train`."""
    return Tokenizer.learned(texts[train.numpy()], how).encode(texts)


def composed(texts: pl.Series, how: Tokenizing) -> pl.Series:
    """The texts (N,) as they are split."""
    found = texts.str.to_lowercase() if how.lowercase else texts
    if how.normalization != "none":
        found = found.str.normalize(FORMS[how.normalization])
    return found.str.strip_chars()  # last: NFKC makes spaces of what was none


def padded(values: Tensor, lengths: Tensor, filler: int) -> Tensor:
    """values (sum of lengths,) of one row after the other, lengths (N,) -> (N, longest), filler after each row's."""
    longest = int(lengths.max())
    found = torch.full((len(lengths), longest), filler, dtype=values.dtype)
    found[torch.arange(longest) < lengths[:, None]] = values
    return found


def _ended(inputs: Tensor, lengths: Tensor) -> Tensor:
    """inputs (N, T) -> (N, T + 1), END after the last token of each."""
    longer = torch.cat([inputs, inputs.new_full((len(inputs), 1), PADDING)], 1)
    longer[torch.arange(len(longer)), lengths] = END
    return longer


def _split(texts: pl.Series, how: Tokenizing, byte_pairs: BytePairs | None) -> pl.Series:
    """The list of each text's tokens (N,)."""
    return texts.str.extract_all(PATTERNS[how.tokens]) if byte_pairs is None else byte_pairs.split(texts)


def _joined_words(tokens: list[str]) -> str:
    found = ""
    for token in tokens:
        is_close = not found or token in NO_SPACE_BEFORE or found[-1] in NO_SPACE_AFTER
        found += token if is_close else f" {token}"
    return found


def _check_room(how: Tokenizing) -> None:
    least = len(how.reserved)
    if how.vocabulary_size <= least:
        raise ConfigError(
            f"data.vocabulary_size={how.vocabulary_size} leaves no token beside {' and '.join(how.reserved)}; use "
            f"{least + 1} or more"
        )


def _all_of(byte_pairs: BytePairs, how: Tokenizing) -> tuple[str, ...]:
    """All tokens of byte_pair. Raises ConfigError where the bytes alone are too many."""
    tokens = byte_pairs.vocabulary
    needed = len(tokens) + len(how.reserved)
    if needed > how.vocabulary_size:
        raise ConfigError(
            f"data.vocabulary_size={how.vocabulary_size} has no room for the {len(tokens)} different bytes of the "
            f"training texts and {' and '.join(how.reserved)}; use {needed} or more"
        )
    return tokens


def _most_frequent(tokens: pl.Series, how: Tokenizing) -> list[str]:
    """tokens of the training texts, one after the other -> those of the vocabulary."""
    counts = tokens.rename("token").value_counts(name="count").sort("count", "token", descending=[True, False])
    kept = counts.filter(pl.col("count") >= how.min_count).head(how.vocabulary_size - len(how.reserved))
    if kept.is_empty():
        token, count = counts.row(0)
        raise ConfigError(
            f"data.min_count={how.min_count} leaves no token: the most frequent of the training texts, {token!r}, is "
            f"there {count} times; use {count} or less"
        )
    return kept["token"].to_list()
