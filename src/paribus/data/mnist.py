"""MNIST and Fashion-MNIST through torchvision's own classes, which download with a checksum."""

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.published import check_no_folds, published_data, read
from paribus.torchvision_ops import torchvision
from paribus.types import PositiveInt, Scaling


def mnist(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """Handwritten digits, 28x28, values 0..255, 10 classes (LeCun, Cortes & Burges 1998)."""
    return _idx_files("MNIST", root, loading, validation_size, scaling)


def fashion_mnist(root: str, loading: Loading, *, validation_size: PositiveInt, scaling: Scaling) -> TensorData:
    """Pictures of clothes, 28x28, values 0..255, 10 classes (Xiao, Rasul & Vollgraf 2017)."""
    return _idx_files("FashionMNIST", root, loading, validation_size, scaling)


def _idx_files(name: str, root: str, loading: Loading, validation_size: int, scaling: str) -> TensorData:
    check_no_folds(name, loading)
    train, test = _split(name, root, train=True), _split(name, root, train=False)
    classes = getattr(torchvision.datasets, name).classes
    names = [str(text).split(" - ")[0] for text in classes]
    return published_data(train, test, names, loading, validation_size, scaling)


def _split(name: str, root: str, *, train: bool) -> Split:
    found = read(name, root, f"{name}/raw", "*-ubyte", train=train)
    return Split(found.data[:, None], found.targets)
