"""Forecasts and their errors. Shapes: N examples, H steps, K columns, P steps known before, n examples shown.

All values are in each column's own units.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from torch import Tensor

from paribus.figures.drawing import new_figure, plain

Times = Callable[[Tensor], Sequence[str]]  # positions (n,) -> the time of each one's first step

MOST = 3  # examples, and columns, of which forecasts are drawn
MOST_RESIDUALS = 7  # columns whose residuals are drawn
FEW_POINTS = 1000  # up to here every residual has a point of its own
FEW_STEPS = 12  # up to here every step has a point
SHORTEST = 24  # steps known before that are drawn at least, and else twice as many as are forecast
BINS = 50
TRUTH = "black"
# Colours that the colour-blind tell apart: Okabe & Ito 2008.
STYLES = {"model": ("#0072B2", "-"), "last_value": ("#E69F00", "--"), "seasonal_naive": ("#009E73", "-.")}


def example_forecasts(
    forecasts: Mapping[str, Tensor],
    true: Tensor,
    columns: Sequence[str],
    *,
    history: Callable[[Tensor], Tensor] | None = None,
    times: Times | None = None,
    run: str = "",
) -> Figure:
    """Forecasts by name and true values, all (N, H, K) -> a few examples spread over the test, a few of the columns.

    `history` gives the true values before: positions (n,) -> (n, P, K).
    """
    positions, places = _spread(len(true), MOST), _spread(len(columns), MOST).tolist()
    before = history(positions) if history else true[positions, :0]
    known = before[:, -max(SHORTEST, 2 * true.shape[1]) :].numpy()
    labels = [f"step 1: {plain(time)}" for time in times(positions)] if times else _numbers(positions)
    figure = new_figure(1.6 + 3.3 * len(positions), 1.0 + 1.9 * len(places), run)
    some = f"; {len(places)} of {len(columns)} columns" if len(places) < len(columns) else ""
    figure.suptitle(f"Some forecasts (test){some}", fontsize=12)
    grid = figure.subplots(len(places), len(positions), sharex=True, sharey="row", squeeze=False)
    for line, place in zip(grid, places, strict=True):
        line[0].set_ylabel(plain(columns[place], 20), fontsize=8)
        for axes, position, past in zip(line, positions, known[..., place], strict=True):
            shown = {name: forecast[position, :, place].numpy() for name, forecast in forecasts.items()}
            _draw_forecast(axes, past, true[position, :, place].numpy(), shown)
    for axes, label in zip(grid[0], labels, strict=True):
        axes.set_title(label, fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("step")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure


def _spread(count: int, most: int) -> Tensor:
    """Places (n,) of 0..count - 1, at most `most`, evenly spread from the first to the last."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).round().long()


def _numbers(positions: Tensor) -> list[str]:
    return [f"example {position + 1}" for position in positions.tolist()]


def _draw_forecast(axes: Axes, known: np.ndarray, true: np.ndarray, shown: Mapping[str, np.ndarray]) -> None:
    """known (P,), true (H,), forecasts (H,) by name; step 1 is the first that is forecast."""
    steps = np.arange(1, len(true) + 1)
    marker = "." if len(true) <= FEW_STEPS else ""
    last = known[-1:]
    if len(known):
        axes.plot(np.arange(1 - len(known), 1), known, color="grey", linewidth=1, label="known before")
        axes.axvline(0.5, color="silver", linewidth=0.8, zorder=0)
    joined = np.concatenate([last, true])
    places = np.arange(1 - len(last), len(true) + 1)
    axes.plot(places, joined, color=TRUTH, linewidth=2.2, marker=marker, markersize=9, label="true")
    for name, values in shown.items():
        colour, style = STYLES[name]
        axes.plot(steps, values, style, color=colour, linewidth=1.3, marker=marker, label=_words(name))
    _dress(axes)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _dress(axes: Axes) -> None:
    """Few whole steps below, plain numbers beside."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.8g}"))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)


def error_by_step(rows: Sequence[Mapping[str, Any]], units: str, *, run: str = "") -> Figure:
    """A row for each step of the horizon: step, mse, mae, and both of each baseline, NAME_mse -> a line of each."""
    figure = new_figure(8.4, 3.6, run)
    figure.suptitle("Errors by step of the horizon (test)", fontsize=12)
    steps = [row["step"] for row in rows]
    for axes, error in zip(figure.subplots(1, 2), ("mse", "mae"), strict=True):
        for name, (colour, style) in STYLES.items():
            key = error if name == "model" else f"{name}_{error}"
            if key in rows[0]:
                marker = "." if len(steps) <= FEW_STEPS else ""
                values = [row[key] for row in rows]
                axes.plot(steps, values, style, color=colour, marker=marker, label=_words(name))
        axes.set(xlabel="step", ylabel=f"{error} ({units})")
        _dress(axes)
        axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure


def residuals(errors: Tensor, columns: Sequence[str], *, times: Times | None = None, run: str = "") -> Figure:
    """Forecasts less true values (N, H, K) -> for a few columns those over the test, and their distribution.

    The steps of an example stand side by side in its place. Many are drawn as their density.
    """
    places = _spread(len(columns), MOST_RESIDUALS).tolist()
    count, steps = errors.shape[:2]
    across = 0.5 + (np.arange(count * steps) + 0.5) / steps
    figure = new_figure(8.4, 1.4 + 1.7 * len(places), run)
    title = "Residuals (test): forecast less truth"
    if count * steps > FEW_POINTS:
        title += ", darker where there are more"
    if len(places) < len(columns):
        title += f"; {len(places)} of {len(columns)} columns"
    figure.suptitle(title, fontsize=12)
    grid = figure.subplots(len(places), 2, sharex="col", sharey="row", squeeze=False, width_ratios=(3, 1))
    for (over, spread), place in zip(grid, places, strict=True):
        _draw_residuals(over, spread, across, errors[..., place].flatten().numpy(), count)
        over.set_title(plain(columns[place], 50), fontsize=9, loc="left")
    grid[-1, 0].set_xlabel(_range(count, times), fontsize=9)
    grid[-1, 1].set_xlabel("share in the bin", fontsize=9)
    return figure


def _range(count: int, times: Times | None) -> str:
    if times is None:
        return "test example"
    first, last = times(torch.tensor([0, count - 1]))
    return f"test example; step 1 is at {plain(first)} to {plain(last)}"


def _draw_residuals(over: Axes, spread: Axes, across: np.ndarray, values: np.ndarray, count: int) -> None:
    """across (M,), values (M,): one above the other on the left, as a histogram on the right."""
    # The rounding of large numbers is no range that bins could divide.
    margin = max(0.05 * (values.max() - values.min()), 1e-6 * np.abs(values).max()) or 0.5
    limits = float(values.min() - margin), float(values.max() + margin)
    if len(values) <= FEW_POINTS:
        over.plot(across, values, ".", markersize=4, color=STYLES["model"][0])
    else:
        bins = (np.linspace(0.5, count + 0.5, 3 * BINS + 1), np.linspace(*limits, BINS + 1))
        over.hist2d(across, values, bins, cmin=1, norm=LogNorm(), cmap="viridis_r")
    bars, shares = min(BINS, 5 + int(len(values) ** 0.5)), np.full(len(values), 1 / len(values))
    spread.hist(values, bars, range=limits, weights=shares, orientation="horizontal", color=STYLES["model"][0])
    over.set_title(f"mean {values.mean():.3g}, deviation {values.std():.3g}", fontsize=8, loc="right")
    for axes in (over, spread):
        _dress(axes)
        axes.axhline(0, color=TRUTH, linewidth=0.8, linestyle=":")
    over.set(xlim=(0.5, count + 0.5), ylim=limits)
    spread.xaxis.set_major_locator(MaxNLocator(nbins=3))
