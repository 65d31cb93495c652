"""Precision, recall and F1 of each class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paribus.figures.drawing import new_figure, plain

MOST = 40  # classes up to which all are shown
WORST, BEST = 30, 10  # shown where there are more
MARKERS = {"recall": ("<", "tab:orange"), "precision": (">", "tab:green"), "f1": ("o", "tab:blue")}


def per_class(rows: Sequence[Mapping[str, Any]], *, run: str = "") -> Figure:
    """One row a class: class, examples, precision, recall, f1 -> all three of each, the class of the worst F1 on top.

    A class whose scores are None, as it was neither seen nor predicted, is left out.
    """
    known = sorted((row for row in rows if row["f1"] is not None), key=lambda row: float(row["f1"]))
    between = len(known) - WORST - BEST if len(known) > MOST else 0
    shown = [*known[:WORST], *known[WORST + between :]]
    figure = new_figure(7.2, 1.6 + 0.2 * max(len(shown), 6), run)
    axes = figure.subplots()
    title = f"{WORST} worst and {BEST} best of {len(known)} classes by F1 (test)" if between else "Classes by F1 (test)"
    if len(known) < len(rows):
        title += f"\nwithout {len(rows) - len(known)} of {len(rows)} classes: no examples"
    axes.set_title(title, fontsize=11)
    gap = 1.5 if between else 0
    _draw_scores(axes, shown, np.arange(len(shown)) + gap * (np.arange(len(shown)) >= WORST))
    axes.axvline(float(np.mean([row["f1"] for row in known])), color="grey", linestyle=":", label="mean F1")
    if between:
        middle = WORST - 0.5 + gap / 2
        axes.axhline(middle, color="grey", linewidth=0.8)
        text = axes.text(0.5, middle, f"{between} classes between", transform=axes.get_yaxis_transform())
        text.set(ha="center", va="center", backgroundcolor="white", fontsize=8)
    figure.legend(loc="outside right upper", fontsize="small")
    return figure


def _draw_scores(axes: Axes, rows: Sequence[Mapping[str, Any]], places: np.ndarray) -> None:
    """Each class at its height, the first on top."""
    scores = {name: np.array([row[name] for row in rows], dtype=float) for name in MARKERS}
    lowest, highest = scores["precision"], scores["recall"]
    axes.hlines(places, np.minimum(lowest, highest), np.maximum(lowest, highest), color="silver", linewidth=2)
    for name, (marker, colour) in MARKERS.items():
        axes.plot(scores[name], places, marker, color=colour, markersize=6, label=name.replace("f1", "F1"))
    labels = [f"{plain(row['class'])} ({row['examples']})" for row in rows]
    axes.set_yticks(places, labels, fontsize=8)
    low = min(0.9, *(float(values.min()) for values in scores.values()))
    margin = 0.05 * (1.05 - low)
    axes.set_xlim(low - margin, 1 + margin)
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.set(xlabel="share", ylabel="class (examples)")
    axes.grid(alpha=0.25)
