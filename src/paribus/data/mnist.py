"""MNIST and Fashion-MNIST through torchvision's own classes, which download with a checksum."""

import torch

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.spec import ClassificationSpec
from paribus.data.splitting import two_way
from paribus.errors import DataError
from paribus.torchvision_ops import torchvision
from paribus.types import PositiveInt, Scaling


def mnist(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """Handwritten digits, 28x28, values 0..255, 10 classes (LeCun, Cortes & Burges 1998)."""
    return _idx_files("MNIST", root, loading, validation_size, scaling)


def fashion_mnist(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """Pictures of clothes, 28x28, values 0..255, 10 classes (Xiao, Rasul & Vollgraf 2017)."""
    return _idx_files("FashionMNIST", root, loading, validation_size, scaling)


def _idx_files(name: str, root: str, loading: Loading, validation_size: int, scaling: str) -> TensorData:
    train, test = _read(name, root, train=True), _read(name, root, train=False)
    kept, held_out = two_way(
        train.targets, torch.arange(len(train.targets)), validation_size, loading.seed, "validation"
    )
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
    try:
        data = dataset(root, train=train)
    except (RuntimeError, OSError):
        try:
            data = dataset(root, train=train, download=True)
        except Exception as error:
            raise DataError(
                f"{root} holds no {name}, and it could not be downloaded ({type(error).__name__}: {error}); "
                f"set data.root to the folder that holds {name}/raw"
            ) from None
    return Split(data.data[:, None], data.targets)
