"""Reliability diagram. Shapes: N examples, C classes, K bins."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from torch import Tensor
from torchmetrics.functional.classification import binary_calibration_error

from paribus.figures.drawing import new_figure, plain

BINS = 15  # Guo et al. 2017, sec. 3


class _Bins(NamedTuple):
    """Those that hold examples: left edges (K,), number of examples (K,), mean confidence (K,), share true (K,)."""

    edges: np.ndarray
    examples: np.ndarray
    confidence: np.ndarray
    share: np.ndarray


def reliability(probabilities: Tensor, targets: Tensor, names: Sequence[str], *, run: str = "") -> Figure:
    """probabilities (N, C), targets (N,) -> accuracy against confidence, in bins, and how many examples are in each.

    For two classes: the share of the second class against its probability. The expected calibration error in the
    title is torchmetrics': the mean gap, weighted by examples. It has a bin of its own for a confidence of just 1,
    which is drawn with the last one.
    """
    if len(names) == 2:
        confidence, true = probabilities[:, 1].contiguous(), targets == 1
        measured, predicted = f"share of {plain(names[1])}", f"probability of {plain(names[1])}"
    else:
        confidence, classes = probabilities.max(1)
        true, measured, predicted = classes == targets, "accuracy", "confidence in the class predicted"
    error = float(binary_calibration_error(confidence, true.long(), BINS, "l1"))
    figure = new_figure(5.4, 6.2, run)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    bins = _binned(confidence, true)
    words = measured.split()[0], predicted.split()[0]
    _draw_bins(upper, bins, *words)
    upper.set_ylabel(measured)
    _draw_counts(lower, bins, predicted)
    mean, share = float(confidence.double().mean()), float(true.double().mean())
    title = f"Reliability (test); ECE {error:.4f}\nmean {words[1]} {mean:.4f}, {words[0]} {share:.4f}"
    figure.suptitle(title, fontsize=12)
    return figure


def _binned(confidence: Tensor, true: Tensor) -> _Bins:
    """confidence (N,) in 0..1, true (N,) of bool."""
    edges = torch.linspace(0, 1, BINS + 1, dtype=confidence.dtype)
    index = (torch.bucketize(confidence, edges, right=True) - 1).clamp_max(BINS - 1)
    examples = index.bincount(minlength=BINS)
    held = examples > 0
    means = [(index.bincount(values.double(), BINS) / examples)[held].numpy() for values in (confidence, true)]
    return _Bins(edges[:-1][held].numpy(), examples[held].numpy(), *means)


def _draw_bins(axes: Axes, bins: _Bins, measured: str, predicted: str) -> None:
    filled = {"color": "lightskyblue", "edgecolor": "tab:blue", "label": f"{measured} in the bin"}
    _draw_bars(axes, bins.edges, bins.share, **filled)
    gap = bins.confidence - bins.share
    hatched = {"facecolor": "none", "edgecolor": "tab:red", "hatch": "////", "label": f"gap to mean {predicted}"}
    _draw_bars(axes, bins.edges, gap, bottom=bins.share, **hatched)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.25)
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, columnspacing=1)


def _draw_counts(axes: Axes, bins: _Bins, predicted: str) -> None:
    """Logarithmic, as most examples of a good model are in one bin."""
    _draw_bars(axes, bins.edges, bins.examples, color="grey", edgecolor="white")
    axes.set_yscale("log")
    axes.set(ylim=(0.5, 2 * bins.examples.max()), xlabel=predicted, ylabel="examples")
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.grid(alpha=0.25)


def _draw_bars(axes: Axes, edges: np.ndarray, heights: np.ndarray, **style: Any) -> None:
    axes.bar(edges, heights, width=1 / BINS, align="edge", **style)
