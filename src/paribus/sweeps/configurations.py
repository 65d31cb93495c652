"""Configurations: jobs that differ by their seed alone, what their figures say together, and which are best."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import mean
from typing import Any

from paribus.comparison import summarize
from paribus.metric_names import lower_is_better
from paribus.sweeps.manifest import Job, Manifest

SEED = "seed"


@dataclass(frozen=True)
class Configuration:
    """What was chosen, seeds aside, and its jobs that are done."""

    values: dict[str, Any]
    jobs: tuple[Job, ...]
    count: int  # of its jobs, those included that are not done

    def figures(self, name: str) -> list[float]:
        """That of every job that has it as a finite number."""
        return [job.result[name] for job in self.jobs if isfinite(job.result.get(name, float("nan")))]

    def mean(self, name: str) -> float:
        """Over its jobs; not a number where none has it."""
        figures = self.figures(name)
        return mean(figures) if figures else float("nan")

    def half(self, name: str) -> float | None:
        """Half of the 95 % interval of the mean; None where one job alone has the figure."""
        figures = self.figures(name)
        if len(figures) < 2:
            return None
        summary = summarize(figures)
        return (summary.high - summary.low) / 2

    def shown(self, name: str) -> str:
        """The mean and half of its interval as people read them; empty where no job has the figure."""
        if not self.figures(name):
            return ""
        half = self.half(name)
        return f"{self.mean(name):.4f}" + (f" ± {half:.4f}" if half is not None else "")


def configurations(manifest: Manifest) -> list[Configuration]:
    """Those with a finished job that has the metrics, best by the first metric first; of equals the earlier one.

    After them those of which some seeds are not done: the others may have been left by luck.
    """
    groups: dict[str, list[Job]] = {}
    for job in manifest.jobs:
        groups.setdefault(json.dumps(_without_seed(job)), []).append(job)
    found = [
        Configuration(_without_seed(jobs[0]), tuple(job for job in jobs if job.state == "done"), len(jobs))
        for jobs in groups.values()
    ]
    usable = [each for each in found if all(each.figures(name) for name in manifest.metrics)]
    return sorted(usable, key=lambda each: (len(each.jobs) < each.count, _costs(each, manifest)[0]))


def pareto_front(found: Sequence[Configuration], manifest: Manifest) -> list[Configuration]:
    """Those that no other one equals or beats in every metric and beats in one."""
    costs = [_costs(each, manifest) for each in found]
    return [each for each, own in zip(found, costs, strict=True) if not any(_beats(other, own) for other in costs)]


def leading(manifest: Manifest) -> list[Configuration]:
    """What is to be shown as best: the Pareto front of several metrics, else all from the best on."""
    found = configurations(manifest)
    return pareto_front(found, manifest) if len(manifest.metrics) > 1 else found


def is_low_best(name: str, manifest: Manifest) -> bool:
    """Whether a figure is best low: as the sweep says of its metrics, else by the figure's name."""
    if name in manifest.metrics:
        return manifest.directions[manifest.metrics.index(name)] == "min"
    return lower_is_better(name)


def final_figures(manifest: Manifest) -> list[str]:
    """Names of what finished jobs measured: the metrics of the sweep, then test, validation and training figures."""
    names = dict.fromkeys(name for job in manifest.jobs if job.state == "done" for name in job.result)
    known = [name for name in manifest.metrics if name in names]
    for stage in ("test/", "val/", "train/"):
        known += [name for name in names if name.startswith(stage) and name not in known]
    return known


def _without_seed(job: Job) -> dict[str, Any]:
    return {key: value for key, value in job.values.items() if key != SEED}


def _costs(configuration: Configuration, manifest: Manifest) -> list[float]:
    """Means of the metrics with their signs so that less is better."""
    return [
        configuration.mean(name) * (1 if direction == "min" else -1)
        for name, direction in zip(manifest.metrics, manifest.directions, strict=True)
    ]


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(own <= theirs for own, theirs in pairs) and any(own < theirs for own, theirs in pairs)
