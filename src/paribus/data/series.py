"""Any series of the user in a CSV or Parquet file: one row a time, one column a measurement.

Each forecast is made from a window of rows. Rows are split by time: nothing is learned from what comes later.
"""

from dataclasses import dataclass

import torch

from paribus.data.loader import Loading
from paribus.data.spec import ForecastSpec
from paribus.data.time_series.columns import Chosen
from paribus.data.time_series.module import Scaled, SeriesData
from paribus.data.time_series.reading import Series, read_series
from paribus.data.time_series.remarks import remarks, season_remark
from paribus.data.time_series.scaling import fitted, scaled, target_columns
from paribus.data.time_series.windows import Borders, Layout, borders_by_row, borders_by_share, borders_by_time, placed
from paribus.errors import ConfigError
from paribus.types import (
    Character,
    Duplicates,
    ErrorUnits,
    FilePath,
    Flag,
    Fraction,
    Gaps,
    PositiveInt,
    RowBorders,
    Scaling,
    SeriesOutput,
    Text,
    TextList,
    TimeBorders,
    WindowNormalization,
)


@dataclass(frozen=True)
class Measuring:
    """How values are scaled, and errors measured. A season of None is that of the time step; 1 is none."""

    scaling: str
    window_normalization: str
    season: int | None
    in_standard_units: bool


def series(
    loading: Loading,
    *,
    path: FilePath,
    time: Text | None,
    values: TextList,
    targets: TextList,
    known_ahead: TextList,
    window: PositiveInt,
    horizon: PositiveInt,
    stride: PositiveInt,
    output: SeriesOutput,
    carry_state: Flag,
    season: PositiveInt | None,
    gaps: Gaps,
    duplicates: Duplicates,
    row_borders: RowBorders | None,
    time_borders: TimeBorders | None,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    scaling: Scaling,
    window_normalization: WindowNormalization,
    units: ErrorUnits,
    delimiter: Character | None,
    decimal_comma: Flag,
) -> SeriesData:
    """Read, check and split the file. Raises DataError with file, row and column, ConfigError for a setting."""
    layout = Layout(window, horizon, stride, output == "each_step", carry_state)
    check_settings(layout, known_ahead, loading)
    if row_borders is not None and time_borders is not None:
        raise ConfigError("data.row_borders and data.time_borders are both given; set one of them to null")
    chosen = Chosen(path, time, tuple(values), tuple(targets), tuple(known_ahead), decimal_comma)
    found = read_series(chosen, delimiter, gaps=gaps, duplicates=duplicates)
    if row_borders is not None:
        borders = borders_by_row(found, row_borders)
    elif time_borders is not None:
        borders = borders_by_time(found, time_borders)
    else:
        borders = borders_by_share(found, validation_fraction, test_fraction)
    measuring = Measuring(scaling, window_normalization, season, units == "standard")
    return series_data(found, borders, layout, measuring, loading)


def check_settings(layout: Layout, known_ahead: list[str], loading: Loading) -> None:
    """Raise ConfigError for settings that do not go together."""
    if loading.fold is not None:
        raise ConfigError(
            f"cross_validation={loading.fold.count}: folds would train on what comes after the test rows, and a series "
            "is split by time; use cross_validation=null"
        )
    if layout.is_each_step and known_ahead:
        raise ConfigError("data.known_ahead: steps that each have a target see no rows ahead; use data.output=horizon")
    if not layout.is_stream:
        return
    if not layout.is_each_step:
        raise ConfigError("data.carry_state=true carries the state past each step; it needs data.output=each_step")
    if layout.stride != 1:
        raise ConfigError(
            f"data.stride={layout.stride}: with data.carry_state=true each window begins where the one before ended; "
            "use data.stride=1, which is not used then"
        )
    if loading.accumulate != 1:
        what = (
            "an optimizer of the whole epoch"
            if loading.accumulate is None
            else (f"trainer.accumulate_grad_batches={loading.accumulate}")
        )
        raise ConfigError(
            f"data.carry_state=true carries the state from step to step, and {what} takes several batches for one; "
            "use trainer.accumulate_grad_batches=1 and an optimizer of batches, such as adamw"
        )


def series_data(series: Series, borders: Borders, layout: Layout, measuring: Measuring, loading: Loading) -> SeriesData:
    """Windows of the series in standard units of its training rows.

    Raises DataError where there is too little to train on, or a target is constant.
    """
    starts = placed(series, borders, layout, loading)
    chosen, num_known = series.chosen, len(series.chosen.known_ahead)
    season, told = season_remark(series, measuring.season)
    if measuring.season is not None and season >= borders[0]:
        raise ConfigError(
            f"data.season={season} is not shorter than the {borders[0]:,} training rows; lower it, or use 1 for none"
        )
    scales = fitted(series, borders[0], measuring.scaling)
    columns = target_columns(series, borders[0], scales, season)
    inputs = scaled(series, (*chosen.values, *chosen.known_ahead), scales)
    if num_known:
        inputs = torch.cat([inputs, torch.zeros(len(inputs), 1)], 1)
    steps = layout.span if num_known else layout.window
    spec = ForecastSpec(
        (steps, inputs.shape[1]),
        columns,
        layout.horizon,
        layout.window,
        measuring.in_standard_units,
        measuring.window_normalization,
        is_aligned=layout.is_each_step,
        is_stream=layout.is_stream,
    )
    whole = Scaled(inputs, scaled(series, chosen.targets, scales), series.times, season, num_known)
    data = SeriesData(whole, starts, layout, spec, loading)
    data.remarks = (*remarks(series, borders, layout, starts), told)
    return data
