import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from paribus.data.image_folder import image_folder
from paribus.data.loader import Fold, Loading
from paribus.data.module import TensorData
from paribus.data.spec import BinarySpec, ClassificationSpec
from paribus.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2].parent / "shared" / "data"
LOADING = Loading(seed=0, batch_size=4, steps_per_execution=1)
SETTINGS: dict[str, Any] = {
    "image_size": None,
    "channels": 1,
    "resizing": "crop",
    "on_bad_file": "error",
    "validation_fraction": 0.25,
    "test_fraction": 0.25,
    "scaling": "none",
}


def _write(root: Path, folders: dict[str, int]) -> Path:
    """Images of 2x3 in folders by name; all have another value, which is its number in the order of writing."""
    number = 0
    for folder, count in folders.items():
        (root / folder).mkdir(parents=True)
        for _ in range(count):
            Image.new("L", (3, 2), number).save(root / folder / f"{number}.png")
            number += 1
    return root


def _build(path: Path, loading: Loading = LOADING, **settings: Any) -> TensorData:
    cache = str(path.parent / "cache")
    return image_folder(loading, 0, path=str(path), cache=cache, **{**SETTINGS, **settings})


def _numbers(data: TensorData, split: str) -> dict[int, str]:
    """Number -> class of each image in a split."""
    found = data.raw(split)
    pixels = found.take(torch.arange(len(found)))
    assert torch.equal(pixels, pixels[:, :, :1, :1].expand_as(pixels))
    assert isinstance(data.spec, ClassificationSpec)
    names = [data.spec.class_names[label] for label in found.targets]
    return dict(zip(pixels[:, 0, 0, 0].tolist(), names, strict=True))


def test_class_folders_are_split_by_the_seed(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", {"bee": 8, "ant/deeper/still": 8, "cat": 8})
    data = _build(root)
    assert data.spec == ClassificationSpec((1, 2, 3), ("ant", "bee", "cat"))
    splits = [_numbers(data, name) for name in ("train", "val", "test")]
    assert [Counter(split.values()) for split in splits] == [
        dict.fromkeys(("ant", "bee", "cat"), count) for count in (4, 2, 2)
    ]
    expected = {number: ("bee", "ant", "cat")[number // 8] for number in range(24)}
    assert {**splits[0], **splits[1], **splits[2]} == expected
    assert data.remarks == ()
    again = _build(root)
    assert [_numbers(again, name) for name in ("train", "val", "test")] == splits
    assert again.fingerprint == data.fingerprint
    other = _build(root, Loading(seed=1, batch_size=4, steps_per_execution=1))
    assert _numbers(other, "test") != splits[2] and other.fingerprint["test"] != data.fingerprint["test"]


def test_batches_are_the_images(tmp_path: Path) -> None:
    data = _build(_write(tmp_path / "photos", {"a": 8, "b": 8}), image_size=4, channels=3)
    assert isinstance(data.spec, BinarySpec)
    inputs = torch.cat([inputs for inputs, _ in data.test_dataloader().batches()])
    assert inputs.shape == (4, 3, 4, 4) and inputs.dtype == torch.float32
    assert set(inputs.unique().tolist()) == set(map(float, _numbers(data, "test")))


def test_two_folds_together_are_all(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", {"a": 8, "b": 8})
    folds = [
        _build(root, Loading(seed=0, batch_size=4, steps_per_execution=1, fold=Fold(number, 2))) for number in (1, 2)
    ]
    assert sorted([*_numbers(folds[0], "test"), *_numbers(folds[1], "test")]) == list(range(16))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "Testing")])
def test_given_splits_are_taken_as_they_are(tmp_path: Path, names: tuple[str, ...]) -> None:
    folders = {f"{name}/{kind}": 4 for name in names for kind in "ab"}
    data = _build(_write(tmp_path / "photos", folders))
    assert [sorted(_numbers(data, name)) for name in ("train", "val", "test")] == [
        list(range(first, first + 8)) for first in (0, 8, 16)
    ]
    assert _numbers(data, "train")[4] == "b"
    assert data.remarks[0].startswith("split as the data says")


@pytest.mark.parametrize("other", ["val", "test", "holdout"])
def test_a_single_other_folder_is_the_test_split(tmp_path: Path, other: str) -> None:
    root = _write(tmp_path / "photos", {"train/a": 8, "train/b": 8, f"{other}/a": 4, f"{other}/b": 3})
    data = _build(root)
    assert sorted(_numbers(data, "test")) == list(range(16, 23))
    assert Counter(_numbers(data, "val").values()) == {"a": 2, "b": 2}
    assert sorted([*_numbers(data, "train"), *_numbers(data, "val")]) == list(range(16))
    assert data.remarks == (f"{other} is the test split; the 4 images for validation are taken out of train",)
    share = _build(root, Loading(seed=0, batch_size=4, steps_per_execution=1, train_fraction=0.5))
    assert set(_numbers(share, "train")) < set(_numbers(data, "train")) and share.num_rows("train") == 6
    with pytest.raises(ConfigError, match=r"cross_validation=2: .*photos brings its own test rows"):
        _build(root, Loading(seed=0, batch_size=4, steps_per_execution=1, fold=Fold(1, 2)))


def test_train_alone_is_split_and_train_may_be_a_class(tmp_path: Path) -> None:
    alone = _build(_write(tmp_path / "alone", {"train/a": 8, "train/b": 8}))
    assert [alone.num_rows(name) for name in ("train", "val", "test")] == [8, 4, 4]
    vehicles = _build(_write(tmp_path / "vehicles", {"bus": 8, "train": 8}))
    assert isinstance(vehicles.spec, BinarySpec) and vehicles.spec.class_names == ("bus", "train")


def test_what_is_no_image_of_a_class_is_left_out_and_counted(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", {"a": 8, "b": 8})
    for name in ("README.txt", "a/Thumbs.db", "b/.hidden.png", "loose.png"):
        (root / name).write_text("x")
    for folder in (".git", "__MACOSX/a"):
        (root / folder).mkdir(parents=True)
        (root / folder / "x.png").write_text("x")
    os.mkfifo(root / "a" / "pipe.png")
    data = _build(root)
    assert sum(data.num_rows(name) for name in ("train", "val", "test")) == 16
    assert data.remarks == ("files left out: 5 (hidden, without the ending of an image, or in no class folder)",)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", {"a": 8, "b": 4})
    outside = _write(tmp_path / "outside", {"more": 4})
    (root / "b" / "more").symlink_to(outside / "more")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "self").symlink_to(root / "a")
    data = _build(root)
    assert sum(data.num_rows(name) for name in ("train", "val", "test")) == 16
    (root / "a" / "broken.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"a/broken.png cannot be read \(no such file or directory\)"):
        _build(root)


def test_all_bad_files_are_named_and_may_be_skipped(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", {"a": 9, "b": 8})
    (root / "a" / "0.png").write_bytes(b"")
    (root / "b" / "9.png").write_text("no image")
    cache = tmp_path / "cache" / "images"
    for _ in range(2):
        with pytest.raises(DataError) as error:
            _build(root)
        assert str(error.value) == (
            f"{root}: 2 image files cannot be used: a/0.png is empty; b/9.png is no image; mend or delete what is "
            "named, or leave them out with data.on_bad_file=skip"
        )
        assert not [file for file in cache.iterdir() if file.suffix != ".lock"]  # the mended files have another key
    data = _build(root, on_bad_file="skip")
    kept = sorted(cache.iterdir())
    assert {".npy", ".json"} < {file.suffix for file in kept}
    with pytest.raises(DataError, match="2 image files cannot be used"):
        _build(root)
    assert sorted(cache.iterdir()) == kept  # those who skip have use for it
    seen = {**_numbers(data, "train"), **_numbers(data, "val"), **_numbers(data, "test")}
    assert seen == {number: "ab"[number > 8] for number in range(17) if number not in (0, 9)}
    assert data.remarks == ("files left out that cannot be used: a/0.png is empty; b/9.png is no image",)
    for file in (root / "b").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"photos: no image of class 'b' can be used"):
        _build(root, on_bad_file="skip")


@pytest.mark.parametrize("name", [b"photos/\xe9t\xe9", b"photos/a/\xe9t\xe9.png"])
def test_names_that_are_no_text_are_refused(tmp_path: Path, name: bytes) -> None:
    root = _write(tmp_path / "photos", {"a": 8, "b": 8})
    path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - Path takes no bytes
    (root / "a" / "0.png").rename(os.fsdecode(path)) if name.endswith(b"png") else os.mkdir(path)  # noqa: PTH102
    with pytest.raises(DataError) as error:
        _build(root)
    shown = os.fsdecode(name.removeprefix(b"photos/"))
    assert str(error.value) == f"{root}: the name {shown!r} is not UTF-8; rename it"
    assert str(error.value).isprintable()


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    root = _write(tmp_path / "photos", {"a": 8, "b": 8})
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"photos cannot be read: permission denied; set data.path"):
        _build(root)


def test_the_folder_photographs_of_ants_and_bees(tmp_path: Path) -> None:
    folder = ROOT / "hymenoptera-224"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    settings = {**SETTINGS, "image_size": 64, "channels": 3, "validation_fraction": 0.1}
    data = image_folder(LOADING, 1, path=str(folder), cache=str(tmp_path), **settings)
    assert data.spec == BinarySpec((3, 64, 64), ("ants", "bees"))
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [220, 24, 153]
    first = min((folder / "val" / "ants").iterdir())
    expected = np.asarray(ImageOps.fit(Image.open(first), (64, 64), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(data.raw("test").take(torch.tensor([0]))[0], expected)
