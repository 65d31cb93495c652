"""What came of a study's runs: a cell for each arm and setting, with the figures of its runs by pair. No torch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

from paribus.errors import ConfigError, nearest
from paribus.metric_names import lower_is_better
from paribus.runs import Run
from paribus.studies.study import BEST, Study, arm_of

ARM = "arm"  # the key by which a job of a study says whose it is
DIVERGED = "diverged"  # the figure that is 1 for a run whose loss was no longer finite, else 0
NOT_FINITE = re.compile(r"\bis (nan|-?inf)\b|times the first")  # as tasks word it of a loss that diverges


@dataclass(frozen=True)
class Cell:
    """One arm in one setting."""

    name: str
    arm: str
    settings: Mapping[str, str]  # what varies within the arm, as typed
    runs: Mapping[int, Run]  # by the seed that it shares with its partners
    figures: Mapping[int, Mapping[str, float]]  # of those that ended, measures and DIVERGED included
    failed: Sequence[Run]  # for another reason than divergence, or not at all

    def values(self, metric: str) -> dict[int, float]:
        """A figure of the runs that have it, by pair."""
        found = {pair: figures.get(metric, float("nan")) for pair, figures in self.figures.items()}
        return {pair: value for pair, value in found.items() if isfinite(value)}

    @property
    def num_diverged(self) -> int:
        """Runs whose loss was no longer finite."""
        return sum(figures[DIVERGED] > 0 for figures in self.figures.values())


def cells(study: Study, runs: Sequence[Run], measured: Mapping[str, Mapping[str, float]]) -> list[Cell]:
    """The cells in the order of their first runs; `measured` are the measures of a run by its folder's name."""
    grouped: dict[tuple[str, tuple[tuple[str, str], ...]], list[Run]] = {}
    for run in runs:
        settings = {key: value for key, value in run.chosen.items() if key != ARM}
        grouped.setdefault((run.chosen[ARM], tuple(settings.items())), []).append(run)
    return [_cell(study, arm, dict(settings), group, measured) for (arm, settings), group in grouped.items()]


def _cell(
    study: Study, arm: str, settings: dict[str, str], group: Sequence[Run], measured: Mapping[str, Mapping[str, float]]
) -> Cell:
    by_pair = {run.seed - study.seed_offset.get(arm, 0): run for run in group}
    figures: dict[int, dict[str, float]] = {}
    for pair, run in by_pair.items():
        if run.is_finished:
            figures[pair] = {**run.figures, **measured.get(run.path.name, {}), DIVERGED: 0.0}
        elif run.error and NOT_FINITE.search(run.error):
            figures[pair] = {**measured.get(run.path.name, {}), **study.diverged, DIVERGED: 1.0}
    failed = [run for pair, run in by_pair.items() if pair not in figures]
    return Cell(cell_name(arm, settings), arm, settings, by_pair, figures, failed)


def cell_name(arm: str, settings: Mapping[str, str]) -> str:
    """What predictions call it."""
    return " ".join([arm, *(f"{key}={value}" for key, value in settings.items())])


def find(name: str, study: Study, every: Sequence[Cell]) -> Cell:
    """The cell that a prediction names. Raises ConfigError where there is none."""
    arm = arm_of(name, study.arms)
    own = [each for each in every if each.arm == arm]
    if name.startswith(BEST):
        return _best(own, str(study.best_by))
    found = next((each for each in own if each.name == name), own[0] if name == arm and len(own) == 1 else None)
    if found is None:
        raise ConfigError(f"study {study.name}: {name} is no arm with its settings; {nearest(name, _names(every))}")
    return found


def _names(every: Sequence[Cell]) -> list[str]:
    return [each.name for each in every]


def _best(own: Sequence[Cell], metric: str) -> Cell:
    """The one with the best mean; of those that have it in as many runs as any."""
    most = max(len(each.values(metric)) for each in own)
    if most == 0:
        return own[0]
    sign = 1 if lower_is_better(metric) else -1
    return min(
        (each for each in own if len(each.values(metric)) == most),
        key=lambda each: sign * fmean(each.values(metric).values()),
    )
