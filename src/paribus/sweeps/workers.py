"""Warm workers: processes that import torch once and take many jobs, each isolated from the process of the sweep.

A fork server imports everything once; workers are forked from it in milliseconds, so that one that died is replaced at
no cost. A run that needs several devices gets a fresh process of its own instead, since Lightning starts the others
by repeating its command line.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from omegaconf import OmegaConf

from paribus.errors import ConfigError, Interrupted
from paribus.sweeps.assignment import Assignment
from paribus.sweeps.manifest import KEPT, OVER, Job, Manifest

POLL_SECONDS = 0.25
GRACE_SECONDS = 20  # for a run to write its checkpoint once it is told to stop
PRELOADED = ["paribus.sweeps.jobs", "paribus.figures", "sklearn.datasets"]


class Source(Protocol):
    """Where jobs come from."""

    def next(self) -> Job | None:
        """The job to start now; None where there is none, for now or for good."""

    def over(self, job: Job) -> None:
        """A job has ended, as its state says."""


@dataclass
class Slot:
    """Room for one worker: its process, the job that it is at, and the GPU that it sees."""

    gpu: str  # as CUDA_VISIBLE_DEVICES has it; none if empty
    process: Any = None  # multiprocessing's, or a subprocess for several devices
    connection: Connection | None = None
    job: Job | None = None
    started: float = 0.0
    seconds: float | None = None  # that the job took, as its worker says
    lent: list["Slot"] = field(default_factory=list)  # to this one, whose job takes several devices


class Workers:
    """The slots, and the loop that keeps them busy."""

    def __init__(self, manifest: Manifest, workers: int, gpus: Sequence[str], threads: int, retries: int) -> None:
        self._manifest, self._threads, self._retries = manifest, threads, retries
        self._slots = [Slot(gpus[number % len(gpus)] if gpus else "") for number in range(workers)]
        warm_up()
        self._context = multiprocessing.get_context("forkserver")
        self._again: deque[Job] = deque()
        self._tries: Counter[int] = Counter()  # at each job, in this sitting

    @classmethod
    def suited(
        cls, manifest: Manifest, workers: int | None, gpus: int | None, threads: int | None, retries: int
    ) -> "Workers":
        """As many as asked for, or as suits this machine; never more than there are jobs to do."""
        visible = shared_gpus(gpus)
        cores = len(os.sched_getaffinity(0))
        count = workers or (len(visible) if visible else cores)
        count = max(1, min(count, manifest.total - manifest.count(*KEPT)))
        return cls(manifest, count, visible, threads or max(1, cores // count), retries)

    def work(self, source: Source, show: Callable[[], None]) -> None:
        """Run all that the source gives. On a signal the runs stop with a checkpoint, and Interrupted goes on."""
        try:
            while True:
                started = self._fill(source)
                busy = [slot for slot in self._slots if slot.job is not None]
                if not busy and not started:
                    return
                show()
                self._wait(busy)
                for slot in busy:
                    if self._is_over(slot):
                        self._end(slot, source)
        except BaseException:
            self._interrupt()
            raise
        finally:
            self._close()

    def _fill(self, source: Source) -> bool:
        started = False
        for slot in self._slots:
            if slot.job is None and not self._is_lent(slot):
                job = self._again.popleft() if self._again else source.next()
                if job is None:
                    break
                if not self._start(slot, job):
                    self._again.appendleft(job)
                    break
                started = True
        return started

    def _is_lent(self, slot: Slot) -> bool:
        return any(slot in other.lent for other in self._slots)

    def _start(self, slot: Slot, job: Job) -> bool:
        """Whether there was room for it."""
        wanted = OmegaConf.create(job.config).trainer.get("devices", 1)
        devices = min(wanted, len(self._slots))
        free = [each for each in self._slots if each.job is None and each is not slot and not self._is_lent(each)]
        if devices > 1 and len(free) < devices - 1:
            return False
        slot.lent = free[: devices - 1]
        job.begin()
        self._tries[job.number] += 1
        slot.job, slot.started = job, time.monotonic()
        self._manifest.write()
        if wanted > 1:
            self._start_fresh(slot, job)
        else:
            self._start_warm(slot, job)
        return True

    def _start_warm(self, slot: Slot, job: Job) -> None:
        if slot.process is None or not slot.process.is_alive():
            self._dismiss(slot)
            ours, theirs = self._context.Pipe()
            arguments = (theirs, self._environment([slot]), self._threads)
            process = self._context.Process(target=serve, args=arguments, daemon=True)
            _begin(process)
            theirs.close()
            slot.process, slot.connection = process, ours
        assert slot.connection is not None
        slot.connection.send(Assignment.of(self._manifest, job))

    def _start_fresh(self, slot: Slot, job: Job) -> None:
        self._dismiss(slot)
        slot.process = subprocess.Popen(
            [sys.executable, "-m", "paribus.sweeps.jobs", str(self._manifest.path), str(job.number)],
            env={**os.environ, **self._environment([slot, *slot.lent])},
            stdin=subprocess.PIPE,  # at its end, the sweep is no more
            start_new_session=True,
        )

    def _environment(self, slots: Sequence[Slot]) -> dict[str, str]:
        """The GPUs that a process sees."""
        return {"CUDA_VISIBLE_DEVICES": ",".join(dict.fromkeys(slot.gpu for slot in slots))}

    def _wait(self, busy: Sequence[Slot]) -> None:
        watched = []
        for slot in busy:
            if slot.connection is not None:
                watched += [slot.connection, slot.process.sentinel]
        wait(watched, POLL_SECONDS) if watched else time.sleep(POLL_SECONDS)

    def _is_over(self, slot: Slot) -> bool:
        if slot.connection is None:
            return slot.process is None or slot.process.poll() is not None
        with contextlib.suppress(EOFError, OSError):
            if slot.connection.poll():
                slot.seconds = slot.connection.recv()
                return True
        return not slot.process.is_alive()

    def _end(self, slot: Slot, source: Source) -> None:
        job = slot.job
        assert job is not None
        job.seconds = round(slot.seconds or time.monotonic() - slot.started, 3)
        self._manifest.refresh(job)
        if job.state == "running":  # its process cannot say any more how it ended
            self._manifest.fail(job, f"the process {_ending(slot.process)}")
        elif job.state not in OVER:
            self._manifest.fail(job, "was stopped from outside the sweep")
        slot.job, slot.seconds, slot.lent = None, None, []
        if slot.connection is None:
            slot.process.communicate()
            slot.process = None
        if job.state == "failed" and self._tries[job.number] <= self._retries:
            self._again.append(job)
        else:
            source.over(job)
        self._manifest.write()

    def _interrupt(self) -> None:
        """Stop the runs that go on: each writes its checkpoint at the end of a step."""
        busy = [slot for slot in self._slots if slot.job is not None]
        try:
            for slot in busy:
                if slot.process is not None:  # a signal may have come while it was being started
                    slot.process.terminate()
            ending = time.monotonic() + GRACE_SECONDS
            going_on = busy
            while going_on and time.monotonic() < ending:
                time.sleep(POLL_SECONDS / 5)
                going_on = [slot for slot in going_on if not self._is_over(slot)]
        except (Interrupted, KeyboardInterrupt):  # asked a second time
            pass
        for slot in busy:
            job = slot.job
            assert job is not None
            self._manifest.refresh(job)
        self._manifest.write()

    def _close(self) -> None:
        for slot in self._slots:
            self._dismiss(slot)

    def _dismiss(self, slot: Slot) -> None:
        """End the slot's process, at once if it is at something."""
        if slot.process is None:
            return
        if slot.connection is not None:
            slot.connection.close()
        slot.process.kill()
        if isinstance(slot.process, subprocess.Popen):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(slot.process.pid, signal.SIGKILL)
            slot.process.communicate()
        else:
            slot.process.join()
        slot.process, slot.connection = None, None


def _begin(process: Any) -> None:
    """Start it, in a thread: a signal that came in the midst of it would leave the fork server half a message."""
    errors: list[BaseException] = []

    def start() -> None:
        try:
            process.start()
        except BaseException as error:
            errors.append(error)

    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    starting.join()
    if errors:
        raise errors[0]


def _ending(process: Any) -> str:
    code = process.returncode if isinstance(process, subprocess.Popen) else process.exitcode
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = "; the system does so when memory runs out" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def shared_gpus(count: int | None) -> list[str]:
    """The GPUs that workers share: all there are, or `count` of them. Raises ConfigError where there are fewer."""
    visible = visible_gpus() if count != 0 else []
    if count is not None and count > len(visible):
        raise ConfigError(f"launcher.gpus={count}: {len(visible)} GPUs are visible here; give that or less, or null")
    return visible[:count]


def visible_gpus() -> list[str]:
    """The GPUs that CUDA_VISIBLE_DEVICES or else the driver's own tool names. Asking torch would take a GPU."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [each for each in named.split(",") if each]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]  # others are parts of one
    return [str(number) for number in range(len(found))]


def warm_up() -> None:
    """Begin to import what workers need, beside what the sweep does meanwhile. Ctrl-C is not for the fork server."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, handler)


def serve(connection: Connection, environment: Mapping[str, str], threads: int) -> None:
    """What a worker does: take a job, run it, say so, until nobody is there any more."""
    os.setsid()  # Ctrl-C in the terminal is for the sweep, which tells its workers
    os.environ.update(environment)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch

    from paribus.sweeps.jobs import execute

    torch.set_num_threads(threads)
    with contextlib.suppress(EOFError, OSError):
        while True:
            assignment = connection.recv()
            started = time.monotonic()
            with contextlib.suppress(Interrupted):
                execute(assignment)
            connection.send(time.monotonic() - started)


def _die_with_parent() -> None:
    """A sweep that was killed leaves no run behind that a resume would meet."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
