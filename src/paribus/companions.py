"""The other processes of a run on several devices: started, watched and ended by the first.

They are no part of the terminal's job, so Ctrl-C and SIGTERM reach the first process alone, and end when their input
does, however it ends.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paribus.companion import FOLDER, PORT, RANK
from paribus.errors import RunError
from paribus.results import RunFolder, log
from paribus.several_devices import LostError, SeveralDevices

TELLING = 5.0  # seconds that one that fails needs to say why
GRACE = 30.0  # seconds in which the first process notices by itself that another has failed


class Companions:
    """The processes of all devices but the first, which train in the run folder's config."""

    def __init__(self, folder: RunFolder, extension: Path | None, *, is_resumed: bool) -> None:
        self._folder, self._extension, self._is_resumed = folder, extension, is_resumed
        self._processes: list[subprocess.Popen[str]] = []
        self._watchers: list[threading.Thread] = []
        self._faults: list[str] = []
        self._faulty, self._over = threading.Event(), threading.Event()

    @contextmanager
    def training(self, strategy: SeveralDevices) -> Iterator[None]:
        """Work together for a while. Raises RunError where one of them fails."""
        try:
            self._start(strategy.count, strategy.meet())
            self._await(strategy)
            with strategy.joined():
                yield
        except LostError as error:
            self._faulty.wait(TELLING)
            raise RunError(self._fault or f"the devices have lost each other ({error})") from error
        finally:
            self._end()

    def _start(self, count: int, port: int) -> None:
        """As many as there are devices beside the first."""
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder),
            FOLDER: str(self._folder.path),
            PORT: str(port),
            "PARIBUS_EXTEND": str(self._extension or ""),
        }
        for rank in range(1, count):
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "paribus.companion", "resume" if self._is_resumed else "train"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env={**environment, RANK: str(rank)},
                start_new_session=True,
            )
            self._processes.append(process)
            self._watchers.append(threading.Thread(target=self._watch, args=(process, rank), daemon=True))
            self._watchers[-1].start()

    def _await(self, strategy: SeveralDevices) -> None:
        """Until all are built and ready to train. Raises RunError where one fails before."""
        while not strategy.are_all_there:
            if self._fault:
                raise RunError(self._fault)
            time.sleep(0.02)

    def _watch(self, process: subprocess.Popen[str], rank: int) -> None:
        """In a thread of its own: know why a process has ended before all was over."""
        assert process.stderr is not None
        said = process.stderr.read()
        code = process.wait()
        if self._over.is_set() or code == 0:
            return
        log.error("device %d has failed\n%s", rank, said)
        lines = said.strip().splitlines()
        died = f"its process was ended by signal {-code}" + (", perhaps for want of memory" if code == -9 else "")
        self._faults.append(f"device {rank}: {died if code < 0 or not lines else lines[-1]}")
        self._faulty.set()
        if not self._over.wait(GRACE):
            self._give_up()

    @property
    def _fault(self) -> str | None:
        """Why the first of them failed, if one has: the others only lose it."""
        return min(self._faults, key=lambda fault: LostError.__name__ in fault, default=None)

    def _give_up(self) -> None:
        """The first process waits for an answer that never comes, as GPUs do: end it."""
        log.error("the run failed: %s", self._fault)
        self._folder.close("failed", f"{RunError.__name__}: {self._fault}")
        print(f"{RunError.kind}: {self._fault}", file=sys.stderr, flush=True)
        os._exit(RunError.exit_code)  # the others end with their input

    def _end(self) -> None:
        self._over.set()
        for process in self._processes:
            process.kill()
        for watcher in self._watchers:
            watcher.join()
        for process in self._processes:
            assert process.stdin is not None and process.stderr is not None
            process.stdin.close()
            process.stderr.close()
