from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from paribus.data.loader import Fold, Loading
from paribus.data.series import series
from paribus.data.spec import Column
from paribus.data.time_series.module import SeriesData
from paribus.data.time_series.naive import naive_error
from paribus.errors import ConfigError, DataError

LOADING = Loading(seed=0, batch_size=4, steps_per_execution=1)
ROWS = 40
SETTINGS: dict[str, Any] = {
    "time": None,
    "values": [],
    "targets": [],
    "known_ahead": [],
    "window": 4,
    "horizon": 2,
    "stride": 1,
    "output": "horizon",
    "carry_state": False,
    "season": None,
    "gaps": "error",
    "duplicates": "error",
    "row_borders": None,
    "time_borders": None,
    "validation_fraction": 0.25,
    "test_fraction": 0.25,
    "scaling": "none",
    "window_normalization": "none",
    "units": "own",
    "delimiter": None,
    "decimal_comma": False,
}
STREAM = {"output": "each_step", "carry_state": True}


def _series(path: Path, loading: Loading = LOADING, **changes: object) -> SeriesData:
    return series(loading, path=str(path), **{**SETTINGS, **changes})


def _csv(folder: Path, **columns: object) -> Path:
    pl.DataFrame(columns).write_csv(folder / "s.csv")
    return folder / "s.csv"


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    """Row t holds t."""
    return _csv(tmp_path, y=[float(row) for row in range(ROWS)])


def _batches(data: SeriesData, name: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(getattr(data, f"{name}_dataloader")().batches())


def _days(count: int) -> list[str]:
    return [str(date(2020, 1, 1) + timedelta(days)) for days in range(count)]


# Windows and splits


def test_targets_belong_to_their_split_and_inputs_may_reach_back(counting: Path) -> None:
    data = _series(counting)  # 20 training rows, 10 for validation, 10 for test
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [20 - 4 - 2 + 1, 10 - 2 + 1, 10 - 2 + 1]
    for name, first, last in (("train", 4, 19), ("val", 20, 29), ("test", 30, 39)):
        inputs, targets = data.raw(name).inputs[..., 0], data.raw(name).targets[..., 0]
        assert (targets[0, 0], targets[-1, -1]) == (first, last)
        assert torch.equal(inputs, targets[:, :1] - torch.arange(4.0, 0, -1))  # the four rows before
        assert (targets.diff(dim=1) == 1).all()


def test_windows_are_views_of_one_tensor(tmp_path: Path) -> None:
    path = _csv(tmp_path, a=range(1000), b=range(1000))
    data = _series(path, window=100, targets=["b"])
    for kind, columns in (("inputs", 2), ("targets", 1)):
        parts = [getattr(data.raw(name), kind) for name in ("train", "val", "test")]
        assert len({part.untyped_storage().data_ptr() for part in parts}) == 1
        assert parts[0].untyped_storage().nbytes() == 1000 * columns * 4


@pytest.mark.parametrize("stride", [1, 3, 4])
def test_stride_is_rows_from_window_to_window(counting: Path, stride: int) -> None:
    train = _series(counting, stride=stride).raw("train").inputs[:, 0, 0]
    assert torch.equal(train, torch.arange(0.0, 15, stride))


def test_a_share_of_training_is_its_latest_part(counting: Path) -> None:
    whole = _series(counting)
    part = _series(counting, Loading(0, 4, 1, train_fraction=0.4))
    assert torch.equal(part.raw("train").inputs, whole.raw("train").inputs[-6:])
    assert torch.equal(part.raw("val").inputs, whole.raw("val").inputs)
    assert part.spec == whole.spec  # errors are comparable: the scale is that of all training rows


def test_each_step_has_the_value_that_many_rows_later(counting: Path) -> None:
    data = _series(counting, output="each_step", horizon=3)
    assert data.spec.is_aligned and data.spec.target_shape == (4, 1)
    for name, first, last in (("train", 3, 19), ("val", 20, 29), ("test", 30, 39)):
        split = data.raw(name)
        assert torch.equal(split.targets, split.inputs + 3)
        assert (split.targets[0, 0, 0], split.targets[-1, -1, 0]) == (first, last)


def test_borders_by_row_by_time_and_by_share_are_the_same(tmp_path: Path) -> None:
    path = _csv(tmp_path, day=_days(ROWS), y=[float(row) for row in range(ROWS)])
    shares = _series(path, time="day")
    rows = _series(path, time="day", row_borders=[20, 30, 40])
    times = _series(path, time="day", time_borders=["2020-01-21", "31.01.2020"])
    assert shares.fingerprint == rows.fingerprint == times.fingerprint
    shorter = _series(path, time="day", time_borders=["2020-01-21", "2020-01-31", "2020-02-05"])
    assert shorter.raw("test").targets.max() == 34  # the fifth of February is row 35
    assert "the last 5 are in no split" in "\n".join(shorter.remarks)


def test_a_changed_row_changes_the_fingerprint_of_its_split_alone(tmp_path: Path) -> None:
    before = _series(_csv(tmp_path, y=[float(row % 7) for row in range(ROWS)])).fingerprint
    assert before == _series(tmp_path / "s.csv").fingerprint
    after = _series(_csv(tmp_path, y=[float(row % 7) for row in range(ROWS - 1)] + [9.0])).fingerprint
    assert [name for name in before if before[name] != after[name]] == ["test"]


# Scaling


def test_the_scale_is_that_of_the_training_rows(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(50, 7, ROWS)
    other = np.where(np.arange(ROWS) < 20, values, 1000.0)
    for kind in ("standard", "min_max"):
        data = _series(_csv(tmp_path, y=values, x=range(ROWS)), scaling=kind)
        changed = _series(_csv(tmp_path, y=other, x=range(ROWS)), scaling=kind)
        column = data.spec.columns[0]
        train = values[:20]
        mean, scale = (train.mean(), train.std()) if kind == "standard" else (train.min(), np.ptp(train))
        assert (column.mean, column.scale) == pytest.approx((mean, scale), rel=1e-12)
        assert data.spec == changed.spec
        expected = torch.tensor((values[30:32] - mean) / scale, dtype=torch.float32)
        torch.testing.assert_close(data.raw("test").targets[0, :, 0], expected)


def test_inputs_and_targets_share_the_scale_of_their_column(tmp_path: Path) -> None:
    path = _csv(tmp_path, a=[row**2 for row in range(ROWS)], b=[7.0 - row for row in range(ROWS)])
    data = _series(path, scaling="standard", targets=["b", "a"])
    assert [(column.name, column.place) for column in data.spec.columns] == [("b", 1), ("a", 0)]
    history = data.history("train", torch.tensor([0, 3]))
    assert torch.equal(history, data.raw("train").inputs[[0, 3]][..., [1, 0]])
    alone = _series(path, scaling="standard", values=["a"], targets=["b"])
    assert alone.spec.columns[0].place is None
    assert torch.equal(alone.raw("val").targets, data.raw("val").targets[..., :1])


def test_values_far_from_zero_keep_their_digits(tmp_path: Path) -> None:
    near = _series(_csv(tmp_path, y=[row % 7 for row in range(ROWS)]), scaling="standard").raw("train")
    far = _series(_csv(tmp_path, y=[1e9 + row % 7 for row in range(ROWS)]), scaling="standard").raw("train")
    torch.testing.assert_close(far.inputs, near.inputs)


@pytest.mark.parametrize("kind", ["standard", "min_max"])
def test_a_column_that_is_constant_in_training_is_shifted_only(tmp_path: Path, kind: str) -> None:
    # The mean of 20 times 0.3 is not 0.3 in binary, so that a deviation would not be 0.
    path = _csv(tmp_path, y=range(ROWS), x=[0.3] * 20 + [0.8] * 20)
    data = _series(path, scaling=kind, targets=["y"])
    assert (data.raw("train").inputs[..., 1] == 0).all()
    torch.testing.assert_close(data.raw("test").inputs[..., 1], torch.full((9, 4), 0.5))


def test_the_spec_says_how_errors_are_measured(counting: Path) -> None:
    spec = _series(counting, units="standard", window_normalization="instance").spec
    assert spec.in_standard_units and spec.window_normalization == "instance"
    assert (spec.input_shape, spec.num_past, spec.horizon, spec.target_shape) == ((4, 1), 4, 2, (2, 1))
    assert spec.columns == (Column("y", 0.0, 1.0, 0, 1.0),)
    assert not _series(counting).spec.in_standard_units


# Known ahead


def test_of_the_steps_to_be_forecast_only_what_is_known_ahead_is_seen(tmp_path: Path) -> None:
    path = _csv(tmp_path, y=[row + 1.0 for row in range(ROWS)], price=[-1.0 - row for row in range(ROWS)])
    data = _series(path, known_ahead=["price"])
    assert (data.spec.input_shape, data.spec.num_past) == ((6, 3), 4)
    for _ in range(2):  # a batch must leave the series as it is
        inputs, targets = _batches(data, "val")[0]
        first = torch.arange(16.0, 20)[:, None] + torch.arange(6)  # the rows of each window
        assert torch.equal(inputs[..., 1], -1 - first)
        assert torch.equal(inputs[:, :4, 0], first[:, :4] + 1)
        assert (inputs[:, 4:, 0] == 0).all()
        assert torch.equal(inputs[..., 2], torch.tensor([0.0, 0, 0, 0, 1, 1]).expand(4, 6))
        assert torch.equal(targets[..., 0], first[:, 4:] + 1)
    assert len(data.spec.columns) == 1


# Streams


def test_streams_go_on_from_batch_to_batch(tmp_path: Path) -> None:
    data = _series(_csv(tmp_path, y=range(100)), Loading(0, 3, 2), **STREAM)  # 50 training rows
    assert data.spec.is_stream and data.spec.is_aligned
    batches = _batches(data, "train")
    assert len(batches) == (50 - 2) // (3 * 4)
    for (earlier, _), (later, targets) in pairwise(batches):
        assert torch.equal(later[:, 0], earlier[:, -1] + 1)
        assert torch.equal(targets, later + 2)
    rows = torch.cat([inputs for inputs, _ in batches]).flatten()
    assert torch.equal(rows.sort().values, torch.arange(0.0, 48))
    assert data.steps_per_epoch == 4


@pytest.mark.parametrize("name", ["val", "test"])
def test_held_out_rows_are_one_stream(tmp_path: Path, name: str) -> None:
    data = _series(_csv(tmp_path, y=range(100)), Loading(0, 3, 1), **STREAM)
    batches = _batches(data, name)
    first = 50 if name == "val" else 75
    assert all(len(inputs) == 1 for inputs, _ in batches)
    assert torch.equal(torch.cat([targets for _, targets in batches]).flatten(), torch.arange(first, first + 24.0))
    period = f"25 rows, row {first + 2} to row {first + 26}"  # in the file, below its header
    assert any(remark.endswith(f"{period}, 6 windows, the last 1 rows in none") for remark in data.remarks)


def test_a_share_of_streams_is_the_latest_rows(tmp_path: Path) -> None:
    data = _series(_csv(tmp_path, y=range(100)), Loading(0, 3, 1, train_fraction=0.5), **STREAM)
    targets = torch.cat([targets for _, targets in _batches(data, "train")]).flatten()
    assert torch.equal(targets.sort().values, torch.arange(26.0, 50))


# Forecasts without learning


@pytest.mark.parametrize(("horizon", "season"), [(2, 3), (5, 3), (3, 12), (7, 2), (2, 19)])
@pytest.mark.parametrize("output", ["horizon", "each_step"])
def test_baselines_are_what_their_definitions_say(tmp_path: Path, horizon: int, season: int, output: str) -> None:
    values = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    path = _csv(tmp_path, a=values[:, 0], b=values[:, 1])
    data = _series(path, horizon=horizon, season=season, output=output, row_borders=[20, 35, 50])
    found = data.baselines("val")
    assert found.keys() == {"last_value", "seasonal_naive"}
    for window in range(data.num_rows("val")):
        for step in range(data.spec.target_shape[0]):
            tau = 20 + window + step  # the row that is forecast
            known = tau - horizon if output == "each_step" else 20 + window - 1
            before = tau - season * -(-(tau - known) // season)
            wanted = {"last_value": known, "seasonal_naive": before if before >= 0 else known}
            for name, row in wanted.items():
                assert torch.equal(found[name][window, step], torch.tensor(values[row])), (name, window, step)


def test_a_periodic_series_has_a_perfect_seasonal_forecast(tmp_path: Path) -> None:
    path = _csv(tmp_path, y=[row % 7 for row in range(ROWS)])
    data = _series(path, season=7)  # longer than the window
    assert torch.equal(data.baselines("test")["seasonal_naive"], data.raw("test").targets)
    assert data.spec.columns[0].naive_error == pytest.approx(sum(abs((t + 1) % 7 - t % 7) for t in range(19)) / 19)
    assert data.baselines("test").keys() - _series(path, season=1).baselines("test").keys() == {"seasonal_naive"}


def test_the_naive_error_is_the_mean_change_over_a_season() -> None:
    line = [2.0 * row for row in range(10)]
    assert [naive_error(line, season) for season in (1, 3, 9)] == [2, 6, 18]
    assert naive_error(line, 10) == 2  # no such season: from value to value
    assert naive_error([1.0, 4.0] * 5, 2) == 3  # periodic: the error would be 0
    assert naive_error([5.0] * 10, 2) == 0


def test_times_are_those_of_the_first_target(tmp_path: Path) -> None:
    path = _csv(tmp_path, day=_days(ROWS), y=range(ROWS))
    assert _series(path, time="day").times("val", torch.tensor([0, 8])) == ["2020-01-21", "2020-01-29"]
    assert _series(path, values=["y"]).times("val", torch.tensor([0])) == ["row 22"]  # below a header and 20 rows
    assert _series(path, time="day", output="each_step").times("test", torch.tensor([0])) == ["2020-01-31"]


# Times


HOURS = [datetime(2021, 12, 31, 22) + timedelta(hours=hour) for hour in range(ROWS)]


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%MZ", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M"],
)  # fmt: skip
def test_times_may_be_written_in_many_ways(tmp_path: Path, form: str) -> None:
    path = _csv(tmp_path, t=[hour.strftime(form) for hour in HOURS], y=range(ROWS))
    data = _series(path, time="t")
    assert data.times("val", torch.tensor([0])) == [f"{HOURS[20]:%Y-%m-%d %H:%M}"]
    assert data.remarks[-1].startswith("season: 24 rows, a day")


def test_columns_of_times_in_parquet_are_times(tmp_path: Path) -> None:
    frame = pl.DataFrame({"t": HOURS, "y": range(ROWS)})
    frame.write_parquet(tmp_path / "plain.parquet")
    frame.with_columns(pl.col("t").dt.replace_time_zone("Europe/Berlin")).write_parquet(tmp_path / "zone.parquet")
    assert _series(tmp_path / "plain.parquet", time="t").times("val", torch.tensor([0])) == ["2022-01-01 18:00"]
    assert _series(tmp_path / "zone.parquet", time="t").times("val", torch.tensor([0])) == ["2022-01-01 17:00"]


def _months(step: int, *, at_end: bool = False) -> list[str]:
    first = [date(2000 + month // 12, month % 12 + 1, 1) for month in range(0, ROWS * step, step)]
    return [str(day - timedelta(1) if at_end else day) for day in first]


@pytest.mark.parametrize(
    ("times", "season", "step"),
    [
        ([str(HOURS[0] + timedelta(minutes=15 * row)) for row in range(ROWS)], 96, "15 minutes"),
        ([str(HOURS[0] + timedelta(minutes=30 * row)) for row in range(ROWS)], 48, "30 minutes"),
        (_days(ROWS), 7, "1 day"),
        (_days(7 * ROWS)[::7], 52, "1 week"),
        (_months(1), 12, "1 month"),
        ([month[:7] for month in _months(1)], 12, "1 month"),
        (_months(1, at_end=True), 12, "1 month"),
        (_months(3), 4, "1 quarter"),
        (_months(12), None, "1 year"),
        ([f"{2000 + row / 12:.2f}" for row in range(ROWS)], None, "0.08"),  # uneven by rounding alone
        ([str(1900 + row) for row in range(ROWS)], None, "1"),
        ([day.replace("-", "") for day in _days(ROWS)], 7, "1 day"),
    ],
)
def test_the_time_step_tells_the_season(tmp_path: Path, times: list[str], season: int | None, step: str) -> None:
    data = _series(_csv(tmp_path, t=times, y=range(ROWS)), time="t", values=["y"])
    assert f", step {step}" in data.remarks[1]
    assert data.remarks[-1].startswith(f"season: {season} rows" if season else "season: the time step tells none")
    assert ("seasonal_naive" in data.baselines("val")) == bool(season)


# Gaps and duplicates


def test_missing_rows_and_values_are_filled_with_the_last(tmp_path: Path) -> None:
    values = [float(row) if row not in (5, 6) else None for row in range(ROWS)]
    frame = pl.DataFrame({"day": _days(ROWS), "y": values}).filter(~pl.col("day").is_in(_days(11)[9:]))
    frame.write_csv(tmp_path / "s.csv")  # without rows 9 and 10
    data = _series(tmp_path / "s.csv", time="day", gaps="fill")
    assert data.raw("train").inputs[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 4, 4, 7, 8, 8, 8, 11, 12, 13, 14]
    assert {"missing values filled with the last: 2", "missing rows filled with the last: 2"} <= set(data.remarks)
    assert data.times("val", torch.tensor([0])) == ["2020-01-21"]


def test_gaps_may_be_ignored_and_then_tell_no_season(tmp_path: Path) -> None:
    days = [day for day in _days(60) if date.fromisoformat(day).weekday() < 5][:ROWS]
    data = _series(_csv(tmp_path, day=days, y=range(ROWS)), time="day", gaps="ignore")
    assert data.num_rows("train") == 15
    mondays = sum(date.fromisoformat(day).weekday() == 0 for day in days)
    assert f"gaps ignored: {mondays}" in data.remarks
    assert data.remarks[-1].startswith("season: the time step tells none")


def test_months_of_unlike_length_may_have_gaps(tmp_path: Path) -> None:
    months = _months(1)
    del months[3]
    path = _csv(tmp_path, month=months, y=range(ROWS - 1))
    with pytest.raises(DataError, match=r"row 5.* from 2000-03-01 to 2000-05-01 is 2 steps of 1 month, a gap"):
        _series(path, time="month")
    assert _series(path, time="month", gaps="fill").raw("train").inputs[:5, 0, 0].tolist() == [0, 1, 2, 2, 3]


@pytest.mark.parametrize(("kind", "value"), [("mean", 2.0), ("last", 3.0)])
def test_rows_of_the_same_time_become_one(tmp_path: Path, kind: str, value: float) -> None:
    days = _days(ROWS)
    path = _csv(tmp_path, day=[*days[:3], *days[2:]], y=[0.0, 0.0, 1.0, 3.0, *[5.0 + row for row in range(37)]])
    data = _series(path, time="day", duplicates=kind)
    assert data.raw("train").inputs[0, :, 0].tolist() == [0, 0, value, 5]
    assert "rows of the same time made one: 1" in data.remarks


def test_a_blank_line_is_a_gap_where_there_are_no_times(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("y\n" + "".join(f"{row}\n" if row != 7 else "\n" for row in range(ROWS)))
    with pytest.raises(DataError, match=r"s.csv: row 10: from row 8 to row 10 is 2 steps of 1 row, a gap"):
        _series(tmp_path / "s.csv")
    assert _series(tmp_path / "s.csv", gaps="fill").raw("train").inputs[7, 0, 0] == 6


def test_a_line_break_in_a_cell_is_no_gap(tmp_path: Path) -> None:
    rows = [f'{row},"note\nof two lines"' if row % 9 == 0 else f"{row},short" for row in range(ROWS)]
    (tmp_path / "s.csv").write_text("\n".join(["y,note", *rows]) + "\n")
    data = _series(tmp_path / "s.csv")
    assert torch.equal(data.raw("train").inputs[:, 0, 0].diff(), torch.ones(data.num_rows("train") - 1))


def test_a_number_of_eight_digits_may_be_a_time(tmp_path: Path) -> None:
    path = _csv(tmp_path, t=[10_000_000 + row for row in range(ROWS)], y=range(ROWS))
    assert _series(path, time="t").times("val", torch.tensor([0])) == ["10000020"]


def test_columns_of_text_are_left_out_and_told(tmp_path: Path) -> None:
    data = _series(_csv(tmp_path, y=range(ROWS), city=["Kyiv", "Graz"] * 20))
    assert data.remarks[0] == "values and targets: y"
    assert "columns that are not used: city" in data.remarks


def test_decimal_commas_are_read(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("y\n" + "".join(f'"{row},5"\n' for row in range(ROWS)))
    assert _series(tmp_path / "s.csv", decimal_comma=True).raw("train").inputs[0, 0, 0] == 0.5


# What is wrong


def test_wrong_cells_are_named(tmp_path: Path) -> None:
    good: list[Any] = [str(row) for row in range(ROWS)]
    for cell, message in {
        "?": r"row 7, column 'y': '\?' is not a number; mend it",
        "3,5": r"row 7, column 'y': '3,5' is a number with a decimal comma",
        "inf": r"row 7, column 'y': inf cannot be used; every value must be a finite number",
        "-1e31": r"row 7, column 'y': -1e\+31 cannot be used",
        None: r"row 7, column 'y': a run of 1 missing values begins; mend it, or set data.gaps=fill",
    }.items():
        path = _csv(tmp_path, y=[*good[:5], cell, *good[6:]], x=good)
        for values in ([], ["y"]):
            with pytest.raises(DataError, match=message):
                _series(path, values=values)


def test_a_run_of_missing_values_is_measured(tmp_path: Path) -> None:
    path = _csv(tmp_path, x=range(ROWS), y=[None if row in (4, 5, 6, 9) else row for row in range(ROWS)])
    with pytest.raises(DataError, match="row 6, column 'y': a run of 3 missing values begins"):
        _series(path)
    path = _csv(tmp_path, x=range(ROWS), y=[None if row < 2 else row for row in range(ROWS)])
    with pytest.raises(DataError, match="row 2, column 'y': a run of 2 missing values begins; the series cannot begin"):
        _series(path, gaps="fill")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2020-01-02", "2020-01-01"], "row 3, column 't': 2020-01-01 stands below 2020-01-02.* sort the file"),
        (["2020-01-01", "2020-01-02", "2020-01-02"], "row 4, .* 2020-01-02 is the time of the row above, too"),
        (["2020-01-01", "2020-01-02", "2020-01-05"], "row 4.* 2020-01-05 is 3 steps of 1 day, a gap .1 in all"),
        (["2020-01-01", "2020-01-02", "2020-01-03 12:00"], "row 4.* is 1.5 steps of 1 day, and rows must be equally"),
        (["2020-01-01", "2020-13-01"], "row 3, column 't': '2020-13-01' is no time as those above it"),
        (["2020-01-01", "2020-01-02T00:00Z"], "row 3, column 't': '2020-01-02T00:00Z' is no time as those"),
        (["soon", "later"], "row 2, column 't': 'soon' is no time; write times as 2016-07-31"),
        (["01/02/2020", "01/03/2020"], "row 2, column 't': '01/02/2020' may begin with the day or the month"),
        (["1990", "1991", "x"], "row 4, column 't': 'x' is not a number; mend it$"),
        (["1990", None], "row 3, column 't': the time is missing; mend or delete the row"),
        (["1990", "inf"], "row 3, column 't': inf cannot be used"),
        (["1990"], "has one row only"),
    ],
)
def test_wrong_times_are_named(tmp_path: Path, times: list[str | None], message: str) -> None:
    path = _csv(tmp_path, t=times, y=range(len(times)))
    with pytest.raises(DataError, match=message):
        _series(path, time="t")


@pytest.mark.parametrize("gaps", ["error", "fill"])
def test_rows_unevenly_apart_can_only_be_ignored(tmp_path: Path, gaps: str) -> None:
    path = _csv(tmp_path, t=[row + (0.5 if row > 19 else 0.0) for row in range(ROWS)], y=range(ROWS))
    with pytest.raises(
        DataError, match=r"row 22, column 't': from 19 to 20.5 is 1.5 steps of 1, and .*data.gaps=ignore"
    ):
        _series(path, time="t", gaps=gaps)
    assert len(_series(path, time="t", gaps="ignore").raw("train")) == 15


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"values": ["z"]}, ConfigError, "data.values=z is no column of .*s.csv; columns: t, x, y"),
        ({"time": "T2"}, ConfigError, "data.time=T2 is no column"),
        ({"values": ["x", "x"]}, ConfigError, "data.values: x is there 2 times"),
        ({"time": "t", "targets": ["t"]}, ConfigError, r"data.targets=\[t\]: t is data.time"),
        ({"known_ahead": ["x"], "values": ["x", "y"]}, ConfigError, r"x is in data.values, too"),
        ({"known_ahead": ["x"], "targets": ["x"]}, ConfigError, r"x is in data.targets, too"),
        ({"known_ahead": ["x", "y"], "time": "t"}, DataError, "has no column of numbers beside"),
        ({"known_ahead": ["x"], "output": "each_step"}, ConfigError, "use data.output=horizon"),
        ({}, DataError, "column 't': '2020-01-01' is a date or time; set data.time=t"),
        ({"time": "t", "row_borders": [20, 30, 41]}, DataError, r"has 40 rows, fewer than data.row_borders="),
        ({"row_borders": [1, 2, 3], "time_borders": ["a", "b"]}, ConfigError, "are both given"),
        ({"values": ["y"], "time_borders": ["2020", "2021"]}, ConfigError, "needs data.time"),
        ({"time": "t", "time_borders": ["soon", "2021-01-01"]}, ConfigError, "'soon' is no time"),
        ({"time": "x", "values": ["y"], "time_borders": ["soon", "9"]}, ConfigError, "'soon' is no number"),
        ({"time": "t", "time_borders": ["2020-02-01", "2020-01-20"]}, ConfigError, "they must rise, within 2020-01-01"),
        ({"time": "t", "validation_fraction": 0.5, "test_fraction": 0.5}, DataError, "leave no rows to train on"),
        ({"time": "t", "window": 19}, DataError, "the 20 training rows are fewer than the 21 of data.window=19 and"),
        ({"time": "t", "horizon": 11}, DataError, "the 10 validation rows are fewer than the 11 of data.horizon=11"),
        ({"time": "t", "window": 11, "output": "each_step"}, DataError, "validation rows .* the 11 of data.window=11"),
        ({"time": "t", "carry_state": True}, ConfigError, "it needs data.output=each_step"),
        ({"time": "t", "stride": 2, **STREAM}, ConfigError, "data.stride=2: with data.carry_state=true"),
        (
            {"time": "t", "window": 5, **STREAM},
            ConfigError,
            "data.batch_size=4 streams need a window each, and there are 3",
        ),
    ],
)
def test_what_does_not_go_together_is_told(
    tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    path = _csv(tmp_path, t=_days(ROWS), x=range(ROWS), y=[row**2 for row in range(ROWS)])
    with pytest.raises(error, match=message) as raised:
        _series(path, **changes)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("loading", "changes", "message"),
    [
        (Loading(0, 4, 1, fold=Fold(1, 5)), {}, "cross_validation=5: .* a series is split by time"),
        (Loading(0, 4, 1, sampling="balanced"), {}, "data.sampling=balanced"),
        (Loading(0, 4, 1, sampling="balanced"), STREAM, "data.sampling=balanced"),
        (Loading(0, 4, 1, accumulate=3), STREAM, "trainer.accumulate_grad_batches=3 takes several batches"),
        (Loading(0, 4, 1, accumulate=None), STREAM, "an optimizer of the whole epoch takes several"),
        (Loading(0, 16, 1), {}, "data.batch_size=16 is more than the 15 training rows"),
    ],
)
def test_loading_that_does_not_suit_a_series_is_told(
    counting: Path, loading: Loading, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        _series(counting, loading, **changes)


def test_a_target_that_is_constant_in_training_is_told(tmp_path: Path) -> None:
    path = _csv(tmp_path, x=range(ROWS), y=[0.3] * 20 + [1.0] * 20)
    with pytest.raises(DataError, match="column 'y' has the same value in every training row"):
        _series(path, scaling="standard")


def test_a_column_of_which_nothing_is_known_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'x' has no values"):
        _series(_csv(tmp_path, y=range(ROWS), x=[None] * ROWS))


def test_a_value_far_beyond_those_of_training_is_told(tmp_path: Path) -> None:
    path = _csv(tmp_path, y=[1e-9 * (row % 2) for row in range(ROWS - 1)] + [1e29])
    with pytest.raises(DataError, match=r"column 'y': 1e.29 at row 41 is 2e.38 in standard units"):
        _series(path, scaling="standard")
    assert _series(path).num_rows("train") == 15


def test_too_many_missing_rows_are_not_made_up(tmp_path: Path) -> None:
    path = _csv(tmp_path, t=[*range(ROWS - 1), 10_000_000], y=range(ROWS))
    with pytest.raises(DataError, match="has 40 rows and lacks 9999961 at a step of 1, too many to fill"):
        _series(path, time="t", gaps="fill")
