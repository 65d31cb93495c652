import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from paribus.data.cifar import cifar10, cifar100
from paribus.data.loader import Fold, Loading
from paribus.data.spec import ClassificationSpec
from paribus.errors import ConfigError, DataError
from paribus.torchvision_ops import torchvision

LOADING = Loading(seed=0, batch_size=10, steps_per_execution=1)
FOLDER = "cifar-10-batches-py"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dataset: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "download", refuse)  # CIFAR-100 inherits it


def _write(root: Path) -> Path:
    """Batches as published: 20 images a batch; image i of the training set is all i in red, its label i % 10."""
    (root / FOLDER).mkdir()
    for batch, name in enumerate([f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]):
        pixels = np.zeros((20, 3, 32, 32), np.uint8)
        pixels[:, 0] = (batch * 20 + np.arange(20))[:, None, None]
        content = {"data": pixels.reshape(20, -1), "labels": [number % 10 for number in range(20)]}
        (root / FOLDER / name).write_bytes(pickle.dumps(content))
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (root / FOLDER / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    return root


def test_published_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    data = cifar10(str(_write(tmp_path)), LOADING, 0, validation_size=20, cache=str(tmp_path / "c"), scaling="none")
    assert isinstance(data.spec, ClassificationSpec)
    assert data.spec.input_shape == (3, 32, 32) and data.spec.class_names[3] == "cat"
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [80, 20, 20]
    seen = []
    for name in ("train", "val", "test"):
        found = data.raw(name)
        assert torch.equal(found.inputs[:, 0, 5, 7].long() % 10, found.targets) and not found.inputs[:, 1:].any()
        seen += found.inputs[:, 0, 0, 0].tolist()
    assert sorted(seen) == list(range(120))


@pytest.mark.parametrize("build", [cifar10, cifar100])
def test_without_files_and_network(build: object, tmp_path: Path) -> None:
    cache = {"cache": str(tmp_path)} if build is cifar10 else {}
    provided = (str(tmp_path), LOADING, *([0] if build is cifar10 else []))
    with pytest.raises(DataError, match=r"holds no CIFAR10+, and it could not be downloaded \(no network here\)"):
        build(*provided, validation_size=20, scaling="none", **cache)  # type: ignore[operator]
    assert not list(tmp_path.iterdir())


def test_damaged_files_name_the_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cifar-10-batches-py: a file is missing or damaged .*delete the folder"):
        cifar10(str(_write(tmp_path)), LOADING, 0, validation_size=20, cache=str(tmp_path), scaling="none")


def test_copies_in_jpeg_do_where_there_is_nothing_else(tmp_path: Path) -> None:
    for split, count in (("train", 10), ("test", 2)):
        for label, name in enumerate(["bird", "cat"]):
            (tmp_path / "root" / "cifar10-jpeg" / split / name).mkdir(parents=True)
            for number in range(count):
                picture = Image.new("RGB", (32, 32), (200 * label, 10 * number, 0))
                picture.save(tmp_path / "root" / "cifar10-jpeg" / split / name / f"{number}.jpg")
    arguments = {"validation_size": 4, "cache": str(tmp_path / "cache"), "scaling": "min_max"}
    data = cifar10(str(tmp_path / "root"), LOADING, 0, **arguments)
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [16, 4, 4]
    assert "JPEG copies" in data.remarks[0] and "4 images for validation" in data.remarks[1]
    found = data.raw("val")
    red = found.take(torch.arange(4))[:, 0].float().mean((1, 2))
    assert torch.equal(red > 100, found.targets.bool())
    with pytest.raises(DataError, match=r"data.validation_size takes 40 for validation"):
        cifar10(str(tmp_path / "root"), LOADING, 0, **{**arguments, "validation_size": 40})
    folded = Loading(seed=0, batch_size=10, steps_per_execution=1, fold=Fold(1, 2))
    with pytest.raises(ConfigError, match="CIFAR10 brings its own test rows"):
        cifar10(str(tmp_path / "root"), folded, 0, **arguments)
