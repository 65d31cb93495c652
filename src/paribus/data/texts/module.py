"""The data module of texts: numbers of tokens, in batches of texts of like lengths. Shapes: N texts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl
from torch import Tensor

from paribus.data.loader import Batch, BucketOrder, EpochOrder, Loading, Prepare
from paribus.data.module import Split, TensorData
from paribus.data.spec import PADDING, UNKNOWN, DataSpec, classification_spec
from paribus.data.splitting import three_way
from paribus.data.texts.tokens import Encoded, Tokenizing, encoded
from paribus.errors import DataError

MOST_UNKNOWN = 0.5  # of the texts of a split, the share that may hold unknown tokens alone

Rows = Mapping[str, Tensor]  # "train", "val" and "test" -> row numbers


@dataclass(frozen=True)
class Corpus:
    """texts (N,), none blank; where they are, and where each one is, as errors say it."""

    texts: pl.Series
    where: str
    place: Callable[[int], str]


class TextData(TensorData):
    """Texts as numbers of tokens (N, steps), int32. A batch is cut to the longest of its texts.

    Training texts are batched with others of like lengths; those of val and test are kept sorted by length, and
    positions are those after sorting. Targets (N, *target_shape) of steps are cut as the inputs are.
    """

    def __init__(
        self, corpus: Corpus, inputs: Tensor, targets: Tensor, rows: Rows, spec: DataSpec, loading: Loading
    ) -> None:
        lengths = (inputs != PADDING).sum(1)
        stored = {
            name: index if name == "train" else index[lengths[index].argsort(stable=True)]
            for name, index in rows.items()
        }
        splits = {name: Split(inputs[index], targets[index]) for name, index in stored.items()}
        super().__init__(splits, spec, loading, scaling_kind=None)
        self._texts = {name: corpus.texts[index.numpy()] for name, index in stored.items()}
        self._train_lengths = lengths[stored["train"]]

    def texts(self, name: str, positions: Tensor) -> list[str]:
        """The texts at positions (n,) of a split, as they were read."""
        return self._texts[name][positions.cpu().numpy()].to_list()

    def _order(self, name: str, split: Split) -> EpochOrder | None:
        if name != "train":
            return None
        labels = split.targets if self._loading.sampling == "balanced" else None
        return BucketOrder(self._train_lengths, self._loading.batch_size, self._loading.seed, labels)

    def _prepare(self, name: str, split: Split) -> Prepare | None:
        return self._cut

    def _cut(self, batch: Batch, epoch: int, number: int) -> Batch:
        inputs, targets = batch
        longest = int((inputs != PADDING).sum(1).max())
        if self.spec.is_aligned:
            targets = targets[:, :longest]
        return inputs[:, :longest].to(self._device), targets.to(self._device)


def classified(
    corpus: Corpus,
    targets: Tensor,
    names: tuple[str, ...],
    how: Tokenizing,
    fractions: tuple[float, float],
    loading: Loading,
) -> TextData:
    """Texts with the numbers (N,) of their classes. fractions of all rows: for validation, for the test."""
    rows = three_way(targets, len(targets), *fractions, loading)
    found = known(corpus, rows, how)
    spec = classification_spec(found.input_shape, names, vocabulary=found.vocabulary)
    return text_data(corpus, found, targets, rows, spec, how, loading)


def text_data(
    corpus: Corpus,
    found: Encoded,
    targets: Tensor,
    rows: Rows,
    spec: DataSpec,
    how: Tokenizing,
    loading: Loading,
) -> TextData:
    """The corpus as encoded, with targets (N, *target_shape), and what is told of it."""
    data = TextData(corpus, found.inputs, targets, rows, spec, loading)
    data.remarks = tuple(_remarks(found, rows, how))
    return data


def known(corpus: Corpus, rows: Rows, how: Tokenizing) -> Encoded:
    """The corpus by the vocabulary of its rows "train".

    Raises DataError where most texts of a split are of unknown tokens alone.
    """
    if corpus.texts.n_unique() == 1:
        raise DataError(f"{corpus.where}: all texts are the same; there is nothing to learn from")
    found = encoded(corpus.texts, rows["train"], how)
    for name, index in rows.items():
        unknown = index[found.is_unknown[index]].tolist()
        if len(unknown) > MOST_UNKNOWN * len(index):
            raise DataError(
                f"{corpus.place(unknown[0])}: this and {len(unknown) - 1} more of the {len(index)} texts of {name} "
                f"hold no token that is in the vocabulary of the {len(rows['train'])} training texts; lower "
                "data.min_count, raise data.vocabulary_size, use data.tokens=character, or add texts"
            )
    return found


def _remarks(found: Encoded, rows: Rows, how: Tokenizing) -> Iterator[str]:
    """What became of the texts, a line each."""
    lengths = found.lengths
    yield f"vocabulary: {len(found.vocabulary)} tokens, learned from the {len(rows['train'])} training texts"
    yield f"tokens of a text: median {int(lengths.median())}, longest {int(lengths.max())}"
    held_out = {name: index for name, index in rows.items() if name != "train"}
    shares = {name: _unknown_share(found.inputs[index]) for name, index in held_out.items()}
    yield f"unknown tokens: {', '.join(f'{name} {share:.2%}' for name, share in shares.items())}"
    counts = {name: int(found.is_unknown[index].sum()) for name, index in rows.items()}
    if any(counts.values()):
        yield f"texts of unknown tokens alone: {listed(counts)}"
    counts = {name: int((lengths[index] > how.max_length).sum()) for name, index in rows.items()}
    if any(counts.values()):
        yield f"texts cut to data.max_length={how.max_length} tokens: {listed(counts)}"


def _unknown_share(inputs: Tensor) -> float:
    return float((inputs == UNKNOWN).sum() / (inputs != PADDING).sum())


def listed(values: Mapping[str, object]) -> str:
    """What belongs to each name, such as "train 8, val 1"."""
    return ", ".join(f"{name} {value}" for name, value in values.items())
