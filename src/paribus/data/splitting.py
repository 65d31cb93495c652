"""Stratified, seeded splits into training, validation and test rows."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from torch import Tensor

from paribus.data.loader import Fold, Loading
from paribus.errors import DataError
from paribus.seeding import derive

FEWEST_VALUES = 2  # rows of a split for regression: R2 compares with their mean
PARTS = 3  # a class needs a row in each of train, validation and test


def three_way(
    labels: Tensor | None,
    num_rows: int,
    validation_fraction: float,
    test_fraction: float,
    loading: Loading,
) -> dict[str, Tensor]:
    """Row numbers of "train", "val" and "test"; fractions are of all rows. Stratified by labels (N,) where given.

    Of a fold of cross-validation the test rows are that fold, whatever test_fraction. Otherwise they depend on seed
    and test_fraction alone. Raises DataError where a split would be empty.
    """
    fold, seed = loading.fold, loading.seed
    if fold is None:
        rest, test = _outer(labels, num_rows, validation_fraction, test_fraction, seed)
    else:
        rest, test = one_fold(labels, num_rows, fold, seed)
        loading.done.add("fold")
    train, validation = two_way(labels, rest, round(num_rows * validation_fraction), seed, "validation_fraction")
    return {"train": share(labels, train, loading), "val": validation, "test": test}


def _outer(
    labels: Tensor | None, num_rows: int, validation_fraction: float, test_fraction: float, seed: int
) -> tuple[Tensor, Tensor]:
    if validation_fraction + test_fraction >= 1:
        raise DataError(
            f"data.validation_fraction={validation_fraction} and data.test_fraction={test_fraction} "
            "leave no rows to train on"
        )
    return two_way(labels, torch.arange(num_rows), round(num_rows * test_fraction), seed, "test_fraction")


def one_fold(labels: Tensor | None, num_rows: int, fold: Fold, seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers outside and inside one fold, ascending. Together the folds hold each row once; stratified by labels.

    Raises DataError where there are too few rows, or too few of a class.
    """
    rarest = num_rows if labels is None else int(torch.bincount(labels).min())
    if rarest < fold.count:
        what = "the data" if labels is None else "a class"
        raise DataError(f"cross_validation={fold.count}: {what} has {rarest} rows only; use {rarest} folds or fewer")
    kind = KFold if labels is None else StratifiedKFold
    folds = kind(fold.count, shuffle=True, random_state=derive(seed, "folds") % 2**32)
    rows = np.arange(num_rows)
    rest, held = list(folds.split(rows, None if labels is None else labels.numpy()))[fold.index - 1]
    return torch.from_numpy(rest), torch.from_numpy(held)


def share(labels: Tensor | None, rows: Tensor, loading: Loading) -> Tensor:
    """The share loading.train_fraction of the rows, ascending, of each class where there are labels.

    A smaller share is part of a larger one. At least one row of a class stays.
    """
    loading.done.add("train_fraction")
    if loading.train_fraction == 1:
        return rows
    generator = torch.Generator().manual_seed(derive(loading.seed, "train_fraction"))
    mixed = rows[torch.randperm(len(rows), generator=generator)]
    groups = [mixed] if labels is None else [mixed[labels[mixed] == label] for label in labels[mixed].unique()]
    kept = [group[: max(1, round(loading.train_fraction * len(group)))] for group in groups]
    return torch.cat(kept).sort().values


def two_way(labels: Tensor | None, rows: Tensor, held_out: int, seed: int, setting: str) -> tuple[Tensor, Tensor]:
    """Row numbers that stay and row numbers held out, each in ascending order.

    `setting` is the key below data that says how many are held out. Raises DataError where either part would be
    empty, or would lack a class.
    """
    classes = labels[rows].unique() if labels is not None else None
    purpose = setting.partition("_")[0]
    least = FEWEST_VALUES if classes is None else len(classes)
    if min(held_out, len(rows) - held_out) < least:
        each = f"at least {least}" + (", a row of each class" if classes is not None else "")
        left = max(0, len(rows) - held_out)
        raise DataError(
            f"of {len(rows)} rows data.{setting} takes {held_out} for {purpose} and leaves {left}, and "
            f"each needs {each}; add rows or change data.{setting}"
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
