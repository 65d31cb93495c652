"""The data module for data that fits in memory: checked, split, scaled and kept on the training device."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from paribus.data import scaling
from paribus.data.loader import BatchLoader, Loading, Step
from paribus.data.spec import ClassificationSpec, DataSpec, RegressionSpec
from paribus.errors import ConfigError, DataError

LARGEST = 1e30  # beyond it, squares and sums leave the range of 32-bit numbers


@dataclass(frozen=True)
class Split:
    """inputs (N, ...) and targets (N,) of one split."""

    inputs: Tensor
    targets: Tensor


class TensorData(LightningDataModule):
    """Splits "train", "val" and "test" as tensors, sliced a batch at a time.

    Raises DataError for what would not train rightly (an empty split, a wrong shape, NaN, a label out of range) and
    ConfigError for a batch size above the training rows.
    """

    def __init__(
        self,
        splits: Mapping[str, Split],
        spec: DataSpec,
        loading: Loading,
        *,
        scaling_kind: str,
        image_range: float | None = None,
    ) -> None:
        super().__init__()
        for name, split in splits.items():
            _check_split(name, split, spec)
        _check_done(loading)
        rows = len(splits["train"].inputs)
        if loading.sampling == "balanced" and not isinstance(spec, ClassificationSpec):
            raise ConfigError("data.sampling=balanced draws classes evenly, and this data has none; use shuffled")
        if loading.batch_size > rows:
            raise ConfigError(
                f"data.batch_size={loading.batch_size} is more than the {rows} training rows; use {rows} or less"
            )
        self.spec, self._loading = spec, loading
        self.remarks: tuple[str, ...] = ()  # what became of a table's columns, for `paribus check`
        self._raw = dict(splits)
        self._scaler = scaling.fit(scaling_kind, splits["train"].inputs, image_range)
        self._ready: dict[str, Split] = {}

    def raw(self, name: str) -> Split:
        """A split before scaling, on the CPU."""
        return self._raw[name]

    def num_rows(self, name: str) -> int:
        """Rows of a split."""
        return len(self._raw[name].inputs)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one epoch."""
        return self._loader("train", self._raw["train"]).num_steps

    def train_dataloader(self) -> BatchLoader:
        """Batches of the training split in the epoch's order."""
        return self._loader("train", self._scaled("train"))

    def val_dataloader(self) -> BatchLoader:
        """Batches of the validation split, as it lies."""
        return self._loader("val", self._scaled("val"))

    def test_dataloader(self) -> BatchLoader:
        """Batches of the test split, as it lies."""
        return self._loader("test", self._scaled("test"))

    def _loader(self, name: str, split: Split) -> BatchLoader:
        return BatchLoader(split.inputs, split.targets, self._loading, shuffle=name == "train")

    def _scaled(self, name: str) -> Split:
        """The split scaled and moved, once, to the device that trains or tests."""
        if name not in self._ready:
            device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
            split = self._raw[name]
            self._ready[name] = Split(self._scaler(split.inputs).to(device), split.targets.to(device))
        return self._ready[name]

    def transfer_batch_to_device(self, batch: list[Step], device: torch.device, dataloader_idx: int) -> list[Step]:
        """Batches of resident data are there already."""
        return batch

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """A hash of what was measured (shape, classes, units) and of each split's inputs and targets."""
        found = {"spec": blake2b(repr(self.spec).encode(), digest_size=16)}
        for name, split in self._raw.items():
            found[name] = blake2b(split.inputs.contiguous().numpy().data, digest_size=16)
            found[name].update(split.targets.contiguous().numpy().data)
        return {name: hashed.hexdigest() for name, hashed in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """What was fitted on the training split, as plain numbers, and which data it was."""
        return {"scaler": self._scaler.state_dict(), "fingerprint": self.fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Use what was fitted in training. Raises DataError where that was other data, or split in another way."""
        for name, hashed in self.fingerprint.items():
            if state["fingerprint"][name] != hashed:
                what = "classes or columns" if name == "spec" else f"{name} rows"
                raise DataError(
                    f"the data is not what the run was trained on: its {what} differ; give it the same file and "
                    "settings, or start a new run"
                )
        self._scaler = scaling.Scaler(**state["scaler"])
        self._ready = {}


def _check_done(loading: Loading) -> None:
    """A data set of the user's own may split in its own way, and then cannot be asked for another one."""
    asked = {"train_fraction": f"data.train_fraction={loading.train_fraction:g}"} if loading.train_fraction < 1 else {}
    if loading.fold is not None:
        asked["fold"] = f"cross_validation={loading.fold.count}"
    for name in asked.keys() - loading.done:
        raise ConfigError(f"{asked[name]}: this data is not split by paribus.data.splitting; use its three_way there")


def _check_split(name: str, split: Split, spec: DataSpec) -> None:
    inputs, targets = split.inputs, split.targets
    if len(inputs) == 0:
        raise DataError(f"the {name} split is empty; give it more rows (data.validation_fraction, data.test_fraction)")
    if tuple(inputs.shape[1:]) != spec.input_shape:
        raise DataError(f"{name} inputs have the shape {tuple(inputs.shape[1:])} an example, not {spec.input_shape}")
    if targets.shape != inputs.shape[:1]:
        raise DataError(
            f"{name} targets have the shape {tuple(targets.shape)}, not ({len(inputs)},): give one value an example"
        )
    _check_finite(f"{name} inputs", inputs)
    if isinstance(spec, ClassificationSpec):
        _check_labels(name, targets, spec.num_classes)
    elif isinstance(spec, RegressionSpec):
        _check_finite(f"{name} targets", targets)


def _check_finite(what: str, values: Tensor) -> None:
    if not values.is_floating_point():
        return
    wrong = ~(values.abs() < LARGEST)  # written so that nan is wrong too
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        column = f", column {place[1]}" if len(place) == 2 else ""
        raise DataError(
            f"{what}: row {place[0]}{column} is {values[tuple(place)].item()}; every value must be a finite number "
            f"below {LARGEST:g}"
        )


def _check_labels(name: str, targets: Tensor, num_classes: int) -> None:
    if targets.is_floating_point():
        raise DataError(f"{name} targets are {targets.dtype}; class labels must be whole numbers")
    wrong = ((targets < 0) | (targets >= num_classes)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(f"{name} targets: row {row}: label {int(targets[row])} is outside 0..{num_classes - 1}")


def regression_data(
    inputs: Tensor,
    targets: Tensor,
    rows: Mapping[str, Tensor],
    target_name: str,
    loading: Loading,
    *,
    scaling_kind: str,
    scale_target: bool,
) -> TensorData:
    """Splits for regression, the target in standard units of the training rows if scale_target.

    Targets in double precision are centred in it.
    """
    _check_finite(f"target {target_name}", targets)
    mean, deviation = mean_and_deviation(targets[rows["train"]].tolist())
    if deviation == 0:
        raise DataError(f"{target_name} has the same value in every training row; there is nothing to learn")
    if not scale_target:
        mean, deviation = 0.0, 1.0
    spec = RegressionSpec(tuple(inputs.shape[1:]), target_name, mean, deviation)
    splits = {
        name: Split(inputs[index], ((targets[index] - mean) / deviation).to(torch.float32))
        for name, index in rows.items()
    }
    return TensorData(splits, spec, loading, scaling_kind=scaling_kind)


def mean_and_deviation(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation, rounded once at the end: the same bits on every machine, in any order."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
