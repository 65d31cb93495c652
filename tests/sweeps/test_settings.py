"""What is asked of a sweep as a whole."""

from pathlib import Path
from typing import Any

import pytest

from paribus.errors import ConfigError
from paribus.sweeps import settings, workers
from paribus.sweeps.settings import check, divided, renewed

SEARCH = ["sampler=tpe", "sweep.metric=[val/loss,val/accuracy,train_seconds]"]


def test_overrides_of_the_sweep_are_told_from_those_of_its_runs() -> None:
    own = [
        "sampler=tpe",
        "+sampler.trials=3",
        "pruner=median",
        "launcher.workers=2",
        "sweep.name=a",
        "hydra/launcher=x",
    ]
    own += ["hydra.launcher.n_jobs=2", "hydra.run.dir=a/b", "~pruner"]
    theirs = ["model=mlp,cnn", "data.path=sweep/launcher.csv", "optimizer.lr=interval(0,1)", "samplers=3", "seed"]
    assert divided([*theirs, *own]) == (own, theirs)


def test_what_is_not_asked_for_is_a_grid_in_warm_workers() -> None:
    found = check([], None)
    assert (found.name, found.metrics, found.batch, found.is_search) == (None, None, None, False)
    assert found.launcher[0] == "hydra/launcher=paribus"
    assert found.state()["pruner"] == {"name": "none", "settings": {}}


@pytest.mark.parametrize(
    ("typed", "directions"),
    [
        ([], ["min", "max", "min"]),
        (["sweep.direction=[max,max,min]"], ["max", "max", "min"]),
    ],
)
def test_directions_are_those_of_the_names_unless_given(typed: list[str], directions: list[str]) -> None:
    found = check([*SEARCH, *typed], None)
    assert found.metrics is not None and found.directions(found.metrics) == directions


@pytest.mark.parametrize("typed", ["sweep.direction=max", "sweep.direction=[max,min]"])
def test_a_direction_for_each_metric(typed: str) -> None:
    found = check([*SEARCH, typed], None)
    with pytest.raises(ConfigError, match=r"give one direction for each metric, here val/loss, val/accuracy, train"):
        found.directions(found.metrics or ())


@pytest.mark.parametrize(
    ("typed", "launcher"),
    [
        (["launcher=basic"], ["hydra/launcher=basic"]),
        (["hydra/launcher=basic"], ["hydra/launcher=basic"]),
        (
            ["launcher.workers=3", "launcher.threads=1", "launcher.retries=2"],
            [
                "hydra/launcher=paribus",
                "hydra.launcher.workers=3",
                "hydra.launcher.gpus=null",
                "hydra.launcher.threads=1",
                "hydra.launcher.retries=2",
            ],
        ),
    ],
)
def test_a_launcher_is_hydras_own_overrides(typed: list[str], launcher: list[str]) -> None:
    assert check(typed, None).launcher == launcher


def test_gpus_are_those_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6")
    assert workers.shared_gpus(None) == ["3", "5", "6"]
    assert workers.shared_gpus(2) == ["3", "5"]
    assert workers.shared_gpus(0) == []
    assert "hydra.launcher.gpus=3" in check(["launcher.gpus=3"], None).launcher
    with pytest.raises(ConfigError, match=r"launcher.gpus=4: 3 GPUs are visible here"):
        check(["launcher.gpus=4"], None)


def test_gpus_are_listed_by_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: a)'\necho '  MIG 1g'\necho 'GPU 1: H100 (UUID: b)'\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert workers.visible_gpus() == ["0", "1"]
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert workers.visible_gpus() == []


@pytest.mark.parametrize(
    ("before", "now", "all_in_all"),
    [
        (["sampler=tpe", "launcher.workers=1"], [], ["sampler=tpe", "launcher.workers=1"]),
        (["launcher.workers=1", "launcher.gpus=0"], ["launcher.workers=4"], ["launcher.gpus=0", "launcher.workers=4"]),
        (
            ["launcher=joblib", "launcher.workers=1", "sampler=tpe"],
            ["launcher=basic"],
            ["sampler=tpe", "launcher=basic"],
        ),
        (["launcher=joblib", "launcher.workers=1"], ["hydra/launcher=basic"], ["hydra/launcher=basic"]),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], ["launcher=local"], ["launcher=local"]),
        (["sampler=tpe", "sampler.trials=3"], ["sampler.trials=9"], ["sampler=tpe", "sampler.trials=9"]),
    ],
)
def test_what_is_asked_later_takes_the_place_of_what_was(before: Any, now: Any, all_in_all: list[str]) -> None:
    assert renewed(before, now) == all_in_all
    check(renewed(before, now), None)


def test_nothing_of_the_sweep_is_a_group_of_runs() -> None:
    from paribus.parts import GROUPS

    assert not set(settings.HEADS) & set(GROUPS)
