"""Scaling of a series, fitted on its training rows alone. Shapes: T rows, F features, K columns to forecast."""

import polars as pl
import torch
from torch import Tensor

from paribus.data.module import LARGEST, mean_and_deviation
from paribus.data.spec import Column
from paribus.data.time_series.naive import naive_error
from paribus.data.time_series.reading import Series
from paribus.errors import DataError

Scale = tuple[float, float]  # what is taken from each value, and what the rest is divided by


def fitted(series: Series, num_rows: int, kind: str) -> dict[str, Scale]:
    """The scale of each column from the first num_rows rows; kind is standard, min_max or none.

    A column that is constant there is only shifted.
    """
    return {name: _scale(column[:num_rows].to_list(), kind) for name, column in series.frame.to_dict().items()}


def _scale(training: list[float], kind: str) -> Scale:
    if kind == "none":
        return 0.0, 1.0
    low, high = min(training), max(training)
    if low == high:
        return low, 1.0
    return mean_and_deviation(training) if kind == "standard" else (low, high - low)


def scaled(series: Series, names: tuple[str, ...], scales: dict[str, Scale]) -> Tensor:
    """The columns (T, F) in standard units: centred in double precision, as one tensor of 32 bits.

    Raises DataError for a value that is beyond these.
    """
    columns = []
    for name in names:
        shift, scale = scales[name]
        values = (series.frame[name] - shift) / scale
        wrong = (~(values.abs() < LARGEST)).arg_true()
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"{series.chosen.place(name)}: {series.frame[name][row]:g} at {series.times.text(row)} is "
                f"{values[row]:g} in standard units of the training rows, which are from {shift:g} on and nearly "
                "constant; mend it, or leave the column out"
            )
        columns.append(values.cast(pl.Float32))
    return torch.from_numpy(pl.DataFrame(columns).to_numpy(order="c", writable=True))


def target_columns(series: Series, num_rows: int, scales: dict[str, Scale], season: int) -> tuple[Column, ...]:
    """What is known of each target. Raises DataError for one that is constant in the first num_rows rows."""
    chosen, found = series.chosen, []
    features = (*chosen.values, *chosen.known_ahead)
    for name in chosen.targets:
        shift, scale = scales[name]
        error = naive_error(series.frame[name][:num_rows].to_list(), season)
        if error == 0:
            raise DataError(
                f"{chosen.place(name)} has the same value in every training row, so that there is nothing to learn; "
                "leave it out of data.targets"
            )
        found.append(Column(name, shift, scale, features.index(name) if name in features else None, error))
    return tuple(found)
