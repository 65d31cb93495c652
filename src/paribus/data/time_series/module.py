"""The data module of a series. Shapes: T rows, F features, N windows, K columns to forecast."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

import torch
from torch import Tensor

from paribus.data.loader import Batch, EpochOrder, Loading, Prepare
from paribus.data.module import Split, TensorData
from paribus.data.spec import ForecastSpec
from paribus.data.time_series.naive import last_value, seasonal_naive
from paribus.data.time_series.times import Times
from paribus.data.time_series.windows import Layout, StreamOrder


@dataclass(frozen=True)
class Scaled:
    """A series in standard units: inputs (T, F) and targets (T, K), the time of each row, and its season, 1 for none.

    The last num_known inputs are known ahead; a feature of zeros follows them, which marks the steps to be forecast.
    """

    inputs: Tensor
    targets: Tensor
    times: Times
    season: int
    num_known: int = 0


def windows(series: Tensor, length: int) -> Tensor:
    """series (T, F) -> (T - length + 1, length, F): the windows that begin at each row, as one view, never copies."""
    return series.unfold(0, length, 1).transpose(1, 2)


class SeriesData(TensorData):
    """Windows of a series, as views of it: a forecast is made after each, or after each of its steps.

    `starts` are the first rows of the windows of each split.
    """

    spec: ForecastSpec

    def __init__(
        self, series: Scaled, starts: Mapping[str, range], layout: Layout, spec: ForecastSpec, loading: Loading
    ) -> None:
        self._series, self._starts, self._layout = series, starts, layout
        splits = {name: self._split(rows) for name, rows in starts.items()}
        super().__init__(splits, spec, loading, scaling_kind=None)

    def _split(self, starts: range) -> Split:
        series, layout = self._series, self._layout
        length = layout.span if series.num_known else layout.window
        inputs = windows(series.inputs, length)[starts.start : starts.stop : starts.step]
        firsts = range(starts.start + layout.lead, starts.stop + layout.lead, starts.step)  # rows of targets
        targets = windows(series.targets, layout.num_targets)[firsts.start : firsts.stop : firsts.step]
        shown = slice(starts[0], starts[-1] + layout.span)
        key = blake2b(repr((layout, len(starts), series.num_known)).encode(), digest_size=16)
        for tensor in (series.inputs, series.targets):
            key.update(tensor[shown].contiguous().numpy().data)
        return Split(inputs, targets, key=key.hexdigest())

    def _beside_key(self, split: Split) -> tuple[Tensor, ...]:
        """The key stands for the targets, too."""
        return ()

    def _loading_of(self, name: str) -> Loading:
        """Validation and test are one stream each."""
        is_one_stream = self._layout.is_stream and name != "train"
        return replace(self._loading, batch_size=1) if is_one_stream else self._loading

    def _order(self, name: str, split: Split) -> EpochOrder | None:
        """Training streams stand side by side in a batch."""
        if self._layout.is_stream and name == "train":
            return StreamOrder(len(split), self._loading.batch_size)
        return None

    def _prepare(self, name: str, split: Split) -> Prepare | None:
        """Of the steps to be forecast, a batch shows only what is known ahead; their last feature is 1."""
        to_device = super()._prepare(name, split)
        if not self._series.num_known:
            return to_device
        assert to_device is not None
        past, hidden = self.spec.num_past, self.spec.input_shape[1] - 1 - self._series.num_known

        def masked(batch: Batch, epoch: int, number: int) -> Batch:
            inputs, targets = to_device(batch, epoch, number)
            inputs[:, past:, :hidden] = 0
            inputs[:, past:, -1] = 1
            return inputs, targets

        return masked

    def baselines(self, name: str) -> dict[str, Tensor]:
        """Forecasts that need no learning for all windows of a split, (N, *target_shape), in standard units.

        "last_value" and, where the series has a season, "seasonal_naive".
        """
        layout, series = self._layout, self._series
        starts = torch.tensor(self._starts[name])[:, None]
        if layout.is_each_step:
            known, ahead = starts + torch.arange(layout.window), torch.tensor([[layout.horizon]])
        else:
            known, ahead = starts + layout.window - 1, torch.arange(layout.horizon)[None] + 1
        found = {"last_value": last_value(series.targets, known, ahead)}
        if series.season > 1:
            found["seasonal_naive"] = seasonal_naive(series.targets, known, ahead, series.season)
        return found

    def history(self, name: str, positions: Tensor) -> Tensor:
        """The target columns (n, num_past, K) in the windows at positions (n,) of a split, in standard units."""
        starts = torch.tensor(self._starts[name])[positions]
        return windows(self._series.targets, self._layout.window)[starts]

    def times(self, name: str, positions: Tensor) -> list[str]:
        """When the first targets are of the windows at positions (n,) of a split."""
        first = [self._starts[name][position] + self._layout.lead for position in positions.tolist()]
        return [self._series.times.text(row) for row in first]
