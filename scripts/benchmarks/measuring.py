"""Wall times of commands, several rounds of them in turns, and what is reported of them."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

SCRIPTS = Path(__file__).resolve().parents[1]
PARIBUS = str(Path(sys.executable).with_name("paribus"))
Measure = Callable[[], float]  # measures once: seconds


class CommandError(Exception):
    """A command that was to be timed has failed."""


@dataclass(frozen=True)
class Settings:
    """What the command line decides."""

    data_root: Path
    rounds: int


@dataclass(frozen=True)
class Row:
    """A line of the table: median seconds, and the median of each round's ratio to a baseline."""

    what: str
    seconds: float
    rounds: int
    baseline: str | None = None
    ratio: float | None = None
    limit: float | None = None  # the largest ratio that reaches the target

    @property
    def reached(self) -> str:
        """ "yes", "no", or nothing where there is no target."""
        if self.limit is None or self.ratio is None:
            return ""
        return "yes" if self.ratio <= self.limit else "no"

    @property
    def summary(self) -> str:
        """The row for the screen."""
        ratio = f", {self.ratio:.3f} of: {self.baseline}" if self.ratio is not None else ""
        target = f"; target at most {self.limit:g}: {self.reached}" if self.limit is not None else ""
        return f"{self.what}: {self.seconds:.3f} s{ratio}{target}"


Benchmark = Callable[[Settings], list[Row]]


@dataclass(frozen=True)
class Samples:
    """Seconds of each round by what was measured."""

    seconds: Mapping[str, Sequence[float]]

    def row(self, what: str, baseline: str | None = None, limit: float | None = None) -> Row:
        """The medians over rounds: of seconds, and of the ratio to the baseline in the same round."""
        mine = self.seconds[what]
        if baseline is None:
            return Row(what, median(mine), len(mine))
        ratios = [one / other for one, other in zip(mine, self.seconds[baseline], strict=True)]
        return Row(what, median(mine), len(mine), baseline, median(ratios), limit)


def in_turns(measures: Mapping[str, Measure], rounds: int) -> Samples:
    """Measure everything once a round, every second round in the opposite order, so that drift favours nobody."""
    seconds: dict[str, list[float]] = {what: [] for what in measures}
    for number in range(rounds):
        for what in list(measures)[:: -1 if number % 2 else 1]:
            seconds[what].append(measures[what]())
            print(f"  round {number + 1}/{rounds}  {seconds[what][-1]:8.3f} s  {what}", flush=True)
    return Samples(seconds)


def wall_seconds(command: Sequence[str], exit_code: int = 0) -> float:
    """Wall time of a command that ends with `exit_code`, from before its start until after its end."""
    started = time.perf_counter()
    done = _run(command)
    spent = time.perf_counter() - started
    _check(command, done, exit_code)
    return spent


def reported_seconds(module: str, *arguments: str) -> float:
    """What `python -m MODULE ARGUMENTS` prints as its last line, a number of seconds."""
    command = [sys.executable, "-m", module, *arguments]
    done = _run(command)
    _check(command, done, 0)
    return float(done.stdout.splitlines()[-1])


def succeeds(command: Sequence[str]) -> bool:
    """Whether a command ends with 0."""
    return _run(command).returncode == 0


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # Without GPUs: the loops compared are for the CPU, and the framework would take a GPU where there is one.
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _check(command: Sequence[str], done: subprocess.CompletedProcess[str], exit_code: int) -> None:
    if done.returncode != exit_code:
        ending = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise CommandError(f"{' '.join(command)} ended with {done.returncode}, not {exit_code}:\n{ending}")
