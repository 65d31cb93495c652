"""`paribus train resume=DIR`: it ends at the same bits; what is changed takes effect, and the rest cannot be."""

import fcntl
import json
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import Trainer

from conftest import Run, equal, rows_of, run_folder, stopped_after, weights

IRIS = ("data=iris", "model=mlp", "regularization.normalization=none", "trainer=cpu", "logger=none", "scheduler=none")


def test_resume_adds_epochs_in_the_same_folder_and_ends_at_the_same_bits(paribus: Run) -> None:
    settings = ("trainer=cpu", "scheduler=none", "model=mlp", "regularization.dropout=0.2")
    whole = run_folder(paribus("train", *settings, "trainer.max_epochs=4")[1])
    folder = run_folder(paribus("train", *settings, "trainer.max_epochs=2")[1])
    seconds = json.loads((folder / "metrics.json").read_text())["train_seconds"]
    code, out, err = paribus("train", f"resume={folder}", "trainer.max_epochs=4")
    assert (code, err) == (0, "")
    assert run_folder(out) == folder
    assert equal(weights(whole), weights(folder))
    assert (whole / "metrics.csv").read_text() == (folder / "metrics.csv").read_text()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["epochs"] == 4 and metrics["train_seconds"] > seconds
    assert yaml.safe_load((folder / "overrides.yaml").read_text())[-1] == "trainer.max_epochs=4"


# 40 steps an epoch: within the second, at its end, within the third, at the end of all.
@pytest.mark.parametrize(
    ("step", "typed"),
    [
        (57, ()),
        (80, ()),
        (100, ("augmentation=[crop,mixup]", "augmentation.crop.padding=1")),
        (110, ("fine_tuning=unfreeze", "fine_tuning.lr_decay=0.5")),  # frozen then, with its statistics
        (160, ()),
    ],
)
def test_interrupted_run_resumes_to_the_same_bits(
    paribus: Run, monkeypatch: pytest.MonkeyPatch, step: int, typed: tuple[str, ...]
) -> None:
    settings = ("trainer=cpu", "model=mlp", "regularization.dropout=0.2", "trainer.max_epochs=4", *typed)
    whole = run_folder(paribus("train", *settings)[1])
    folder = stopped_after(step, paribus, monkeypatch, *settings)
    assert json.loads((folder / "status.json").read_text())["status"] == "interrupted"
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert (
        saved["loops"]["fit_loop"]["epoch_loop.manual_optimization.optim_step_progress"]["total"]["completed"] == step
    )
    monkeypatch.chdir(folder.parents[3])
    if step % 40:
        code, _, err = paribus("train", f"resume={folder}", "trainer.steps_per_execution=4")
        assert code == 2 and "stopped within an epoch" in err
    assert paribus("train", f"resume={folder}")[0] == 0
    assert equal(weights(whole), weights(folder))
    assert json.loads((folder / "metrics.json").read_text())["test/loss"] == pytest.approx(
        json.loads((whole / "metrics.json").read_text())["test/loss"], abs=0
    )
    assert rows_of(folder) == rows_of(whole)


def _rates(folder: Path) -> list[float]:
    return [float(row["train/learning_rate"]) for row in rows_of(folder)]


def test_resume_in_double_precision_ends_at_the_same_bits(paribus: Run) -> None:
    settings = (*IRIS, "trainer.precision=64-true")
    whole = run_folder(paribus("train", *settings, "trainer.max_epochs=4")[1])
    folder = run_folder(paribus("train", *settings, "trainer.max_epochs=2")[1])
    assert "to the last bit" in paribus("evaluate", f"run={folder}")[1]
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=4")[0] == 0
    assert weights(folder)["model.dense1.weight"].dtype == torch.float64
    assert equal(weights(whole), weights(folder))


@pytest.mark.parametrize(
    "typed",
    [
        "seed=1",
        "++seed=1",
        "data.scaling=none",
        "data.validation_fraction=0.3",
        "data.test_fraction=0.3",
        "data.batch_size=64",
        "trainer.monitor=val/accuracy",
        "model.hidden_sizes=[8]",
        "regularization.label_smoothing=0.1",
        "regularization.normalization=batch",
        "regularization.decay_all=true",
        "initializer.bias=1",
        "name=other",
        "name=null",
    ],
)
def test_what_a_run_keeps_cannot_be_changed(paribus: Run, typed: str) -> None:
    folder = run_folder(paribus("train", *IRIS, "trainer.max_epochs=1")[1])
    before = (folder / "config.yaml").read_text()
    code, _, err = paribus("train", f"resume={folder}", "trainer.max_epochs=2", typed)
    assert code == 2 and len(err.splitlines()) == 1
    assert err.startswith(f"config error: {typed.lstrip('+').replace('[8]', '')}") and "start a new run" in err
    assert (folder / "config.yaml").read_text() == before


def test_a_changed_optimizer_takes_effect(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS, "optimizer=sgd", "trainer.max_epochs=1")[1])
    before = weights(folder)
    changes = ("trainer.max_epochs=2", "optimizer.lr=1e-30", "optimizer.momentum=0")
    assert paribus("train", f"resume={folder}", *changes)[0] == 0
    assert _rates(folder)[1] == pytest.approx(1e-30)
    assert equal(before, weights(folder))  # steps of 1e-30 leave every weight where it was


def test_a_longer_cosine_is_that_of_a_new_run(paribus: Run) -> None:
    settings = (*IRIS[:-1], "scheduler=cosine")
    whole = run_folder(paribus("train", *settings, "trainer.max_epochs=4")[1])
    folder = run_folder(paribus("train", *settings, "trainer.max_epochs=2")[1])
    assert _rates(folder)[1] == 0
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=4")[0] == 0
    assert _rates(folder)[2:] == _rates(whole)[2:]
    assert not equal(weights(whole), weights(folder))  # the first two epochs were trained for a shorter run


def test_a_penalty_added_on_the_way_has_its_column(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS, "trainer.max_epochs=1")[1])
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=2", "regularization.l2=0.1")[0] == 0
    assert [bool(row["train/l2_penalty"]) for row in rows_of(folder)] == [False, True]
    assert (folder / "figures" / "learning_curves.png").is_file()


def test_a_run_that_stopped_early_goes_on_with_more_patience_only(paribus: Run) -> None:
    settings = ("early_stopping=patience", "early_stopping.patience=2", "optimizer.lr=0.05")
    folder = run_folder(paribus("train", *IRIS, *settings, "trainer.max_epochs=200")[1])
    epochs = len(rows_of(folder))
    for typed in ((), ("trainer.max_epochs=300",), ("early_stopping.patience=1",)):
        code, _, err = paribus("train", f"resume={folder}", *typed)
        assert code == 2 and f"early stopping ended the run after epoch {epochs}" in err
        assert "early_stopping.patience=" in err
    assert paribus("train", f"resume={folder}", "early_stopping.patience=4")[0] == 0
    rows = rows_of(folder)
    best = json.loads((folder / "metrics.json").read_text())["best_epoch"]
    assert len(rows) == best + 4 > epochs


def test_a_run_stopped_early_and_killed_before_its_test_is_only_tested(
    paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("early_stopping=patience", "early_stopping.patience=2", "optimizer.lr=0.05")

    def killed(*_: object, **__: object) -> None:
        raise OSError("killed")

    monkeypatch.setattr(Trainer, "test", killed)
    assert paribus("train", *IRIS, *settings, "trainer.max_epochs=200")[0] == 1
    monkeypatch.undo()
    folder = next(tmp_path.glob("outputs/runs/*/*"))
    epochs = len(rows_of(folder))
    assert paribus("train", f"resume={folder}")[0] == 0
    assert len(rows_of(folder)) == json.loads((folder / "metrics.json").read_text())["epochs"] == epochs


def test_other_data_is_refused(paribus: Run, tmp_path: Path) -> None:
    file, rows = tmp_path / "t.csv", [f"{i % 7},{'no' if i % 2 else 'yes'}" for i in range(60)]
    file.write_text("\n".join(["a,y", *rows]))
    settings = ("data=table", f"data.path={file}", "data.target=y", "loss=binary_cross_entropy")
    folder = run_folder(paribus("train", *IRIS[1:], *settings, "trainer.max_epochs=1")[1])
    for change in ([*rows, "3,no"], [row.replace("yes", "oui") for row in rows], ["5,yes", *rows[1:]]):
        file.write_text("\n".join(["a,y", *change]))
        before = (folder / "config.yaml").read_text(), (folder / "status.json").read_text()
        for arguments in (("train", f"resume={folder}", "trainer.max_epochs=2"), ("evaluate", f"run={folder}")):
            code, _, err = paribus(*arguments)
            assert (code, len(err.splitlines())) == (2, 1)
            assert err.startswith("data error: the data is not what the run was trained on")
        assert ((folder / "config.yaml").read_text(), (folder / "status.json").read_text()) == before
    file.rename(tmp_path / "moved.csv")
    (tmp_path / "moved.csv").write_text("\n".join(["a,y", *rows]))
    assert "to the last bit" in paribus("evaluate", f"run={folder}", f"data.path={tmp_path / 'moved.csv'}")[1]


def test_a_row_cut_short_by_a_kill_is_written_anew(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS, "trainer.max_epochs=2")[1])
    whole = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(whole + "3,9,0.12")
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=3")[0] == 0
    assert (folder / "metrics.csv").read_text().startswith(whole)
    assert [row["epoch"] for row in rows_of(folder)] == ["1", "2", "3"]


def test_two_processes_cannot_be_at_one_run(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS, "trainer.max_epochs=1")[1])
    before = (folder / "status.json").read_text()
    with (folder / "train.log").open("a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        code, _, err = paribus("train", f"resume={folder}", "trainer.max_epochs=2")
    assert (code, len(err.splitlines())) == (2, 1) and "still going on" in err
    assert (folder / "status.json").read_text() == before
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=2")[0] == 0


def test_a_kill_before_the_best_checkpoint_had_its_name(paribus: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = (*IRIS, "trainer.max_epochs=3")
    whole = run_folder(paribus("train", *settings)[1])

    def killed(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr("paribus.checkpoints.link", killed)
    assert paribus("train", *settings, "name=killed")[0] == 1
    monkeypatch.undo()
    monkeypatch.chdir(whole.parents[3])
    (folder,) = Path("outputs/runs/killed").iterdir()
    assert not (folder / "checkpoints" / "best.ckpt").exists()
    assert paribus("train", f"resume={folder}")[0] == 0
    assert equal(weights(whole, "best.ckpt"), weights(folder, "best.ckpt"))
    assert rows_of(whole) == rows_of(folder)


def test_a_reduced_rate_stays_where_the_decay_alone_is_changed(paribus: Run) -> None:
    plateau = ("scheduler=plateau", "scheduler.patience=0", "scheduler.min_delta=10", "scheduler.factor=0.1")
    folder = run_folder(paribus("train", *IRIS[:-1], *plateau, "trainer.max_epochs=3")[1])
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=4", "optimizer.weight_decay=0.01")[0] == 0
    rates = _rates(folder)
    assert rates[3] <= rates[2] < rates[0]
