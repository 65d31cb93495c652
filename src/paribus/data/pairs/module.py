"""The data module of pairs of sequences. Shapes: N examples of a split, S and T tokens of its longest."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import polars as pl
import torch
from torch import Tensor

from paribus.data.loader import Batch, EpochOrder, Loading, Prepare, TokenOrder
from paribus.data.module import Split, TensorData
from paribus.data.spec import NO_TARGET, PADDING, PairSpec
from paribus.data.texts.tokens import Tokenizer


@dataclass(frozen=True)
class Examples:
    """Of one split: sources (N,) as read, the reference texts of each (N,), inputs (N, S) and targets (N, T)."""

    sources: pl.Series
    references: pl.Series
    inputs: Tensor
    targets: Tensor

    def by_length(self) -> "Examples":
        """The same, from the shortest source to the longest."""
        rows = _lengths(self.inputs, PADDING).argsort(stable=True)
        index = rows.numpy()
        return Examples(self.sources[index], self.references[index], self.inputs[rows], self.targets[rows])


class PairData(TensorData):
    """Pairs as numbers of tokens. A batch is cut to the longest of its sources and of its targets.

    Training pairs are batched with others of like lengths, batch_tokens target tokens a batch at most, padding
    included (None: no such limit); the examples of val and test are kept sorted by the length of their source, and
    positions are those after sorting.
    """

    spec: PairSpec

    def __init__(
        self,
        examples: Mapping[str, Examples],
        spec: PairSpec,
        tokenizers: tuple[Tokenizer, Tokenizer],
        loading: Loading,
        batch_tokens: int | None,
    ) -> None:
        self._examples = {name: each if name == "train" else each.by_length() for name, each in examples.items()}
        splits = {name: Split(each.inputs, each.targets) for name, each in self._examples.items()}
        super().__init__(splits, spec, loading, scaling_kind=None)
        self.source_tokenizer, self.target_tokenizer = tokenizers
        self._batch_tokens = batch_tokens

    def sources(self, name: str, positions: Tensor) -> list[str]:
        """Source texts at positions (n,) of a split, as they were read."""
        return self._examples[name].sources[positions.cpu().numpy()].to_list()

    def references(self, name: str, positions: Tensor) -> list[list[str]]:
        """One or more texts for each of the positions (n,) of a split, any of which is right."""
        return self._examples[name].references[positions.cpu().numpy()].to_list()

    def _order(self, name: str, split: Split) -> EpochOrder | None:
        if name != "train":
            return None
        lengths = _lengths(split.inputs, PADDING).cpu(), _lengths(split.targets, NO_TARGET).cpu()
        return TokenOrder(*lengths, self._loading.batch_size, self._batch_tokens, self._loading.seed)

    def _prepare(self, name: str, split: Split) -> Prepare | None:
        return self._cut

    def _cut(self, batch: Batch, epoch: int, number: int) -> Batch:
        inputs, targets = batch
        longest = torch.stack([_lengths(inputs, PADDING).max(), _lengths(targets, NO_TARGET).max()])
        steps, target_steps = longest.tolist()  # a GPU is waited for once
        return inputs[:, :steps].to(self._device), targets[:, :target_steps].to(self._device)

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """That of all data, and of the references and the sources as they were read."""
        found = dict(super().fingerprint)
        for name, each in self._examples.items():
            texts = repr((each.sources.to_list(), each.references.to_list()))
            found[name] = blake2b((found[name] + texts).encode(), digest_size=16).hexdigest()
        return found

    def state_dict(self) -> dict[str, Any]:
        """Also the tokenizers and the spec, with which a checkpoint can be used without the data."""
        tokenizers = {"source": self.source_tokenizer.state_dict(), "target": self.target_tokenizer.state_dict()}
        return {**super().state_dict(), "tokenizers": tokenizers, "spec": asdict(self.spec)}


def _lengths(numbers: Tensor, filler: int) -> Tensor:
    """numbers (N, S) -> (N,): how many are not the filler."""
    return (numbers != filler).sum(1)
