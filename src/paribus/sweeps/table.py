"""A sweep as tables: results.csv, one row a job, and what the terminal shows of the best and the failed ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from paribus.sweeps.configurations import SEED, Configuration, final_figures, leading
from paribus.sweeps.manifest import Job, Manifest, State
from paribus.sweeps.values import brief, is_number, typed

STATES: tuple[State, ...] = ("done", "failed", "pruned", "interrupted", "running", "waiting")
SHOWN = 10  # configurations in the terminal
UNBOUNDED = 10_000  # columns of a terminal, for what a table would like to have
COUNTS = ("best_epoch", "epochs", "train_seconds")  # figures of metrics.json that are no metrics


def results(manifest: Manifest) -> list[dict[str, Any]]:
    """The rows of results.csv: numbers as numbers, other values as typed, None where there is nothing to say.

    Figures are those that finished jobs have; a job that did not finish has its last epoch's.
    """
    names = final_figures(manifest)
    return [_row(job, manifest.varied, names) for job in manifest.jobs]


def counted(manifest: Manifest) -> str:
    """Jobs by state: "24 jobs: 20 done, 4 failed"."""
    states = Counter(job.state for job in manifest.jobs)
    listed = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    return f"{len(manifest.jobs)} job{'s' if len(manifest.jobs) != 1 else ''}: {listed or 'none'}"


def heading(manifest: Manifest) -> str:
    """What the best ones are the best of."""
    if len(manifest.metrics) > 1:
        return f"Pareto front of {' and '.join(manifest.metrics)}"
    return f"best by {manifest.metrics[0]} ({'lowest' if manifest.directions[0] == 'min' else 'highest'} first)"


def best_table(manifest: Manifest) -> RenderableType:
    """For the terminal: counts by state, the best configurations and every failed job."""
    shown = leading(manifest)
    parts: list[RenderableType] = [Text(counted(manifest))]
    if shown:
        parts += [Text(), Text(_title(manifest, len(shown))), _Best(manifest, shown[:SHOWN])]
    failed = [job for job in manifest.jobs if job.state == "failed"]
    if failed:
        parts += [Text(), Text("failed"), _failed(failed)]
    return Group(*parts)


def _title(manifest: Manifest, count: int) -> str:
    means = "; mean ± half of the 95 % interval over seeds" if SEED in manifest.varied else ""
    of_all = f"; {SHOWN} of {count}" if count > SHOWN else ""
    return f"{heading(manifest)}{means}{of_all}"


@dataclass(frozen=True)
class _Best:
    """A table of configurations, with as many of the test figures as there is room for."""

    manifest: Manifest
    shown: Sequence[Configuration]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = [name for name in final_figures(self.manifest) if name.startswith("test/")]
        names = [*self.manifest.metrics, *(name for name in names if name not in self.manifest.metrics)]
        least = len(self.manifest.metrics) + 1
        counts = range(len(names), least, -1)
        tables = [_best(self.manifest, self.shown, names[:count]) for count in (*counts, least)]
        free = options.update_width(UNBOUNDED)
        fitting = [table for table in tables if Measurement.get(console, free, table).maximum <= options.max_width]
        yield next(iter(fitting), tables[-1])


def _best(manifest: Manifest, shown: Sequence[Configuration], names: Sequence[str]) -> Table:
    varied = [key for key in manifest.varied if key != SEED]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ["jobs" if SEED in manifest.varied else "job", *varied]:
        table.add_column(Text(column), overflow="fold")
    for name in names:
        table.add_column(Text(name), justify="right", overflow="fold")
    for each in shown:
        cells = [_numbers(each.jobs), *(brief(each.values[key]) if key in each.values else "" for key in varied)]
        table.add_row(*map(Text, cells), *(Text(each.shown(name)) for name in names))
    return table


def _numbers(jobs: Sequence[Job]) -> str:
    """ "3 5 7" or, of many that follow each other, "0-9"."""
    numbers = [job.number for job in jobs]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"{numbers[0]}-{numbers[-1]}"
    return " ".join(map(str, numbers))


def _failed(jobs: Sequence[Job]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("job", "what varied", "error"):
        table.add_column(column, overflow="fold")
    for job in jobs:
        chosen = " ".join(f"{key}={brief(value)}" for key, value in job.values.items())
        table.add_row(*map(Text, (str(job.number), chosen, job.error or "")))
    return table


def _row(job: Job, varied: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    counts = {name: job.result.get(name) for name in COUNTS}
    counts["epochs"] = job.result.get("epochs", job.result.get("epoch"))
    return {
        "job": job.number,
        **{key: _cell(job.values[key]) if key in job.values else None for key in varied},
        "state": job.state,
        SEED: job.seed,
        **{name: job.result.get(name) for name in names},
        **counts,
        "seconds": job.seconds,
        "attempts": job.attempts,
        "folder": job.folder,
        "error": job.error,
    }


def _cell(value: Any) -> Any:
    return value if is_number(value) else typed(value)
