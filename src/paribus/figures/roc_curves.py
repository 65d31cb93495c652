"""ROC curves. Shapes: N examples, C classes."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.functional.classification import binary_roc

from paribus.figures.drawing import new_figure, plain

FEW_CLASSES = 10  # up to here there is a curve a class
SHOWN = 3  # curves of the best and of the worst classes, where there are more
CORNER = 0.98  # where no area is smaller, the corner that the curves keep to is shown


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
    figure = new_figure(7.6, 5.2, run)
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
    perfect = [plain(curve.name) for curve in curves if _is_perfect(curve)]
    for curve in curves:
        if _is_perfect(curve):
            continue
        label = f"{min(curve.area, 0.9999):.4f}  {plain(curve.name)}"  # 1.0000 is for perfect curves alone
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
