"""Which sources are for training, validation and test: all pairs of one source go together. Shapes: N sources."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from paribus.data.loader import Loading
from paribus.data.pairs.files import Lines
from paribus.data.splitting import one_fold, share, two_way
from paribus.errors import ConfigError, DataError


@dataclass(frozen=True)
class HeldOut:
    """So many of the training sources, or such a share of them. `setting` is the key below data that says so."""

    setting: str
    amount: int | float

    def of(self, count: int) -> int:
        """How many of so many."""
        return self.amount if isinstance(self.amount, int) else round(self.amount * count)


@dataclass(frozen=True)
class Corpus:
    """Lines to train on; for validation and test lines of their own, or what is held out of those."""

    train: Lines
    validation: Lines | HeldOut
    test: Lines | HeldOut


def split(corpus: Corpus, comparable: Callable[[pl.Series], pl.Series], loading: Loading) -> dict[str, Lines]:
    """Lines of "train", "val" and "test".

    Sources that are the same once they are made comparable become one with the targets of all, so that no two splits
    have it; the lines of a validation or test that is given stay as they are. Raises DataError where a split would be
    empty, and ConfigError for folds of data with a test of its own.
    """
    sources = _joined(corpus.train, comparable)
    if len(sources.frame) == 1:
        raise DataError(f"{sources.where}: all sources are the same; there is nothing to learn from")
    total = len(sources.frame)
    rest = torch.arange(total)
    rest, test = _held_out(corpus.test, rest, total, loading)
    if isinstance(corpus.validation, HeldOut):
        setting, count = corpus.validation.setting, corpus.validation.of(total)
        rest, held = two_way(None, rest, count, loading.seed, setting)
        validation = taken(sources, held)
    else:
        validation = corpus.validation
    return {
        "train": taken(sources, share(None, rest, loading)),
        "val": validation,
        "test": test if isinstance(test, Lines) else taken(sources, test),
    }


def taken(found: Lines, rows: Tensor) -> Lines:
    """Some rows (n,) of it."""
    return Lines(found.frame[rows.numpy()], found.where)


def _held_out(test: Lines | HeldOut, rows: Tensor, total: int, loading: Loading) -> tuple[Tensor, Tensor | Lines]:
    """The rows that are left, and those of the test, or the lines it has of its own."""
    if isinstance(test, HeldOut) and loading.fold is not None:
        loading.done.add("fold")
        return one_fold(None, total, loading.fold, loading.seed)
    if isinstance(test, HeldOut):
        return two_way(None, rows, test.of(total), loading.seed, test.setting)
    if loading.fold is not None:
        raise ConfigError(
            f"cross_validation={loading.fold.count}: this data brings its own test examples; folds are for data without"
        )
    return rows, test


def _joined(found: Lines, comparable: Callable[[pl.Series], pl.Series]) -> Lines:
    """A row for each different source, with the targets of all its lines, in the order of the first."""
    keyed = found.frame.with_columns(comparable(found.frame["source"]).alias("key"))
    joined = keyed.group_by("key", maintain_order=True).agg(
        pl.col("source").first(), pl.col("targets").explode(), pl.col("line").first()
    )
    return Lines(joined.drop("key"), found.where)
