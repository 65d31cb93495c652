"""`paribus train cross_validation=K`: a run a fold, and what they say together."""

import csv
import json
import os
import signal
from pathlib import Path
from statistics import mean, stdev

import pytest
from lightning.pytorch import Trainer

from conftest import Run, run_folder, weights
from paribus import experiment
from paribus.comparison import difference, summarize
from paribus.config import Config
from paribus.data.module import TensorData

IRIS = ("data=iris", "model=mlp", "trainer=cpu", "logger=none", "trainer.max_epochs=2")


def _metrics(folder: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    return found


def test_every_fold_is_a_run_and_their_means_are_the_result(paribus: Run) -> None:
    code, out, err = paribus("train", *IRIS, "cross_validation=3")
    folder = run_folder(out)
    assert (code, err) == (0, "")
    folds = [folder / f"fold_{number}" for number in (1, 2, 3)]
    accuracies = [_metrics(fold)["test/accuracy"] for fold in folds]
    assert _metrics(folder)["test/accuracy"] == pytest.approx(mean(accuracies))
    summary = json.loads((folder / "cross_validation.json").read_text())["test/accuracy"]
    assert summary["count"] == 3 and summary["deviation"] == pytest.approx(stdev(accuracies))
    assert f"{mean(accuracies):.4f}" in out and f"{summary['low']:.4f} to {summary['high']:.4f}" in out
    with (folder / "results.csv").open() as file:
        assert [float(row["test/accuracy"]) for row in csv.DictReader(file)] == accuracies
    assert json.loads((folder / "status.json").read_text())["status"] == "finished"
    assert "to the last bit" in paribus("evaluate", f"run={folds[1]}")[1]
    assert paribus("train", f"resume={folder}")[0] == 2  # nothing is left to do


def test_a_fold_by_itself_is_the_same_run(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS, "cross_validation=3")[1])
    alone = run_folder(paribus("train", *IRIS, "cross_validation=3", "fold=2")[1])
    one, other = weights(folder / "fold_2"), weights(alone)
    assert all(one[name].equal(other[name]) for name in one)


def test_a_stopped_cross_validation_goes_on(paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_folder(paribus("train", *IRIS, "cross_validation=3", "name=whole")[1])
    original, calls = Trainer.test, []

    def stop_in_the_second(self: Trainer, *arguments: object, **settings: object) -> object:
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, *arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "test", stop_in_the_second)
    assert paribus("train", *IRIS, "cross_validation=3", "name=stopped")[0] == 130
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    folder = next((tmp_path / "outputs" / "runs" / "stopped").iterdir())
    for typed in ("optimizer.lr=0.5", "trainer.max_epochs=9"):  # the folds would not be alike
        code, _, err = paribus("train", f"resume={folder}", typed)
        assert code == 2 and err.startswith(f"config error: {typed}") and "start a new run" in err
    before = (folder / "fold_1" / "status.json").read_text()
    assert paribus("train", f"resume={folder}")[0] == 0
    assert (folder / "fold_1" / "status.json").read_text() == before  # a finished fold is not run again
    assert _metrics(folder).keys() == _metrics(whole).keys()
    for name, figure in _metrics(whole).items():
        assert name == "train_seconds" or _metrics(folder)[name] == figure


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("cross_validation=1",), "cross_validation=1 must be a whole number, 2 or more"),
        (("cross_validation=3", "data.test_fraction=0.4"), "data.test_fraction=0.4: cross_validation=3 tests a fold"),
        (("fold=1",), "give cross_validation=... too"),
        (("cross_validation=3", "fold=4"), "fold=4 must be one of the 3 folds"),
        (("cross_validation=51",), "cross_validation=51: a class has 50 rows only"),
    ],
)
def test_mistakes_leave_no_folder(paribus: Run, tmp_path: Path, typed: tuple[str, ...], said: str) -> None:
    code, out, err = paribus("train", *IRIS, *typed)
    assert (code, out, len(err.splitlines())) == (2, "", 1) and said in err
    assert not list(tmp_path.iterdir())


def test_intervals_follow_their_formulas() -> None:
    figures = [0.9, 0.8, 0.95, 0.85, 0.9]
    plain, correlated = summarize(figures), summarize(figures, 1 / 4)
    assert plain.mean == pytest.approx(0.88)
    half = 2.7764451 * stdev(figures)  # Student's 97.5 % quantile, 4 degrees of freedom
    assert plain.high - plain.mean == pytest.approx(half * (1 / 5) ** 0.5)
    assert correlated.mean - correlated.low == pytest.approx(half * (1 / 5 + 1 / 4) ** 0.5)
    assert difference(figures, [0.0] * 5) == plain
    with pytest.raises(ValueError, match="too few"):
        summarize([0.5])
    with pytest.raises(ValueError, match="argument 2"):
        difference([1.0, 2.0], [1.0])


def test_a_signal_between_folds_leaves_a_run_that_goes_on(
    paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = experiment.build_data, []

    def strike_in_the_second(config: Config) -> TensorData:
        calls.append(config)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(config)

    monkeypatch.setattr(experiment, "build_data", strike_in_the_second)
    code, _, err = paribus("train", *IRIS, "cross_validation=3", "name=struck")
    monkeypatch.undo()
    (folder,) = (tmp_path / "outputs" / "runs" / "struck").iterdir()
    assert code == 143 and f"resume={folder}" in err
    assert json.loads((folder / "status.json").read_text())["status"] == "interrupted"


def test_the_interval_knows_how_few_rows_are_trained_on(paribus: Run) -> None:
    def width(*typed: str) -> float:
        folder = run_folder(paribus("train", *IRIS, "cross_validation=3", "data.batch_size=8", *typed)[1])
        found = json.loads((folder / "cross_validation.json").read_text())["test/loss"]
        return float((found["high"] - found["low"]) / found["deviation"])

    assert width("data.train_fraction=0.2") > 1.4 * width()


def test_check_looks_at_the_first_fold(paribus: Run) -> None:
    """So that it refuses what a run of the folds refuses."""
    plain = ("experiment=null", "data=iris", "model=mlp", "trainer=cpu", "logger=none")
    code, out, err = paribus("check", *plain, "cross_validation=3")
    assert (code, err) == (0, "") and "test 50" in out
    generated = ("experiment=null", "data=adding_problem", "model=gru", "loss=mse", "trainer=cpu")
    code, _, err = paribus("check", *generated, "cross_validation=3")
    assert code == 2 and "generated data has no rows to share out among folds" in err
