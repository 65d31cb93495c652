"""The batch loader: slices of tensors in memory or mapped from a file, no Python for each sample."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from paribus.seeding import derive

LENGTHS_POOLED = 50  # batches that are sorted by length together
Batch = tuple[Tensor, Tensor]  # inputs (B, ...), targets (B, ...)
Prepare = Callable[[Batch, int, int], Batch]  # a batch as it lies, the epoch, its number in it -> as a model takes it
Step = list[Batch]  # the batches whose gradients make one optimizer step: one, or more where they are accumulated


@dataclass(frozen=True)
class Fold:
    """Of cross-validation: number `index`, from 1, of `count`."""

    index: int
    count: int


@dataclass(frozen=True)
class Loading:
    """How rows are to be split and batches made, the same for every data set.

    steps_per_execution is how many steps make a group, accumulate how many batches make a step (None: all of an
    epoch). Only the share train_fraction of the training rows is used. sampling is "shuffled" or "balanced".
    """

    seed: int
    batch_size: int
    steps_per_execution: int
    accumulate: int | None = 1
    train_fraction: float = 1.0
    sampling: str = "shuffled"
    fold: Fold | None = None
    done: set[str] = field(default_factory=set, compare=False)  # of these, what the splitting has seen to


class EpochOrder:
    """The order of samples: a function of seed and epoch alone, or as they lie where seed is None.

    With labels (N,), N samples are drawn with replacement so that each class is as likely as any other.
    """

    def __init__(self, num_samples: int, seed: int | None, labels: Tensor | None = None) -> None:
        self.num_samples, self.seed, self.epoch = num_samples, seed, 0
        self._weights = None
        if labels is not None:
            self._weights = 1 / torch.bincount(labels.cpu()).to(torch.float64)[labels.cpu()]

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of each epoch, also after a resume."""
        self.epoch = epoch

    def indices(self) -> Tensor:
        """(N,) positions of the samples in this epoch."""
        if self.seed is None:
            return torch.arange(self.num_samples)
        generator = torch.Generator().manual_seed(derive(self.seed, "order", self.epoch))
        if self._weights is not None:
            return torch.multinomial(self._weights, self.num_samples, replacement=True, generator=generator)
        return torch.randperm(self.num_samples, generator=generator)

    def sizes(self, batch_size: int) -> list[int]:
        """How many samples each batch of this epoch takes of the order, as many batches in every epoch.

        A last batch of a single sample joins the one before it: batch normalization cannot use one, and the batches
        are the same with or without it.
        """
        full, rest = divmod(self.num_samples, batch_size)
        count = max(1, full + (rest > 1))
        return [batch_size] * (count - 1) + [self.num_samples - batch_size * (count - 1)]


class BucketOrder(EpochOrder):
    """An epoch's order in which the sequences of a batch are of like lengths, so that little of it is padding.

    Of the shuffled samples, each pool of LENGTHS_POOLED batches is sorted by length, and the full batches are shuffled.
    """

    def __init__(self, lengths: Tensor, batch_size: int, seed: int, labels: Tensor | None = None) -> None:
        super().__init__(len(lengths), seed, labels)
        self._lengths, self._batch_size = lengths, batch_size

    def indices(self) -> Tensor:
        """(N,) positions of the samples in this epoch."""
        pools = super().indices().split(LENGTHS_POOLED * self._batch_size)
        sorted_pools = [pool[self._lengths[pool].argsort(stable=True)] for pool in pools]
        batches = torch.cat(sorted_pools).split(self._batch_size)
        full = len(batches) - (len(batches[-1]) < self._batch_size)
        assert self.seed is not None
        generator = torch.Generator().manual_seed(derive(self.seed, "batches", self.epoch))
        order = torch.randperm(full, generator=generator).tolist()
        return torch.cat([batches[number] for number in (*order, *range(full, len(batches)))])


class TokenOrder(EpochOrder):
    """Batches of pairs of like lengths, each of max_tokens target tokens at most, padding included (None: no limit).

    All samples are sorted by the length of the target, then of the source, those of equal lengths anew each epoch, so
    that the lengths of each batch stay and as many batches as in any other epoch come, in an order of their own.
    """

    def __init__(
        self, source_lengths: Tensor, target_lengths: Tensor, batch_size: int, max_tokens: int | None, seed: int
    ) -> None:
        super().__init__(len(target_lengths), seed)
        self._keys = target_lengths.long() * (int(source_lengths.max()) + 1) + source_lengths
        self._sizes = _sizes_by_tokens(target_lengths.sort().values.tolist(), batch_size, max_tokens)

    def indices(self) -> Tensor:
        """(N,) positions of the samples in this epoch."""
        shuffled = super().indices()
        batches = shuffled[self._keys[shuffled].argsort(stable=True)].split(self._sizes)
        return torch.cat([batches[number] for number in self._batches()])

    def sizes(self, batch_size: int) -> list[int]:
        """How many samples each batch takes: batch_size at most."""
        return [self._sizes[number] for number in self._batches()]

    def _batches(self) -> list[int]:
        """Which batch, of those from short to long, comes when in this epoch."""
        assert self.seed is not None
        generator = torch.Generator().manual_seed(derive(self.seed, "batches", self.epoch))
        return torch.randperm(len(self._sizes), generator=generator).tolist()


def _sizes_by_tokens(lengths: list[int], batch_size: int, max_tokens: int | None) -> list[int]:
    """Rising lengths -> how many of them make each batch, one at least."""
    sizes = [0]
    for length in lengths:
        is_full = max_tokens is not None and (sizes[-1] + 1) * length > max_tokens
        if sizes[-1] and (is_full or sizes[-1] == batch_size):
            sizes.append(0)
        sizes[-1] += 1
    return sizes


def own_rows(size: int, rank: int, devices: int, least: int = 1) -> slice:
    """Which rows of a batch are the share of device number `rank`.

    Shares are of `least` rows or more, as even as can be: in a small batch the last devices may have none.
    """
    sharing = max(1, min(devices, size // least))
    if rank >= sharing:
        return slice(0, 0)
    rows, more = divmod(size, sharing)
    first = rank * rows + min(rank, more)
    return slice(first, first + rows + (rank < more))


class BatchLoader:
    """Yields groups of `steps_per_execution` steps of `accumulate` batches, the last of each as small as what is left.

    The position within an epoch is kept by state_dict, in groups.

    With `rows` (N,), the samples are those rows of inputs. `prepare` makes of a batch as it lies what a model takes.
    An `order` replaces the one that follows from shuffle.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        loading: Loading,
        *,
        shuffle: bool,
        rows: Tensor | None = None,
        prepare: Prepare | None = None,
        order: EpochOrder | None = None,
    ) -> None:
        self.inputs, self.targets, self._rows, self._prepare = inputs, targets, rows, prepare
        labels = targets if shuffle and loading.sampling == "balanced" else None
        # Lightning looks for set_epoch in these two, as in a DataLoader.
        self.sampler = order or EpochOrder(len(targets), loading.seed if shuffle else None, labels)
        self.batch_sampler = None
        self.batch_size, self.steps_per_execution = loading.batch_size, loading.steps_per_execution
        self.num_batches = len(self.sampler.sizes(loading.batch_size))
        self.accumulate = (loading.accumulate or self.num_batches) if shuffle else 1
        self.num_steps = -(-self.num_batches // self.accumulate)
        self.position = 0

    def __len__(self) -> int:
        return -(-self.num_steps // self.steps_per_execution)

    def __iter__(self) -> Iterator[list[Step]]:
        indices = self.sampler.indices().to(self.inputs.device)
        batches = list(enumerate(indices.split(self.sampler.sizes(self.batch_size))))
        steps = [batches[first : first + self.accumulate] for first in range(0, len(batches), self.accumulate)]
        for group in range(self.position, len(self)):
            first = group * self.steps_per_execution
            self.position = (group + 1) % len(self)
            yield [
                [self._batch(number, batch) for number, batch in step]
                for step in steps[first : first + self.steps_per_execution]
            ]

    def batches(self) -> Iterator[Batch]:
        """The epoch's batches one by one, whatever steps and groups they are in."""
        return chain.from_iterable(chain.from_iterable(self))

    def _batch(self, number: int, indices: Tensor) -> Batch:
        targets = self.targets.index_select(0, indices)
        inputs = self.inputs.index_select(0, indices if self._rows is None else self._rows[indices])
        if self._prepare is None:
            return inputs, targets
        return self._prepare((inputs, targets), self.sampler.epoch, number)

    def state_dict(self) -> dict[str, Any]:
        """The number of groups already given out in this epoch; 0 after the last. And how large they are."""
        return {"position": self.position, "steps_per_execution": self.steps_per_execution}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved position within the epoch."""
        self.position = state["position"]
