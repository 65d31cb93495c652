"""Confusion matrix. Shapes: N examples, C classes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from torch import Tensor

from paribus.figures.drawing import LETTER, new_figure, plain

FEW_CLASSES = 12  # up to here cells are large and noughts are written
NUMBERED = 40  # classes up to which the matrix holds numbers
NARROWEST, SMALLEST_TEXT = 5.0, 5.0  # points: of a cell with a name, of a number in one


def confusion_matrix(predicted: Tensor, targets: Tensor, names: Sequence[str], *, run: str = "") -> Figure:
    """predicted (N,), targets (N,) -> counts of true class (row) by predicted class (column).

    A row's colours are shares of that true class. Numbers and names are left out where cells are too small for them.
    """
    counts = _counts(predicted, targets, len(names))
    share = counts / counts.sum(1, keepdims=True).clip(1)
    cell = float(np.clip(720 / len(names), 1, 40 if len(names) <= FEW_CLASSES else 26))  # points
    labels = [plain(name) for name in names] if cell >= NARROWEST else []
    size = min(10.0, 0.75 * cell)
    longest = size * LETTER * max((len(label) for label in labels), default=6)
    rotation = 0 if longest < cell or not labels else 45 if cell > 20 else 90
    below = {0: size, 45: 0.75 * longest + size, 90: longest}[rotation]
    side = max(cell * len(names), 150)
    width, height = side + longest + 125, side + below + (85 if run else 70)
    figure = new_figure(width / 72, height / 72, run)
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


def _counts(predicted: Tensor, targets: Tensor, num_classes: int) -> np.ndarray:
    """(N,), (N,) -> (C, C). Where torch is deterministic, torchmetrics would count by a table of N times C squared."""
    cells = (targets * num_classes + predicted).numpy()
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def _write_counts(axes: Axes, counts: np.ndarray, share: np.ndarray, cell: float) -> None:
    """counts (C, C) into cells of `cell` points; noughts only where there are few classes."""
    size = min(11.0, 0.9 * cell / (LETTER * len(str(counts.max()))))
    if size < SMALLEST_TEXT or len(counts) > NUMBERED:
        return
    for row, column in np.argwhere(counts > 0) if len(counts) > FEW_CLASSES else np.ndindex(counts.shape):
        count = counts[row, column]
        colour = "silver" if not count else "white" if share[row, column] > 0.35 else "black"
        text = axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=size)
        text.set_in_layout(False)
