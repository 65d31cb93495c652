"""Jobs as they are given out: a grid's in order, a search's made of what came before."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import made_up
import pytest

from paribus.errors import ConfigError
from paribus.sweeps.manifest import Job, Manifest, State
from paribus.sweeps.sources import Grid, Trials
from paribus.sweeps.space import Space
from paribus.sweeps.study import Proposal, Search


class Numbers:
    """A search that proposes 0, 10, 20 ... and remembers what it is told."""

    def __init__(self, stored: int = 0) -> None:
        self.asked = stored
        self.told: list[tuple[int, str, Any]] = []

    def trials(self) -> list[Proposal]:
        return [Proposal(number, {"optimizer.lr": 10 * number}) for number in range(self.asked)]

    def ask(self) -> Proposal:
        self.asked += 1
        return self.trials()[-1]

    def tell(self, trial: int, state: str, figures: Any) -> None:
        self.told.append((trial, state, figures))


def _config(values: dict[str, Any]) -> Any:
    """A space in which 30 goes with nothing."""
    if values["optimizer.lr"] == 30:
        raise ConfigError("optimizer.lr=30 does not go with it")
    return SimpleNamespace(seed=4, text="whole"), [f"optimizer.lr={values['optimizer.lr']}"]


SPACE = cast(Space, SimpleNamespace(config=_config))


def _trials(path: Path, search: Numbers, batch: int | None, trials: int, *jobs: Job) -> tuple[Trials, Manifest]:
    manifest = made_up.manifest(path, jobs, ["optimizer.lr"])
    return Trials(manifest, SPACE, cast(Search, search), batch, trials), manifest


def _end(source: Trials, job: Job | None, accuracy: float = 0.5) -> None:
    assert job is not None
    job.state, job.result = "done", {"val/accuracy": accuracy}
    source.over(job)


def _job(number: int, state: State) -> Job:
    return made_up.job(number, {"optimizer.lr": 10 * number}, state, trial=number, result={"val/accuracy": 0.5})


def test_a_grid_gives_each_job_once_in_order() -> None:
    jobs = [made_up.job(number, {}) for number in range(3)]
    source = Grid(list(jobs))
    assert [source.next() for _ in range(5)] == [*jobs, None, None]


def test_a_trial_is_asked_for_when_it_is_wanted_and_written_down_before_it_is_run(tmp_path: Path) -> None:
    source, manifest = _trials(tmp_path, search := Numbers(), None, 3)
    first = source.next()
    assert search.asked == 1 and first is not None
    assert (first.number, first.trial, first.values, first.seed, first.config, first.overrides) == (
        *(0, 0, {"optimizer.lr": 0}, 4, "whole"),
        ["optimizer.lr=0"],
    )
    assert Manifest.read(tmp_path).jobs == [first]
    second = source.next()
    _end(source, first, 0.75)
    assert search.told == [(0, "done", [0.75])]
    _end(source, source.next())
    _end(source, second)
    assert source.next() is None and search.asked == 3 and len(manifest.jobs) == 3


def test_a_batch_is_asked_for_once_the_one_before_is_over(tmp_path: Path) -> None:
    source, _ = _trials(tmp_path, search := Numbers(), 2, 3)
    first, second = source.next(), source.next()
    assert search.asked == 2 and source.next() is None
    _end(source, first)
    assert source.next() is None and search.asked == 2
    _end(source, second)
    third = source.next()
    assert third is not None and third.number == 2
    assert source.next() is None  # there are three in all
    _end(source, third)
    assert source.next() is None


@pytest.mark.parametrize("batch", [None, 2])
def test_values_that_do_not_go_together_are_a_failed_job(tmp_path: Path, batch: int | None) -> None:
    source, manifest = _trials(tmp_path, search := Numbers(), batch, 5)
    while job := source.next():
        _end(source, job)
    assert [job.state for job in manifest.jobs] == ["done", "done", "done", "failed", "done"]
    assert (manifest.jobs[3].error, manifest.jobs[3].trial) == ("optimizer.lr=30 does not go with it", 3)
    assert (3, "failed", None) in search.told and len(search.told) == 5


def test_after_a_kill_stored_trials_are_run_and_ended_jobs_told(tmp_path: Path) -> None:
    """Trials 0 to 3 were asked for; 3 was not written down, 0 and 1 had ended, the second untold, and 2 was at work."""
    jobs = [_job(0, "done"), _job(1, "pruned"), _job(2, "waiting")]
    source, manifest = _trials(tmp_path, search := Numbers(4), None, 5, *jobs)
    assert [(trial, state) for trial, state, _ in search.told if trial < 3] == [(0, "done"), (1, "pruned")]
    assert len(manifest.jobs) == 4 and manifest.jobs[3].state == "failed"  # 30 goes with nothing
    given = [source.next(), source.next()]
    assert [job.trial for job in given if job] == [2, 4]
    assert source.next() is None and search.asked == 5


def test_a_failed_job_of_a_search_is_not_run_again(tmp_path: Path) -> None:
    source, _ = _trials(tmp_path, search := Numbers(2), None, 2, _job(0, "failed"), _job(1, "done"))
    assert source.next() is None
    assert search.told == [(0, "failed", None), (1, "done", [0.5])]


def test_an_interrupted_job_is_told_of_when_it_is_over(tmp_path: Path) -> None:
    source, _ = _trials(tmp_path, search := Numbers(1), None, 1, _job(0, "interrupted"))
    assert search.told == []
    _end(source, source.next())
    assert search.told == [(0, "done", [0.5])]
