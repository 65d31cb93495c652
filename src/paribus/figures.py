"""Figures, drawn without a display and without pyplot. Each function gives a Figure; `save` writes it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_roc, multiclass_confusion_matrix

MANY_CLASSES = 12  # above this, numbers and legends no longer fit


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)


def pixels(figure: Figure) -> np.ndarray:
    """(H, W, 3) bytes, for TensorBoard."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def learning_curves(rows: Sequence[dict[str, float]], best_epoch: int) -> Figure:
    """One panel a metric: training and validation over epochs, the best epoch marked."""
    names = sorted((name.removeprefix("val/") for name in rows[0] if name.startswith("val/")), key=_loss_first)
    columns = min(len(names), 3)
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * lines), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axes, name in zip(np.ravel(figure.subplots(lines, columns, squeeze=False)), names, strict=False):
        for stage, word, colour in (("train", "training", "C0"), ("val", "validation", "C1")):
            if f"{stage}/{name}" in rows[0]:
                values = [row[f"{stage}/{name}"] for row in rows]
                axes.plot(epochs, values, label=word, color=colour, marker="." if len(epochs) < 30 else None)
        axes.axvline(best_epoch, color="grey", linestyle=":", label=f"best epoch ({best_epoch})")
        axes.set(xlabel="epoch", title=name)
        axes.legend(fontsize="small")
    for axes in figure.axes[len(names) :]:
        axes.remove()
    return figure


def _loss_first(name: str) -> tuple[bool, str]:
    return name != "loss", name


def confusion_matrix(predicted: Tensor, targets: Tensor, names: Sequence[str]) -> Figure:
    """predicted (N,), targets (N,) -> counts of true class (row) by predicted class (column)."""
    counts = multiclass_confusion_matrix(predicted, targets, len(names)).numpy()
    share = counts / counts.sum(1, keepdims=True).clip(1)
    size = min(max(4.0, 0.6 * len(names) + 2.2), 16.0)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true class", fraction=0.046)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix (test)")
    if len(names) <= 40:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
    if len(names) <= MANY_CLASSES:
        for row, column in np.ndindex(counts.shape):
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    return figure


def roc(probabilities: Tensor, targets: Tensor, names: Sequence[str]) -> Figure:
    """probabilities (N, C), targets (N,) -> one ROC curve a class against the rest; for two, the second's alone."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    axes = figure.subplots()
    for index in range(len(names)) if len(names) > 2 else (1,):
        scores, truth = probabilities[:, index], (targets == index).long()
        if truth.min() == truth.max():
            continue  # a class without examples, or nothing else: no curve
        false_positive, true_positive, _ = binary_roc(scores, truth)
        label = f"{names[index]} ({float(binary_auroc(scores, truth)):.3f})"
        axes.plot(false_positive, true_positive, label=label)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance (0.500)")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC (test), area in brackets")
    if len(names) <= MANY_CLASSES:
        axes.legend(fontsize="small", loc="lower right")
    return figure


def predicted_against_true(predicted: Tensor, targets: Tensor, name: str) -> Figure:
    """predicted (N,), targets (N,), in the target's own units."""
    figure = Figure(figsize=(5.4, 5.2), layout="constrained")
    axes = figure.subplots()
    low, high = float(min(predicted.min(), targets.min())), float(max(predicted.max(), targets.max()))
    axes.plot([low, high], [low, high], color="grey", linestyle=":", label="perfect")
    axes.scatter(targets, predicted, s=14, alpha=0.6)
    axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}", title="Predicted against true (test)")
    axes.legend(fontsize="small")
    return figure
