"""MNIST and Fashion-MNIST through torchvision's own classes, which download with a checksum."""

from collections.abc import Callable

import torch
from torch import Tensor

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.published import check_no_folds, published_data, read
from paribus.seeding import derive
from paribus.torchvision_ops import torchvision
from paribus.types import Flag, PositiveInt, Scaling


def mnist(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """Handwritten digits, 28x28, values 0..255, 10 classes (LeCun, Cortes & Burges 1998)."""
    return _idx_files("MNIST", root, loading, validation_size, scaling)


def fashion_mnist(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """Pictures of clothes, 28x28, values 0..255, 10 classes (Xiao, Rasul & Vollgraf 2017)."""
    return _idx_files("FashionMNIST", root, loading, validation_size, scaling)


def mnist_rows(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """MNIST as sequences (28, 28): a row of pixels at each step, from the top."""
    return _idx_files("MNIST", root, loading, validation_size, scaling, lambda images: images)


def mnist_pixels(
    root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling, permuted: Flag
) -> TensorData:
    """MNIST as sequences (784, 1): a pixel at each step, or these in an order drawn at random (Le et al. 2015, 4.2)."""
    generator = torch.Generator().manual_seed(derive(0, "permuted pixels"))  # one task, whatever the seed of the run
    order = torch.randperm(784, generator=generator) if permuted else torch.arange(784)
    return _idx_files(
        "MNIST", root, loading, validation_size, scaling, lambda images: images.flatten(1)[:, order, None]
    )


def _idx_files(
    name: str,
    root: str,
    loading: Loading,
    validation_size: int,
    scaling: str,
    form: Callable[[Tensor], Tensor] = lambda images: images[:, None],
) -> TensorData:
    """`form` makes of images (N, 28, 28) what a model is to see."""
    check_no_folds(name, loading)
    train, test = (_split(name, root, form, train=is_train) for is_train in (True, False))
    classes = getattr(torchvision.datasets, name).classes
    names = [str(text).split(" - ")[0] for text in classes]
    return published_data(train, test, names, loading, validation_size, scaling)


def _split(name: str, root: str, form: Callable[[Tensor], Tensor], *, train: bool) -> Split:
    found = read(name, root, f"{name}/raw", "*-ubyte", train=train)
    return Split(form(found.data), found.targets)
