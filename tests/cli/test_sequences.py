"""Series and texts from the command line: runs, stops within an epoch, mistakes."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from conftest import Run, equal, rows_of, run_folder, stopped_after, weights
from paribus import composition, config
from paribus.building import build_data, build_task
from paribus.experiment import prepare_torch
from paribus.models.carrying import CarriesState

QUICK = ("experiment=null", "trainer=cpu", "logger=none", "trainer.max_epochs=3", "model.hidden_size=8")


def _series(rows: int = 300) -> list[str]:
    """Hours from 1 January 2024 on: a daily wave that grows, and a price known ahead."""
    waves = [math.sin(2 * math.pi * hour / 24) + hour / 300 for hour in range(rows)]
    return [
        "time,load,price",
        *(f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{wave:.4f},{hour % 5}" for hour, wave in enumerate(waves)),
    ]


def _texts(rows: int = 90) -> list[str]:
    """A text is glad where it ends with a smile; it has 1 to 7 words."""
    kinds = (("glad", "yes"), ("sad", "no"))
    return [
        "id,text,label,length,tags",
        *(
            f"{row},{' '.join(['so'] * (row % 7) + [kinds[row % 2][1]])},{kinds[row % 2][0]},{row % 7},"
            f"{' '.join(['adverb'] * (row % 7) + ['answer'])}"
            for row in range(rows)
        ),
    ]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("\n".join(_series()) + "\n")
    (tmp_path / "moods.csv").write_text("\n".join(_texts()) + "\n")


SERIES = ("data=series", "data.path=load.csv", "data.time=time", "data.window=12", "data.horizon=6", "loss=mse")
STREAM = (*SERIES, "data.output=each_step", "data.carry_state=true", "data.horizon=1", "data.batch_size=3")
TEXTS = ("data=text_table", "data.path=moods.csv", "data.text=text", "data.target=label")
RUNS = {
    "forecast": (*SERIES, "model=gru", "data.values=[load]", "data.known_ahead=[price]"),
    "stream": (*STREAM, "model=lstm", "data.values=[load]", "model.num_layers=2", "regularization.dropout=0.2"),
    "texts": (*TEXTS, "model=bilstm", "data.batch_size=8", "regularization.dropout=0.2", "data.sampling=balanced"),
    "tags": (*TEXTS[:3], "data.target=tags", "data.task=tagging", "data.tokens=word", "model=bilstm"),
    "regression": (*TEXTS[:3], "data.target=length", "data.task=regression", "model=rnn", "loss=mse"),
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_stopped_within_an_epoch_ends_at_the_same_bits(
    paribus: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """Carried state, buckets and their order go on where they were; and the test can be repeated."""
    monkeypatch.setattr("paribus.experiment._show_test", lambda *_: None)  # drawing takes longer than all else here
    whole = run_folder(paribus("train", *QUICK, *RUNS[kind])[1])
    steps = len(rows_of(whole)) and int(_steps(whole) * 1.5)  # within the second of three epochs
    folder = stopped_after(steps, paribus, monkeypatch, *QUICK, *RUNS[kind])
    monkeypatch.chdir(tmp_path)
    assert paribus("train", f"resume={folder}")[0] == 0
    assert equal(weights(whole), weights(folder))
    assert rows_of(folder) == rows_of(whole)
    code, out, err = paribus("evaluate", f"run={folder}")
    assert (code, err) == (0, "") and "to the last bit" in out


def _steps(folder: Path) -> float:
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    progress = saved["loops"]["fit_loop"]["epoch_loop.manual_optimization.optim_step_progress"]
    return float(progress["total"]["completed"]) / 3


def test_a_forecast_is_shown_beside_those_that_need_no_learning(paribus: Run) -> None:
    chosen = ("model=lstm", "data.values=[load]", "data.window_normalization=subtract_last_value")
    code, out, err = paribus("train", *QUICK, *SERIES, *chosen)
    assert (code, err) == (0, "")
    folder = run_folder(out)
    metrics = json.loads((folder / "metrics.json").read_text())
    names = [f"test/{name}_{error}" for name in ("last_value", "seasonal_naive") for error in ("mse", "mae", "mase")]
    assert set(names) < set(metrics) and all(name in out for name in names)
    assert "seasonal_naive" in out.splitlines()[-2] and "by mse" in out.splitlines()[-2]
    drawn = {file.name for file in (folder / "figures").iterdir()}
    assert {"forecasts.png", "error_by_step.png", "residuals.png"} < drawn
    assert (folder / "horizon.csv").read_text().count("\n") == 7 and (folder / "targets.csv").is_file()


def test_the_mistakes_of_texts_are_listed(paribus: Run) -> None:
    code, out, err = paribus("train", *QUICK, *TEXTS, "model=lstm", "trainer.max_epochs=1")
    assert (code, err) == (0, "")
    folder = run_folder(out)
    accuracy = json.loads((folder / "metrics.json").read_text())["test/accuracy"]
    assert (folder / "figures" / "worst_mistakes.png").is_file()
    assert accuracy < 1 and (folder / "mistakes.csv").read_text().count("\n") == 1 + round((1 - accuracy) * 18)
    code, out, err = paribus("train", *QUICK, *TEXTS, "model=lstm", "trainer.max_epochs=12", "optimizer.lr=0.05")
    assert (code, err) == (0, "") and "test/accuracy   1.0" in out
    assert (run_folder(out) / "figures" / "worst_mistakes.png").is_file()
    assert not (run_folder(out) / "mistakes.csv").exists()  # there are none


def test_streams_carry_their_state_from_batch_to_batch(paribus: Run) -> None:
    """Training is that of a loop by hand, and the test's outputs are those of one whole sequence."""
    chosen = (*QUICK, *STREAM, "model=lstm", "data.values=[load]", "optimizer=sgd", "trainer.max_epochs=1")
    folder = run_folder(paribus("train", *chosen)[1])
    checked = config.check(composition.compose(chosen))
    prepare_torch(checked)
    data = build_data(checked)
    task = build_task(checked, data)
    model = task.model
    assert isinstance(model, CarriesState)
    optimizer = task.make_optimizer(model.parameters())
    for inputs, targets in data.train_dataloader().batches():
        optimizer.zero_grad()
        (model(inputs) - targets).square().mean().backward()
        optimizer.step()
        model.carry()
    trained = {name.removeprefix("model."): weight for name, weight in weights(folder).items()}
    assert trained.keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(trained[name], weight, rtol=0, atol=1e-6)
    task.on_test_epoch_start()
    model.carried = None
    with torch.no_grad():
        task.test_step([[batch] for batch in data.test_dataloader().batches()], 0)
        model.carried = None
        whole = torch.cat([inputs for inputs, _ in data.test_dataloader().batches()], 1)
        predicted, _ = task.test_results()
        torch.testing.assert_close(
            predicted.flatten(), task.readable(*task.flat(task(whole), predicted))[0].flatten(), rtol=1e-5, atol=1e-5
        )


def _edited(lines: list[str], row: int, old: str, new: str) -> list[str]:
    """`row` counts from 1, as an editor does."""
    assert old in lines[row - 1]
    return [line.replace(old, new) if number == row else line for number, line in enumerate(lines, start=1)]


def _swapped(lines: list[str]) -> list[str]:
    return [*lines[:9], lines[10], lines[9], *lines[11:]]


# what the file holds, overrides, what the line says
BAD_SERIES: dict[str, tuple[Callable[[], list[str]], tuple[str, ...], str]] = {
    "window too long": (_series, ("data.window=400",), "lower"),
    "horizon past the end": (_series, ("data.horizon=80",), "lower"),
    "unsorted": (lambda: _swapped(_series()), (), "row 11"),
    "twice": (lambda: _edited(_series(), 30, "04:00", "03:00"), (), "row 30"),
    "a gap": (lambda: _series()[:20] + _series()[23:], (), "gap"),
    "a text": (lambda: _edited(_series(), 40, ",", ",x"), (), "row 40"),
    "a run of nothing": (
        lambda: [*_series()[:50], *(f"{line.split(',')[0]},NaN,1" for line in _series()[50:55]), *_series()[55:]],
        (),
        "row 51",
    ),
    "infinite": (lambda: _edited(_series(), 3, ",1", ",inf"), (), "row 3"),
    "no such time": (_series, ("data.time=when",), "columns: load, price, time"),
    "no such value": (_series, ("data.values=[lod]",), "did you mean load"),
    "no such day": (lambda: _edited(_series(), 26, "2024-01-02", "2024-13-45"), (), "row 26"),
    "both borders": (_series, ("data.row_borders=[100,200,300]", "data.time_borders=[2024-01-05,2024-01-09]"), "both"),
    "borders past the end": (_series, ("data.row_borders=[100,200,400]",), "300 rows"),
    "one row": (lambda: _series(1), (), "row"),
    "no rows": (lambda: _series(0), (), "no rows"),
    "season too long": (_series, ("data.season=5000",), "training rows"),
    "noise on what is known ahead": (
        _series,
        ("data.values=[load]", "data.known_ahead=[price]", "regularization.input_noise=0.1"),
        "known_ahead",
    ),
    "an output for each step of a perceptron": (
        _series,
        ("data.output=each_step", "model=mlp", "~model.hidden_size"),
        "use model=lstm",
    ),
    "too many streams": (
        _series,
        ("data.output=each_step", "data.carry_state=true", "data.train_fraction=0.1"),
        "data.train_fraction=0.1",
    ),
    "folds": (_series, ("cross_validation=3", "fold=1"), "split by time"),
    "state without steps": (_series, ("data.carry_state=true",), "each_step"),
    "a classification loss": (_series, ("loss=cross_entropy",), "forecasting"),
    "an image model": (_series, ("model=digits_cnn", "~model.hidden_size"), "images"),
    "batch normalization": (_series, ("regularization.normalization=batch",), "layer"),
    "constant": (lambda: ["time,load,price", *(f"{year},1,{year}" for year in range(1700, 1900))], (), "same value"),
}
BAD_TEXTS: dict[str, tuple[Callable[[], list[str]], tuple[str, ...], str]] = {
    "empty text": (lambda: _edited(_texts(), 5, "so so so no", " "), (), "row 5"),
    "all unknown": (_texts, ("data.min_count=1000",), "min_count"),
    "empty class": (lambda: _edited(_texts(), 5, "sad", ""), (), "row 5"),
    "a class of one": (lambda: _edited(_texts(), 5, "sad", "odd"), (), "odd"),
    "one class": (lambda: [_texts()[0], *_texts()[1::2]], (), "one class"),
    "no such column": (_texts, ("data.text=txt",), "did you mean text"),
    "the text as target": (_texts, ("data.target=text",), "text"),
    "tags by letters": (_texts, ("data.task=tagging",), "word"),
    "too few tags": (
        lambda: _edited(_texts(), 4, "adverb adverb answer", "answer"),
        ("data.task=tagging", "data.tokens=word", "data.target=tags"),
        "row 4",
    ),
    "no numbers": (_texts, ("data.task=regression", "loss=mse"), "row 2"),
    "noise on tokens": (_texts, ("regularization.input_noise=0.1",), "text"),
    "balanced tags": (
        _texts,
        ("data.task=tagging", "data.tokens=word", "data.target=tags", "data.sampling=balanced"),
        "one for each step",
    ),
    "mixup of tokens": (_texts, ("augmentation=[mixup]",), "text"),
    "a model of numbers": (_texts, ("model=mlp", "~model.hidden_size"), "model=lstm"),
    "max_length of none": (_texts, ("data.max_length=0",), "whole number"),
    "unknown tokens": (_texts, ("data.tokens=bpe",), "byte_pair"),
}


@pytest.mark.parametrize("case", BAD_SERIES)
def test_mistakes_with_series(paribus: Run, tmp_path: Path, case: str) -> None:
    lines, typed, says = BAD_SERIES[case]
    (tmp_path / "load.csv").write_text("\n".join(lines()) + "\n")
    _refused(paribus, tmp_path, says, *SERIES, "model=lstm", *typed)


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_mistakes_with_texts(paribus: Run, tmp_path: Path, case: str) -> None:
    lines, typed, says = BAD_TEXTS[case]
    (tmp_path / "moods.csv").write_text("\n".join(lines()) + "\n")
    _refused(paribus, tmp_path, says, *TEXTS, "model=lstm", *typed)


def _refused(paribus: Run, folder: Path, says: str, *overrides: str) -> None:
    typed = [override for override in (*QUICK, *overrides) if not override.startswith("~")]
    if any(override.startswith("~") for override in overrides):
        typed.remove("model.hidden_size=8")
    code, _, err = paribus("train", *typed)
    assert code == 2 and len(err.splitlines()) == 1 and says in err, err
    assert not (folder / "outputs").exists()


def test_a_long_text_is_cut_and_told(paribus: Run) -> None:
    code, out, _ = paribus("check", *QUICK, *TEXTS, "model=lstm", "data.tokens=word", "data.max_length=3")
    assert code == 0 and "cut to data.max_length=3 tokens: train" in out
    assert "glad 31, sad 32 in train, the most frequent 50.8%; sad is the positive one" in out


def test_columns_of_different_units_are_judged_by_their_scaled_errors(paribus: Run) -> None:
    code, out, err = paribus("train", *QUICK, *SERIES, "model=rnn", "trainer.max_epochs=1")
    assert (code, err) == (0, "") and out.splitlines()[-2].startswith("the model by mase (")
