"""The batch loader for data that fits in memory: slices of resident tensors, no Python for each sample."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from paribus.seeding import derive

Batch = tuple[Tensor, Tensor]  # inputs (B, ...), targets (B,)


@dataclass(frozen=True)
class Loading:
    """How batches are to be made, the same for every data set; steps_per_execution is the size of a group."""

    seed: int
    batch_size: int
    steps_per_execution: int


class EpochOrder:
    """The order of samples: a function of seed and epoch alone, or as they lie where seed is None."""

    def __init__(self, num_samples: int, seed: int | None) -> None:
        self.num_samples, self.seed, self.epoch = num_samples, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of each epoch, also after a resume."""
        self.epoch = epoch

    def indices(self) -> Tensor:
        """(N,) positions of the samples in this epoch."""
        if self.seed is None:
            return torch.arange(self.num_samples)
        generator = torch.Generator().manual_seed(derive(self.seed, "order", self.epoch))
        return torch.randperm(self.num_samples, generator=generator)


class BatchLoader:
    """Yields groups of `steps_per_execution` batches, the last group and batch as small as what is left.

    A last batch of a single row joins the one before it: batch normalization cannot use one row, and the batches
    are the same with or without it. The position within an epoch is kept by state_dict, in groups.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, loading: Loading, *, shuffle: bool) -> None:
        self.inputs, self.targets = inputs, targets
        # Lightning looks for set_epoch in these two, as in a DataLoader.
        self.sampler, self.batch_sampler = EpochOrder(len(inputs), loading.seed if shuffle else None), None
        self.batch_size, self.steps_per_execution = loading.batch_size, loading.steps_per_execution
        full, rest = divmod(len(inputs), loading.batch_size)
        self.num_batches = max(1, full + (rest > 1))
        self.position = 0

    def __len__(self) -> int:
        return -(-self.num_batches // self.steps_per_execution)

    def __iter__(self) -> Iterator[list[Batch]]:
        indices = self.sampler.indices().to(self.inputs.device)
        borders = [step * self.batch_size for step in range(self.num_batches)] + [len(indices)]
        for group in range(self.position, len(self)):
            first = group * self.steps_per_execution
            last = min(first + self.steps_per_execution, self.num_batches)
            self.position = (group + 1) % len(self)
            yield [self._batch(indices[borders[step] : borders[step + 1]]) for step in range(first, last)]

    def _batch(self, indices: Tensor) -> Batch:
        return self.inputs.index_select(0, indices), self.targets.index_select(0, indices)

    def state_dict(self) -> dict[str, Any]:
        """The number of groups already given out in this epoch; 0 after the last. And how large they are."""
        return {"position": self.position, "steps_per_execution": self.steps_per_execution}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved position within the epoch."""
        self.position = state["position"]
