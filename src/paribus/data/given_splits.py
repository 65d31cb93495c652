"""Rows for training, validation and test where the data itself may say which is which."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from paribus.data.loader import Loading
from paribus.data.splitting import check_classes, share, three_way, two_way
from paribus.errors import ConfigError, DataError

# How people name the splits.
NAMES = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}

Rows = dict[str, Tensor]  # "train", "val" and "test" -> row numbers, ascending


@dataclass(frozen=True)
class HeldOut:
    """What is held out where the data does not say: a share of the rows each; or `size` rows for validation."""

    validation_fraction: float
    test_fraction: float
    size: int | None = None

    def validation(self, labels: Tensor | None, rows: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Row numbers that stay and row numbers held out. Raises DataError where these are too few."""
        if self.size is not None:
            return two_way(labels, rows, self.size, seed, "validation_size")
        return two_way(labels, rows, round(len(rows) * self.validation_fraction), seed, "validation_fraction")


@dataclass(frozen=True)
class Labels:
    """What is known of each row: a class (N,) and the names of classes, or None; its split (N), or None; and where."""

    classes: Tensor | None
    class_names: tuple[str, ...]
    splits: tuple[str, ...] | None
    where: str

    def only(self, rows: list[int]) -> "Labels":
        """Of some rows. Raises DataError where a class or split that there was has no row left."""
        left = Labels(
            None if self.classes is None else self.classes[rows],
            self.class_names,
            None if self.splits is None else tuple(self.splits[row] for row in rows),
            self.where,
        )
        gone = self._groups() - left._groups()
        if gone:
            raise DataError(f"{self.where}: no image of {min(gone)} can be used; mend some, or leave all of it out")
        return left

    def _groups(self) -> set[str]:
        names = [] if self.classes is None else [f"class {self.class_names[each]!r}" for each in self.classes.tolist()]
        if self.splits is None:
            return set(names) or {"all"}
        return {" of ".join(both) for both in zip(names, self.splits, strict=True)} if names else set(self.splits)


def canonical(name: str) -> str | None:
    """train, val or test for a split's name as people write it, or None."""
    return next((split for split, names in NAMES.items() if name.strip().lower() in names), None)


def given_names(names: Sequence[str], where: str) -> dict[str, str]:
    """What each split is that the data names: train, val or test. Of two, the one that is not train is the test split.

    Raises DataError for names that do not say.
    """
    found = {name: canonical(name) for name in names}
    if len(found) <= 2 and "train" in found.values() and len(set(found.values())) == len(found):
        return {name: "train" if split == "train" else "test" for name, split in found.items()}
    if sorted(map(str, found.values())) == ["test", "train", "val"]:
        return {name: str(split) for name, split in found.items()}
    raise DataError(
        f"{where} has {', '.join(sorted(names))} for splits; there must be train, val and test, or train and one other"
    )


def assigned(labels: Labels, num_rows: int, held_out: HeldOut, loading: Loading) -> tuple[Rows, tuple[str, ...]]:
    """The rows of each split, and remarks.

    Where the data has train, val and test, these are taken; with train and one other, that one is the test split,
    whatever its name, and validation is held out of train. Otherwise the seed decides. Raises DataError, ConfigError.
    """
    if labels.classes is not None and len(labels.class_names) < 2:
        raise DataError(
            f"{labels.where} holds one class only ({labels.class_names[0]}); there is nothing to tell apart"
        )
    meanings = given_names(sorted(set(labels.splits)), labels.where) if labels.splits is not None else {}
    if len(meanings) < 2:
        return _all_split(labels, num_rows, held_out, loading), ()
    if loading.fold is not None:
        raise ConfigError(
            f"cross_validation={loading.fold.count}: {labels.where} brings its own test rows; folds are for data "
            "without"
        )
    rows = {split: _rows(labels, name) for name, split in meanings.items()}
    _check_learnable(labels, rows)
    remark = f"split as the data says: {', '.join(meanings)}"
    if "val" not in rows:
        rows["train"], rows["val"] = held_out.validation(labels.classes, rows["train"], loading.seed)
        other = next(name for name, split in meanings.items() if split == "test")
        remark = f"{other} is the test split; the {len(rows['val'])} images for validation are taken out of train"
    rows["train"] = share(labels.classes, rows["train"], loading)
    return rows, (remark,)


def _all_split(labels: Labels, num_rows: int, held_out: HeldOut, loading: Loading) -> Rows:
    if held_out.size is not None:
        raise DataError(f"{labels.where} has no test split; it needs train and test")
    if labels.classes is not None:
        check_classes(labels.classes, labels.class_names, labels.where)
    return three_way(labels.classes, num_rows, held_out.validation_fraction, held_out.test_fraction, loading)


def _rows(labels: Labels, name: str) -> Tensor:
    assert labels.splits is not None
    return torch.tensor([row for row, split in enumerate(labels.splits) if split == name])


def _check_learnable(labels: Labels, rows: Rows) -> None:
    """Raise DataError for a class that is in val or test alone."""
    if labels.classes is None:
        return
    known = set(labels.classes[rows["train"]].tolist())
    for split in rows.keys() - {"train"}:
        unknown = set(labels.classes[rows[split]].tolist()) - known
        if unknown:
            raise DataError(
                f"{labels.where}: class {labels.class_names[min(unknown)]!r} is in {split} and not in train, so it "
                "cannot be learned; add images of it to train, or leave it out"
            )
