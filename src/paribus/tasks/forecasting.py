"""Forecasting. Shapes: B batch, N examples, H horizon (or steps, where each has a target), K columns."""

from functools import partial
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from paribus import figures
from paribus.data.module import TensorData
from paribus.data.spec import ForecastSpec
from paribus.data.time_series.module import SeriesData
from paribus.tasks import forecast_errors
from paribus.tasks.task import Task

STRETCH = 150  # steps of a stream that are drawn together


class Forecasting(Task):
    """Errors of forecasts, in the spec's units, and beside them those of forecasts that need no learning.

    Predictions of a test, and its figures, are in each column's own units.
    """

    spec: ForecastSpec

    def flat(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """outputs (B, H * K) or (B, H, K), targets (B, H, K) -> (B * H * K, 1), (B * H * K,)."""
        return outputs.reshape(-1, 1), targets.reshape(-1)

    def metrics(self, stage: str) -> MetricCollection:
        """Training gets MSE and MAE alone: the others are for judging."""
        main = forecast_errors.main_errors(self.spec)
        found: dict[str, Metric | MetricCollection] = {"mse": main["mse"], "mae": main["mae"]}
        if stage != "train":
            found |= {**main, **forecast_errors.more_errors(self.spec)}
        return MetricCollection(found, compute_groups=False)

    def readable(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """outputs (B * H * K, 1), targets (B * H * K,) in standard units -> both (B, H, K) in own units, 64 bits."""
        shape = -1, *self.spec.target_shape
        return self._own_units(outputs.reshape(shape)), self._own_units(targets.reshape(shape))

    def _own_units(self, values: Tensor) -> Tensor:
        """(..., K) in standard units -> the same in each column's own, in 64 bits."""
        units = values.new_tensor([(column.mean, column.scale) for column in self.spec.columns], dtype=torch.float64)
        return values.double() * units[:, 1] + units[:, 0]

    def on_test_epoch_start(self) -> None:
        """Forget an earlier test."""
        super().on_test_epoch_start()
        self._errors: dict[str, dict[str, float]] = {error: {} for error in forecast_errors.judged(self.spec)}

    def on_test_epoch_end(self) -> None:
        """The test figures, and those of the baselines."""
        super().on_test_epoch_end()
        data: TensorData = self.trainer.datamodule  # type: ignore[attr-defined]
        forecasts, true = self._forecasts(data)
        for name, forecast in forecasts.items():
            found = {
                error: float(metric(forecast, true)) for error, metric in forecast_errors.main_errors(self.spec).items()
            }
            for error, by_forecast in self._errors.items():
                by_forecast[name] = found[error]
            if name != forecast_errors.MODEL:
                named = {f"test/{forecast_errors.name_of(name, error)}": value for error, value in found.items()}
                self.log_dict(named, logger=False)

    def verdict(self) -> str | None:
        """Whether the model was better than the baselines in the test that has just run, in one line, if it has any."""
        return forecast_errors.verdict(self._errors)

    def tables(self, data: TensorData) -> dict[str, list[dict[str, Any]]]:
        """Errors of the model and the baselines: of each target in own units, and of each step of the horizon."""
        forecasts, true = self._forecasts(data)
        found = {"targets": forecast_errors.by_column(self.spec, forecasts, true)}
        if not self.spec.is_aligned:
            found["horizon"] = forecast_errors.by_step(self.spec, forecasts, true)
        return found

    def figures(self, run: str, data: TensorData) -> dict[str, Figure]:
        """A few forecasts, all errors over time, and where the horizon has several steps the mean errors of each."""
        forecasts, true = self._forecasts(data)
        names = [column.name for column in self.spec.columns]
        times = partial(data.times, "test") if isinstance(data, SeriesData) else None
        drawn = {
            "forecasts": self._drawn_forecasts(forecasts, true, data, run),
            "residuals": figures.residuals(forecasts[forecast_errors.MODEL] - true, names, times=times, run=run),
        }
        if self.spec.horizon > 1 and not self.spec.is_aligned:
            units = "standard units" if self.spec.in_standard_units else "own units"
            rows = forecast_errors.by_step(self.spec, forecasts, true)
            drawn["error_by_step"] = figures.error_by_step(rows, units, run=run)
        return drawn

    def _drawn_forecasts(self, forecasts: dict[str, Tensor], true: Tensor, data: TensorData, run: str) -> Figure:
        """Those of the model and of the best baseline. What follows each other in a stream is drawn as one stretch."""
        others = [name for name in forecasts if name != forecast_errors.MODEL]
        shown = [forecast_errors.MODEL, *sorted(others, key=next(iter(self._errors.values())).__getitem__)[:1]]
        joined = min(len(true), max(1, STRETCH // true.shape[1])) if self.spec.is_stream else 1
        series = data if isinstance(data, SeriesData) else None
        return figures.example_forecasts(
            {name: _joined(forecasts[name], joined) for name in shown},
            _joined(true, joined),
            [column.name for column in self.spec.columns],
            history=partial(self._known_before, series) if series and not self.spec.is_aligned else None,
            times=(lambda positions: series.times("test", positions * joined)) if series else None,
            run=run,
        )

    def _known_before(self, series: SeriesData, positions: Tensor) -> Tensor:
        """positions (n,) of test examples -> the targets' values known when those forecasts are made, in own units."""
        return self._own_units(series.history("test", positions))

    def _forecasts(self, data: TensorData) -> tuple[dict[str, Tensor], Tensor]:
        """The model's forecasts in the test and the baselines', by name, and the true values: (N, H, K), own units."""
        predicted, true = self.test_results()
        given = data.baselines("test") if isinstance(data, SeriesData) else {}
        baselines = {name: self._own_units(forecast) for name, forecast in given.items()}
        assert all(forecast.shape == true.shape for forecast in baselines.values())
        return {forecast_errors.MODEL: predicted, **baselines}, true


def _joined(values: Tensor, count: int) -> Tensor:
    """(N, H, K) -> (N // count, count * H, K): so many examples after each other as one."""
    whole = len(values) // count * count
    return values[:whole].reshape(-1, count * values.shape[1], values.shape[2])
