"""The data module: checked, split, scaled and kept on the training device, or for many images in bytes on the disk."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from paribus.augmentation import Augmentation
from paribus.data import scaling
from paribus.data.loader import Batch, BatchLoader, EpochOrder, Loading, Prepare, Step
from paribus.data.spec import NO_TARGET, ClassificationSpec, DataSpec, RegressionSpec
from paribus.errors import ConfigError, DataError
from paribus.seeding import derive

LARGEST = 1e30  # beyond it, squares and sums leave the range of 32-bit numbers
LARGEST_FLOATS = 2**28  # bytes of images as 32-bit numbers; more stay as bytes and are scaled batch by batch
RESIDENT_SHARE = 0.25  # of a GPU's free memory, for images in bytes; more stay where they are, and batches go there


@dataclass(frozen=True)
class Split:
    """inputs (N, ...) and targets (N, *target_shape) of one split.

    With `rows` (N,), the split is those rows of inputs, which may be more and lie on the disk. A `key` stands for
    the content of inputs, which need not be read for it, and is known to be of finite numbers.
    """

    inputs: Tensor
    targets: Tensor
    rows: Tensor | None = None
    key: str | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, positions: Tensor) -> Tensor:
        """The inputs (n, ...) at some positions (n,) of the split."""
        return self.inputs[positions if self.rows is None else self.rows[positions]]


class TensorData(LightningDataModule):
    """Splits "train", "val" and "test" as tensors, sliced a batch at a time.

    Raises DataError for what would not train rightly (an empty split, a wrong shape, NaN, a label out of range) and
    ConfigError for a batch size above the training rows. Inputs are scaled as scaling_kind says; None leaves them as
    they are, such as numbers of tokens and windows of a series that is scaled.
    """

    def __init__(
        self,
        splits: Mapping[str, Split],
        spec: DataSpec,
        loading: Loading,
        *,
        scaling_kind: str | None,
        image_range: float | None = None,
    ) -> None:
        super().__init__()
        for name, split in splits.items():
            _check_split(name, split, spec)
        _check_done(loading)
        train = splits["train"]
        rows = len(train)
        if loading.sampling == "balanced" and (spec.target_shape or not isinstance(spec, ClassificationSpec)):
            what = "has one for each step" if isinstance(spec, ClassificationSpec) else "has none"
            raise ConfigError(f"data.sampling=balanced draws classes evenly, and this data {what}; use shuffled")
        if loading.batch_size > rows:
            raise ConfigError(
                f"data.batch_size={loading.batch_size} is more than the {rows} training rows; use {rows} or less"
            )
        self.spec, self._loading = spec, loading
        self.remarks: tuple[str, ...] = ()  # what became of columns and files, for people
        self._raw = dict(splits)
        self._image_range = image_range or (255.0 if train.inputs.dtype == torch.uint8 else None)
        self._is_ready_made = scaling_kind is None
        self._fit = partial(scaling.fit, scaling_kind or "none", train.inputs, self._image_range, train.rows)
        self._fitted = None if train.key and scaling_kind == "standard" else self._fit()
        self.augmentation: Augmentation | None = None
        self._ready: dict[str, Split] = {}
        self._moved: dict[int, Tensor] = {}

    def raw(self, name: str) -> Split:
        """A split before scaling, on the CPU."""
        return self._raw[name]

    def num_rows(self, name: str) -> int:
        """Rows of a split."""
        return len(self._raw[name])

    def images(self, name: str, positions: Tensor) -> Tensor:
        """Images (n, C, H, W) of 0..1 at positions (n,) of a split, on the CPU."""
        assert self.spec.is_image
        return self._raw[name].take(positions).to(torch.float32) / self._range

    @property
    def _range(self) -> float:
        """The value that is white."""
        if self._image_range is None:  # the user's own data may not say
            self._image_range = float(self._raw["train"].take(torch.arange(self.num_rows("train"))).amax()) or 1.0
        return self._image_range

    def augment(self, augmentation: Augmentation) -> None:
        """Change training images at random from now on.

        Raises ConfigError for data that are no images, and for images that a step cannot take.
        """
        if not self.spec.is_image:
            raise ConfigError(
                f"augmentation is for images, and the data gives {self.spec.input_shape} an example; use "
                "augmentation=none, or mixup, which takes any"
            )
        augmentation(torch.zeros(2, *self.spec.input_shape), torch.Generator())
        self.augmentation = augmentation

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
        return BatchLoader(
            split.inputs,
            split.targets,
            self._loading_of(name),
            shuffle=name == "train",
            rows=split.rows,
            prepare=self._prepare(name, split),
            order=self._order(name, split),
        )

    def _loading_of(self, name: str) -> Loading:
        """How batches of a split are made."""
        return self._loading

    def _order(self, name: str, split: Split) -> EpochOrder | None:
        """An order of a split's samples in place of the usual one."""
        return None

    def _is_augmented(self, name: str) -> bool:
        return name == "train" and self.augmentation is not None

    def _scaled(self, name: str) -> Split:
        """The split on the device that trains or tests, moved once: scaled, or as it is where batches will be."""
        if name not in self._ready:
            split, device = self._raw[name], self._device
            is_large = split.inputs.dtype == torch.uint8 and 4 * split.inputs.numel() > LARGEST_FLOATS
            if is_large or self._is_ready_made or self._is_augmented(name):
                inputs = self._to_device(split.inputs)
                rows = None if split.rows is None else split.rows.to(inputs.device)
                self._ready[name] = Split(inputs, moved(split.targets, inputs.device), rows)
            else:
                inputs = split.inputs if split.rows is None else split.inputs[split.rows]
                self._ready[name] = Split(self._scaler(inputs).to(device), split.targets.to(device))
        return self._ready[name]

    @property
    def _scaler(self) -> scaling.Scaler:
        """Fitted once it is needed, since that reads all training images; a checkpoint brings one."""
        if self._fitted is None:
            self._fitted = self._fit()
        return self._fitted

    @property
    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def _to_device(self, inputs: Tensor) -> Tensor:
        """Splits that are rows of the same images share them there, too."""
        place = inputs.data_ptr()
        if self._device.type == "cpu":
            return inputs
        if place not in self._moved:
            free, _ = torch.cuda.mem_get_info(self._device)
            size = inputs.untyped_storage().nbytes()
            self._moved[place] = moved(inputs, self._device) if size <= RESIDENT_SHARE * free else inputs
        return self._moved[place]

    def _prepare(self, name: str, split: Split) -> Prepare | None:
        """What makes a batch as it lies into what a model takes, on the device; None where it is that already."""
        if self._is_augmented(name):
            return self._augmented
        if split.inputs.dtype == torch.uint8:
            return lambda batch, epoch, number: (self._scaler(batch[0].to(self._device)), batch[1].to(self._device))
        if self._is_ready_made:
            return lambda batch, epoch, number: (batch[0].to(self._device), batch[1].to(self._device))
        return None

    def _augmented(self, batch: Batch, epoch: int, number: int) -> Batch:
        assert self.augmentation is not None
        scaler = self._scaler.for_range(self._range)
        draws = torch.Generator().manual_seed(derive(self._loading.seed, "augmentation", epoch, number))
        images = batch[0].to(self._device).to(torch.float32)  # bytes travel, not numbers four times their size
        return scaler(self.augmentation(images / self._range, draws)), batch[1].to(self._device)

    def transfer_batch_to_device(self, batch: list[Step], device: torch.device, dataloader_idx: int) -> list[Step]:
        """Batches of resident data are there already."""
        return batch

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """A hash of what was measured (shape, classes, units) and of each split's inputs and targets."""
        found = {"spec": blake2b(repr(self.spec).encode(), digest_size=16)}
        for name, split in self._raw.items():
            content = split.key.encode() if split.key else split.inputs.contiguous().numpy().data
            found[name] = blake2b(content, digest_size=16)
            for tensor in self._beside_key(split):
                found[name].update(tensor.contiguous().numpy().data)
        return {name: hashed.hexdigest() for name, hashed in found.items()}

    def _beside_key(self, split: Split) -> tuple[Tensor, ...]:
        """What a split's key does not stand for."""
        return (split.targets,) if split.rows is None else (split.targets, split.rows)

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
        self._fitted = scaling.Scaler(**state["scaler"])
        self._ready = {}


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device. A view of overlapping windows stays one there: only what it shows once is moved."""
    reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    if tensor.device.type == device.type or reach >= tensor.numel():
        return tensor.to(device)
    shown = tensor.as_strided((reach,), (1,))
    return shown.to(device).as_strided(tensor.shape, tensor.stride(), 0)


def _check_done(loading: Loading) -> None:
    """A data set of the user's own may split in its own way, and then cannot be asked for another one."""
    asked = {"train_fraction": f"data.train_fraction={loading.train_fraction:g}"} if loading.train_fraction < 1 else {}
    if loading.fold is not None:
        asked["fold"] = f"cross_validation={loading.fold.count}"
    for name in asked.keys() - loading.done:
        raise ConfigError(f"{asked[name]}: this data is not split by paribus.data.splitting; use its three_way there")


def _check_split(name: str, split: Split, spec: DataSpec) -> None:
    inputs, targets = split.inputs, split.targets
    num_rows = len(inputs if split.rows is None else split.rows)
    if num_rows == 0:
        raise DataError(f"the {name} split is empty; give it more rows (data.validation_fraction, data.test_fraction)")
    if tuple(inputs.shape[1:]) != spec.input_shape:
        raise DataError(f"{name} inputs have the shape {tuple(inputs.shape[1:])} an example, not {spec.input_shape}")
    if targets.shape != (num_rows, *spec.target_shape):
        remedy = "" if spec.target_shape else ": give one value an example"
        raise DataError(
            f"{name} targets have the shape {tuple(targets.shape)}, not {(num_rows, *spec.target_shape)}{remedy}"
        )
    if split.key is None:
        _check_finite(f"{name} inputs", inputs)
    if isinstance(spec, ClassificationSpec):
        _check_labels(name, targets[targets != NO_TARGET] if spec.target_shape else targets, spec.num_classes)
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
    image_range: float | None = None,
    key: str | None = None,
) -> TensorData:
    """Splits for regression, the target in standard units of the training rows if scale_target.

    Targets in double precision are centred in it. Where a key stands for the inputs (N, ...), they are not copied.
    """
    _check_finite(f"target {target_name}", targets)
    mean, deviation = target_units(targets[rows["train"]], target_name, scale_target=scale_target)
    spec = RegressionSpec(tuple(inputs.shape[1:]), target_name, mean, deviation)
    splits = {}
    for name, index in rows.items():
        scaled = ((targets[index] - mean) / deviation).to(torch.float32)
        splits[name] = Split(inputs, scaled, index, key) if key else Split(inputs[index], scaled)
    return TensorData(splits, spec, loading, scaling_kind=scaling_kind, image_range=image_range)


def target_units(training: Tensor, what: str, *, scale_target: bool) -> tuple[float, float]:
    """Mean and deviation of training targets (N,), or 0 and 1. Raises DataError, naming `what`, where all are equal."""
    if training.min() == training.max():  # their deviation may not come out as 0
        raise DataError(f"{what} has the same value in every training row; there is nothing to learn")
    return mean_and_deviation(training.tolist()) if scale_target else (0.0, 1.0)


def mean_and_deviation(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation, rounded once at the end: the same bits on every machine, in any order."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
