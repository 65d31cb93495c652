"""The folder of what is made once and used again: decoded images, unpacked archives. It may be deleted at any time.

What it holds is named after content, so that a copy of the data elsewhere finds it. Each thing is made under another
name and renamed when it is whole, so that a kill, a full disk or two processes at once leave nothing half made.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from paribus.data.workers import FORBIDDEN, UNREADABLE, Workers, hashes, naming
from paribus.errors import DataError

GIB = 2**30
NO_STAT = (0, 0, 0)  # of what cannot be looked at, such as a link to nothing; reading will say why


@dataclass(frozen=True)
class Files:
    """Files by their names below a root, and for each its size in bytes, time of change and such: what stat says.

    `shown` stands for the root in what people read: for what an archive holds, the archive.
    """

    root: str
    names: tuple[str, ...]
    stats: tuple[tuple[int, ...], ...]
    shown: str


class CacheFolder:
    """data.cache, made when first needed. What cannot be written is a DataError; what cannot be read is made anew."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def content(self, files: Files, workers: Workers) -> str:
        """A hash of the files' names and bytes. They are read only where one is new or seems to have changed."""
        seen = blake2b(repr((files.root, files.names, files.stats)).encode(), digest_size=16).hexdigest()
        index = self.path / "index" / seen
        with contextlib.suppress(OSError, UnicodeDecodeError):
            known = index.read_text()
            if re.fullmatch("[0-9a-f]{32}", known):
                return known
        jobs = [(files.root, some) for some in chunks(files.names, 512)]
        found = [each for some in workers.run(hashes, jobs) for each in some]
        content = blake2b(repr((files.names, found)).encode(), digest_size=16).hexdigest()
        if all(map(_is_lasting, found, files.stats)):
            with contextlib.suppress(OSError), self.making(index) as partial:
                partial.write_text(content)
        return content

    @contextlib.contextmanager
    def making(self, place: Path) -> Iterator[Path]:
        """A path beside `place` to make a file or folder at, which then takes that name, or goes where that fails."""
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{place.name}.", suffix=".partial", dir=place.parent) as folder:
            partial = Path(folder, place.name)
            yield partial
            try:
                partial.replace(place)
            except OSError:
                if not place.is_dir():  # a folder that another process has made meanwhile is as good
                    raise

    @contextlib.contextmanager
    def alone(self, place: Path) -> Iterator[None]:
        """Wait until no other process makes `place`, and clear what a killed one has left of it."""
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.with_name(f"{place.name}.lock").open("ab") as file:
            with contextlib.suppress(OSError):  # some file systems have no locks: then the last to finish stays
                fcntl.flock(file, fcntl.LOCK_EX)
                for partial in place.parent.glob(f"{place.name}.*.partial"):
                    shutil.rmtree(partial, ignore_errors=True)
            yield

    def check_room(self, num_bytes: int, what: str, remedy: str) -> None:
        """Raise DataError where the disk has no room for so much."""
        folder = next(each for each in (self.path, *self.path.parents) if each.exists())
        free = shutil.disk_usage(folder).free
        if num_bytes > free:
            raise DataError(
                f"{self.path}: {what} take {num_bytes / GIB:.1f} GiB and {free / GIB:.1f} GiB are free; set data.cache "
                f"to a folder on another disk{remedy}"
            )

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """What cannot be written becomes one line. An OSError of another file goes through."""
        try:
            yield
        except OSError as error:
            if not self._is_ours(error.filename):
                raise
            reason = (error.strerror or str(error)).lower()
            raise DataError(
                f"{self.path} cannot be written to: {reason}; set data.cache to a folder that can, with room"
            ) from None

    def _is_ours(self, name: object) -> bool:
        """Whether it is in this folder, or a folder above that this one cannot be made in."""
        if not isinstance(name, str):
            return False
        place, own = Path(name).absolute(), self.path.absolute()
        return place.is_relative_to(own) or own.is_relative_to(place)


def _is_lasting(found: str, about: tuple[int, ...]) -> bool:
    """Whether a file's hash stays until stat says something else; most reasons why one cannot be read may pass."""
    return not found.startswith(UNREADABLE) or about == NO_STAT or found == FORBIDDEN


def chunks(names: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """The names in order, `size` at a time."""
    return [tuple(names[first : first + size]) for first in range(0, len(names), size)]


def sync(path: Path) -> None:
    """See to it that a file is on the disk before another one says that it is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
