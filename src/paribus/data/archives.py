"""Archives: unpacked once into the cache folder, and only plain files inside of it.

Python's own filters for tar files keep to that too, but have been got around with chains of links on versions that are
in use. Here no link is made at all: every member is a folder, or a file that is written byte by byte.
"""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from rich.console import Console

from paribus.data.cache_folder import CacheFolder, Files
from paribus.data.workers import Workers, naming
from paribus.errors import DataError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
BLOCK = 2**20  # bytes read at a time
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    RuntimeError,  # a zip with a password
    NotImplementedError,  # a zip packed in an unusual way
    ValueError,
)


@dataclass(frozen=True)
class Member:
    """A plain file in an archive: its name there, its bytes and how many these are."""

    name: str
    size: int
    content: IO[bytes]


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that can be unpacked."""
    return path.name.lower().endswith(SUFFIXES)


def unpacked(path: Path, cache: CacheFolder) -> Path:
    """The folder with the archive's content, below a single top folder if there is one.

    Raises DataError for a damaged archive, for one with a member that is no plain file or would lie outside, and where
    the disk has no room.
    """
    with cache.errors(), Workers(1) as workers:
        place = cache.path / "archives" / cache.content(_only(path), workers)
        if not place.is_dir():
            with cache.alone(place):
                if not place.is_dir():
                    with Console(stderr=True).status(f"unpacking {path}"), cache.making(place) as partial:
                        _unpack(path, partial, cache)
    return _descended(place)


def _only(path: Path) -> Files:
    try:
        found = path.stat()
        path.open("rb").close()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}; set data.path") from None
    folder, about = str(path.parent), (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return Files(folder, (path.name,), (about,), folder)


def _unpack(path: Path, folder: Path, cache: CacheFolder) -> None:
    folder.mkdir()
    total, free, made = 0, shutil.disk_usage(folder).free, set()
    for member in _members(path):
        total += member.size
        if total > free:
            cache.check_room(total, f"the first files of {path}", "")
        target = folder.joinpath(*_inside(path, member.name).parts)
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        with naming(target), target.open("wb") as output:
            _copy(path, member, output)


def _copy(path: Path, member: Member, output: IO[bytes]) -> None:
    """Reading may find damage, writing a full disk: which of the two an OSError comes from is to be told apart."""
    while True:
        try:
            block = member.content.read(BLOCK)
        except (*DAMAGE, OSError) as error:
            raise _damaged(path, error) from None
        if not block:
            return
        output.write(block)


def _inside(path: Path, name: str, *, is_folder: bool = False) -> PurePosixPath:
    inner = PurePosixPath(name)
    has_place = bool(inner.parts) or is_folder  # the folder "." is the first member of what tar makes of one
    if inner.is_absolute() or ".." in inner.parts or not has_place or "\0" in name:
        raise DataError(f"{path}: {name!r} would be unpacked outside of its folder; this archive is not to be trusted")
    return inner


def _members(path: Path) -> Iterator[Member]:
    """The plain files. Raises DataError for what is none."""
    read = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    members = read(path)
    while True:
        try:
            member = next(members, None)
        except (*DAMAGE, OSError) as error:
            raise _damaged(path, error) from None
        if member is None:
            return
        yield member


def _damaged(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path} cannot be unpacked: {reason}; is it whole? get it again, or give the unpacked folder")


def _tar_members(path: Path) -> Iterator[Member]:
    with tarfile.open(path) as archive:
        for each in archive:
            if each.isdir():
                _inside(path, each.name, is_folder=True)
                continue
            content = archive.extractfile(each) if each.isreg() else None
            if content is None:
                raise _no_file(path, each.name)
            yield Member(each.name, each.size, content)
        assert archive.fileobj is not None
        while archive.fileobj.read(BLOCK):  # the checksum of a packed one stands at its end
            pass


def _zip_members(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for each in archive.infolist():
            name, kind = each.filename.replace("\\", "/"), stat.S_IFMT(each.external_attr >> 16)
            if each.is_dir() or name.endswith("/"):
                _inside(path, name, is_folder=True)
                continue
            if kind not in (0, stat.S_IFREG):
                raise _no_file(path, name)
            with archive.open(each) as content:
                yield Member(name, each.file_size, content)


def _no_file(path: Path, name: str) -> DataError:
    return DataError(
        f"{path}: {name!r} is a link or no plain file; unpack the archive yourself and give the folder as data.path"
    )


def _descended(folder: Path) -> Path:
    """Below folders that hold one folder and nothing else but what is hidden."""
    while True:
        inner = [each for each in folder.iterdir() if not each.name.startswith(".") and each.name != "__MACOSX"]
        if len(inner) != 1 or not inner[0].is_dir():
            return folder
        folder = inner[0]
