"""Normalization of each window of a forecast. Shapes: B batch, T steps, F features, K columns to forecast."""

import torch
from torch import Tensor, nn

from paribus.data.spec import Column, DataSpec, ForecastSpec
from paribus.errors import ConfigError

EPSILON = 1e-5  # added to the variance, as Kim et al. 2022 have it


def wrap(model: nn.Module, spec: DataSpec) -> nn.Module:
    """The model within the normalization that the data asks for; the model itself where it asks for none.

    Raises ConfigError where windows have no past values of a column, and where each step has a forecast of its own.
    """
    if not isinstance(spec, ForecastSpec) or spec.window_normalization == "none":
        return model
    setting = f"data.window_normalization={spec.window_normalization}"
    if spec.is_aligned or len(spec.input_shape) != 2:
        what = "each step has a forecast of its own" if spec.is_aligned else "the data has no windows"
        raise ConfigError(f"{setting}: {what}, so that there is no one past to take it from; use none")
    return WindowNormalized(
        model,
        _places(spec.columns, setting),
        horizon=spec.horizon,
        num_past=spec.num_past,
        has_scale=spec.window_normalization == "instance",
    )


def _places(columns: tuple[Column, ...], setting: str) -> list[int]:
    """Where the columns stand among the features."""
    for column in columns:
        if column.place is None:
            raise ConfigError(
                f"{setting}: column {column.name} is forecast but not among the inputs; add it, or use none"
            )
    return [column.place for column in columns if column.place is not None]


class WindowNormalized(nn.Module):
    """inputs (B, T, F) -> what `model` gives for the normalized window (B, horizon * K * n), in the window's own units.

    Of the columns that are forecast, the past steps less their last value; with has_scale less their mean and divided
    by their deviation (Kim et al. 2022, eq. 1 to 3, without the affine part). All else stays as it is, so that what
    is not known of the steps to come is still 0.
    """

    places: Tensor

    def __init__(self, model: nn.Module, places: list[int], *, horizon: int, num_past: int, has_scale: bool) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self._horizon, self._num_past, self._has_scale = horizon, num_past, has_scale

    def forward(self, inputs: Tensor) -> Tensor:
        """Take level and scale from the window, and give them back to the forecast."""
        past = inputs[:, : self._num_past, self.places]
        level, scale = self._level_and_scale(past)
        normalized = inputs.clone()
        normalized[:, : self._num_past, self.places] = (past - level) / scale
        outputs: Tensor = self.model(normalized)
        by_column = outputs.reshape(len(outputs), self._horizon, len(self.places), -1)
        return (by_column * scale[..., None] + level[..., None]).flatten(1)

    def _level_and_scale(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """past (B, steps, K) -> both (B, 1, K)."""
        if not self._has_scale:
            last = past[:, -1:]
            return last, torch.ones_like(last)
        variance, mean = torch.var_mean(past, 1, correction=0, keepdim=True)
        return mean, torch.sqrt(variance + EPSILON)
