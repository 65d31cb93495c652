"""Mistakes with images: each ends with exit code 2 and one line that says what, where and what to do."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from conftest import Run

PLAIN = ("data=image_folder", "model=mlp", "trainer=cpu", "logger=none", "data.batch_size=4")


def _photos(root: Path, folders: dict[str, int]) -> Path:
    """Images of 6x4 in folders by name."""
    for folder, count in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", (6, 4), (number, 0, 0)).save(root / folder / f"{number}.png")
    return root


def _two(root: Path) -> Path:
    return _photos(root, {"ant": 10, "bee": 10})


def _with(root: Path, name: str, content: bytes) -> Path:
    _two(root)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)
    return root


def _large(root: Path) -> Path:
    _two(root)
    Image.new("RGB", (60, 40)).save(root / "bee" / "large.png")
    return root


def _cut(root: Path) -> Path:
    _two(root)
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(file, "JPEG")
    (root / "ant" / "cut.jpg").write_bytes(file.getvalue()[:1000])
    return root


def _tar(root: Path, name: str, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(root.with_suffix(".tar"), "w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    return root.with_suffix(".tar")


def _zip(root: Path, name: str) -> Path:
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as archive:
        archive.writestr(name, b"1")
    return root.with_suffix(".zip")


def _file(root: Path, content: bytes, ending: str) -> Path:
    root.with_suffix(ending).write_bytes(content)
    return root.with_suffix(ending)


# What is at data.path, what is typed beside it -> what the one line must say.
FOLDERS: dict[str, tuple[Callable[[Path], Path], list[str], list[str]]] = {
    "nothing there": (lambda root: root, [], ["photos: no such folder or archive", "data.path"]),
    "an empty folder": (lambda root: _photos(root, {".": 0}), [], ["neither class folders nor images"]),
    "images only": (lambda root: _photos(root, {".": 3}), [], ["3 images and no class folders", "for each class"]),
    "one class": (lambda root: _photos(root, {"ant": 9}), [], ["one class only (ant)"]),
    "an empty class": (lambda root: _photos(root, {"ant": 9, "bee": 0}), [], ["photos/bee holds no image"]),
    "an empty class in val": (
        lambda root: _photos(root, {"train/ant": 9, "train/bee": 9, "val/ant": 2, "val/bee": 0}),
        [],
        ["photos/val/bee holds no image"],
    ),
    "a class that is not in train": (
        lambda root: _photos(root, {"train/ant": 9, "train/bee": 9, "test/ant": 2, "test/wasp": 2}),
        [],
        ["class 'wasp' is in test and not in train"],
    ),
    "no train": (lambda root: _photos(root, {"val/ant": 3, "test/ant": 3}), [], ["holds test, val and no train"]),
    "folders that may be anything": (
        lambda root: _photos(root, {"train/ant": 3, "dev/ant": 3, "extra/ant": 3}),
        [],
        ["dev, extra, train for splits", "train, val and test, or train and one other"],
    ),
    "images beside train's folders": (
        lambda root: _photos(root, {"train/ant": 3, "train/bee": 3, "test": 3}),
        [],
        ["photos/test holds 3 images and no class folders"],
    ),
    "too few of a class": (lambda root: _photos(root, {"ant": 9, "bee": 2}), [], ["class 'bee' has 2 rows"]),
    "too few for validation": (
        lambda root: _photos(root, {"ant": 4, "bee": 4}),
        [],
        ["data.validation_fraction takes 1 for validation", "leaves 5"],
    ),
    "an empty file": (lambda root: _with(root, "ant/x.png", b""), [], ["ant/x.png is empty", "data.on_bad_file=skip"]),
    "text": (lambda root: _with(root, "bee/x.jpg", b"<html>"), [], ["bee/x.jpg is no image"]),
    "a file cut short": (_cut, ["data.image_size=4"], ["ant/cut.jpg is cut short"]),
    "sizes that differ": (_large, [], ["bee/large.png is 60x40 and ant/0.png 6x4", "data.image_size=224"]),
    "a class of bad files": (
        lambda root: _with(_photos(root, {"wasp": 0}), "wasp/x.png", b""),
        ["data.on_bad_file=skip"],
        ["no image of class 'wasp' can be used"],
    ),
    "bad files only": (
        lambda root: _file(_file(_photos(root, {"a": 0, "b": 0}) / "a" / "x", b"", ".png").parent.parent / "b" / "x",
                           b"", ".png").parent.parent,
        ["data.on_bad_file=skip", "data.image_size=4"],
        ["2 image files cannot be used: a/x.png is empty; b/x.png is empty; mend"],
    ),
    "no archive": (lambda root: _file(root, b"x", ".rar"), [], ["photos.rar is neither a folder nor an archive"]),
    "a damaged archive": (lambda root: _file(root, b"x", ".zip"), [], ["photos.zip cannot be unpacked", "whole"]),
    "an archive that climbs out": (lambda root: _tar(root, "../x"), [], ["photos.tar: '../x' would be"]),
    "an archive with an absolute name": (lambda root: _zip(root, "/x.png"), [], ["photos.zip: '/x.png' would be"]),
    "an archive with a link": (lambda root: _tar(root, "x", tarfile.SYMTYPE), [], ["'x' is a link or no plain file"]),
    "an archive of nothing but its folder": (
        lambda root: _tar(root, ".", tarfile.DIRTYPE),
        [],
        ["photos.tar holds neither class folders nor images"],
    ),
    "a name that is no text": (
        lambda root: _with(root, os.fsdecode(b"ant/\xe9t\xe9.png"), b""),
        [],
        ["photos: the name 'ant/\\udce9t\\udce9.png' is not UTF-8; rename it"],
    ),
    "an archive without images": (lambda root: _zip(root, "x.txt"), [], ["photos.zip holds neither class folders"]),
    "a cache that is a file": (
        lambda root: _with(root, "cache", b""),
        ["data.cache=photos/cache"],
        ["photos/cache cannot be written to", "set data.cache"],
    ),
    "a batch too large": (_two, ["data.batch_size=100"], ["config error", "data.batch_size=100 is more than the 14"]),
    "a number that is no size": (_two, ["data.image_size=0"], ["config error", "data.image_size=0 must be a whole"]),
    "two channels": (_two, ["data.channels=2"], ["config error", "data.channels=2 must be 1 (grey) or 3 (colour)"]),
    "a resizing that is none": (_two, ["data.resizing=fit"], ["data.resizing=fit must be crop, pad or stretch"]),
    "grey for ImageNet": (_two, ["data.channels=1", "data.scaling=imagenet"], ["config error", "three channels"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FOLDERS)
def test_fault_in_a_folder_is_one_line(paribus: Run, tmp_path: Path, fault: str) -> None:
    make, extra, parts = FOLDERS[fault]
    path = make(tmp_path / "photos")
    _expect_one_line(paribus, tmp_path, [*PLAIN, f"data.path={path}", *extra], parts)


# The table, what is typed -> what the one line must say.
TABLES = {
    "a column that is none": ("image,kind", ["data.target=kin"], ["config error", "did you mean kind?"]),
    "an image column that is none": ("picture,kind", [], ["data.image_column=image is no column"]),
    "a file that is not there": (
        "image,kind\nant/77.png,ant",
        [],
        ["none of its image files is in", "row 2: ant/77.png"],
    ),
    "a file that is not there and one that is no image": (
        "image,kind\nant/0.png,ant\nant/77.png,ant\nt.csv,ant",
        [],
        ["2 image files cannot be used: row 3: ant/77.png cannot be read", "row 4: t.csv is no image"],
    ),
    "a folder elsewhere": (
        "image,kind\n0.png,ant",
        ["data.folder=nowhere"],
        ["nowhere, beginning with row 2: 0.png", "data.folder"],
    ),
    "a missing label": ("image,kind\nant/0.png,", [], ["row 2, column 'kind': the value is missing"]),
    "text for regression": ("image,kind\nant/0.png,big", ["data.task=regression"], ["row 2", "'big' is not a number"]),
    "a split that is none": (
        "image,kind,part\nant/0.png,ant,dev",
        ["data.split_column=part"],
        ["row 2, column 'part': 'dev' must be train, val or test"],
    ),
}


@pytest.mark.parametrize("fault", TABLES)
def test_fault_in_a_table_of_images_is_one_line(paribus: Run, tmp_path: Path, fault: str) -> None:
    text, extra, parts = TABLES[fault]
    _two(tmp_path)
    header, *rows = text.split("\n")
    (tmp_path / "t.csv").write_text("\n".join([header, *(rows or ["ant/0.png,ant"])]) + "\n")
    arguments = [*PLAIN[1:], "data=image_table", "data.path=t.csv", "data.target=kind", *extra]
    _expect_one_line(paribus, tmp_path, arguments, parts)


def test_want_of_memory_names_the_file(paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> None:
        raise MemoryError

    path = _two(tmp_path / "photos")
    monkeypatch.setattr(Image, "open", short)
    code, out, err = paribus("train", *PLAIN, "data.cache=cache", f"data.path={path}")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "run failed: out of memory" in err and f"while decoding {path / 'ant' / '0.png'}" in err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("hymenoptera", "hymenoptera-224: no such folder or archive"),
        ("cifar10_jpeg", "cifar10-jpeg.tar.gz: no such folder or archive"),
    ],
)
def test_data_that_is_not_there_names_its_place(paribus: Run, tmp_path: Path, data: str, said: str) -> None:
    arguments = [*PLAIN[1:], f"data={data}", f"data.root={tmp_path / 'empty'}"]
    _expect_one_line(paribus, tmp_path, arguments, ["data error", said, "data.root"])


def _expect_one_line(paribus: Run, folder: Path, arguments: list[str], parts: list[str]) -> None:
    before = set(folder.rglob("*"))
    code, out, err = paribus("train", *arguments)
    assert (code, out) == (2, ""), err
    assert len(err.splitlines()) == 1, err
    assert all(part in err for part in parts), err
    assert set(folder.rglob("*")) == before  # no folder left behind
