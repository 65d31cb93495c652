"""What a figure's name says of it, against what the tasks say that measure it."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from torch import nn
from torch.optim import SGD

from conftest import NO_REGULARIZATION
from paribus import losses, scores
from paribus.building import kind_of_task
from paribus.data.spec import BinarySpec, ClassificationSpec, Column, DataSpec, ForecastSpec, PairSpec, RegressionSpec
from paribus.losses import Loss
from paribus.metric_names import HIGHER_IS_BETTER, LOWER_IS_BETTER, is_measured, lower_is_better
from paribus.tasks import forecast_errors
from paribus.tasks.task import Task

LETTERS = tuple("abcdefghij")
IMAGES = ClassificationSpec((1, 8, 8), LETTERS)
COLUMNS = (Column("load", 1000.0, 50.0, 0, 20.0), Column("heat", -40.0, 8.0, None, 5.0))
FORECAST = ForecastSpec((6, 3), COLUMNS, horizon=4, num_past=6, in_standard_units=True)
PAIRS = PairSpec((9,), LETTERS, vocabulary=LETTERS, longest_target=7, scores="exact", has_one_vocabulary=False)
SPECS: dict[str, DataSpec] = {
    "two classes": BinarySpec((2,), ("no", "yes")),
    "three classes": ClassificationSpec((2,), LETTERS[:3]),
    "images of ten classes": IMAGES,
    "tagging": replace(IMAGES, input_shape=(7,), vocabulary=LETTERS, is_aligned=True),
    "regression": RegressionSpec((2,), "price", 150.0, 75.0),
    "forecasting": FORECAST,
    "forecasting one column": replace(FORECAST, columns=COLUMNS[:1]),
    "forecasting in own units": replace(FORECAST, in_standard_units=False),
    **{f"pairs judged by {kind}": replace(PAIRS, scores=kind) for kind in scores.KINDS},
}


def _task(spec: DataSpec) -> Task:
    numeric: Any = spec
    loss: Loss = (
        losses.cross_entropy(spec, 0, class_weights=None)
        if isinstance(spec, ClassificationSpec)
        else losses.mse(numeric)
    )
    return kind_of_task(spec)(
        spec,
        nn.Identity(),
        loss,
        lambda parameters: SGD(parameters, 0.1),
        lambda monitor_mode: None,
        NO_REGULARIZATION,
        None,
        None,
        None,
        None,
        steps_per_epoch=1,
        monitor="val/loss",
        log_every_n_steps=1,
    )


@pytest.mark.parametrize("kind", SPECS)
def test_what_is_best_low_is_what_the_task_says(kind: str) -> None:
    task = _task(SPECS[kind])
    for stage in ("train", "val", "test"):
        bests = task.bests(stage)
        assert "loss" in bests and (stage == "train" or len(bests) > 2)
        assert {name: "min" if lower_is_better(f"{stage}/{name}") else "max" for name in bests} == bests


def test_what_is_measured_is_what_tasks_measure() -> None:
    every = {name for spec in SPECS.values() for name in _task(spec).bests("val")}
    assert every == LOWER_IS_BETTER | HIGHER_IS_BETTER
    assert all(map(is_measured, (*(f"val/{name}" for name in every), "train_seconds", "epochs")))
    assert not any(map(is_measured, ("val/acuracy", "accurate", "val/", "val/epochs")))


def test_errors_of_baselines_and_times_are_best_low() -> None:
    errors = {forecast_errors.name_of("last_value", error) for error in forecast_errors.main_errors(FORECAST)}
    assert all(map(lower_is_better, (*(f"test/{name}" for name in errors), "train_seconds", "epochs")))


def test_names_are_known_without_torch() -> None:
    code = "import sys, paribus.metric_names; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
