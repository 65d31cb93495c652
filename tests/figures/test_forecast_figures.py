"""Figures of forecasts: what is drawn is what was given, and all of it can be read."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from drawn import LONG, texts
from matplotlib.figure import Figure
from torch import Tensor

from paribus import figures

RUN = "a_long_name_" * 40
COLUMNS = [f"{name}, {name}, {name}" for name in LONG * 4]
NAMES = ("model", "last_value", "seasonal_naive")


def _series(count: int, steps: int, columns: int, size: float = 1.0) -> tuple[Tensor, dict[str, Tensor]]:
    """True values and forecasts (N, H, K)."""
    generator = torch.Generator().manual_seed(0)
    true = size * (100 + torch.randn(count, steps, columns, generator=generator, dtype=torch.float64).cumsum(1))
    errors = {name: size * torch.randn(true.shape, generator=generator, dtype=torch.float64) for name in NAMES}
    return true, {name: true + error for name, error in errors.items()}


def _times(positions: Tensor) -> list[str]:
    return [f"2018-02-{position % 28 + 1:02} 00:00:00" for position in positions.tolist()]


def _history(true: Tensor, length: int = 96) -> Callable[[Tensor], Tensor]:
    """Values that tell their example and how many steps before the forecast they are."""
    return lambda positions: (
        (1000 * positions[:, None, None] - torch.arange(length, 0, -1)[:, None]).expand(-1, -1, true.shape[2]).double()
    )


def _rows(steps: int, size: float = 1.0) -> list[dict[str, float]]:
    keys = [f"{prefix}{error}" for prefix in ("", "last_value_", "seasonal_naive_") for error in ("mse", "mae")]
    return [
        {"step": step + 1, **{key: size * (number + step) for number, key in enumerate(keys)}} for step in range(steps)
    ]


def _forecasts(count: int, steps: int, columns: int, size: float = 1.0, *, is_known: bool = True) -> Figure:
    true, found = _series(count, steps, columns, size)
    extra = {"history": _history(true), "times": _times} if is_known else {}
    return figures.example_forecasts(found, true, COLUMNS[:columns], run=RUN, **extra)


def _residuals(count: int, steps: int, columns: int, size: float = 1.0, *, is_known: bool = True) -> Figure:
    errors = _series(count, steps, columns, size)[0] - 100 * size
    return figures.residuals(errors, COLUMNS[:columns], times=_times if is_known else None, run=RUN)


DRAWN: dict[str, Callable[[], Figure]] = {
    "forecasts": lambda: _forecasts(90, 150, 60, 1e-9),
    "forecasts, one step": lambda: _forecasts(50, 1, 1),
    "forecasts, large": lambda: _forecasts(5, 8, 2, 1e12),
    "forecasts, one example": lambda: _forecasts(1, 3, 1, is_known=False),
    "residuals, few": lambda: _residuals(50, 1, 1),
    "residuals, one": lambda: _residuals(1, 1, 1, is_known=False),
    "residuals, many": lambda: _residuals(100_000, 1, 1, 1e9),
    "residuals, many columns": lambda: _residuals(10, 5, 60, 1e-9),
    "steps": lambda: figures.error_by_step(_rows(24), "standard units", run=RUN),
    "two steps": lambda: figures.error_by_step(_rows(2, 1e12), "own units", run=RUN),
}


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_is_cut_off_and_none_is_on_another(name: str) -> None:
    figure = DRAWN[name]()
    figure.draw_without_rendering()
    unseen = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    boxes = {text: text.get_window_extent() for text in texts(figure) if text not in unseen}
    width, height = figure.bbox.size
    for text, box in boxes.items():
        assert box.x0 > 1 and box.y0 > 1 and box.x1 < width - 1 and box.y1 < height - 1, text.get_text()
    for (one, first), (other, second) in combinations(boxes.items(), 2):
        overlap = min(first.x1, second.x1) > max(first.x0, second.x0) and min(first.y1, second.y1) > max(
            first.y0, second.y0
        )
        assert not overlap, (one.get_text(), other.get_text())


def test_forecasts_are_drawn_where_they_are() -> None:
    true, found = _series(91, 24, 7)
    figure = figures.example_forecasts(found, true, LONG[:7], history=_history(true), times=_times)
    grid = np.array(figure.axes).reshape(3, 3)
    for line, place in zip(grid, (0, 3, 6), strict=True):
        for axes, position in zip(line, (0, 45, 90), strict=True):
            lines = {curve.get_label(): curve for curve in axes.get_lines()}
            assert set(lines) >= {"known before", "true", "model", "last value", "seasonal naive"}
            past = 1000 * position - np.arange(48, 0, -1)
            assert np.array_equal(lines["known before"].get_xdata(), np.arange(-47, 1))
            assert np.array_equal(lines["known before"].get_ydata(), past)
            assert np.array_equal(lines["true"].get_ydata(), [past[-1], *true[position, :, place]])
            assert np.array_equal(lines["true"].get_xdata(), np.arange(25))
            for name in NAMES:
                curve = lines[name.replace("_", " ")]
                assert np.array_equal(curve.get_ydata(), found[name][position, :, place])
                assert np.array_equal(curve.get_xdata(), np.arange(1, 25))
    assert [axes.get_title() for axes in grid[0]] == [f"step 1: {time}" for time in _times(torch.tensor([0, 45, 90]))]


def test_without_times_and_history_examples_have_their_number() -> None:
    true, found = _series(5, 3, 1)
    figure = figures.example_forecasts({"model": found["model"]}, true, ["height"])
    assert [axes.get_title() for axes in figure.axes] == ["example 1", "example 3", "example 5"]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert set(lines) == {"true", "model"} and np.array_equal(lines["true"].get_xdata(), [1, 2, 3])


def test_errors_are_drawn_by_step() -> None:
    rows = _rows(5)
    figure = figures.error_by_step(rows, "standard units")
    for axes, error in zip(figure.axes, ("mse", "mae"), strict=True):
        lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
        for name, prefix in (("model", ""), ("last value", "last_value_"), ("seasonal naive", "seasonal_naive_")):
            assert list(lines[name]) == [row[f"{prefix}{error}"] for row in rows]
        assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == f"{error} (standard units)"


def test_errors_without_baselines_are_one_line() -> None:
    figure = figures.error_by_step(
        [{"step": 1, "mse": 1.0, "mae": 1.0}, {"step": 2, "mse": 2.0, "mae": 1.5}], "own units"
    )
    assert all(len(axes.get_lines()) == 1 for axes in figure.axes)


@pytest.mark.parametrize(("count", "steps"), [(50, 4), (3000, 4)])
def test_every_residual_is_in_both_halves_of_its_row(count: int, steps: int) -> None:
    true, found = _series(count, steps, 2)
    errors = found["model"] - true
    figure = figures.residuals(errors, ["load", "price"])
    for place in range(2):
        over, spread = figure.axes[2 * place : 2 * place + 2]
        values = errors[..., place].flatten().numpy()
        if len(values) > 1000:
            assert np.nansum(over.collections[0].get_array()) == len(values)
        else:
            points = over.get_lines()[0]
            assert np.array_equal(points.get_ydata(), values)
            examples = np.floor(np.asarray(points.get_xdata()) + 0.5)  # steps are within half a place of theirs
            assert np.array_equal(examples, np.repeat(np.arange(1, count + 1), steps))
        assert sum(bar.get_width() for bar in spread.patches) == pytest.approx(1)
        assert over.get_title("right") == f"mean {values.mean():.3g}, deviation {values.std():.3g}"
        assert over.get_title("left") == ("load", "price")[place]


@pytest.mark.parametrize(("count", "value"), [(1, 0.0), (40, 1e9), (2000, 0.0), (2000, 3.0)])
def test_what_is_constant_can_be_drawn(count: int, value: float) -> None:
    """Also up to the last digit, which bins could not divide."""
    true = torch.full((count, 2, 1), value, dtype=torch.float64)
    nearly = true.clone()
    nearly[::2] = true[::2].nextafter(torch.tensor(torch.inf, dtype=torch.float64))
    for figure in (figures.example_forecasts({"model": true}, true, ["y"]), figures.residuals(nearly, ["y"])):
        figure.draw_without_rendering()
