"""Run folders as comparisons read them."""

from pathlib import Path

import pytest

from made_runs import accuracy, config, write_run, write_sweep
from paribus.errors import ConfigError
from paribus.runs import as_text, found, read


def test_a_run_is_read_as_it_would_be_typed(tmp_path: Path) -> None:
    settings = config("adam", 3, augmentation={"flip": {"name": "flip"}, "crop": {"name": "crop", "size": 4}})
    run = read(write_run(tmp_path / "a", {**settings, "model": {"hidden_sizes": [64, 64]}}, accuracy(0.9), threads=2))
    assert (run.seed, run.fold, run.status, run.is_finished) == (3, None, "finished", True)
    assert run.settings["optimizer.name"] == "adam" and run.settings["model.hidden_sizes"] == "[64,64]"
    assert (run.settings["augmentation"], run.settings["augmentation.crop.size"]) == ("[flip,crop]", "4")
    assert run.environment == {"torch": "2", "device": "cpu", "threads": "2", "host": "here"}
    assert run.figures["test/accuracy"] == 0.9 and [row["val/loss"] for row in run.rows] == [1.0, 0.5]


def test_a_run_that_is_not_over_shows_what_there_is(tmp_path: Path) -> None:
    going = read(write_run(tmp_path / "a", config(), {}, status="running"))
    assert (going.status, going.is_finished, len(going.rows)) == ("running", False, 2)
    failed = read(write_run(tmp_path / "b", config(), {}, status="failed"))
    assert failed.error == "RunError: the loss is not finite"
    for file in ("status.json", "environment.json", "metrics.csv"):
        (tmp_path / "b" / file).unlink()
    bare = read(tmp_path / "b")
    assert (bare.status, bare.rows, bare.environment) == ("not begun", [], {})


def test_folds_and_jobs_are_runs(tmp_path: Path) -> None:
    whole = write_run(tmp_path / "whole", config(cross_validation=11), accuracy(0.9))
    for fold in range(1, 12):
        write_run(whole / f"fold_{fold}", config(cross_validation=11, fold=fold), accuracy(fold / 11))
    assert [run.fold for run in found(whole)] == list(range(1, 12))
    jobs = [({"seed": 0, "optimizer": "sgd"}, accuracy(0.9)), ({"seed": 1, "optimizer": "adam"}, {})]
    done, failed = found(write_sweep(tmp_path / "sweep", jobs))
    assert done.is_finished and done.chosen == {"optimizer": "sgd"}
    assert (failed.status, failed.error, failed.seed, failed.chosen) == (
        "failed",
        "it diverged",
        1,
        {"optimizer": "adam"},
    )


def test_what_is_no_run_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such folder"):
        found(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"holds no config.yaml$"):
        found(tmp_path)
    write_run(tmp_path / "a", config(), {})
    with pytest.raises(ConfigError, match=r"the runs in it are given as .*/\*"):
        found(tmp_path)
    for damage in ("a: [", "- 1", "name: x", "\x00"):
        (tmp_path / "a" / "config.yaml").write_text(damage)
        with pytest.raises(ConfigError, match=r"config\.yaml"):
            found(tmp_path / "a")


def test_values_are_written_as_they_would_be_typed() -> None:
    values = [1e-3, True, None, "relu", [1, [True]], {"a": None}]
    assert [as_text(each) for each in values] == ["0.001", "true", "null", "relu", "[1,[true]]", "{a:null}"]
