"""ETTh1, two years of hourly transformer temperatures, split as in the papers that compare on it."""

from pathlib import Path

from paribus.data.loader import Loading
from paribus.data.series import Measuring, check_settings, series_data
from paribus.data.time_series.columns import Chosen
from paribus.data.time_series.module import SeriesData
from paribus.data.time_series.reading import read_series
from paribus.data.time_series.windows import Layout
from paribus.errors import DataError
from paribus.types import PositiveInt, TextList, WindowNormalization

FILE = "ett/ETTh1.csv"  # below data.root
HEADER = "date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT"
ROWS = 17_420
BORDERS = (8_640, 11_520, 14_400)  # 12, 4 and 4 months of 30 days; the rest is not used
DAY = 24
REMEDY = "download ETT-small/ETTh1.csv of ETDataset (github.com/zhouhaoyi/ETDataset, CC BY-ND 4.0) and put it there"


def ett(
    root: str,
    loading: Loading,
    *,
    values: TextList,
    targets: TextList,
    window: PositiveInt,
    horizon: PositiveInt,
    stride: PositiveInt,
    window_normalization: WindowNormalization,
) -> SeriesData:
    """Six loads of a transformer and its oil's temperature, hourly (Zhou et al. 2021, Informer, section 5.1).

    Errors are in standard units of the training rows, as published. Raises DataError where the file is not there, or
    another one.
    """
    layout = Layout(window, horizon, stride)
    check_settings(layout, [], loading)
    path = Path(root, FILE)
    _check_file(path)
    found = read_series(Chosen(str(path), "date", tuple(values), tuple(targets)))
    if len(found) != ROWS:
        raise DataError(f"{path} has {len(found):,} rows, and as published {ROWS:,}; {REMEDY}")
    return series_data(found, BORDERS, layout, Measuring("standard", window_normalization, DAY, True), loading)


def _check_file(path: Path) -> None:
    """Raise DataError where it is not there, or is not a table of these columns but, say, a page that shows it."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            header = lines.readline().strip()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"{path}: {reason}; {REMEDY}, or set data.root to the folder that holds {FILE}") from None
    if header != HEADER:
        raise DataError(f"{path} does not begin with {HEADER}, as ETTh1.csv does; {REMEDY}")
