"""Stratified, seeded splits into training, validation and test rows."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from paribus.errors import DataError
from paribus.seeding import derive

FEWEST_VALUES = 2  # rows of a split for regression: R2 compares with their mean
PARTS = 3  # a class needs a row in each of train, validation and test


def three_way(
    labels: Tensor | None,
    num_rows: int,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
) -> dict[str, Tensor]:
    """Row numbers of "train", "val" and "test"; fractions are of all rows. Stratified by labels (N,) where given.

    Raises DataError where a split would be empty. The test rows depend on seed and test_fraction alone.
    """
    if validation_fraction + test_fraction >= 1:
        raise DataError(
            f"data.validation_fraction={validation_fraction} and data.test_fraction={test_fraction} "
            "leave no rows to train on"
        )
    rest, test = two_way(labels, torch.arange(num_rows), round(num_rows * test_fraction), seed, "test_fraction")
    train, validation = two_way(labels, rest, round(num_rows * validation_fraction), seed, "validation_fraction")
    return {"train": train, "val": validation, "test": test}


def two_way(labels: Tensor | None, rows: Tensor, held_out: int, seed: int, setting: str) -> tuple[Tensor, Tensor]:
    """Row numbers that stay and row numbers held out, each in ascending order.

    `setting` is the key below data that says how many are held out. Raises DataError where either part would be
    empty, or would lack a class.
    """
    classes = labels[rows].unique() if labels is not None else None
    purpose = setting.partition("_")[0]
    least = FEWEST_VALUES if classes is None else len(classes)
    if min(held_out, len(rows) - held_out) < least:
        each = f", which needs a row of each of {least} classes" if classes is not None else f", which needs {least}"
        raise DataError(
            f"{len(rows)} rows are too few to hold {held_out} out for the {purpose} split{each}; "
            f"add rows or change data.{setting}"
        )
    stratify = labels[rows].numpy() if labels is not None else None
    try:
        kept, held = train_test_split(
            rows.numpy(),
            test_size=held_out,
            random_state=derive(seed, "split", purpose) % 2**32,
            stratify=stratify,
        )
    except ValueError as error:
        raise DataError(f"the rows cannot be split as data.{setting} says: {error}") from None
    parts = torch.from_numpy(np.sort(kept)), torch.from_numpy(np.sort(held))
    if labels is not None and classes is not None:
        for part, name in zip(parts, ("training", purpose), strict=True):
            _check_every_class(labels, part, classes, name, setting)
    return parts


def _check_every_class(labels: Tensor, part: Tensor, classes: Tensor, name: str, setting: str) -> None:
    missing = set(classes.tolist()) - set(labels[part].tolist())
    if missing:
        label = min(missing)
        raise DataError(
            f"class number {label} has {int((labels == label).sum())} rows, too few to have one in the {name} rows; "
            f"add rows of it or change data.{setting}"
        )


def check_classes(labels: Tensor, class_names: Sequence[str], where: str) -> None:
    """Raise DataError where there is one class only, or a class has too few rows for every split to hold one."""
    if len(class_names) < 2:
        raise DataError(f"{where} holds one class only ({', '.join(class_names)}); there is nothing to tell apart")
    counts = torch.bincount(labels, minlength=len(class_names))
    rarest = int(counts.argmin())
    if counts[rarest] < PARTS:
        rows = "1 row" if counts[rarest] == 1 else f"{counts[rarest]} rows"
        raise DataError(
            f"{where}: class {class_names[rarest]!r} has {rows}; each class needs {PARTS} or more, "
            "one for each of train, validation and test"
        )
