"""Tokens of byte_pair: bytes of UTF-8, and what the most frequent pairs of neighbours within words are merged to."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from paribus.errors import ConfigError

FEWEST_PAIRS = 2  # a pair of bytes that training has once is not merged: its text would be learned by heart
UNSEEN = "\0"  # what a byte becomes that training did not have


class BytePairs:
    """Splits texts (N,) into tokens, and puts them together again.

    Sennrich et al. 2016, section 3.2, on bytes as in Radford et al. 2019, section 2.2. A token's text has one letter a
    byte, those of GPT-2: Ġ is a space, which every word begins with, the first of a text too.
    """

    def __init__(self, trained: Any) -> None:
        self._trained = trained

    @classmethod
    def learned(cls, texts: pl.Series, size: int, min_count: int, setting: str) -> "BytePairs":
        """At most `size` tokens, or as many as there are different bytes. Raises ConfigError without the package."""
        found = _package(setting)
        tokenizer = found.Tokenizer(found.models.BPE(unk_token=UNSEEN))
        tokenizer.pre_tokenizer = found.pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = found.trainers.BpeTrainer(
            vocab_size=size + 1,  # UNSEEN is one, and none of ours
            min_frequency=max(min_count, FEWEST_PAIRS),
            special_tokens=[UNSEEN],
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts.to_list(), trainer)
        return cls(tokenizer)

    @classmethod
    def from_state(cls, state: str, setting: str) -> "BytePairs":
        """As `state` was. Raises ConfigError without the package."""
        return cls(_package(setting).Tokenizer.from_str(state))

    @property
    def state(self) -> str:
        """All of it, as text."""
        return str(self._trained.to_str())

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All tokens: the bytes that training had, then what was merged, the most frequent first."""
        numbers: dict[str, int] = self._trained.get_vocab()
        return tuple(token for token in sorted(numbers, key=numbers.__getitem__) if token != UNSEEN)

    def split(self, texts: pl.Series) -> pl.Series:
        """The list of each text's tokens (N,)."""
        found = self._trained.encode_batch(texts.to_list())
        spaced = pl.Series([" ".join(each.tokens) for each in found], dtype=pl.String)  # no token has a space
        return spaced.str.extract_all(r"\S+")  # far faster than lists of Python

    def joined(self, tokens: Sequence[str]) -> str:
        """Running text; a byte that is no part of a letter is shown as �. What is no token stays as it is."""
        return _package("tokens").decoders.ByteLevel().decode(list(tokens))  # type: ignore[no-any-return]


def _package(setting: str) -> Any:
    """The package tokenizers, or a ConfigError for the setting that asks for it."""
    try:
        import tokenizers
    except ImportError:
        raise ConfigError(
            f"data.{setting}=byte_pair needs tokenizers; install it with pip install 'paribus[text]'"
        ) from None
    return tokenizers
