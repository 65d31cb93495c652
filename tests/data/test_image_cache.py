import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image

from paribus.data import workers
from paribus.data.cache_folder import NO_STAT, CacheFolder, Files
from paribus.data.decoding import Form
from paribus.data.image_cache import DecodedImages, ImageCache
from paribus.data.image_files import scan
from paribus.data.workers import Workers, hashes
from paribus.errors import DataError

FORM = Form(None, 1, "crop")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images of 2x3; image i is all i."""
    place = tmp_path / "images"
    place.mkdir()
    for number in range(6):
        Image.new("L", (3, 2), number).save(place / f"{number}.png")
    return place


def _load(folder: Path, cache: Path, form: Form = FORM) -> DecodedImages:
    return ImageCache(CacheFolder(str(cache)), form, 0).load(_files(folder))


def _files(folder: Path) -> Files:
    images = scan(folder, folder).images
    return Files(str(folder), tuple(sorted(images)), tuple(images[name] for name in sorted(images)), str(folder))


def _numbers(images: DecodedImages) -> list[int]:
    assert (images.pixels == images.pixels[:, :1, :1, :1]).all()
    return [int(number) for number in images.pixels[:, 0, 0, 0]]


def _refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(workers, "decode", decode)


def test_images_are_decoded_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    first = _load(folder, cache)
    assert first.pixels.shape == (6, 1, 2, 3) and _numbers(first) == list(range(6)) and first.bad == {}
    _refuse(monkeypatch)
    monkeypatch.setattr("paribus.data.cache_folder.hashes", None)  # nor is any file read
    second = _load(folder, cache)
    assert _numbers(second) == list(range(6)) and second.key == first.key


def test_a_copy_elsewhere_finds_the_same_images(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _load(folder, tmp_path / "cache")
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    _refuse(monkeypatch)
    assert _load(tmp_path / "copy", tmp_path / "cache").key == first.key


def test_what_differs_is_decoded_anew(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    keys = {_load(folder, cache).key, _load(folder, cache, Form(None, 3, "crop")).key}
    keys |= {_load(folder, cache, Form(size, 1, resizing)).key for size in (2, 4) for resizing in ("crop", "pad")}
    assert len(keys) == 6
    before = (folder / "3.png").stat()
    content = bytearray((folder / "4.png").read_bytes())
    assert len(content) == before.st_size
    (folder / "3.png").write_bytes(content)
    os.utime(folder / "3.png", ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time of change
    changed = _load(folder, cache)
    assert _numbers(changed) == [0, 1, 2, 4, 4, 5] and changed.key not in keys
    (folder / "3.png").rename(folder / "9.png")
    assert _load(folder, cache).key not in keys | {changed.key}


@pytest.mark.parametrize("ending", ["npy", "json"])
@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_damaged_cache_is_made_anew(folder: Path, tmp_path: Path, ending: str, keep: int) -> None:
    cache = tmp_path / "cache"
    _load(folder, cache)
    (file,) = (cache / "images").glob(f"*.{ending}")
    file.write_bytes(file.read_bytes()[:keep])
    assert _numbers(_load(folder, cache)) == list(range(6))
    for content in (b"\x93NUMPY garbage", b"[1]", b"{}"):
        file.write_bytes(content)
        assert _numbers(_load(folder, cache)) == list(range(6))


def test_writing_to_the_images_leaves_the_cache_alone(folder: Path, tmp_path: Path) -> None:
    _load(folder, tmp_path / "cache").pixels[:] = 99
    assert _numbers(_load(folder, tmp_path / "cache")) == list(range(6))


def test_bad_files_are_remembered(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "0.png").write_bytes(b"")
    (folder / "3.png").write_text("no image")
    for _ in range(2):
        found = _load(folder, tmp_path / "cache")
        assert found.bad == {"0.png": "is empty", "3.png": "is no image"}
        assert _numbers(found) == [0, 1, 2, 0, 4, 5]
        _refuse(monkeypatch)


def test_a_file_that_could_not_be_read_is_tried_again(folder: Path, tmp_path: Path) -> None:
    files = _files(folder)
    (folder / "3.png").rename(tmp_path / "away")
    cache = ImageCache(CacheFolder(str(tmp_path / "cache")), FORM, 0)
    assert cache.load(files).bad == {"3.png": "cannot be read (no such file or directory)"}
    (tmp_path / "away").rename(folder / "3.png")
    assert _numbers(cache.load(files)) == list(range(6))


def _fail(monkeypatch: pytest.MonkeyPatch, name: str, error: int, after: int = 0) -> None:
    """Reading the file fails, but for the first times."""
    opened, calls = workers._opened, []

    def failing(path: str) -> IO[bytes]:
        calls.extend([path] if path.endswith(name) else [])
        if path.endswith(name) and len(calls) > after:
            raise OSError(error, os.strerror(error), path)
        return opened(path)

    monkeypatch.setattr(workers, "_opened", failing)


@pytest.mark.parametrize("after", [0, 1])  # 1: its hash has been taken by then
def test_a_failure_that_passes_is_not_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    cache, form = tmp_path / "cache", Form(2, 1, "stretch")
    (folder / "0.png").write_bytes(b"")
    bad = {"0.png": "is empty", "3.png": "cannot be read (input/output error)"}
    with monkeypatch.context() as failing:
        _fail(failing, "3.png", errno.EIO, after)
        first = _load(folder, cache, form)
        assert first.bad == bad and _numbers(first) == [0, 1, 2, 0, 4, 5]
        _refuse(failing)  # as long as it fails, the others are not decoded again
        assert _load(folder, cache, form).bad == bad
    for _ in range(2):
        found = _load(folder, cache, form)
        assert found.bad == {"0.png": "is empty"} and _numbers(found) == list(range(6))
        assert (found.key == first.key) == (after == 1)
        _refuse(monkeypatch)


def test_want_of_memory_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> None:
        raise MemoryError

    cache, form = tmp_path / "cache", Form(2, 1, "crop")
    with monkeypatch.context() as small, pytest.raises(MemoryError) as error:
        small.setattr(Image, "open", short)
        _load(folder, cache, form)
    assert error.value.__notes__ == [f"while decoding {folder / '0.png'}"]
    assert not [each for each in (cache / "images").iterdir() if each.suffix != ".lock"]
    assert _numbers(_load(folder, cache, form)) == list(range(6))


@pytest.mark.parametrize(
    ("error", "is_there", "is_read_again"),
    [(errno.ENOENT, False, False), (errno.EACCES, True, False), (errno.EIO, True, True), (errno.ENOENT, True, True)],
)
def test_all_are_read_again_only_where_stat_would_not_tell(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, is_there: bool, is_read_again: bool
) -> None:
    found = _files(folder)
    files = found if is_there else Files(found.root, found.names, (NO_STAT, *found.stats[1:]), found.shown)
    cache = ImageCache(CacheFolder(str(tmp_path / "cache")), FORM, 0)
    _fail(monkeypatch, "0.png", error)
    first = cache.load(files)
    assert "cannot be read" in first.bad["0.png"]
    jobs = []

    def seen(root: str, names: Sequence[str]) -> list[str]:
        jobs.append(names)
        return hashes(root, names)

    monkeypatch.setattr("paribus.data.cache_folder.hashes", seen)
    assert cache.load(files).key == first.key
    assert bool(jobs) == is_read_again


def test_the_first_image_of_another_size_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "0.png").write_bytes(b"")
    Image.new("L", (5, 4)).save(folder / "3.png")
    Image.new("L", (6, 4)).save(folder / "4.png")
    with pytest.raises(DataError, match=r"3.png is 5x4 and 1.png 3x2 \(width x height\).*data.image_size=224"):
        _load(folder, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "images").glob("*.n*y")), "nothing half made is left"
    assert _load(folder, tmp_path / "cache", Form(4, 1, "pad")).pixels.shape == (6, 1, 4, 4)


@pytest.mark.parametrize("where", ["write", "sync"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"write": (workers.os, "pwrite"), "sync": (workers.os, "fsync")}[where], full)
    with pytest.raises(DataError, match=r"cache cannot be written to: no space left on device; set data.cache"):
        _load(folder, tmp_path / "cache")
    assert not [each for each in (tmp_path / "cache" / "images").iterdir() if each.suffix != ".lock"]


def test_too_little_room_is_found_before_decoding(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))
    _refuse(monkeypatch)
    with pytest.raises(DataError, match=r"6 decoded images take 0.0 GiB and 0.0 GiB are free; set data.cache"):
        _load(folder, tmp_path / "cache", Form(2, 1, "crop"))


def test_a_cache_that_is_a_file_is_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    for cache in (tmp_path / "cache", tmp_path / "cache" / "deeper" / "still"):
        with pytest.raises(DataError, match=f"{cache} cannot be written to: not a directory"):
            _load(folder, cache)


@pytest.mark.parametrize("name", ["other", None])
def test_errors_of_other_files_are_not_the_cache_folders(tmp_path: Path, name: str | None) -> None:
    cache = CacheFolder(str(tmp_path / "cache"))
    with pytest.raises(OSError, match="Input/output") as error, cache.errors():
        raise OSError(errno.EIO, "Input/output error", name)
    assert error.value.filename == name


def test_what_a_killed_process_left_is_cleared(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    _load(folder, cache)
    (file,) = (cache / "images").glob("*.npy")
    left = file.with_name(f"{file.name}.abc.partial")
    left.mkdir()
    (left / file.name).write_bytes(b"half")
    file.unlink()
    assert _numbers(_load(folder, cache)) == list(range(6))
    assert not left.exists()


def test_without_locks_it_works_as_well(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", unsupported)
    assert _numbers(_load(folder, tmp_path / "cache")) == list(range(6))


LOAD = """
import sys
from pathlib import Path
from paribus.data.cache_folder import CacheFolder, Files
from paribus.data.decoding import Form
from paribus.data.image_cache import ImageCache
import paribus.data.workers as workers
root, cache = sys.argv[1:]
names = tuple(sorted(each.name for each in Path(root).iterdir()))
stats = tuple((each.stat().st_size, 0, 0) for each in map(Path(root).joinpath, names))
decode, made = workers.decode, []
def slow(content, form):
    made.append(content)
    __import__("time").sleep(0.05)
    return decode(content, form)
workers.decode = slow
found = ImageCache(CacheFolder(cache), Form(2, 1, "crop"), 1).load(Files(root, names, stats, root))
print(len(made), found.pixels[:, 0, 0, 0].tolist())
"""


def test_of_two_processes_at_once_one_decodes(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOAD, str(folder), str(tmp_path / "cache")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate()[0].strip() for process in both)
    assert said == [f"0 {list(range(6))}", f"6 {list(range(6))}"]


def test_processes_give_the_same_as_none(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "2.png").write_bytes(b"")
    alone = _load(folder, tmp_path / "one")
    monkeypatch.setattr("paribus.data.image_cache.WORTH_PROCESSES", 0)
    _refuse(monkeypatch)  # here, that is: not in other processes
    monkeypatch.setattr("paribus.data.image_cache.first_shape", lambda *_: (1, 2, 3))
    spread = ImageCache(CacheFolder(str(tmp_path / "two")), FORM, 2).load(_files(folder))
    assert np.array_equal(alone.pixels, spread.pixels)
    assert (alone.bad, alone.key) == (spread.bad, spread.key)


def test_a_process_that_dies_is_one_line(folder: Path) -> None:
    with Workers(2) as two:
        assert len(list(two.run(hashes, [(str(folder), ["1.png"])]))) == 1
        for process in two._processes:
            process.kill()
            process.wait()
        with pytest.raises(DataError, match=r"has died.*data.num_workers"):
            list(two.run(hashes, [(str(folder), ["1.png"])] * 4))
    assert all(process.returncode is not None for process in two._processes)


def test_a_process_that_cannot_start_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    said = r"cannot be started: resource temporarily unavailable; .*data.num_workers"
    with CacheFolder(str(folder)).errors(), Workers(2) as two, pytest.raises(DataError, match=said):
        list(two.run(hashes, [(str(folder), ["1.png"])]))


def test_an_interruption_ends_the_processes(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Workers(2) as two:
        for _ in two.run(hashes, [(str(folder), ["1.png"])] * 50):
            raise KeyboardInterrupt
    assert len(two._processes) == 2 and all(process.returncode is not None for process in two._processes)


def test_the_full_disk_of_a_process_is_told(folder: Path, tmp_path: Path) -> None:
    job = (str(folder), ["1.png"], [None, 1, "crop"], [1, 2, 3], str(tmp_path / "nowhere" / "x"), 0)
    with Workers(2) as two, pytest.raises(FileNotFoundError):
        list(two.run(workers.write_pixels, [job]))


def test_names_of_several_lines(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("L", (3, 2), 7).save(tmp_path / "images" / "an\nodd \u00e4.png")
    files = _files(tmp_path / "images")
    for number in (1, 2):
        with Workers(number) as some:
            assert not next(iter(some.run(hashes, [(files.root, files.names)])))[0].startswith("!")
    assert _numbers(_load(tmp_path / "images", tmp_path / "cache")) == [7]
