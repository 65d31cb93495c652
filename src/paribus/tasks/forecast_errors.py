"""Errors of forecasts. Shapes: N examples, H horizon (or steps, where each has a target), K columns.

All take forecasts and true values (N, H, K) in each column's own units, in double precision.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanAbsolutePercentageError, Metric, WeightedMeanAbsolutePercentageError

from paribus.data.spec import ForecastSpec

MODEL = "model"  # the forecast whose errors have plain names; those of others are NAME_mse ...


class MeanError(Metric):
    """The mean over columns of mean |forecast - true|^power, each column's errors divided by its unit; or its root.

    `units` (K,) are numbers above 0. Sums have 64 bits.
    """

    higher_is_better = False
    full_state_update = False
    units: Tensor
    total: Tensor
    count: Tensor

    def __init__(self, units: Sequence[float], power: int, *, is_root: bool = False) -> None:
        super().__init__()
        self._power, self._is_root = power, is_root
        self.register_buffer("units", torch.tensor(units, dtype=torch.float64), persistent=False)
        self.add_state("total", torch.zeros(len(units), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, forecast: Tensor, true: Tensor) -> None:
        """Add those of forecast and true values (N, H, K)."""
        errors = ((forecast - true) / self.units).abs().pow(self._power)
        self.total += errors.sum((0, 1))
        self.count += errors[..., 0].numel()

    def compute(self) -> Tensor:
        """One number."""
        mean = (self.total / self.count).mean()
        return mean.sqrt() if self._is_root else mean


def main_errors(spec: ForecastSpec) -> dict[str, MeanError]:
    """MSE and MAE in the spec's units, and MASE: MAE over the naive error, a mean over columns.

    MASE is below 1 where forecasts are better than the naive one was in training (Hyndman & Koehler 2006, eq. 2).
    With several columns in own units, MSE and MAE are means over columns of different units.
    """
    units, naive = error_units(spec), [column.naive_error for column in spec.columns]
    return {"mse": MeanError(units, 2), "mae": MeanError(units, 1), "mase": MeanError(naive, 1)}


def more_errors(spec: ForecastSpec) -> dict[str, Metric]:
    """The root of MSE; MAPE and WMAPE, as shares of the true values in own units, not percent.

    MAPE is the mean of |error| / |true|: huge where true values are near 0. WMAPE is sum |error| / sum |true|: with
    several columns, those of large numbers outweigh the others.
    """
    return {
        "rmse": MeanError(error_units(spec), 2, is_root=True),
        "mape": MeanAbsolutePercentageError().set_dtype(torch.float64),
        "wmape": WeightedMeanAbsolutePercentageError().set_dtype(torch.float64),
    }


def judged(spec: ForecastSpec) -> tuple[str, ...]:
    """The errors by which the model is compared with the baselines: MASE alone where columns have different units."""
    return ("mase",) if len(spec.columns) > 1 and not spec.in_standard_units else ("mse", "mae")


def error_units(spec: ForecastSpec) -> list[float]:
    """(K) of the units that MSE, RMSE and MAE have, in each column's own."""
    return [column.scale if spec.in_standard_units else 1.0 for column in spec.columns]


def name_of(forecast: str, error: str) -> str:
    """Such as mse of the model, last_value_mse of a baseline."""
    return error if forecast == MODEL else f"{forecast}_{error}"


def by_step(spec: ForecastSpec, forecasts: Mapping[str, Tensor], true: Tensor) -> list[dict[str, Any]]:
    """A row for each step 1..H of the horizon: MSE and MAE of each forecast over examples and columns."""
    units = torch.tensor(error_units(spec), dtype=torch.float64)
    columns: dict[str, list[float]] = {}
    for name, forecast in forecasts.items():
        errors = (forecast - true) / units
        columns[name_of(name, "mse")] = errors.square().mean((0, 2)).tolist()
        columns[name_of(name, "mae")] = errors.abs().mean((0, 2)).tolist()
    return [
        {"step": step, **dict(zip(columns, values, strict=True))}
        for step, values in enumerate(zip(*columns.values(), strict=True), start=1)
    ]


def by_column(spec: ForecastSpec, forecasts: Mapping[str, Tensor], true: Tensor) -> list[dict[str, Any]]:
    """A row for each column: MSE, MAE and RMSE in its own units and MASE of each forecast."""
    rows: list[dict[str, Any]] = []
    for place, column in enumerate(spec.columns):
        row: dict[str, Any] = {"column": column.name}
        for name, forecast in forecasts.items():
            errors = forecast[..., place] - true[..., place]
            mse, mae = float(errors.square().mean()), float(errors.abs().mean())
            found = {"mse": mse, "mae": mae, "rmse": sqrt(mse), "mase": mae / column.naive_error}
            row |= {name_of(name, error): value for error, value in found.items()}
        rows.append(row)
    return rows


def verdict(errors: Mapping[str, Mapping[str, float]]) -> str | None:
    """One line for people: by each error, the model's against the baselines', the best one first; None without any.

    `errors` gives for each name of an error those of the model and the baselines.
    """
    clauses = [_compared(error, found) for error, found in errors.items() if len(found) > 1]
    return f"the model {'; '.join(clauses)}" if clauses else None


def _compared(error: str, found: Mapping[str, float]) -> str:
    own = found[MODEL]
    beside = [
        f"beats {name} ({value:.4g}) by {100 * (1 - own / value):.3g} %"
        if own < value
        else f"does NOT beat {name} ({value:.4g})"
        for value, name in sorted((value, name) for name, value in found.items() if name != MODEL)
    ]
    return f"by {error} ({own:.4g}) {' and '.join(beside)}"
