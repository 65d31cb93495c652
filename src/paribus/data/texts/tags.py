"""A tag for each word: the target column holds as many as the text has words, with spaces between them."""

import polars as pl
import torch
from torch import Tensor

from paribus.data.spec import NO_TARGET
from paribus.data.texts.module import Rows
from paribus.data.texts.source import TextSource
from paribus.data.texts.tokens import PATTERNS, padded
from paribus.errors import DataError


def read_tags(source: TextSource, max_length: int) -> tuple[Tensor, tuple[str, ...]]:
    """The numbers of the tags of the first max_length words, (N, longest), NO_TARGET after the last; all tags sorted.

    Raises DataError, with the row, where tags and words are not as many.
    """
    words = source.frame[source.text].str.extract_all(PATTERNS["spaced"])
    tags = source.frame[source.target].cast(pl.String).str.extract_all(PATTERNS["spaced"])
    unequal = (words.list.len() != tags.list.len()).arg_true()
    if len(unequal):
        row = unequal[0]
        raise DataError(
            f"{source.place(source.target, row)}: {_counted(len(tags[row]), 'tag')} for "
            f"{_counted(len(words[row]), 'word')} of column {source.text!r}; give one tag for each word, with spaces "
            "between them"
        )
    used = tags.list.head(max_length)
    names = used.explode().unique().sort()
    if len(names) < 2:
        raise DataError(
            f"{source.place(source.target)} holds one tag only ({names[0]}); there is nothing to tell apart"
        )
    numbers = used.explode().replace_strict(names, range(len(names)), return_dtype=pl.Int64)
    lengths = torch.tensor(used.list.len().to_list())
    return padded(torch.tensor(numbers.to_numpy()), lengths, NO_TARGET), tuple(names)


def check_tags_of_training(source: TextSource, tags: Tensor, names: tuple[str, ...], rows: Rows) -> None:
    """Raise DataError for a tag, of tags (N, longest), that no training row has and another row has."""
    learned = {NO_TARGET, *tags[rows["train"]].unique().tolist()}
    for name, index in rows.items():
        for tag in sorted(set(tags[index].unique().tolist()) - learned):
            row = int(index[(tags[index] == tag).any(1)][0])
            raise DataError(
                f"{source.place(source.target, row)}: the tag {names[tag]!r} is in {name} and in no training row, so "
                "it cannot be learned; add rows that have it, or leave it out"
            )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
