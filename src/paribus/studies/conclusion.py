"""What a study comes to: measured, judged, printed, and written as a table, a figure and a page of its own."""

import base64
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track
from rich.table import Table

from paribus import pages, runs
from paribus.comparing import tables
from paribus.comparing.figure import save
from paribus.comparing.verdicts import number, with_interval
from paribus.comparison import CONFIDENCE, summarize
from paribus.console import duration
from paribus.results import RunFolder
from paribus.runs import Run
from paribus.studies import figure
from paribus.studies.cells import Cell, cells
from paribus.studies.judging import Finding, judge, verdict
from paribus.studies.measuring import measures
from paribus.studies.study import Study
from paribus.sweeps.facts import command
from paribus.sweeps.manifest import Manifest

PAGE = Path(__file__).parent / "page"
MEASURES = "measures.json"  # in a run folder, so that a study that goes on measures no run again
CORES = 2  # that the time of a study is told for
TESTED = ("test/accuracy", "test/loss")  # shown of every study whose runs have them


@dataclass(frozen=True)
class Conclusion:
    """The runs of a study and what they say."""

    study: Study
    manifest: Manifest
    cells: Sequence[Cell]
    findings: Sequence[Finding]
    verdict: str

    @property
    def metrics(self) -> list[str]:
        """What the tables show: what is predicted, then what any test has."""
        predicted = [each.metric for each in self.study.predictions]
        tested = [name for name in TESTED if any(cell.values(name) for cell in self.cells)]
        return list(dict.fromkeys([*predicted, *tested]))


def conclude(study: Study, manifest: Manifest, extension: Path | None) -> Conclusion:
    """Measure what is not measured yet, judge, and write study.json, study.html and figures/study.png."""
    every = runs.found(manifest.path)
    measured = _measured(study, every, extension)
    found = cells(study, every, measured)
    findings = judge(study, found)
    conclusion = Conclusion(study, manifest, found, findings, verdict(findings))
    drawn = figure.draw(study, found, conclusion.verdict, f"{study.name}/{manifest.path.name}")
    picture = manifest.path / "figures" / "study.png"
    save(drawn, picture)
    RunFolder(manifest.path).write_json("study.json", _facts(conclusion))
    pages.write(manifest.path / "study.html", _page(conclusion, picture))
    return conclusion


def _measured(study: Study, every: Sequence[Run], extension: Path | None) -> dict[str, dict[str, float]]:
    """The measures of each run that began, by its folder's name."""
    if not study.measures:
        return {}
    from paribus.studies.measured import Measured  # late: it needs torch

    chosen = measures(study, extension)
    found = {}
    for run in track(every, "measuring", transient=True):
        folder = RunFolder(run.path)
        kept = folder.read_json(MEASURES)
        if not kept and (run.path / "config.yaml").is_file():
            measured = Measured(run, extension)
            kept = {name: value for each in chosen for name, value in each.of(measured).items()}
            folder.write_json(MEASURES, kept)
        found[run.path.name] = kept
    return found


def show(conclusion: Conclusion) -> None:
    """Print the means, what became of each prediction, and the verdict."""
    tables.show(
        [
            conclusion.study.claim,
            _means(conclusion),
            *(f"- {each.sentence}" for each in conclusion.findings),
            f"verdict: {conclusion.verdict}",
            f"page: {conclusion.manifest.path / 'study.html'}",
        ]
    )


def _means(conclusion: Conclusion) -> Table:
    rows = [
        [cell.name, _counted(cell), *(_mean(cell, each) for each in conclusion.metrics)] for cell in conclusion.cells
    ]
    title = f"means with {CONFIDENCE:.0%} intervals over seeds"
    return tables.table(title, ["", "runs", *conclusion.metrics], rows, numbers=True)


def _counted(cell: Cell) -> str:
    """How many runs there are, and what is wrong with them."""
    counts = {"diverged": cell.num_diverged, "failed": len(cell.failed)}
    notes = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{len(cell.figures)} ({notes})" if notes else str(len(cell.figures))


def _mean(cell: Cell, metric: str) -> str:
    values = list(cell.values(metric).values())
    if len(values) < 2:
        return number(values[0]) if values else "-"
    found = summarize(values)
    return with_interval(found.mean, found.low, found.high) if found.deviation else number(found.mean)


def _facts(conclusion: Conclusion) -> dict[str, Any]:
    """For programs: verdict, findings and figures."""
    return {
        "study": conclusion.study.name,
        "claim": conclusion.study.claim,
        "verdict": conclusion.verdict,
        "minutes": sum(job.seconds or 0 for job in conclusion.manifest.jobs) / 60 / CORES,
        "findings": [_finding(each) for each in conclusion.findings],
        "cells": {
            cell.name: {str(pair): dict(figures) for pair, figures in cell.figures.items()} for cell in conclusion.cells
        },
    }


def _finding(found: Finding) -> dict[str, Any]:
    difference = found.difference
    return {
        **found.prediction.model_dump(),
        "outcome": found.outcome,
        "is_difference_seen": found.is_seen,
        "pairs": list(found.pairs),
        "difference": difference.mean if difference else None,
        "low": difference.low if difference else None,
        "high": difference.high if difference else None,
        "p": difference.p if difference else None,
        "effect": difference.effect if difference else None,
        "shown": found.shown,
        "expected": found.expected,
        "sentence": found.sentence,
    }


def _page(conclusion: Conclusion, picture: Path) -> str:
    manifest = conclusion.manifest
    first = {cell.name: next(job for job in manifest.jobs if _is_of(job.folder, cell)) for cell in conclusion.cells}
    return pages.render(
        [PAGE, pages.SHARED],
        "study.html",
        study=conclusion.study,
        verdict=conclusion.verdict,
        findings=conclusion.findings,
        started=manifest.path.name,
        asked=shlex.join(["paribus", *manifest.command]),
        time=duration(sum(job.seconds or 0 for job in manifest.jobs)),
        num_runs=len(manifest.jobs),
        metrics=conclusion.metrics,
        rows=[
            {
                "name": cell.name,
                "runs": _counted(cell),
                "means": [_mean(cell, each) for each in conclusion.metrics],
                "command": command(first[cell.name], manifest),
            }
            for cell in conclusion.cells
        ],
        failed=[(cell.name, run) for cell in conclusion.cells for run in cell.failed],
        picture=base64.b64encode(picture.read_bytes()).decode(),
        confidence=f"{CONFIDENCE:.0%}",
    )


def _is_of(folder: str, cell: Cell) -> bool:
    return any(run.path.name == folder for run in cell.runs.values())
