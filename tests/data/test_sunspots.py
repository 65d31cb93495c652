from typing import Any

import pytest
import torch

from paribus.data import sunspots as module
from paribus.data.loader import Loading
from paribus.data.sunspots import sunspots
from paribus.data.time_series.module import SeriesData
from paribus.errors import ConfigError

SETTINGS: dict[str, Any] = {
    "window": 33,
    "horizon": 11,
    "stride": 1,
    "output": "horizon",
    "carry_state": False,
    "season": 11,
    "validation_fraction": 0.2,
    "test_fraction": 0.2,
    "scaling": "standard",
    "window_normalization": "none",
}


def _sunspots(**changes: object) -> SeriesData:
    if module.find_spec("statsmodels") is None:
        pytest.skip("needs statsmodels")
    return sunspots(Loading(0, 16, 1), **{**SETTINGS, **changes})


def test_the_years_are_those_from_1700_to_2008() -> None:
    data = _sunspots()
    rows = 309 - 2 * 62
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [rows - 33 - 11 + 1, 62 - 10, 62 - 10]
    assert data.times("val", torch.tensor([0])) == ["1885"]
    assert data.times("test", torch.tensor([51])) == ["1998"]  # to 2008
    (column,) = data.spec.columns
    first = data.raw("train").inputs[0, :3, 0].double() * column.scale + column.mean
    assert first.tolist() == pytest.approx([5, 11, 16], abs=1e-5)  # 1700 to 1702, as published
    assert not data.spec.in_standard_units


def test_a_cycle_before_is_a_better_forecast_than_the_last_year() -> None:
    data = _sunspots()
    true = data.raw("test").targets
    errors = {name: float((each - true).square().mean()) for name, each in data.baselines("test").items()}
    assert errors["seasonal_naive"] < errors["last_value"]
    assert _sunspots(season=None).baselines("test").keys() == {"last_value"}


def test_streams_are_one_setting_away() -> None:
    data = _sunspots(output="each_step", carry_state=True, horizon=1, window=5)
    assert data.spec.is_stream
    assert data.steps_per_epoch == (309 - 2 * 62 - 1) // (16 * 5)


def test_without_statsmodels_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^data=sunspots needs statsmodels; install it with pip install 'paribus"):
        sunspots(Loading(0, 16, 1), **SETTINGS)
