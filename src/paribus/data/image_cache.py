"""Decoded images, kept as one memory-mapped array: decoded once, in several processes where that takes long."""

import contextlib
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
from paribus.data.workers import Workers, failures, first_shape, naming, write_pixels
from paribus.errors import DataError

VERSION = 1  # of what is stored; to be raised where decoding changes

# What decoding is expected to take, to decide whether processes and a progress line are worth their start.
SECONDS_A_FILE, SECONDS_A_BYTE = 1e-4, 1e-7
WORTH_PROCESSES, WORTH_PROGRESS = 1.0, 3.0  # seconds
CHUNK_FILES, CHUNK_BYTES = 256, 2**25  # at most, in one process at a time


@dataclass(frozen=True)
class DecodedImages:
    """Pixels (N, C, H, W) of N files. `bad` says by name what is wrong with those that could not be decoded.

    The key stands for the content: it is the same where names, bytes and form are. `made` is where the cache holds the
    pixels, if they were not there before.
    """

    pixels: Pixels
    bad: dict[str, str]
    key: str
    made: Path | None = None

    def discard(self) -> None:
        """Delete from the cache what was not there before. What another run has kept may serve it again."""
        if self.made is not None:
            with contextlib.suppress(OSError):
                self.made.with_suffix(".json").unlink(missing_ok=True)
                self.made.unlink(missing_ok=True)


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
            found = self._read(place, files, key)
            if found is None:
                with self.folder.alone(place):
                    found = self._read(place, files, key)  # made by another process while this one waited
                    if found is None:
                        found = self._make(place, files, key, workers, seconds)
        return found

    def _processes(self, seconds: float) -> int:
        if seconds < WORTH_PROCESSES:
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.num_workers or cores or 1

    def _read(self, place: Path, files: Files, key: str) -> DecodedImages | None:
        """What is in the cache; None where it holds nothing whole, or lacks a file that can be decoded by now."""
        try:
            about = json.loads(place.with_suffix(".json").read_text())
            pixels = _mapped(place)
            is_whole = about["shape"] == list(pixels.shape) and pixels.dtype == np.uint8
            named = {*about["bad"], *about["passing"]}
            if not (is_whole and about["files"] == list(files.names) and named <= set(files.names)):
                return None
        except Exception:  # a damaged file raises nearly anything
            return None
        passing = failures(files.root, about["passing"], self.form)
        if len(passing) < len(about["passing"]):
            return None
        return DecodedImages(pixels, {**about["bad"], **passing}, key)

    def _make(self, place: Path, files: Files, key: str, workers: Workers, seconds: float) -> DecodedImages:
        """Decode all. Why files could not be read is not kept, as it may pass: only which ones, to try them again."""
        shape = self._shape(files)
        num_bytes = len(files.names) * int(np.prod(shape))
        self.folder.check_room(num_bytes, f"{len(files.names)} decoded images", ", or a smaller data.image_size")
        with self.folder.making(place) as partial:
            with naming(partial):
                offset = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(files.names), *shape)).offset
            bad, passing = self._decode(files, shape, partial, offset, workers, seconds)
            sync(partial)
        about = {"shape": [len(files.names), *shape], "bad": bad, "passing": list(passing), "files": files.names}
        with self.folder.making(place.with_suffix(".json")) as partial, naming(partial):
            partial.write_text(json.dumps(about))  # last: it says that the pixels are whole
        with naming(place):
            return DecodedImages(_mapped(place), {**bad, **passing}, key, place)

    def _shape(self, files: Files) -> tuple[int, ...]:
        if self.form.size is not None:
            return self.form.channels, self.form.size, self.form.size
        return first_shape(files.root, files.names, self.form) or (self.form.channels, 1, 1)

    def _decode(
        self, files: Files, shape: tuple[int, ...], partial: Path, offset: int, workers: Workers, seconds: float
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Write all pixels. Returns what is wrong with the files that have none: for good, and what may pass."""
        size, form = int(np.prod(shape)), (self.form.size, self.form.channels, self.form.resizing)
        spread = -(-len(files.names) // (4 * workers.count))
        num_files = max(1, min(CHUNK_FILES, CHUNK_BYTES // size, spread))
        jobs = [
            (files.root, some, form, shape, str(partial), offset + number * num_files * size)
            for number, some in enumerate(chunks(files.names, num_files))
        ]
        bad: dict[str, str] = {}
        passing: dict[str, str] = {}
        for done in self._shown(workers.run(write_pixels, jobs), len(jobs), seconds):
            bad.update(done["bad"])
            passing.update(done["passing"])
            if done["odd"]:
                raise _odd(files, done["odd"], {**bad, **passing}, shape)
        return bad, passing

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


def _mapped(place: Path) -> Pixels:
    pixels: Pixels = np.load(place, mmap_mode="c")  # copied where it is written to, so nothing gets into the file
    return pixels
