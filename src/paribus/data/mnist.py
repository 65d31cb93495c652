"""MNIST and Fashion-MNIST through torchvision's own classes, which download with a checksum."""

from pathlib import Path

import torch

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.spec import ClassificationSpec
from paribus.data.splitting import share, two_way
from paribus.errors import ConfigError, DataError
from paribus.torchvision_ops import torchvision
from paribus.types import PositiveInt, Scaling


def mnist(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """Handwritten digits, 28x28, values 0..255, 10 classes (LeCun, Cortes & Burges 1998)."""
    return _idx_files("MNIST", root, loading, validation_size, scaling)


def fashion_mnist(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """Pictures of clothes, 28x28, values 0..255, 10 classes (Xiao, Rasul & Vollgraf 2017)."""
    return _idx_files("FashionMNIST", root, loading, validation_size, scaling)


def _idx_files(name: str, root: str, loading: Loading, validation_size: int, scaling: str) -> TensorData:
    if loading.fold is not None:
        raise ConfigError(
            f"cross_validation={loading.fold.count}: {name} brings its own test rows; folds are for data without"
        )
    train, test = _read(name, root, train=True), _read(name, root, train=False)
    kept, held_out = two_way(
        train.targets, torch.arange(len(train.targets)), validation_size, loading.seed, "validation_size"
    )
    kept = share(train.targets, kept, loading)
    splits = {
        "train": Split(train.inputs[kept], train.targets[kept]),
        "val": Split(train.inputs[held_out], train.targets[held_out]),
        "test": test,
    }
    classes = getattr(torchvision.datasets, name).classes
    names = tuple(str(text).split(" - ")[0] for text in classes)
    spec = ClassificationSpec(tuple(train.inputs.shape[1:]), names)
    return TensorData(splits, spec, loading, scaling_kind=scaling, image_range=255)


def _read(name: str, root: str, *, train: bool) -> Split:
    dataset = getattr(torchvision.datasets, name)
    raw = Path(root, name, "raw")
    there = [folder for folder in (raw, raw.parent, raw.parent.parent) if folder.is_dir()]
    try:
        data = dataset(root, train=train, download=not any(raw.glob("*-ubyte")))
    except Exception as error:  # torchvision raises nearly anything for a file that is not what it should be
        reason = " ".join(str(error).split())[:200].rstrip(":") or type(error).__name__
        if any(raw.glob("*-ubyte")):
            raise DataError(
                f"{raw}: a file is missing or damaged ({reason}); delete the folder to download it again"
            ) from None
        for folder in (raw, raw.parent, raw.parent.parent):  # those that torchvision has made for the download
            if folder not in there and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise DataError(
            f"{root} holds no {name}, and it could not be downloaded ({reason}); "
            f"set data.root to the folder that holds {name}/raw"
        ) from None
    return Split(data.data[:, None], data.targets)
