"""Predicted against true values. Shapes: N examples."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from torch import Tensor

from paribus.figures.drawing import new_figure, plain

FEW_POINTS = 1000  # up to here every example has a point of its own


def predicted_against_true(predicted: Tensor, targets: Tensor, name: str, *, run: str = "") -> Figure:
    """predicted (N,), targets (N,), in the target's own units. Many examples are drawn as their density."""
    true, found, name = targets.double().numpy(), predicted.double().numpy(), plain(name, 40)
    low, high = min(true.min(), found.min()), max(true.max(), found.max())
    margin = 0.04 * (high - low) or 0.5
    limits = low - margin, high + margin
    many = len(true) > FEW_POINTS
    figure = new_figure(6.2 if many else 5.4, 5.5, run)
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
