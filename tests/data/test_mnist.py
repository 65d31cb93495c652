import struct
from pathlib import Path

import pytest
import torch

from paribus.data.loader import Loading
from paribus.data.mnist import fashion_mnist, mnist, mnist_pixels, mnist_rows
from paribus.data.module import TensorData
from paribus.data.spec import ClassificationSpec
from paribus.errors import DataError
from paribus.torchvision_ops import torchvision

ROOT = Path(__file__).parents[2].parent / "shared" / "data"
LOADING = Loading(seed=0, batch_size=10, steps_per_execution=1)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dataset: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", refuse)  # Fashion-MNIST inherits it


def _write(folder: Path, num_train: int, num_test: int, slope: int = 0) -> Path:
    """IDX files as published: image i is all i, or rises by `slope` from pixel to pixel; its label i % 10."""
    folder.mkdir(parents=True)
    for name, count in (("train", num_train), ("t10k", num_test)):
        pixels = b"".join(bytes((number + slope * place) % 256 for place in range(784)) for number in range(count))
        (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, count, 28, 28) + pixels)
        labels = bytes(number % 10 for number in range(count))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels)
    return folder.parents[1]


def _tensors(data: TensorData, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(getattr(data, f"{name}_dataloader")().batches())
    return torch.cat([inputs for inputs, _ in batches]), torch.cat([targets for _, targets in batches])


def test_mnist_is_split_as_published() -> None:
    if not (ROOT / "MNIST" / "raw").is_dir():
        pytest.skip(f"needs the MNIST files in {ROOT / 'MNIST' / 'raw'}")
    data = mnist(str(ROOT), LOADING, validation_size=5000, scaling="min_max")
    assert data.spec == ClassificationSpec((1, 28, 28), tuple("0123456789"))
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [55_000, 5_000, 10_000]
    _, targets = _tensors(data, "val")
    # Class counts of the 60,000 training labels, from LeCun's files: one in twelve of each is held out.
    published = torch.tensor([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    assert (torch.bincount(targets) - published / 12).abs().max() < 1
    inputs, targets = _tensors(data, "test")
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert targets[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]  # the test set opens so, as every tutorial shows


def test_fashion_mnist_is_read_split_and_scaled(tmp_path: Path) -> None:
    root = _write(tmp_path / "FashionMNIST" / "raw", 200, 30)
    data = fashion_mnist(str(root), LOADING, validation_size=50, scaling="min_max")
    assert type(data.spec) is ClassificationSpec
    assert data.spec.input_shape == (1, 28, 28)
    assert data.spec.class_names[0] == "T-shirt/top"
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [150, 50, 30]
    seen = []
    for name in ("train", "val"):
        inputs, targets = _tensors(data, name)
        numbers = (inputs[:, 0, 0, 0] * 255).round().long()
        assert torch.equal(numbers % 10, targets)  # each picture kept its label
        assert torch.bincount(targets).unique().tolist() == [len(targets) // 10]
        torch.testing.assert_close(inputs[:, 0, 5, 7], numbers / 255)
        seen += numbers.tolist()
    assert sorted(seen) == list(range(200))


@pytest.mark.parametrize(("build", "name"), [(mnist, "MNIST"), (fashion_mnist, "FashionMNIST")])
def test_missing_files_name_data_root(build: type, name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        build(str(tmp_path), LOADING, validation_size=50, scaling="min_max")
    text = str(error.value)
    assert text.startswith(f"{tmp_path} holds no {name}, and it could not be downloaded (no network here)")
    assert text.endswith(f"set data.root to the folder that holds {name}/raw")


def test_a_validation_size_that_leaves_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    root = _write(tmp_path / "MNIST" / "raw", 100, 20)
    with pytest.raises(DataError, match=r"of 100 rows data.validation_size takes 100 for validation and leaves 0"):
        mnist(str(root), LOADING, validation_size=100, scaling="min_max")


def test_images_are_read_as_sequences(tmp_path: Path) -> None:
    """A row or a pixel a step, the same numbers as the image has; permuted, each pixel has moved, all images alike."""
    root = str(_write(tmp_path / "MNIST" / "raw", 200, 30, slope=1))
    images = mnist(root, LOADING, validation_size=50, scaling="none").raw("test").inputs
    rows = mnist_rows(root, LOADING, validation_size=50, scaling="min_max")
    assert rows.spec.input_shape == (28, 28) and rows.spec.is_sequence and not rows.spec.is_image
    assert torch.equal(rows.raw("test").inputs, images[:, 0])
    plain = mnist_pixels(root, LOADING, validation_size=50, scaling="none", permuted=False)
    assert torch.equal(plain.raw("test").inputs[..., 0], images.flatten(1))
    moved = mnist_pixels(root, Loading(5, 10, 1), validation_size=50, scaling="none", permuted=True)
    again = mnist_pixels(root, LOADING, validation_size=50, scaling="none", permuted=True)
    assert moved.spec.input_shape == (784, 1)
    assert torch.equal(moved.raw("test").inputs, again.raw("test").inputs)  # one task, whatever the seed
    before, after = plain.raw("test").inputs.int(), moved.raw("test").inputs.int()
    assert not torch.equal(before, after) and torch.equal(before.sort(1).values, after.sort(1).values)
    order = after[0, :, 0]
    assert torch.equal((after[7, :, 0] - order) % 256, torch.full((784,), 7))  # each image in the same new order


def test_rows_are_scaled_over_the_range_of_pixels(tmp_path: Path) -> None:
    root = str(_write(tmp_path / "MNIST" / "raw", 200, 30))
    inputs, _ = _tensors(mnist_rows(root, LOADING, validation_size=50, scaling="min_max"), "test")
    assert torch.equal(inputs, (torch.arange(30) / 255)[:, None, None].expand(30, 28, 28))
