"""Decoded images, kept as one memory-mapped array: decoded once, in several processes where that takes long."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from rich.console import Console
from rich.progress import track

from paribus.data.cache_folder import CacheFolder, Files, chunks, sync
from paribus.data.decoding import Form, Pixels
from paribus.data.workers import Workers, first_shape, write_pixels
from paribus.errors import DataError

VERSION = 1  # of what is stored; to be raised where decoding changes

# What decoding is expected to take, to decide whether processes and a progress line are worth their start.
SECONDS_A_FILE, SECONDS_A_BYTE = 1e-4, 1e-7
WORTH_PROCESSES, WORTH_PROGRESS = 1.0, 3.0  # seconds
CHUNK_FILES, CHUNK_BYTES = 256, 2**25  # at most, in one process at a time


@dataclass(frozen=True)
class DecodedImages:
    """Pixels (N, C, H, W) of N files. `bad` says by name what is wrong with those that could not be decoded.

    The key stands for the content: it is the same where names, bytes and form are.
    """

    pixels: Pixels
    bad: dict[str, str]
    key: str


@dataclass(frozen=True)
class ImageCache:
    """Where decoded images are kept, their form, and in how many processes they are made (0: as many as cores)."""

    folder: CacheFolder
    form: Form
    num_workers: int
    console: Console = field(default_factory=lambda: Console(stderr=True))

    def load(self, files: Files) -> DecodedImages:
        """The files decoded, from the cache where it has them. Raises DataError where that cannot be written."""
        seconds = SECONDS_A_FILE * len(files.names) + SECONDS_A_BYTE * sum(stat[0] for stat in files.stats)
        with self.folder.errors(), Workers(self._processes(seconds)) as workers:
            form = self.form
            resizing = f"{form.size}-{form.resizing}" if form.size else "whole"
            key = f"{self.folder.content(files, workers)}-{form.channels}-{resizing}"
            place = self.folder.path / "images" / f"{key}-v{VERSION}-pillow{PIL.__version__}.npy"
            found = _read(place, files, key)
            if found is None:
                with self.folder.alone(place):
                    found = _read(place, files, key)  # made by another process while this one waited
                    if found is None:
                        self._make(place, files, workers, seconds)
                        found = _read(place, files, key)
        assert found is not None
        return found

    def _processes(self, seconds: float) -> int:
        if seconds < WORTH_PROCESSES:
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.num_workers or cores or 1

    def _make(self, place: Path, files: Files, workers: Workers, seconds: float) -> None:
        shape = self._shape(files)
        num_bytes = len(files.names) * int(np.prod(shape))
        self.folder.check_room(num_bytes, f"{len(files.names)} decoded images", ", or a smaller data.image_size")
        with self.folder.making(place) as partial:
            offset = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(files.names), *shape)).offset
            bad = self._decode(files, shape, partial, offset, workers, seconds)
            sync(partial)
        about = {"shape": [len(files.names), *shape], "bad": bad, "files": files.names}
        with self.folder.making(place.with_suffix(".json")) as partial:  # last: it says that the pixels are whole
            partial.write_text(json.dumps(about))

    def _shape(self, files: Files) -> tuple[int, ...]:
        if self.form.size is not None:
            return self.form.channels, self.form.size, self.form.size
        return first_shape(files.root, files.names, self.form) or (self.form.channels, 1, 1)

    def _decode(
        self, files: Files, shape: tuple[int, ...], partial: Path, offset: int, workers: Workers, seconds: float
    ) -> dict[str, str]:
        """Write all pixels. Returns what is wrong with the files that have none."""
        size, form = int(np.prod(shape)), (self.form.size, self.form.channels, self.form.resizing)
        spread = -(-len(files.names) // (4 * workers.count))
        num_files = max(1, min(CHUNK_FILES, CHUNK_BYTES // size, spread))
        jobs = [
            (files.root, some, form, shape, str(partial), offset + number * num_files * size)
            for number, some in enumerate(chunks(files.names, num_files))
        ]
        bad: dict[str, str] = {}
        for done in self._shown(workers.run(write_pixels, jobs), len(jobs), seconds):
            bad.update(done["bad"])
            if done["odd"]:
                raise _odd(files, done["odd"], bad, shape)
        return bad

    def _shown(self, results: Iterator[Any], total: int, seconds: float) -> Iterator[Any]:
        """With a line of progress, in a terminal and where it takes long."""
        if seconds < WORTH_PROGRESS or not self.console.is_terminal:
            return results
        return iter(track(results, "decoding images", total, console=self.console, transient=True))


def _odd(files: Files, odd: Sequence[Any], bad: dict[str, str], shape: Sequence[int]) -> DataError:
    name, (_, height, width) = odd
    first = next(each for each in files.names if each not in bad)
    return DataError(
        f"{Path(files.shown, name)} is {width}x{height} and {first} {shape[2]}x{shape[1]} (width x height); all must "
        "be alike: set data.image_size, such as data.image_size=224"
    )


def _read(place: Path, files: Files, key: str) -> DecodedImages | None:
    """What is in the cache; None where it holds nothing, or nothing that is whole."""
    try:
        about = json.loads(place.with_suffix(".json").read_text())
        pixels = np.load(place, mmap_mode="c")  # copied where it is written to, so nothing gets into the file
        is_whole = about["shape"] == list(pixels.shape) and pixels.dtype == np.uint8
        if is_whole and about["files"] == list(files.names) and about["bad"].keys() <= set(files.names):
            return DecodedImages(pixels, about["bad"], key)
    except Exception:  # a damaged file raises nearly anything
        return None
    return None
