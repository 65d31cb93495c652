"""Shapes: B batch, T steps, F features, K columns to forecast."""

import dataclasses
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from paribus.data.spec import Column, DataSpec, ForecastSpec
from paribus.errors import ConfigError
from paribus.models.mlp import mlp
from paribus.models.window_normalization import WindowNormalized, wrap

PAST, FUTURE, FEATURES, HORIZON = 5, 2, 4, 2
PLACES = [2, 0]  # the order of the columns is not that of the features
KINDS = ("subtract_last_value", "instance")


def _spec(kind: str, places: Sequence[int | None] = PLACES, **chosen: bool) -> ForecastSpec:
    columns = tuple(Column(f"column{place}", 0.0, 1.0, place, 1.0) for place in places)
    shape = (PAST + FUTURE, FEATURES)
    return ForecastSpec(shape, columns, HORIZON, PAST, in_standard_units=True, window_normalization=kind, **chosen)


def _windows() -> Tensor:
    """(B, T, F), with what is forecast unknown after the past."""
    windows = 3 + 2 * torch.randn(6, PAST + FUTURE, FEATURES, generator=torch.Generator().manual_seed(0))
    windows[:, PAST:, PLACES] = 0
    return windows.double()


class _Recording(nn.Module):
    """Gives HORIZON * K * n fixed outputs and keeps what it was given."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.outputs = torch.randn(6, num_outputs, dtype=torch.float64)

    def forward(self, inputs: Tensor) -> Tensor:
        self.inputs = inputs
        return self.outputs


def _level_and_scale(kind: str, series: Tensor) -> tuple[Tensor, Tensor]:
    """series (steps,) of one window and column."""
    if kind == "subtract_last_value":
        return series[-1], torch.tensor(1.0)
    mean = series.sum() / len(series)
    return mean, torch.sqrt(((series - mean) ** 2).sum() / len(series) + 1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_value", [1, 3])
def test_each_window_and_column_by_itself(kind: str, per_value: int) -> None:
    model, windows = _Recording(HORIZON * 2 * per_value), _windows()
    given = windows.clone()
    outputs = wrap(model, _spec(kind))(windows).view(6, HORIZON, 2, per_value)
    assert torch.equal(windows, given)  # the data itself stays as it is
    raw = model.outputs.view(6, HORIZON, 2, per_value)
    for row in range(6):
        for column, place in enumerate(PLACES):
            level, scale = _level_and_scale(kind, windows[row, :PAST, place])
            torch.testing.assert_close(model.inputs[row, :PAST, place], (windows[row, :PAST, place] - level) / scale)
            torch.testing.assert_close(outputs[row, :, column], raw[row, :, column] * scale + level)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_forecast_and_what_is_not_known_stay(kind: str) -> None:
    model, windows = _Recording(HORIZON * 2), _windows()
    wrap(model, _spec(kind))(windows)
    assert torch.equal(model.inputs[..., [1, 3]], windows[..., [1, 3]])
    assert (model.inputs[:, PAST:, PLACES] == 0).all()


def _linear(kind: str) -> nn.Module:
    torch.manual_seed(0)
    spec = _spec(kind)
    return wrap(mlp(spec, HORIZON * 2, nn.Tanh, "none", 0.0, hidden_sizes=[]), spec).double()


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_of_the_window_shifts_the_forecast_by_as_much(kind: str) -> None:
    model, windows, shift = _linear(kind), _windows(), torch.tensor([10.0, -4.0], dtype=torch.float64)
    shifted = windows.clone()
    shifted[:, :PAST, PLACES] += shift
    torch.testing.assert_close(model(shifted), model(windows) + shift.repeat(HORIZON))


def test_an_instance_normalized_forecast_scales_with_its_window() -> None:
    model, windows = _linear("instance"), 100 * _windows()  # so that the small number in the deviation is nothing
    windows[..., [1, 3]] = 0
    torch.testing.assert_close(model(7 * windows), 7 * model(windows), rtol=1e-5, atol=1e-3)


def test_a_constant_window_is_finite() -> None:
    windows = _windows()
    windows[:, :PAST] = 4.0
    outputs = _linear("instance")(windows)
    assert outputs.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_it_adds_nothing_to_a_checkpoint(kind: str) -> None:
    model = _linear(kind)
    assert isinstance(model, WindowNormalized)
    assert set(model.state_dict()) == {f"model.{name}" for name in model.model.state_dict()}


def test_where_none_is_asked_for_the_model_stays_as_it_is() -> None:
    model = nn.Identity()
    assert wrap(model, _spec("none")) is model
    assert wrap(model, DataSpec((4,))) is model


REFUSED = [
    (
        _spec("instance", [0, None]),
        r"^data.window_normalization=instance: column columnNone is .* not among the inputs",
    ),
    (_spec("instance", is_aligned=True), r"^data.window_normalization=instance: each step .*; use none$"),
    (dataclasses.replace(_spec("instance"), input_shape=(4,)), r"^data.window.*: the data has no windows.*; use none$"),
]


@pytest.mark.parametrize(("spec", "message"), REFUSED)
def test_what_has_no_past_of_its_own_is_refused(spec: ForecastSpec, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        wrap(nn.Identity(), spec)
