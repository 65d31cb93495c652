"""Where the windows of each split are in a series. Shapes: T rows, N windows, B streams."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from paribus.data.loader import EpochOrder, Loading
from paribus.data.time_series.reading import Series
from paribus.errors import ConfigError, DataError

SPLITS = {"train": "training", "val": "validation", "test": "test"}
Borders = tuple[int, int, int]  # the rows before which training, validation and test end


@dataclass(frozen=True)
class Layout:
    """What a window is: `window` rows of inputs, and targets up to `horizon` rows after the last of them.

    Targets are the rows after the window; with is_each_step one for each row of it, `horizon` rows later. Windows
    begin `stride` rows apart; with is_stream they do not overlap, each going on where the one before ended.
    """

    window: int
    horizon: int
    stride: int = 1
    is_each_step: bool = False
    is_stream: bool = False

    @property
    def num_targets(self) -> int:
        """Rows of targets of a window."""
        return self.window if self.is_each_step else self.horizon

    @property
    def lead(self) -> int:
        """Rows from a window's first to its first target."""
        return self.horizon if self.is_each_step else self.window

    @property
    def span(self) -> int:
        """Rows of a window and its targets together."""
        return self.window + self.horizon

    def starts(self, first: int, end: int) -> range:
        """The first rows of windows whose targets are in rows first..end - 1; inputs may be rows before."""
        step = self.window if self.is_stream else self.stride
        return range(max(0, first - self.lead), end - self.span + 1, step)


class StreamOrder(EpochOrder):
    """N windows in the order of time become B streams of equal length: batch after batch, the next window of each."""

    def __init__(self, num_windows: int, num_streams: int) -> None:
        super().__init__(num_windows, None)
        self._num_streams = num_streams

    def indices(self) -> Tensor:
        """(N,) positions of the samples, the same in each epoch."""
        return torch.arange(self.num_samples).view(self._num_streams, -1).T.reshape(-1)


def borders_by_row(series: Series, rows: list[int]) -> Borders:
    """The borders as given. Raises DataError where the series is too short."""
    train, validation, test = rows
    if test > len(series):
        raise DataError(f"{series.chosen.path} has {len(series)} rows, fewer than data.row_borders={rows}; lower them")
    return train, validation, test


def borders_by_time(series: Series, times: list[str]) -> Borders:
    """The rows at which validation and test begin and test ends. Raises ConfigError for what is no such time."""
    setting = f"data.time_borders=[{','.join(times)}]"
    if series.times.kind == "row":
        raise ConfigError(f"{setting} needs data.time, the column of times; or use data.row_borders")
    rows = [series.times.rows_before(time, setting) for time in times]
    if any(first >= second for first, second in pairwise(rows)):
        last = len(series) - 1
        raise ConfigError(
            f"{setting}: there are no rows between two of them; they must rise, within "
            f"{series.times.text(0)} to {series.times.text(last)}"
        )
    return (rows[0], rows[1], rows[2] if len(rows) > 2 else len(series))


def borders_by_share(series: Series, validation_fraction: float, test_fraction: float) -> Borders:
    """The last rows are for test, those before them for validation. Raises DataError where none is left to train on."""
    if validation_fraction + test_fraction >= 1:
        raise DataError(
            f"data.validation_fraction={validation_fraction} and data.test_fraction={test_fraction} leave no rows to "
            "train on"
        )
    end = len(series)
    test = end - round(end * test_fraction)
    return test - round(end * validation_fraction), test, end


def placed(series: Series, borders: Borders, layout: Layout, loading: Loading) -> dict[str, range]:
    """The first rows of each split's windows. Raises DataError where a split is too short for one."""
    found = {}
    for name, (first, end) in zip(SPLITS, pairwise((0, *borders)), strict=True):
        found[name] = layout.starts(first, end)
        if not found[name]:
            raise DataError(_too_short(series, name, end - first, layout))
    found["train"] = _latest(found["train"], borders[0], layout, loading)
    return found


def _too_short(series: Series, name: str, rows: int, layout: Layout) -> str:
    needed, what = layout.num_targets, f"data.{'window' if layout.is_each_step else 'horizon'}={layout.num_targets}"
    if name == "train":
        needed, what = layout.span, f"data.window={layout.window} and data.horizon={layout.horizon} together"
    return (
        f"{series.chosen.path}: the {rows} {SPLITS[name]} rows are fewer than the {needed} of {what}; lower "
        f"{'one of them' if name == 'train' else 'it'}, or give {SPLITS[name]} more rows"
    )


def _latest(starts: range, end: int, layout: Layout, loading: Loading) -> range:
    """The latest share of the training windows; with streams, as many windows of each stream as there are."""
    loading.done.add("train_fraction")
    kept = max(1, round(loading.train_fraction * len(starts)))
    if not layout.is_stream:
        return starts[len(starts) - kept :]
    length = kept // loading.batch_size
    if length == 0:
        raise ConfigError(
            f"data.batch_size={loading.batch_size} streams need a window each, and there are {kept} of "
            f"data.window={layout.window} rows in the {end:,} training rows"
            + (f" (data.train_fraction={loading.train_fraction:g})" if loading.train_fraction < 1 else "")
            + f"; use data.batch_size={kept} or less"
        )
    last = end - layout.span
    return range(last - (length * loading.batch_size - 1) * layout.window, last + 1, layout.window)
