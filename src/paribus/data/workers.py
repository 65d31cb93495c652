"""Work on files that takes long is spread over processes of its own, which import neither torch nor the caller's code.

A process reads one task a line and answers with a line. It is no part of the terminal's job, so Ctrl-C reaches the
caller alone, and it ends when its input does, however the caller ends.
"""

import contextlib
import errno
import json
import os
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any

import numpy as np

from paribus.data.decoding import DecodingError, Form, PassingError, Pixels, decode
from paribus.errors import DataError

BLOCK = 2**20  # bytes read at a time
UNREADABLE = "!"  # opens what stands for the hash of a file that cannot be read
FORBIDDEN = f"{UNREADABLE}{errno.EACCES}"  # of one without permission

Task = Callable[..., Any]
Job = Sequence[Any]  # the arguments of a task, as JSON can hold them


def hashes(root: str, names: Sequence[str]) -> list[str]:
    """A hash of each file's bytes."""
    return [_hash(os.path.join(root, name)) for name in names]  # noqa: PTH118 - ten times as fast as Path, and many


def _hash(path: str) -> str:
    found = blake2b(digest_size=16)
    try:
        with _opened(path) as file:
            while block := file.read(BLOCK):
                found.update(block)
    except OSError as error:
        return f"{UNREADABLE}{error.errno}"
    return found.hexdigest()


def _opened(path: str) -> IO[bytes]:
    """For reading. Raises OSError, also for what is no plain file: the end of a pipe may never come."""
    with contextlib.suppress(ValueError):  # a null byte in the name
        if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - as above
            return open(path, "rb", buffering=0)  # noqa: PTH123
    raise OSError(errno.EINVAL, "no plain file", path)


def first_shape(root: str, names: Sequence[str], form: Form) -> tuple[int, ...] | None:
    """The shape (C, H, W) of the first file that can be decoded, if one can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow remarks on odd headers; what matters raises
        for name in names:
            with contextlib.suppress(DecodingError):
                return _decoded(root, name, form).shape
    return None


def failures(root: str, names: Sequence[str], form: Form) -> dict[str, str]:
    """What is wrong, by name, with those of the files that cannot be decoded."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            try:
                _decoded(root, name, form)
            except DecodingError as error:
                found[name] = str(error)
    return found


def write_pixels(
    root: str, names: Sequence[str], form: Sequence[Any], shape: Sequence[int], output: str, offset: int
) -> dict[str, Any]:
    """Decode files into a place of the output, one image of `shape` (C, H, W) after the other.

    Returns "bad", what is wrong by name (its place stays zero), "passing", the same where another time may do, and
    "odd", the first name of another shape and that shape, or None; after that nothing is written. Raises OSError where
    the output cannot be written.
    """
    pixels, bad, passing = np.zeros((len(names), *shape), np.uint8), {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row, name in enumerate(names):
            try:
                decoded = _decoded(root, name, Form(*form))
            except PassingError as error:
                passing[name] = str(error)
                continue
            except DecodingError as error:
                bad[name] = str(error)
                continue
            if decoded.shape != tuple(shape):
                return {"bad": bad, "passing": passing, "odd": [name, decoded.shape]}
            pixels[row] = decoded
    _write(output, pixels.reshape(-1).data, offset)
    return {"bad": bad, "passing": passing, "odd": None}


def _decoded(root: str, name: str, form: Form) -> Pixels:
    path = os.path.join(root, name)  # noqa: PTH118
    try:
        with _opened(path) as file:
            content = file.read()
        return decode(content, form)
    except OSError as error:  # of reading: what decoding raises is no OSError
        raise PassingError(f"cannot be read ({(error.strerror or str(error)).lower()})") from None
    except MemoryError as error:
        error.add_note(f"while decoding {path}")
        raise


def _write(output: str, content: memoryview, offset: int) -> None:
    """Not through a memory map: on a full disk that ends the process, and this raises OSError."""
    descriptor = os.open(output, os.O_WRONLY)
    try:
        with naming(output):
            while content:
                written = os.pwrite(descriptor, content, offset)
                content, offset = content[written:], offset + written
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """An OSError names the file, which those of writing do not do by themselves."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


TASKS: dict[str, Task] = {task.__name__: task for task in (hashes, write_pixels)}


class Workers:
    """Runs tasks in `count` processes, or in this one where that is 1. They start when first needed."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._processes: list[subprocess.Popen[str]] = []
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()

    def run(self, task: Task, jobs: Sequence[Job]) -> Iterator[Any]:
        """What the task returns for each job, in their order. Raises OSError as the task does."""
        if self.count == 1:
            yield from (task(*job) for job in jobs)
            return
        self._start()
        with ThreadPoolExecutor(self.count) as threads:
            answers = [threads.submit(self._ask, task.__name__, job) for job in jobs]
            try:
                for answer in answers:
                    yield answer.result()
            except BaseException:
                for answer in answers:
                    answer.cancel()
                self._stop()  # the threads that wait for an answer get none, and end
                raise

    def _ask(self, task: str, job: Job) -> Any:
        process = self._idle.get()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps([task, job]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            self._idle.put(process)
        if not answer:
            raise DataError("a process that decodes images has died, perhaps for want of memory; use fewer with "
                            "data.num_workers, or 1 to decode without")  # fmt: skip
        error, result = json.loads(answer)
        if error:
            raise OSError(*error)
        return result

    def _start(self) -> None:
        path = os.pathsep.join(folder for folder in sys.path if folder)
        while len(self._processes) < self.count:
            try:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", __name__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    env={**os.environ, "PYTHONPATH": path},
                    start_new_session=True,
                )
            except OSError as error:
                raise DataError(
                    f"a process that decodes images cannot be started: {(error.strerror or str(error)).lower()}; use "
                    "fewer with data.num_workers, or 1 to decode without"
                ) from None
            self._processes.append(process)
            self._idle.put(process)

    def _stop(self) -> None:
        for process in self._processes:
            process.kill()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop()
        for process in self._processes:
            process.communicate()


def _serve() -> None:
    for line in sys.stdin:
        task, job = json.loads(line)
        try:
            answer = [None, TASKS[task](*job)]
        except OSError as error:
            answer = [[error.errno, error.strerror, error.filename], None]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
