"""Data sets that torchvision's own classes read, and download with a checksum: train and test are as published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.spec import ClassificationSpec
from paribus.data.splitting import share, two_way
from paribus.errors import ConfigError, DataError
from paribus.torchvision_ops import torchvision


def read(name: str, root: str, folder: str, pattern: str, *, train: bool) -> Any:
    """torchvision's data set of that name, whose files match the pattern in a folder below the root.

    Downloads where there are none. Raises DataError where that fails, or a file is missing or damaged.
    """
    place = Path(root, folder)
    above = [each for each in (place, *place.parents) if each.is_relative_to(root)]
    there = [each for each in above if each.is_dir()]
    try:
        return getattr(torchvision.datasets, name)(root, train=train, download=not any(place.glob(pattern)))
    except Exception as error:  # torchvision raises nearly anything for a file that is not what it should be
        reason = " ".join(str(error).split())[:200].rstrip(":") or type(error).__name__
        if any(place.glob(pattern)):
            raise DataError(
                f"{place}: a file is missing or damaged ({reason}); delete the folder to download it again"
            ) from None
        for each in above:  # those that torchvision has made for the download
            if each not in there and each.is_dir() and not any(each.iterdir()):
                each.rmdir()
        raise DataError(
            f"{root} holds no {name}, and it could not be downloaded ({reason}); "
            f"set data.root to the folder that holds {folder}"
        ) from None


def check_no_folds(name: str, loading: Loading) -> None:
    """Raise ConfigError for cross-validation."""
    if loading.fold is not None:
        raise ConfigError(
            f"cross_validation={loading.fold.count}: {name} brings its own test rows; folds are for data without"
        )


def published_data(
    train: Split, test: Split, class_names: Sequence[str], loading: Loading, validation_size: int, scaling: str
) -> TensorData:
    """Images of 0..255, the validation rows taken out of train, stratified."""
    rows = torch.arange(len(train.targets))
    kept, held_out = two_way(train.targets, rows, validation_size, loading.seed, "validation_size")
    kept = share(train.targets, kept, loading)
    splits = {
        "train": Split(train.inputs[kept], train.targets[kept]),
        "val": Split(train.inputs[held_out], train.targets[held_out]),
        "test": test,
    }
    spec = ClassificationSpec(tuple(train.inputs.shape[1:]), tuple(class_names))
    return TensorData(splits, spec, loading, scaling_kind=scaling, image_range=255)
