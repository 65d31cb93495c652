"""Errors of forecasts against NumPy and scikit-learn, and those of baselines beside them."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from sklearn import metrics as reference
from torch import Tensor, nn
from torch.optim import SGD

from conftest import NO_REGULARIZATION
from paribus import losses
from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.spec import Column, ForecastSpec
from paribus.data.time_series.module import Scaled, SeriesData
from paribus.data.time_series.times import Times
from paribus.data.time_series.windows import Layout
from paribus.errors import ConfigError
from paribus.tasks import forecasting
from paribus.tasks.forecasting import Forecasting

COLUMNS = (
    Column("load", 1000.0, 50.0, 0, 20.0),
    Column("price", 3.0, 0.5, 1, 0.25),
    Column("heat", -40.0, 8.0, None, 5.0),
)
TABLE = ForecastSpec((6, 3), COLUMNS, horizon=4, num_past=6, in_standard_units=True)
SPECS = {
    "three columns": TABLE,
    "own units": replace(TABLE, in_standard_units=False),
    "one column": replace(TABLE, columns=COLUMNS[1:2]),
    "each step": replace(TABLE, is_aligned=True),
    "a stream": replace(TABLE, is_aligned=True, is_stream=True),
    "one step ahead": replace(TABLE, columns=COLUMNS[:1], horizon=1),
    "from a vector": replace(TABLE, input_shape=(3,), num_past=0, in_standard_units=False),
}


class Shift(nn.Module):
    """Gives what it gets and a weight on top."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.shift


def _task(spec: ForecastSpec, monitor: str = "val/loss") -> Forecasting:
    return Forecasting(
        spec,
        Shift(),
        losses.mse(spec),
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


def _examples(spec: ForecastSpec, count: int = 50) -> tuple[Tensor, Tensor]:
    """outputs (N, H * K), or aligned (N, H, K), and targets (N, H, K), in standard units."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(count, *spec.target_shape, generator=generator)
    outputs = targets + 0.5 * torch.randn(targets.shape, generator=generator)
    return (outputs if spec.is_aligned else outputs.flatten(1)), targets


def _own(spec: ForecastSpec, values: Tensor) -> np.ndarray:
    """(N, H, K) in own units."""
    shaped = values.reshape(-1, *spec.target_shape).double().numpy()
    return shaped * [column.scale for column in spec.columns] + [column.mean for column in spec.columns]


def _measured(task: Forecasting, outputs: Tensor, targets: Tensor, stage: str = "val") -> dict[str, float]:
    """The figures of a stage that came in uneven batches."""
    steps = [[batch] for batch in zip(outputs.split(20), targets.split(20), strict=True)]
    with torch.no_grad():
        (task.test_step if stage == "test" else task.validation_step)(steps, 0)
    return task._meters[stage].compute()


def _mean_errors(spec: ForecastSpec, forecast: Tensor, true: Tensor) -> dict[str, float]:
    """By NumPy; forecast and true (N, H, K) in standard units."""
    predicted, truth = _own(spec, forecast), _own(spec, true)
    units = [column.scale if spec.in_standard_units else 1.0 for column in spec.columns]
    absolute = np.abs(predicted - truth)
    return {
        "mse": float(((absolute / units) ** 2).mean()),
        "mae": float((absolute / units).mean()),
        "mase": float(np.mean(absolute.mean((0, 1)) / [column.naive_error for column in spec.columns])),
    }


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("stage", ["val", "test"])
def test_metrics_are_those_of_numpy_and_scikit_learn(kind: str, stage: str) -> None:
    spec = SPECS[kind]
    outputs, targets = _examples(spec)
    predicted, truth = (_own(spec, values).flatten() for values in (outputs, targets))
    expected = _mean_errors(spec, outputs, targets)
    expected |= {
        "loss": reference.mean_squared_error(targets.flatten(), outputs.flatten()),
        "rmse": np.sqrt(expected["mse"]),
        "mape": reference.mean_absolute_percentage_error(truth, predicted),
        "wmape": np.abs(predicted - truth).sum() / np.abs(truth).sum(),
    }
    found = _measured(_task(spec), outputs, targets, stage)
    assert found == pytest.approx({f"{stage}/{name}": value for name, value in expected.items()}, rel=1e-6)


def test_in_standard_units_the_mse_is_the_loss() -> None:
    found = _measured(_task(TABLE), *_examples(TABLE))
    assert found["val/mse"] == pytest.approx(found["val/loss"], rel=1e-6)


def test_forecasts_as_wrong_as_the_naive_one_was_in_training_have_a_mase_of_one() -> None:
    _, targets = _examples(TABLE)
    naive = torch.tensor([column.naive_error / column.scale for column in COLUMNS])
    signs = torch.tensor([1.0, -1.0]).repeat(len(targets) // 2)[:, None, None]
    assert _measured(_task(TABLE), (targets + signs * naive).flatten(1), targets)["val/mase"] == pytest.approx(1)


@pytest.mark.parametrize("kind", SPECS)
def test_outputs_are_flattened_alike_with_and_without_an_axis_of_columns(kind: str) -> None:
    spec = SPECS[kind]
    outputs, targets = _examples(spec)
    shaped = outputs.reshape(targets.shape)
    task = _task(spec)
    for given in (shaped, shaped.flatten(1)):
        flat, true = task.flat(given, targets)
        assert flat.shape == (targets.numel(), 1) and torch.equal(true, targets.flatten())
        assert torch.equal(flat[:, 0], shaped.flatten())
    assert task.count(targets) == len(true)


@pytest.mark.parametrize("kind", SPECS)
def test_the_test_results_are_in_own_units_and_in_order(kind: str) -> None:
    spec = SPECS[kind]
    outputs, targets = _examples(spec)
    task = _task(spec)
    _measured(task, outputs, targets, "test")
    for found, given in zip(task.test_results(), (outputs, targets), strict=True):
        assert found.dtype == torch.float64
        np.testing.assert_allclose(found, _own(spec, given), rtol=1e-12)


def test_errors_keep_their_digits_far_from_zero() -> None:
    spec = replace(TABLE, columns=(Column("counter", 1e9, 1.0, None, 1.0),), in_standard_units=False)
    outputs, targets = _examples(spec, 2000)
    found = _measured(_task(spec), outputs, targets)
    assert found["val/mse"] == pytest.approx(reference.mean_squared_error(targets.flatten(), outputs.flatten()), 1e-5)


def test_training_measures_mse_and_mae_alone() -> None:
    task = _task(TABLE)
    assert set(task.metrics("train")) == {"mse", "mae"}
    assert set(task.metrics("val")) == {"mse", "mae", "mase", "rmse", "mape", "wmape"}


@pytest.mark.parametrize("name", ["mse", "mae", "rmse", "mape", "wmape", "mase"])
def test_all_errors_are_best_low(name: str) -> None:
    assert _task(TABLE, f"val/{name}").monitor_mode == "min"


def test_an_error_that_training_does_not_measure_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^trainer\.monitor=train/mase is not measured; "):
        _task(TABLE, "train/mase")


def test_an_epoch_that_is_resumed_has_the_figures_of_one_that_was_not() -> None:
    outputs, targets = _examples(TABLE)
    first, second = (_task(TABLE)._meters["train"] for _ in range(2))
    for number, (meter, part) in enumerate(((first, slice(0, 30)), (second, slice(30, 50)))):
        if number:
            second.load_state_dict(first.state_dict())
        flat = _task(TABLE).flat(outputs[part], targets[part])
        meter.add(*flat, {"loss": torch.tensor(1.0)}, 1)
    expected = _mean_errors(TABLE, outputs, targets)
    found = second.compute()
    assert [found["train/mse"], found["train/mae"]] == pytest.approx([expected["mse"], expected["mae"]], rel=1e-6)


NUM_ROWS, SEASON, LENGTH = 120, 6, 6  # rows of the series and of its season, and of a window
LOADING = Loading(seed=0, batch_size=4, steps_per_execution=1)


def _series(kind: str, *, is_constant: bool = False) -> SeriesData:
    """A wave and noise, cut into windows; in the last 40 rows are the test targets."""
    spec = SPECS[kind]
    generator = torch.Generator().manual_seed(1)
    wave = torch.sin(2 * torch.pi * torch.arange(NUM_ROWS) / SEASON)[:, None]
    values = wave + 0.3 * torch.randn(NUM_ROWS, len(spec.columns), generator=generator)
    if is_constant:
        values = torch.zeros_like(values)
    layout = Layout(LENGTH, spec.horizon, is_each_step=spec.is_aligned, is_stream=spec.is_stream)
    starts = {
        name: layout.starts(*rows) for name, rows in {"train": (0, 50), "val": (50, 80), "test": (80, 120)}.items()
    }
    series = Scaled(values, values, Times(np.arange(NUM_ROWS), "row"), SEASON)
    return SeriesData(series, starts, layout, replace(spec, input_shape=(LENGTH, len(spec.columns))), LOADING)


class Known(nn.Module):
    """Forecasts as one baseline does, with an error of its own on top."""

    def __init__(self, forecasts: Tensor, spec: ForecastSpec, error: float) -> None:
        super().__init__()
        self.error = nn.Parameter(torch.tensor(error))
        self._forecasts, self._place = forecasts.flatten(1 if not spec.is_aligned else 2), 0

    def forward(self, inputs: Tensor) -> Tensor:
        first, self._place = self._place, self._place + len(inputs)
        return self._forecasts[first : self._place] + self.error


def _tested(data: TensorData, forecasts: Tensor, error: float = 0.0) -> tuple[Forecasting, dict[str, float]]:
    """The task after the Trainer's test, and the figures."""
    assert isinstance(data.spec, ForecastSpec)
    task = _task(data.spec)
    task.model = Known(forecasts, data.spec, error)
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.test(task, data, verbose=False)
    return task, {name: float(value) for name, value in trainer.callback_metrics.items()}


TIMED = [kind for kind in SPECS if kind != "from a vector"]


@pytest.mark.parametrize("kind", TIMED)
def test_the_baselines_are_measured_as_the_model_is(kind: str) -> None:
    data = _series(kind)
    baselines, targets = data.baselines("test"), data.raw("test").targets
    assert set(baselines) == {"last_value", "seasonal_naive"}
    _, found = _tested(data, baselines["last_value"], 0.1)
    for name, forecast in {**baselines, "": baselines["last_value"] + 0.1}.items():
        expected = _mean_errors(data.spec, forecast, targets)
        for error, value in expected.items():
            full_name = f"test/{name}_{error}" if name else f"test/{error}"
            assert found[full_name] == pytest.approx(value, rel=1e-5), full_name


def test_a_model_that_is_a_baseline_has_its_figures() -> None:
    data = _series("own units")
    for name, forecast in data.baselines("test").items():
        _, found = _tested(data, forecast)
        for error in ("mse", "mae", "mase"):
            assert found[f"test/{error}"] == pytest.approx(found[f"test/{name}_{error}"], rel=1e-6)


def test_the_verdict_says_by_how_much_the_model_is_better_and_where_it_is_not() -> None:
    data = _series("three columns")
    baselines, truth = data.baselines("test"), data.raw("test").targets
    squared = {name: float((forecast - truth).double().square().mean()) for name, forecast in baselines.items()}
    assert squared["seasonal_naive"] < squared["last_value"]
    better, _ = _tested(data, truth, 0.1)
    share = [100 * (1 - 0.01 / squared[name]) for name in ("seasonal_naive", "last_value")]
    assert (better.verdict() or "").startswith(
        f"the model by mse (0.01) beats seasonal_naive ({squared['seasonal_naive']:.4g}) by {share[0]:.3g} % "
        f"and beats last_value ({squared['last_value']:.4g}) by {share[1]:.3g} %; by mae (0.1) beats seasonal_naive ("
    )
    between, _ = _tested(data, baselines["seasonal_naive"], 0.2)
    assert re.search(r" does NOT beat seasonal_naive \(.+\) and beats last_value ", between.verdict() or "")
    equal, _ = _tested(data, baselines["seasonal_naive"])
    assert "does NOT beat seasonal_naive" in (equal.verdict() or "")


def _generated() -> TensorData:
    """Data without times, from a vector."""
    spec = SPECS["from a vector"]
    splits = {}
    for name in ("train", "val", "test"):
        targets = torch.randn(20, *spec.target_shape, generator=torch.Generator().manual_seed(2))
        splits[name] = Split(torch.randn(20, 3, generator=torch.Generator().manual_seed(3)), targets)
    return TensorData(splits, spec, LOADING, scaling_kind=None)


def test_data_without_a_past_has_no_baselines_and_no_verdict() -> None:
    data = _generated()
    task, found = _tested(data, data.raw("test").targets, 0.5)
    assert set(found) == {f"test/{name}" for name in ("loss", "mse", "mae", "mase", "rmse", "mape", "wmape")}
    assert task.verdict() is None
    assert set(task.figures("a run", data)) == {"forecasts", "residuals", "error_by_step"}
    assert set(task.tables(data)["horizon"][0]) == {"step", "mse", "mae"}


@pytest.mark.parametrize("kind", TIMED)
def test_the_figures_and_tables_that_there_are(kind: str) -> None:
    data = _series(kind)
    task, _ = _tested(data, data.baselines("test")["last_value"], 0.1)
    drawn, tables = task.figures("a run", data), task.tables(data)
    has_steps = not data.spec.is_aligned
    assert set(tables) == ({"targets", "horizon"} if has_steps else {"targets"})
    assert set(drawn) == {"forecasts", "residuals"} | (
        {"error_by_step"} if has_steps and data.spec.horizon > 1 else set()
    )


@pytest.mark.parametrize("kind", ["three columns", "own units"])
def test_the_rows_of_the_horizon_have_the_test_error_as_their_mean(kind: str) -> None:
    data = _series(kind)
    task, found = _tested(data, data.baselines("test")["last_value"], 0.1)
    rows = task.tables(data)["horizon"]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    for name in ("mse", "mae", "last_value_mse", "last_value_mae", "seasonal_naive_mse", "seasonal_naive_mae"):
        assert np.mean([row[name] for row in rows]) == pytest.approx(found[f"test/{name}"], rel=1e-5)
    spread = [row["last_value_mse"] for row in rows]
    assert max(spread) > 2 * min(spread)  # the steps differ: a season later the wave is where it was


@pytest.mark.parametrize("kind", TIMED)
def test_the_row_of_a_target_has_its_errors_in_its_own_units(kind: str) -> None:
    data = _series(kind)
    forecasts, truth = data.baselines("test"), data.raw("test").targets
    task, _ = _tested(data, forecasts["last_value"], 0.1)
    forecasts["model"] = forecasts["last_value"] + 0.1
    rows = task.tables(data)["targets"]
    assert [row["column"] for row in rows] == [column.name for column in data.spec.columns]
    for place, (row, column) in enumerate(zip(rows, data.spec.columns, strict=True)):
        for name, forecast in forecasts.items():
            errors = column.scale * (forecast - truth)[..., place].double()
            mse, mae = float(errors.square().mean()), float(errors.abs().mean())
            expected = {"mse": mse, "mae": mae, "rmse": mse**0.5, "mase": mae / column.naive_error}
            prefix = "" if name == "model" else f"{name}_"
            found = {error: row[f"{prefix}{error}"] for error in expected}
            assert found == pytest.approx(expected, rel=1e-5)


def test_the_example_forecasts_are_of_the_best_baseline_and_in_own_units() -> None:
    data = _series("own units")
    task, _ = _tested(data, data.raw("test").targets, 0.1)
    figure = task.figures("a run", data)["forecasts"]
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    assert {"known before", "true", "model", "seasonal naive"} <= set(lines) and "last value" not in lines
    values = _own(data.spec, data.raw("test").targets)[0, :, 0]
    before = 1000 + 50 * data.raw("test").inputs[0, :, 0].double().numpy()
    np.testing.assert_allclose(lines["known before"], before, rtol=1e-6)
    np.testing.assert_allclose(lines["true"], [before[-1], *values], rtol=1e-6)
    np.testing.assert_allclose(lines["model"], values + 5, rtol=1e-6)
    assert figure.axes[0].get_title() == f"step 1: {data.times('test', torch.tensor([0]))[0]}"


def test_what_follows_in_a_stream_is_drawn_as_one_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "STRETCH", 2 * LENGTH + 1)
    data = _series("a stream")
    truth = data.raw("test").targets
    task, _ = _tested(data, truth, 0.1)
    axes = task.figures("a run", data)["forecasts"].axes
    columns, stretches = len(data.spec.columns), len(truth) // 2
    assert (columns, stretches, len(axes)) == (3, 3, 9)
    for place in range(stretches):
        lines = {line.get_label(): line.get_ydata() for line in axes[place].get_lines()}
        values = 1000 + 50 * truth[2 * place : 2 * place + 2, :, 0].double().flatten().numpy()
        np.testing.assert_allclose(lines["true"], values, rtol=1e-6)
        np.testing.assert_allclose(lines["model"], values + 5, rtol=1e-6)
        assert axes[place].get_title() == f"step 1: {data.times('test', torch.tensor([2 * place]))[0]}"


def test_a_constant_series_can_be_measured_and_drawn() -> None:
    data = _series("three columns", is_constant=True)
    task, found = _tested(data, data.raw("test").targets, 0.0)
    assert found["test/mse"] == found["test/last_value_mse"] == 0
    assert "does NOT beat" in (task.verdict() or "")
    assert set(task.figures("a run", data)) == {"forecasts", "residuals", "error_by_step"}
    assert task.tables(data)["targets"][0]["mase"] == 0
