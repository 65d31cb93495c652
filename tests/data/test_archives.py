import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from paribus.data.archives import is_archive, unpacked
from paribus.data.cache_folder import CacheFolder
from paribus.errors import DataError

CONTENT = {"photos/train/a/1.png": b"one", "photos/train/b/2.png": b"two", "photos/test/a/3.png": b"3" * 3_000_000}


def _tar(path: Path, files: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
    modes = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}
    with tarfile.open(path, modes.get(path.suffix, "w")) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in others:
            archive.addfile(member)
    return path


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _held(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.fixture
def cache(tmp_path: Path) -> CacheFolder:
    return CacheFolder(str(tmp_path / "cache"))


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".TAR"])
def test_archives_are_unpacked_once_below_their_single_folder(
    tmp_path: Path, cache: CacheFolder, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"photos{ending}"
    assert is_archive(path)
    (_zip if ending == ".zip" else _tar)(path, {**CONTENT, "__MACOSX/._x": b"x", ".DS_Store": b"x"})
    folder = unpacked(path, cache)
    assert _held(folder) == {name.removeprefix("photos/"): content for name, content in CONTENT.items()}
    monkeypatch.setattr("paribus.data.archives._unpack", None)
    assert unpacked(path, cache) == folder
    (tmp_path / "copy").mkdir()
    assert unpacked(path.rename(tmp_path / "copy" / path.name), cache) == folder  # the same content elsewhere


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_what_tar_makes_of_a_folder_itself(tmp_path: Path, cache: CacheFolder, ending: str) -> None:
    for name, content in CONTENT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    path = tmp_path / f"x{ending}"
    with tarfile.open(path, "w:gz" if ending == ".tar.gz" else "w") as archive:
        archive.add(tmp_path / "photos", ".")  # the same members as those of tar -C photos -cf x.tar .
    with tarfile.open(path) as archive:
        assert {".", "./train/a/1.png"} < set(archive.getnames())
    assert _held(unpacked(path, cache)) == {name.removeprefix("photos/"): content for name, content in CONTENT.items()}


def _member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/out.png", "/tmp/../out.png"])
@pytest.mark.parametrize("make", [_tar, _zip])
def test_what_would_lie_outside_is_refused(
    tmp_path: Path, cache: CacheFolder, make: Callable[[Path, dict[str, bytes]], Path], name: str
) -> None:
    path = make(tmp_path / ("x.tar" if make is _tar else "x.zip"), {"good.png": b"1", name: b"2"})
    with pytest.raises(DataError, match="not to be trusted") as error:
        unpacked(path, cache)
    assert f"{path}: {name!r} would be unpacked outside" in str(error.value)
    assert not list(tmp_path.rglob("*.png")) and not Path("/out.png").exists()


def test_backslashes_in_a_zip_are_folders(tmp_path: Path, cache: CacheFolder) -> None:
    path = _zip(tmp_path / "x.zip", {"a\\1.png": b"1", "b/2.png": b"2"})
    assert _held(unpacked(path, cache)) == {"a/1.png": b"1", "b/2.png": b"2"}
    with pytest.raises(DataError, match="would be unpacked outside"):
        unpacked(_zip(tmp_path / "y.zip", {"..\\1.png": b"1"}), cache)


@pytest.mark.parametrize(
    "others",
    [
        [_member("link", tarfile.SYMTYPE, "/etc"), _member("link/x", tarfile.REGTYPE)],
        [_member("link", tarfile.SYMTYPE, "a"), _member("up", tarfile.SYMTYPE, "link/../..")],
        [_member("hard", tarfile.LNKTYPE, "/etc/passwd")],
        [_member("device", tarfile.CHRTYPE)],
        [_member("pipe", tarfile.FIFOTYPE)],
        [_member("../folder", tarfile.DIRTYPE)],
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, cache: CacheFolder, others: list[tarfile.TarInfo]) -> None:
    path = _tar(tmp_path / "x.tar", {"a/1.png": b"1"}, *others)
    with pytest.raises(DataError) as error:
        unpacked(path, cache)
    assert repr(others[0].name) in str(error.value) and str(path) in str(error.value)
    assert not list(tmp_path.rglob("*.png"))


def test_a_link_in_a_zip_is_refused(tmp_path: Path, cache: CacheFolder) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("link.png")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match=r"'link.png' is a link or no plain file"):
        unpacked(path, cache)


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_damaged_archives_are_one_line(tmp_path: Path, cache: CacheFolder, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    (_zip if ending == ".zip" else _tar)(path, {f"{number}.png": bytes(range(256)) * 40 for number in range(30)})
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 50]) + whole[middle + 50 :]
    damages = [b"", b"no archive", whole[: len(whole) // 2]] + ([flipped] if ending != ".tar" else [])
    for content in damages:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cannot be unpacked: .+; is it whole\?") as error:
            unpacked(path, cache)
        assert "\n" not in str(error.value)
        assert not list((cache.path / "archives").rglob("*.png"))


def test_a_zip_with_a_password(tmp_path: Path, cache: CacheFolder) -> None:
    path = _zip(tmp_path / "x.zip", {"1.png": b"1"})
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="password"):
        unpacked(path, cache)


def test_an_archive_too_large_for_the_disk(tmp_path: Path, cache: CacheFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _tar(tmp_path / "x.tar", CONTENT)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2_000_000}))
    with pytest.raises(DataError, match=r"x.tar take 0.0 GiB and 0.0 GiB are free; set data.cache"):
        unpacked(path, cache)
    assert not list(cache.path.rglob("*.png"))


def test_a_file_that_is_not_there(tmp_path: Path, cache: CacheFolder) -> None:
    with pytest.raises(DataError, match=r"x.zip cannot be read: no such file or directory; set data.path"):
        unpacked(tmp_path / "x.zip", cache)
