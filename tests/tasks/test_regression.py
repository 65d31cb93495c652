import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import Tensor, nn
from torch.optim import SGD

from conftest import NO_REGULARIZATION
from paribus import losses
from paribus.data.spec import RegressionSpec
from paribus.tasks.regression import Regression

SPEC = RegressionSpec((2,), "price", target_mean=150.0, target_scale=75.0)


def _task(monitor: str = "val/loss") -> Regression:
    """A task whose model gives its inputs as outputs."""
    return Regression(
        SPEC,
        nn.Identity(),
        losses.mse(SPEC),
        lambda parameters: SGD(parameters, 0.1),
        lambda monitor_mode: None,
        NO_REGULARIZATION,
        None,
        None,
        None,
        None,
        steps_per_epoch=1,
        monitor=monitor,
        log_every_n_steps=1,
    )


def _examples() -> tuple[Tensor, Tensor]:
    """outputs (90, 1) and targets (90,) in standard units."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(90, generator=generator)
    return (targets + 0.5 * torch.randn(90, generator=generator))[:, None], targets


@pytest.mark.parametrize("stage", ["val", "test"])
def test_metrics_are_in_the_targets_own_units_and_the_loss_is_not(stage: str) -> None:
    outputs, targets = _examples()
    task = _task()
    step = task.test_step if stage == "test" else task.validation_step
    step([[batch] for batch in zip(outputs.split(40), targets.split(40), strict=True)], 0)
    predicted, truth = (150 + 75 * values.double().numpy() for values in (outputs[:, 0], targets))
    expected = {
        "loss": reference.mean_squared_error(targets, outputs[:, 0]),
        "mse": reference.mean_squared_error(truth, predicted),
        "rmse": np.sqrt(reference.mean_squared_error(truth, predicted)),
        "mae": reference.mean_absolute_error(truth, predicted),
        "r2": reference.r2_score(truth, predicted),
    }
    figures = task._meters[stage].compute()
    assert figures == pytest.approx({f"{stage}/{name}": value for name, value in expected.items()}, rel=1e-5)


def test_r2_is_one_for_the_truth_and_zero_for_the_mean() -> None:
    targets = _examples()[1]
    for outputs, r2 in ((targets, 1), (targets.mean().expand(90), 0)):
        task = _task()
        task.validation_step([[(outputs[:, None], targets)]], 0)
        assert task._meters["val"].compute()["val/r2"] == pytest.approx(r2, abs=1e-5)


def test_the_test_results_are_in_own_units_and_in_order() -> None:
    outputs, targets = _examples()
    task = _task()
    task.test_step([[(outputs, targets)]], 0)
    predicted, truth = task.test_results()
    torch.testing.assert_close(predicted, 150 + 75 * outputs[:, 0].double())
    torch.testing.assert_close(truth, 150 + 75 * targets.double())


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val/loss", "min"), ("val/mae", "min"), ("val/rmse", "min"), ("val/r2", "max")]
)
def test_the_monitored_metric_knows_its_direction(monitor: str, mode: str) -> None:
    assert _task(monitor).monitor_mode == mode


def test_r2_keeps_its_digits_far_from_zero() -> None:
    from sklearn.metrics import r2_score

    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(2000, generator=generator)
    outputs = targets[:, None] + 0.5 * torch.randn(2000, 1, generator=generator)
    task = Regression.__new__(Regression)
    object.__setattr__(task, "spec", RegressionSpec((2,), "year", 1e5, 10.0))
    metrics = Regression.metrics(task, "val")
    metrics.update(*Regression.readable(task, outputs, targets))
    assert float(metrics.compute()["r2"]) == pytest.approx(r2_score(targets, outputs[:, 0]), rel=1e-5)
