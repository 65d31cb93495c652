"""Learning curves."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from paribus.figures.drawing import new_figure, plain

Row = dict[str, float]
Curves = dict[str, np.ndarray]

# Metrics that say nothing beside another: mse is rmse squared, and words that are no exact match are errors.
REPEATS = {"mse": "rmse", "exact_match": "wer"}
# Shares that are best at 0: beside those that are best at 1 neither would be legible.
ERRORS = {"ece", "wer", "per", "cer"}


def learning_curves(rows: Sequence[Row], best_epoch: int, *, run: str = "") -> Figure:
    """The loss, the metrics and the learning rate over epochs, each value at the best epoch in the legends.

    Shares that are measured in validation alone, such as precision and recall, are drawn in one panel; errors are not.
    A value that a row lacks, or that is not finite, is a gap.
    """
    epochs = np.array([row["epoch"] for row in rows])
    panels = _panels(rows)
    lines = max(-(-len(panels) // 3), 2 if len(panels) > 3 else 1)
    width = 4.4 * max(-(-len(panels) // lines), 1)
    figure = new_figure(width, 3.0 * lines + 0.6, run)
    title = f"Learning curves; best epoch: {best_epoch} of {epochs.max(initial=0):.0f} (its values in the legends)"
    figure.suptitle(fill(title, int(width * 9)), fontsize=12)
    for axes, (name, curves) in zip(_grid(figure, len(panels), lines), panels.items(), strict=True):
        _draw_curves(axes, epochs, curves, best_epoch)
        axes.set_title(name, fontsize=11)
        if name == "loss":
            _log_if_wide(axes, np.concatenate(list(curves.values())))
        elif name == "learning rate":
            axes.set_ylim(bottom=0)
    return figure


def _panels(rows: Sequence[Row]) -> dict[str, Curves]:
    """Panel by title: the values (epochs,) by their name in the legend."""
    columns = {column for row in rows for column in row}
    names = {column.split("/", 1)[1] for column in columns if column.startswith(("train/", "val/"))}
    names -= {name for name, better in REPEATS.items() if better in names} | {"learning_rate"}
    panels: dict[str, Curves] = {}
    together: Curves = {}
    for name in sorted(names, key=lambda name: (name != "loss", f"train/{name}" not in columns, name)):
        stages = (("training", f"train/{name}"), ("validation", f"val/{name}"))
        curves = {word: _column(rows, column) for word, column in stages if column in columns}
        shares = all(not np.any((values < 0) | (values > 1)) for values in curves.values())
        if shares and list(curves) == ["validation"] and name != "loss" and name not in ERRORS:
            together[name] = curves["validation"]
        else:
            panels[name] = curves
    if together:
        panels[fill(f"{plain(', '.join(together), 70)} (validation)", 44)] = together
    if "train/learning_rate" in columns:
        panels["learning rate"] = {"learning rate": _column(rows, "train/learning_rate")}
    return panels


def _column(rows: Sequence[Row], name: str) -> np.ndarray:
    values = np.array([row.get(name, np.nan) for row in rows])
    return np.where(np.isfinite(values), values, np.nan)


def _grid(figure: Figure, count: int, lines: int) -> list[Axes]:
    """Axes for `count` panels without a hole: where lines differ, the upper ones hold fewer and wider panels."""
    if not count:
        return []
    each, more = divmod(count, lines)
    widths = [each + (line >= lines - more) for line in range(lines)]
    grid = figure.add_gridspec(lines, 6)
    spans = [(line, 6 // width, place) for line, width in enumerate(widths) for place in range(width)]
    return [figure.add_subplot(grid[line, place * span : (place + 1) * span]) for line, span, place in spans]


def _draw_curves(axes: Axes, epochs: np.ndarray, curves: Curves, best_epoch: int) -> None:
    axes.axvline(best_epoch, color="grey", linestyle=":", linewidth=1.2)
    styles = ("-", "--", "-.", ":") if len(curves) > 2 else ("-", "-")  # curves of shares often hide one another
    for index, (name, values) in enumerate(curves.items()):
        gaps = np.isnan(np.concatenate([[np.nan], values, [np.nan]]))
        alone = gaps[:-2] & gaps[2:]  # between two gaps no line would be seen
        marked = np.flatnonzero(~gaps[1:-1] & (alone | (len(epochs) <= 30))).tolist()
        best = values[epochs == best_epoch]
        label = f"{name} {best[0]:#.4g}" if best.size and np.isfinite(best[0]) else name
        style, marker = styles[index % len(styles)], "." if marked else ""
        axes.plot(epochs, values, style, marker=marker, markevery=marked, label=label)
    if len(epochs) == 1:  # a scale for single points
        axes.update_datalim([(epochs[0], 0)])
    axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.25)
    axes.legend(fontsize="small", framealpha=0.85)


def _log_if_wide(axes: Axes, values: np.ndarray) -> None:
    """Where the first epochs' loss would flatten all others, the axis is logarithmic."""
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_title("loss (logarithmic axis)", fontsize=11)
