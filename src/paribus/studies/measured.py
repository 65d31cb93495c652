"""A run that is over, as measures see it: its rows, its data, and its model at the start and at the end.

Shapes: N rows of a sample.
"""

import paribus.torchvision_ops  # noqa: F401, I001 - before anything imports lightning

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from paribus.building import build_data, build_task
from paribus.checkpoints import load_for
from paribus.composition import recompose
from paribus.config import Config, check
from paribus.data.loader import Batch, Step
from paribus.data.module import TensorData
from paribus.experiment import prepare_torch
from paribus.runs import Run
from paribus.seeding import derive
from paribus.studies.measuring import NotMeasurable
from paribus.tasks.task import Task

SAMPLE = 512  # rows that a measure looks at where it needs no more


class Measured:
    """One run of a study."""

    def __init__(self, run: Run, extension: Path | None) -> None:
        self.run, self.rows = run, run.rows
        self.config: Config = check(recompose(run.path / "config.yaml", [], extension))

    @cached_property
    def data(self) -> TensorData:
        """As the run had it, but for augmentation."""
        prepare_torch(self.config)
        return build_data(replace(self.config, several={**self.config.several, "augmentation": ()}))

    def initial(self) -> Task:
        """The task with the weights that the run began with."""
        data = self.data
        torch.manual_seed(derive(self.config.seed, "building"))
        return build_task(self.config, data)

    def last(self) -> Task:
        """The task after the last epoch. Raises NotMeasurable where there is none."""
        path = self.run.path / "checkpoints" / "last.ckpt"
        if not path.is_file():
            raise NotMeasurable
        task = build_task(self.config.without_pretraining(), self.data)
        task.load_state_dict(load_for(task, self.data, path)["state_dict"])
        return task

    def batches(self, stage: str) -> Iterator[Batch]:
        """The batches of "train", "val" or "test", of training those of the first epoch."""
        data = self.data
        loaders = {"train": data.train_dataloader, "val": data.val_dataloader, "test": data.test_dataloader}
        return loaders[stage]().batches()

    def steps(self) -> Iterator[Step]:
        """The batches of each optimizer step of the first epoch."""
        return chain.from_iterable(self.data.train_dataloader())

    def sample(self) -> Batch:
        """Up to SAMPLE training rows: inputs (N, ...), targets (N, ...)."""
        inputs: list[Tensor] = []
        targets: list[Tensor] = []
        for batch_inputs, batch_targets in self.batches("train"):
            if inputs and batch_inputs.shape[1:] != inputs[0].shape[1:]:
                break
            inputs, targets = [*inputs, batch_inputs], [*targets, batch_targets]
            if sum(map(len, inputs)) >= SAMPLE:
                break
        return torch.cat(inputs)[:SAMPLE], torch.cat(targets)[:SAMPLE]
