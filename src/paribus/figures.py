"""Figures, drawn without a display and without pyplot. Each function gives a Figure; `save` writes it.

`run` is what the figure belongs to; it stands small below the rest. Shapes: N examples, C classes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from torch import Tensor
from torchmetrics.functional.classification import binary_roc, multiclass_confusion_matrix

Row = dict[str, float]
Curves = dict[str, np.ndarray]

FEW_CLASSES = 10  # up to here the ROC has a curve a class
SHOWN = 3  # curves of the best and of the worst classes, where there are more
CORNER = 0.98  # where no area is smaller, the ROC shows the corner that the curves keep to
FEW_POINTS = 1000  # up to here every example has a point of its own
LONGEST = 24  # letters of a class name; the rest is left out of its middle
NUMBERED = 40  # classes up to which a confusion matrix holds numbers
NARROWEST, SMALLEST_TEXT = 5.0, 5.0  # points: of a cell with a name, of a number in one
LETTER = 0.62  # mean width of a letter in units of the font size
REPEATS = {"mse": "rmse"}  # metrics that say nothing beside another: mse is rmse squared


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    path.parent.mkdir(exist_ok=True)
    imsave(path, pixels(figure), format="png")


def pixels(figure: Figure) -> np.ndarray:
    """(H, W, 3) bytes, for TensorBoard."""
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg) or figure.stale:  # drawing is slow: once for the file and all loggers
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _figure(width: float, height: float, run: str) -> Figure:
    """An empty figure, its size in inches."""
    figure = Figure(figsize=(width, height), dpi=120, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    if run:
        letters = int((width - 0.3) * 72 / (8 * LETTER))
        figure.supxlabel(_plain(run, letters), fontsize=8, color="dimgrey")
    return figure


def _plain(text: str, longest: int = LONGEST) -> str:
    """One line of at most `longest` letters in which a dollar sign starts no formula."""
    text = " ".join(text.split())
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[-(longest - longest // 2 - 1) :]}"
    return text.replace("$", r"\$")


# ---- learning curves


def learning_curves(rows: Sequence[Row], best_epoch: int, *, run: str = "") -> Figure:
    """The loss, the metrics and the learning rate over epochs, each value at the best epoch in the legends.

    Shares that are measured in validation alone, such as precision and recall, are drawn in one panel.
    A value that a row lacks, or that is not finite, is a gap.
    """
    epochs = np.array([row["epoch"] for row in rows])
    panels = _panels(rows)
    lines = max(-(-len(panels) // 3), 2 if len(panels) > 3 else 1)
    width = 4.4 * max(-(-len(panels) // lines), 1)
    figure = _figure(width, 3.0 * lines + 0.6, run)
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
        if shares and list(curves) == ["validation"] and name != "loss":
            together[name] = curves["validation"]
        else:
            panels[name] = curves
    if together:
        panels[f"{_plain(', '.join(together), 34)} (validation)"] = together
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


# ---- confusion matrix


def confusion_matrix(predicted: Tensor, targets: Tensor, names: Sequence[str], *, run: str = "") -> Figure:
    """predicted (N,), targets (N,) -> counts of true class (row) by predicted class (column).

    A row's colours are shares of that true class. Numbers and names are left out where cells are too small for them.
    """
    counts = multiclass_confusion_matrix(predicted, targets, len(names)).numpy()
    share = counts / counts.sum(1, keepdims=True).clip(1)
    cell = float(np.clip(720 / len(names), 1, 40 if len(names) <= 12 else 26))  # points
    labels = [_plain(name) for name in names] if cell >= NARROWEST else []
    size = min(10.0, 0.75 * cell)
    longest = size * LETTER * max((len(label) for label in labels), default=6)
    rotation = 0 if longest < cell or not labels else 45 if cell > 20 else 90
    below = {0: size, 45: 0.75 * longest + size, 90: longest}[rotation]
    side = max(cell * len(names), 150)
    width, height = side + longest + 125, side + below + (85 if run else 70)
    figure = _figure(width / 72, height / 72, run)
    axes = figure.subplots()
    # Few mistakes in a large class would be white on white if colours were proportional. The figure's size makes
    # the cells square: an aspect would leave margins, and a colour bar taller than the matrix.
    image = axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="auto", interpolation="nearest")
    bar = figure.colorbar(image, label="share of the true class", aspect=max(20, side / 14), pad=0.02)
    bar.set_ticks([0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix (test)")
    if labels:
        axes.set_xticks(range(len(names)), labels, fontsize=size, rotation=rotation)
        if rotation == 45:  # the name's end, not its middle, stands below the tick
            for text in axes.get_xticklabels():
                text.set(ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), labels, fontsize=size)
    _write_counts(axes, counts, share, cell)
    return figure


def _write_counts(axes: Axes, counts: np.ndarray, share: np.ndarray, cell: float) -> None:
    """counts (C, C) into cells of `cell` points; noughts only where there are few classes."""
    size = min(11.0, 0.9 * cell / (LETTER * len(str(counts.max()))))
    if size < SMALLEST_TEXT or len(counts) > NUMBERED:
        return
    for row, column in np.argwhere(counts > 0) if len(counts) > FEW_CLASSES + 2 else np.ndindex(counts.shape):
        count = counts[row, column]
        colour = "silver" if not count else "white" if share[row, column] > 0.35 else "black"
        text = axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=size)
        text.set_in_layout(False)


# ---- ROC


class _Roc(NamedTuple):
    """One class against the rest."""

    name: str
    false_positive: np.ndarray
    true_positive: np.ndarray
    area: float


def roc(probabilities: Tensor, targets: Tensor, names: Sequence[str], *, run: str = "") -> Figure:
    """probabilities (N, C), targets (N,) -> ROC curves of a class against the rest; for two, the second's alone.

    With more than FEW_CLASSES classes: the mean curve, the range of all, and the SHOWN best and worst.
    A class without examples, or with nothing else, has no curve.
    """
    wanted = range(len(names)) if len(names) > 2 else (1,)
    found = [_one_roc(probabilities[:, index], targets == index, names[index]) for index in wanted]
    curves = sorted((curve for curve in found if curve), key=lambda curve: curve.area)
    figure = _figure(7.6, 5.2, run)
    axes = figure.subplots()
    title = "ROC (test)"
    if len(curves) > FEW_CLASSES:
        title += f"; of {len(curves)} classes the worst and the best"
        _draw_range(axes, curves)
        perfect = [curve for curve in curves[SHOWN:-SHOWN] if _is_perfect(curve)]
        _draw_roc(axes, [*curves[:SHOWN], *perfect, *curves[-SHOWN:]])
    else:
        _draw_roc(axes, curves)
    if curves and curves[0].area >= CORNER and not _is_perfect(curves[0]):
        title += "\nupper left corner only"
        axes.set(**_corner(curves))
    else:
        axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="0.5000  chance")
    if len(curves) < len(found):
        title += f"\nwithout {len(found) - len(curves)} of {len(names)} classes: no examples"
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title)
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper", fontsize="small", title="area under the curve", alignment="left")
    return figure


def _one_roc(scores: Tensor, truth: Tensor, name: str) -> _Roc | None:
    """scores (N,), truth (N,) of bool."""
    if bool(truth.all()) or not bool(truth.any()):
        return None
    false_positive, true_positive = (rate.double().numpy() for rate in binary_roc(scores, truth.long())[:2])
    return _Roc(name, false_positive, true_positive, float(np.trapezoid(true_positive, false_positive)))


def _is_perfect(curve: _Roc) -> bool:
    return bool(np.any((curve.false_positive == 0) & (curve.true_positive == 1)))


def _draw_roc(axes: Axes, curves: Sequence[_Roc]) -> None:
    """Lowest area first. Perfect curves are all the same line, so they are drawn as one."""
    perfect = [_plain(curve.name) for curve in curves if _is_perfect(curve)]
    for curve in curves:
        if _is_perfect(curve):
            continue
        label = f"{min(curve.area, 0.9999):.4f}  {_plain(curve.name)}"  # 1.0000 is for perfect curves alone
        axes.plot(curve.false_positive, curve.true_positive, label=label)
    if perfect:
        who = ", ".join(perfect) if len(perfect) <= SHOWN or sum(map(len, perfect)) <= 20 else f"{len(perfect)} classes"
        label = fill(f"1.0000  {who}", 34, subsequent_indent=" " * 15)
        axes.plot([0, 0, 1], [0, 1, 1], color="black", linewidth=2.5, zorder=1.5, label=label)


def _draw_range(axes: Axes, curves: Sequence[_Roc]) -> None:
    """The mean of all true positive rates at each false positive rate, and the range they are in."""
    grid = np.union1d(np.linspace(0, 1, 501), np.geomspace(1e-5, 1, 500))
    rates = np.stack([np.interp(grid, curve.false_positive, curve.true_positive) for curve in curves])
    area = min(np.mean([curve.area for curve in curves]), 1 if _is_perfect(curves[0]) else 0.9999)
    label = f"{area:.4f}  mean of {len(curves)} classes"
    axes.plot(grid, rates.mean(0), color="dimgrey", linestyle="--", linewidth=2.5, zorder=3, label=label)
    axes.fill_between(grid, rates.min(0), rates.max(0), color="gainsboro", linewidth=0, label="range of all classes")


def _corner(curves: Iterable[_Roc]) -> dict[str, tuple[float, float]]:
    """Limits in which the curves leave the left edge and reach the upper one."""
    curves = [curve for curve in curves if not _is_perfect(curve)]
    right = max(curve.false_positive[curve.true_positive >= 0.995].min() for curve in curves)
    right = float(np.clip(1.15 * right, 1e-4, 0.2))
    low = min(curve.true_positive[curve.false_positive <= right / 20].max() for curve in curves)
    low = float(np.clip(low - 0.02, 0, 0.97))
    return {"xlim": (-right / 60, right), "ylim": (low, 1 + (1 - low) / 30)}


# ---- regression


def predicted_against_true(predicted: Tensor, targets: Tensor, name: str, *, run: str = "") -> Figure:
    """predicted (N,), targets (N,), in the target's own units. Many examples are drawn as their density."""
    true, found, name = targets.double().numpy(), predicted.double().numpy(), _plain(name, 40)
    low, high = min(true.min(), found.min()), max(true.max(), found.max())
    margin = 0.04 * (high - low) or 0.5
    limits = low - margin, high + margin
    many = len(true) > FEW_POINTS
    figure = _figure(6.2 if many else 5.4, 5.5, run)
    axes = figure.subplots()
    axes.set_title(f"Predicted against true (test, {len(true)} examples)")
    if many:
        extent = (*limits, *limits)
        cells = axes.hexbin(true, found, gridsize=50, extent=extent, mincnt=1, bins="log", cmap="viridis_r")
        figure.colorbar(cells, label="examples", pad=0.02, ticks=LogLocator(subs=(1, 2, 5)), format="{x:g}")
    else:
        axes.scatter(true, found, s=18, alpha=0.6, linewidths=0)
    axes.plot(limits, limits, color="grey", linestyle=":", label="perfect")
    axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}", xlim=limits, ylim=limits)
    axes.grid(alpha=0.25)
    axes.legend(fontsize="small", loc="upper left", title=_errors(true, found), title_fontsize="small")
    return figure


def _errors(true: np.ndarray, found: np.ndarray) -> str:
    """R2, where targets differ, and RMSE."""
    squares, spread = float(((found - true) ** 2).sum()), float(((true - true.mean()) ** 2).sum())
    r2 = f"R² {1 - squares / spread:.3f}\n" if spread else ""
    return f"{r2}RMSE {np.sqrt(squares / len(true)):.4g}"
