from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from paribus.data.ett import HEADER, ett
from paribus.data.loader import Fold, Loading
from paribus.data.time_series.module import SeriesData
from paribus.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2].parent / "shared" / "data"
LOADING = Loading(seed=0, batch_size=32, steps_per_execution=1)
SETTINGS: dict[str, Any] = {
    "values": [],
    "targets": [],
    "window": 96,
    "horizon": 24,
    "stride": 1,
    "window_normalization": "subtract_last_value",
}


def _ett(root: Path = ROOT, **changes: object) -> SeriesData:
    if root == ROOT and not (ROOT / "ett" / "ETTh1.csv").is_file():
        pytest.skip(f"needs ETTh1.csv in {ROOT / 'ett'}")
    return ett(str(root), LOADING, **{**SETTINGS, **changes})


def test_ett_is_split_as_published() -> None:
    data = _ett()
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [8640 - 96 - 24 + 1, 2857, 2880 - 24 + 1]
    assert (data.spec.input_shape, data.spec.target_shape) == ((96, 7), (24, 7))
    assert data.spec.in_standard_units and data.spec.window_normalization == "subtract_last_value"
    first = torch.tensor([0])
    assert data.times("val", first) == ["2017-06-26 00:00"]  # 360 days of 24 hours after the first of July 2016
    assert data.times("test", first) == ["2017-10-24 00:00"]  # and 480
    frame = pl.read_csv(ROOT / "ett" / "ETTh1.csv")
    for column in data.spec.columns:
        train = frame[column.name][:8640]
        assert (column.mean, column.scale) == pytest.approx((train.mean(), train.std(ddof=0)), rel=1e-9)
        season = (train[24:] - train[:-24]).abs().mean()
        assert column.naive_error == pytest.approx(season, rel=1e-9)


def test_naive_forecasts_have_the_errors_that_were_measured_for_them() -> None:
    data = _ett()
    true = data.raw("test").targets
    errors = {name: float((each - true).square().mean()) for name, each in data.baselines("test").items()}
    assert errors == {"last_value": pytest.approx(1.222, abs=5e-4), "seasonal_naive": pytest.approx(0.424, abs=5e-4)}


def test_one_column_may_be_forecast_from_itself_or_from_all() -> None:
    alone, from_all = _ett(values=["OT"]), _ett(targets=["OT"])
    assert (alone.spec.input_shape, from_all.spec.input_shape) == ((96, 1), (96, 7))
    assert (alone.spec.columns[0].place, from_all.spec.columns[0].place) == (0, 6)
    assert torch.equal(alone.raw("test").targets, from_all.raw("test").targets)


def test_a_file_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ett/ETTh1.csv: no such file.* ETDataset \(.*CC BY-ND.* or set data.root"):
        _ett(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<!DOCTYPE html>\n<html>\n", "does not begin with date,HUFL,.*; download"),
        (f"{HEADER}\n2016-07-01 00:00:00,1,2,3,4,5,6,7\n2016-07-01 01:00:00,1,2,3,4,5,6,7\n", "has 2 rows, and as pub"),
    ],
)
def test_another_file_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "ett").mkdir()
    (tmp_path / "ett" / "ETTh1.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        _ett(tmp_path)


def test_folds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a series is split by time"):
        ett(str(tmp_path), Loading(0, 32, 1, fold=Fold(1, 5)), **SETTINGS)
