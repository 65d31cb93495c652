"""What is to be seen while a sweep goes on: a table in a terminal, a line for each job that ends elsewhere."""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from omegaconf import OmegaConf
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from paribus.console import Lasting, duration
from paribus.results import RunFolder
from paribus.sweeps.manifest import OVER, Job, Manifest

REFRESH_SECONDS = 0.5
LISTED = 8  # failed jobs, the last ones


def _standard_output() -> TextIO:
    """A copy of it, since a run in this process may send it elsewhere; nothing where it is closed."""
    try:
        return os.fdopen(os.dup(1), "w")
    except OSError:
        return Path(os.devnull).open("w")


class View:
    """Shows the manifest as it changes."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._file = _standard_output()
        self._console = Lasting(highlight=False, file=self._file)
        self._live: Live | None = None
        self._shown = 0.0
        self._started = time.monotonic()
        self._told = {job.number for job in manifest.jobs if job.state in OVER}
        self._before = len(self._told)
        self._epochs: dict[int, int] = {}

    def __enter__(self) -> "View":
        if self._console.is_terminal:
            self._live = Live(self._table(), console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        waiting = max(0, self._manifest.total - self._before)
        self._console.print(f"{waiting} of {self._manifest.total} runs to do in {self._manifest.path}", soft_wrap=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell()
        if self._live is not None:
            self._live.stop()
        self._file.close()

    def show(self) -> None:
        """Bring it up to date, a few times a second at most."""
        self._tell()
        if self._live is not None and time.monotonic() - self._shown > REFRESH_SECONDS:
            self._shown = time.monotonic()
            self._live.update(self._table(), refresh=True)

    def _tell(self) -> None:
        """A line for each job that has ended since."""
        for job in self._manifest.jobs:
            if job.state in OVER and job.number not in self._told:
                self._told.add(job.number)
                self._console.print(self._line(job), soft_wrap=True)

    def _line(self, job: Job) -> Text:
        ending = f"{job.error}" if job.state == "failed" else self._figures(job)
        progress = f"{len(self._told)}/{self._manifest.total}, {self._left()}"
        colour = {"failed": "red", "pruned": "yellow"}.get(job.state, "green")
        return Text.assemble(job.title, " ", (job.state, colour), f"  {job.chosen}  {ending}  ({progress})")

    def _figures(self, job: Job) -> str:
        names = [*self._manifest.metrics, "epochs"]
        return "  ".join(f"{name} {job.result[name]:.5g}" for name in names if name in job.result)

    def _left(self) -> str:
        """The time left, by the mean of this sitting."""
        done = len(self._told) - self._before
        if not done:
            return "time left unknown"
        spent = time.monotonic() - self._started
        return f"{duration(spent / done * (self._manifest.total - len(self._told)))} left"

    def _table(self) -> RenderableType:
        manifest = self._manifest
        running = [job for job in manifest.jobs if job.state == "running"]
        failed = [job for job in manifest.jobs if job.state == "failed"]
        waiting = self._manifest.total - manifest.count(*OVER) - len(running)
        head = (
            f"{manifest.name}: {manifest.count('done')} done, {len(running)} running, {waiting} waiting, "
            f"{len(failed)} failed, {manifest.count('pruned')} pruned; {self._left()}"
        )
        table = Table("job", "what varies", "state", "epoch", *manifest.metrics, box=None, pad_edge=False)
        for job in running:
            row, of = self._row(job)
            figures = [f"{row[name]:.5g}" if name in row else "" for name in manifest.metrics]
            table.add_row(job.title, job.chosen, "running", f"{row.get('epoch', 0):.0f}/{of}", *figures)
        for job in failed[-LISTED:]:
            table.add_row(job.title, job.chosen, Text("failed", "red"), "", Text(job.error or "", "red"))
        best = manifest.best()
        if best is not None:
            figures = [f"{best.result[name]:.5g}" for name in manifest.metrics if name in best.result]
            table.add_row(best.title, best.chosen, Text("best so far", "green"), "", *figures)
        return Group(head, table)

    def _row(self, job: Job) -> tuple[dict[str, Any], int]:
        """The last epoch of a run that goes on, and how many there are to be."""
        if job.number not in self._epochs:
            self._epochs[job.number] = OmegaConf.create(job.config).trainer.max_epochs
        rows = RunFolder(self._manifest.folder(job)).rows()
        return (rows[-1] if rows else {}), self._epochs[job.number]
