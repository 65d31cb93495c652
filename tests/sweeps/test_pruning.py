"""When runs are given up: the rules against closed forms and Optuna's own; a resume changes nothing of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import optuna
import pytest
import torch
from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from searches import LOG, choice, in_memory, search

from paribus import composition, config
from paribus.errors import ConfigError, Pruned
from paribus.experiment import run
from paribus.sweeps import pruning
from paribus.sweeps.hyperband import Hyperband
from paribus.sweeps.pruning import Pruning
from paribus.sweeps.storage import database
from paribus.sweeps.study import Search

pytestmark = pytest.mark.usefixtures("in_memory")
__all__ = ["in_memory"]  # a fixture

MEDIAN = {"startup_trials": 2, "warmup_epochs": 1, "interval_epochs": 1}


def of_run(folder: Path, trial: int, rule: str = "median", metric: str = "val/loss", **settings: int) -> Pruning:
    chosen = {"name": rule, "settings": settings or MEDIAN}
    return pruning.pruning(database(folder), trial, metric, 9, chosen, None)


def train(callback: Pruning, figures: Sequence[float], first: int = 1) -> int | None:
    """Let it see epochs from `first` on: the epoch at which it gives the run up, if it does."""
    trainer: Any = SimpleNamespace(callback_metrics={}, current_epoch=first - 1)
    module: Any = None
    callback.on_train_start(trainer, module)
    for epoch, figure in enumerate(figures, first):
        trainer.callback_metrics, trainer.current_epoch = {"val/loss": torch.tensor(figure)}, epoch - 1
        try:
            callback.on_train_epoch_end(trainer, module)
        except Pruned:
            return epoch
    return None


def after(folder: Path, curves: Sequence[Sequence[float]], direction: Literal["min", "max"] = "min") -> Search:
    """A search with finished trials."""
    found = search(folder, (LOG,), choice("sampler", "random"), [direction], pruner="median")
    for curve in curves:
        trial = found.ask().trial
        for epoch, figure in enumerate(curve, 1):
            pruning.opened(database(folder)).set_trial_intermediate_value(trial, epoch, figure)
        found.tell(trial, "done", [curve[-1]])
    return found


def reported(folder: Path, trial: int) -> Mapping[int, float]:
    return pruning.opened(database(folder)).get_trial(trial).intermediate_values


@pytest.mark.parametrize(
    ("direction", "curve", "ends"),  # the medians of the finished ones are 5, 4, 3 and 2; the first epoch is warm-up
    [
        ("min", [8.0, 8.0, 8.0, 8.0], 2),
        ("min", [8.0, 3.9, 8.0, 8.0], 3),  # the best so far is what counts
        ("min", [8.0, 3.0, 8.0, 8.0], 4),
        ("min", [8.0, 1.9, 8.0, 8.0], None),
        ("max", [0.0, 5.0, 0.0, 0.0], None),
        ("max", [0.0, 0.0, 9.0, 9.0], 2),
    ],
)
def test_median_gives_up_what_is_worse_than_half(
    tmp_path: Path, direction: Literal["min", "max"], curve: list[float], ends: int | None
) -> None:
    found = after(tmp_path, [[4.0, 3.0, 2.0, 1.0], [6.0, 5.0, 4.0, 3.0]], direction)
    assert train(of_run(tmp_path, found.ask().trial), curve) == ends


def test_median_waits_for_finished_runs_and_looks_now_and_then(tmp_path: Path) -> None:
    found = after(tmp_path, [[1.0] * 9])
    assert train(of_run(tmp_path, found.ask().trial), [2.0] * 9) is None
    found.tell(found.ask().trial, "failed", None)
    settings = {"startup_trials": 1, "warmup_epochs": 3, "interval_epochs": 2}
    assert train(of_run(tmp_path, found.ask().trial, **settings), [0.5, 2.0, 2.0, 2.0, 2.0]) is None
    assert train(of_run(tmp_path, found.ask().trial, **settings), [2.0] * 9) == 4
    assert train(of_run(tmp_path, found.ask().trial, **settings), [2.0] * 3) is None


def test_a_resume_repeats_epochs_without_a_word_and_is_judged_as_before(tmp_path: Path) -> None:
    found = after(tmp_path, [[1.0] * 9, [1.0] * 9])
    trial = found.ask().trial
    assert train(of_run(tmp_path, trial), [0.5, 0.5, 0.5]) is None
    assert train(of_run(tmp_path, trial), [7.0, 0.5, 0.5], first=2) is None  # 7 is not reported: epoch 2 was
    assert reported(tmp_path, trial) == {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5}
    given_up = found.ask().trial
    assert [train(of_run(tmp_path, given_up), [2.0, 2.0, 2.0]) for _ in range(2)] == [2, 2]
    assert reported(tmp_path, given_up) == {1: 2.0, 2: 2.0}


def test_what_was_told_is_not_reported_any_more(tmp_path: Path) -> None:
    found = after(tmp_path, [[1.0] * 9, [1.0] * 9])
    trial = found.ask().trial
    found.tell(trial, "failed", None)
    assert train(of_run(tmp_path, trial), [2.0] * 4) is None
    assert reported(tmp_path, trial) == {}


def test_figures_that_are_no_numbers_are_left_to_the_run(tmp_path: Path) -> None:
    found = after(tmp_path, [[1.0] * 9, [1.0] * 9])
    trial = found.ask().trial
    assert train(of_run(tmp_path, trial), [0.5, float("nan"), float("inf"), 0.5]) is None
    assert reported(tmp_path, trial) == {1: 0.5, 4: 0.5}


def test_a_metric_that_is_not_measured_is_told(tmp_path: Path) -> None:
    trial = search(tmp_path, (LOG,), choice("sampler", "random")).ask().trial
    with pytest.raises(ConfigError, match=r"sweep\.metric=val/lss is not measured .* did you mean val/loss\?"):
        train(of_run(tmp_path, trial, metric="val/lss"), [0.5])


def test_hyperband_refuses_runs_shorter_than_its_first_rung(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pruner\.min_epochs=10 is more than trainer\.max_epochs=9; lower it"):
        of_run(tmp_path, 1, "hyperband", min_epochs=10, reduction_factor=3)


def kept(rule: BasePruner, curves: np.ndarray, direction: str) -> list[int]:
    """Curves (runs, epochs), one run after the other: the epochs that each got, without the last as it is no rung."""
    study = optuna.create_study(direction=direction, pruner=rule)
    ends = []
    for curve in curves:
        trial = study.ask()
        for epoch, figure in enumerate(curve, 1):
            trial.report(figure, epoch)
            if trial.should_prune():
                break
        ends.append(epoch)
        study.tell(trial, float(figure))
    return ends


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(("factor", "first"), [(2, 1), (3, 1), (4, 1)])
def test_one_bracket_is_optunas_successive_halving(
    monkeypatch: pytest.MonkeyPatch, direction: str, factor: int, first: int
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    curves = np.random.default_rng(0).integers(0, 12, (40, 29)).astype(float)  # with ties
    ours = Hyperband(30, first, factor)
    monkeypatch.setattr(ours, "bracket", lambda number: 0)
    theirs = SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)
    ends = kept(ours, curves, direction)
    assert ends == kept(theirs, curves, direction)
    assert len(set(ends)) > 2


def test_brackets_have_their_shares_and_the_last_ones_rung_is_the_end() -> None:
    rule = Hyperband(27, 1, 3)
    counts = np.bincount([rule.bracket(number) for number in range(4900)], minlength=4)
    assert np.allclose(counts / 4900, np.array([27, 12, 6, 4]) / 49, atol=0.02)
    assert rule._rungs == [[1, 3, 9], [3, 9], [9], []]
    assert Hyperband(5, 5, 3)._rungs == [[]]


def test_a_real_run_is_given_up_after_its_row_and_before_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ["experiment=iris_mlp", "trainer=cpu", "trainer.max_epochs=6", "logger=none"]
    trial = after(tmp_path, [[0.0] * 6, [0.0] * 6]).ask().trial
    callback = of_run(tmp_path, trial, startup_trials=2, warmup_epochs=2, interval_epochs=1)
    with pytest.raises(Pruned, match="given up after epoch 3"):
        run(config.check(composition.compose(overrides)), None, tmp_path / "job", [callback])
    assert list(reported(tmp_path, trial)) == [1, 2, 3]
    assert len((tmp_path / "job" / "metrics.csv").read_text().splitlines()) == 4
    status = (tmp_path / "job" / "status.json").read_text()
    assert '"status": "pruned"' in status
    checkpoint = torch.load(tmp_path / "job" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["epoch"] + 1 == 2
