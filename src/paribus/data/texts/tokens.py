"""Tokens: texts become the numbers of their tokens, by a vocabulary that is learned from training texts alone.

Texts are brought to Unicode's composed form (NFC) first, so that é is one letter however it was typed; white space at
their ends is left out. Shapes: N texts, T tokens of the longest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from paribus.data.spec import PADDING, UNKNOWN
from paribus.errors import ConfigError

RESERVED = ("<padding>", "<unknown>")  # the tokens numbered PADDING and UNKNOWN

# What a token is, for the engine of Polars, in which \w is any letter, mark or digit of Unicode and the underscore.
PATTERNS = {
    "character": r"(?s).",  # a code point, spaces among them
    "word": r"\w+|[^\w\s]",  # a run of letters, marks and digits; any other character but white space by itself
    "spaced": r"\S+",  # what stands between white space
}
FEWEST_PAIRS = 2  # a pair of bytes that training has once is not merged: its text would be learned by heart
UNSEEN = "\0"  # what a byte becomes that training did not have, in byte_pair

Splitting = Callable[[pl.Series], pl.Series]  # texts (N,) -> the list of each one's tokens (N,)


@dataclass(frozen=True)
class Tokenizing:
    """How texts become tokens: the settings of these names, and for `tokens` one of PATTERNS or byte_pair."""

    tokens: str
    vocabulary_size: int
    min_count: int
    lowercase: bool
    max_length: int


@dataclass(frozen=True)
class Encoded:
    """inputs (N, T) int32, PADDING after each text's last token; lengths (N,) before texts were cut to max_length."""

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


def encoded(texts: pl.Series, train: Tensor, how: Tokenizing) -> Encoded:
    """texts (N,), none blank; the vocabulary is that of the rows `train`.

    It holds RESERVED, then the tokens that occur min_count times or more, the most frequent first, those of one count
    in the order of their text; vocabulary_size in all at most. Raises ConfigError where a setting leaves none.
    """
    if how.vocabulary_size <= len(RESERVED):
        raise ConfigError(
            f"data.vocabulary_size={how.vocabulary_size} leaves no token beside {' and '.join(RESERVED)}; use "
            f"{len(RESERVED) + 1} or more"
        )
    plain = composed(texts, how.lowercase)
    tokens = _splitting(plain[train.numpy()], how)(plain)
    lengths = torch.tensor(tokens.list.len().to_list())
    kept = tokens.list.head(how.max_length)
    learned = _learned(kept[train.numpy()].explode(), how)
    numbers = kept.explode().replace_strict(
        learned, range(len(RESERVED), len(RESERVED) + len(learned)), default=UNKNOWN, return_dtype=pl.Int32
    )
    inputs = padded(torch.tensor(numbers.to_numpy()), lengths.clamp(max=how.max_length), PADDING)
    return Encoded(inputs, lengths, (*RESERVED, *learned))


def composed(texts: pl.Series, lowercase: bool) -> pl.Series:
    """The texts (N,) as they are split."""
    found = texts.str.strip_chars()
    return (found.str.to_lowercase() if lowercase else found).str.normalize("NFC")


def padded(values: Tensor, lengths: Tensor, filler: int) -> Tensor:
    """values (sum of lengths,) of one row after the other, lengths (N,) -> (N, longest), filler after each row's."""
    longest = int(lengths.max())
    found = torch.full((len(lengths), longest), filler, dtype=values.dtype)
    found[torch.arange(longest) < lengths[:, None]] = values
    return found


def _learned(tokens: pl.Series, how: Tokenizing) -> list[str]:
    """tokens of the training texts, one after the other -> those of the vocabulary."""
    counts = tokens.rename("token").value_counts(name="count").sort("count", "token", descending=[True, False])
    kept = counts.filter(pl.col("count") >= how.min_count).head(how.vocabulary_size - len(RESERVED))
    if kept.is_empty():
        token, count = counts.row(0)
        raise ConfigError(
            f"data.min_count={how.min_count} leaves no token: the most frequent of the training texts, {token!r}, is "
            f"there {count} times; use {count} or less"
        )
    return kept["token"].to_list()


def _splitting(training: pl.Series, how: Tokenizing) -> Splitting:
    """What splits texts as `how` says, learned from the training texts where there is something to learn."""
    if how.tokens == "byte_pair":
        return _byte_pairs(training, how)
    return lambda texts: texts.str.extract_all(PATTERNS[how.tokens])


def _byte_pairs(training: pl.Series, how: Tokenizing) -> Splitting:
    """Bytes of UTF-8, and what the most frequent pairs of neighbours within words are merged to, and so on.

    Sennrich et al. 2016, section 3.2, on bytes as in Radford et al. 2019, section 2.2. A token's text has one letter a
    byte, those of GPT-2: Ġ is a space, which every word begins with, the first of a text too.
    """
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    except ImportError:
        raise ConfigError(
            "data.tokens=byte_pair needs tokenizers; install it with pip install 'paribus[text]'"
        ) from None
    tokenizer = Tokenizer(models.BPE(unk_token=UNSEEN))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=how.vocabulary_size - len(RESERVED) + 1,  # UNSEEN is one, and none of ours
        min_frequency=max(how.min_count, FEWEST_PAIRS),
        special_tokens=[UNSEEN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(training.to_list(), trainer)

    def split(texts: pl.Series) -> pl.Series:
        found = tokenizer.encode_batch(texts.to_list())
        return pl.Series([each.tokens for each in found], dtype=pl.List(pl.String))

    return split
