"""What the report of a sweep draws: one block of plain data, all of it finite numbers and texts."""

import shlex
from collections.abc import Sequence, Set
from math import isfinite
from pathlib import Path
from typing import Any

from paribus.errors import ConfigError
from paribus.results import RunFolder
from paribus.sweeps.configurations import (
    SEED,
    Configuration,
    configurations,
    final_figures,
    is_low_best,
    pareto_front,
)
from paribus.sweeps.importance import FEW, importance, is_wide
from paribus.sweeps.manifest import Job, Manifest
from paribus.sweeps.values import brief, is_number, typed

POINTS = 80  # of a learning curve; more cannot be told apart on the page
CURVE_NAME = "val/loss"  # whose curves are drawn where none of the metrics is measured every epoch


def facts(manifest: Manifest) -> dict[str, Any]:
    """By what they are of: metrics, parameters, jobs, configurations (best first), importance, curves."""
    found, names = configurations(manifest), final_figures(manifest)
    parameters = [_parameter(key, manifest) for key in manifest.varied if key != SEED]
    numeric = {each["key"] for each in parameters if "low" in each} | {SEED}
    return {
        "metrics": manifest.metrics,
        "names": names,
        "low_is_best": {name: is_low_best(name, manifest) for name in names},
        "parameters": parameters,
        "has_seeds": SEED in manifest.varied,
        "jobs": [_job(job, manifest, names, numeric) for job in manifest.jobs],
        "configurations": [_configuration(each, names) for each in found],
        "front": [found.index(each) for each in pareto_front(found, manifest)],
        "importance": {name: vars(importance(found, name)) for name in manifest.metrics},
        "curves": _curves(manifest),
    }


def command(job: Job, manifest: Manifest) -> str:
    """What reproduces a job, as it is typed in a shell."""
    extension = ["--extend", manifest.extension] if manifest.extension else []
    return shlex.join(["paribus", "train", *job.overrides, *extension])


def _parameter(key: str, manifest: Manifest) -> dict[str, Any]:
    """How it is drawn: as categories in their order, or on an axis of numbers, of which few are listed."""
    values = [job.values[key] for job in manifest.jobs if key in job.values]
    searched = {each["key"]: each for each in manifest.space.get("dimensions", ()) if not each["choices"]}
    if not all(map(is_number, values)):
        return {"key": key, "categories": list(dict.fromkeys(map(typed, values)))}
    low, high = min(values, default=0), max(values, default=0)
    listed = sorted(set(values))
    is_log = searched[key]["is_log"] if key in searched else is_wide(low, high)
    axis = {"key": key, "low": low, "high": high, "is_log": is_log}
    return {**axis, "listed": listed} if len(listed) <= FEW and key not in searched else axis


def _job(job: Job, manifest: Manifest, names: Sequence[str], numeric: Set[str]) -> dict[str, Any]:
    return {
        "number": job.number,
        "state": job.state,
        "values": {key: value if key in numeric else typed(value) for key, value in job.values.items()},
        "figures": {name: _rounded(job.result[name]) for name in names if isfinite(job.result.get(name, float("nan")))},
        "epochs": job.result.get("epochs", job.result.get("epoch")),
        "seconds": job.seconds,
        "folder": job.folder,
        "error": job.error,
        "command": command(job, manifest),
    }


def _configuration(configuration: Configuration, names: Sequence[str]) -> dict[str, Any]:
    return {
        "label": ", ".join(f"{key}={brief(value)}" for key, value in configuration.values.items()) or "all",
        "jobs": [job.number for job in configuration.jobs],
        "figures": {
            name: {"mean": configuration.mean(name), "half": configuration.half(name)}
            for name in names
            if configuration.figures(name)
        },
    }


def _curves(manifest: Manifest) -> dict[str, dict[int, list[list[float]]]]:
    """By metric and job: epochs and values."""
    rows = {job.number: _rows(manifest.folder(job)) for job in manifest.jobs}
    measured = {name for lines in rows.values() for row in lines for name in row}
    names = [name for name in manifest.metrics if name in measured] or [CURVE_NAME]
    return {name: {number: _curve(lines, name) for number, lines in rows.items()} for name in names}


def _rows(folder: Path) -> list[dict[str, float]]:
    try:
        return RunFolder(folder).rows()
    except ConfigError:  # one damaged file is no reason to have no report; the run itself speaks of it
        return []


def _curve(rows: Sequence[dict[str, float]], name: str) -> list[list[float]]:
    points = [(row["epoch"], row[name]) for row in rows if isfinite(row.get(name, float("nan")))]
    step = max(1, -(-len(points) // POINTS))
    kept = points[::step] + (points[-1:] if (len(points) - 1) % step else [])
    return [[int(epoch) for epoch, _ in kept], [_rounded(value) for _, value in kept]]


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
