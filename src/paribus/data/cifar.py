"""CIFAR-10 and CIFAR-100 through torchvision's own classes, which download with a checksum."""

from pathlib import Path
from typing import Any

import torch

from paribus.data.cache_folder import CacheFolder
from paribus.data.decoding import Form
from paribus.data.given_splits import HeldOut
from paribus.data.image_cache import ImageCache
from paribus.data.image_folder import folder_data
from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.published import check_no_folds, published_data, read
from paribus.types import FolderPath, ImageScaling, PositiveInt

SIZE = 32  # pixels of both sides
JPEG_COPIES = ("cifar10-jpeg", "cifar10-jpeg.tar.gz")  # train/ and test/, a folder for each class


def cifar10(
    root: str,
    loading: Loading,
    num_workers: int,
    *,
    validation_size: PositiveInt,
    cache: FolderPath,
    scaling: ImageScaling,
) -> TensorData:
    """Colour photographs, 32x32, 10 classes (Krizhevsky 2009). JPEG copies of them do where the root has only such."""
    copies = [Path(root, name) for name in JPEG_COPIES if Path(root, name).exists()]
    if any(Path(root).glob("cifar-10-*")) or not copies:  # unpacked, or as downloaded
        return _batches("CIFAR10", root, "cifar-10-batches-py", loading, validation_size, scaling)
    check_no_folds("CIFAR10", loading)
    images = ImageCache(CacheFolder(cache), Form(SIZE, 3, "stretch"), num_workers)
    data = folder_data(str(copies[0]), images, "error", HeldOut(0, 0, validation_size), loading, scaling)
    data.remarks = (f"read from {copies[0]}: JPEG copies, which lose a little of each image", *data.remarks)
    return data


def cifar100(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: ImageScaling) -> TensorData:
    """Colour photographs, 32x32, 100 classes (Krizhevsky 2009)."""
    return _batches("CIFAR100", root, "cifar-100-python", loading, validation_size, scaling)


def _batches(name: str, root: str, folder: str, loading: Loading, validation_size: int, scaling: str) -> TensorData:
    check_no_folds(name, loading)
    train, test = (read(name, root, folder, "*", train=train) for train in (True, False))
    return published_data(_split(train), _split(test), train.classes, loading, validation_size, scaling)


def _split(found: Any) -> Split:
    """torchvision gives (N, H, W, C)."""
    return Split(torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(found.targets))
