"""Yearly sunspot numbers, which ship with statsmodels: no download, no network."""

from importlib.util import find_spec
from pathlib import Path

from paribus.data.loader import Loading
from paribus.data.series import Measuring, check_settings, series_data
from paribus.data.time_series.columns import Chosen
from paribus.data.time_series.module import SeriesData
from paribus.data.time_series.reading import read_series
from paribus.data.time_series.windows import Layout, borders_by_share
from paribus.errors import ConfigError
from paribus.types import Flag, Fraction, PositiveInt, Scaling, SeriesOutput, WindowNormalization


def sunspots(
    loading: Loading,
    *,
    window: PositiveInt,
    horizon: PositiveInt,
    stride: PositiveInt,
    output: SeriesOutput,
    carry_state: Flag,
    season: PositiveInt | None,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    scaling: Scaling,
    window_normalization: WindowNormalization,
) -> SeriesData:
    """The mean number of sunspots of each year, 1700 to 2008 (SIDC, Royal Observatory of Belgium).

    Raises ConfigError where statsmodels is not installed.
    """
    layout = Layout(window, horizon, stride, output == "each_step", carry_state)
    check_settings(layout, [], loading)
    found = read_series(Chosen(str(_file()), "YEAR"))
    borders = borders_by_share(found, validation_fraction, test_fraction)
    return series_data(found, borders, layout, Measuring(scaling, window_normalization, season, False), loading)


def _file() -> Path:
    """The table in the package, which need not be imported for it."""
    package = find_spec("statsmodels")
    if package is None or package.origin is None:
        raise ConfigError("data=sunspots needs statsmodels; install it with pip install 'paribus[series]'")
    return Path(package.origin).parent / "datasets" / "sunspots" / "sunspots.csv"
