"""The figure of a study: the panels that its YAML asks for. Drawn without torch."""

import re
from collections.abc import Sequence
from math import exp, isfinite, log
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from paribus.comparing.figure import COLOURS, DPI, STYLES
from paribus.comparison import CONFIDENCE, summarize
from paribus.studies.cells import Cell
from paribus.studies.study import Panel, Study

WIDTH, HEIGHT = 4.8, 3.6  # of a panel, in inches
LETTERS = 46  # of a line above a panel
MARKERS = "oDs^vPX*"


def draw(study: Study, every: Sequence[Cell], verdict: str, run: str) -> Figure:
    """One panel beside the other, below the claim and the verdict."""
    figure = Figure((WIDTH * len(study.figure), HEIGHT + 0.9), DPI, layout="constrained")
    axes = figure.subplots(1, len(study.figure), squeeze=False)[0]
    for each, panel in zip(axes, study.figure, strict=True):
        shown = [cell for cell in every if not panel.arms or cell.arm in panel.arms]
        DRAWN[panel.kind](each, panel, shown, list(study.arms))
        each.set_title(fill(_plain(panel.title or panel.metric), LETTERS), fontsize=10)
        each.grid(alpha=0.25)
    figure.suptitle(fill(_plain(f"{study.claim} - {verdict}"), int(11 * WIDTH * len(study.figure))), fontsize=11)
    figure.supxlabel(f"means and {CONFIDENCE:.0%} intervals over seeds · {run}", fontsize=8, color="dimgrey")
    return figure


def _dots(axes: Axes, panel: Panel, every: Sequence[Cell], arms: Sequence[str]) -> None:
    """A dot a run, and beside them mean and interval."""
    for place, cell in enumerate(every):
        values, colour = list(cell.values(panel.metric).values()), _colour(cell.arm, arms)
        axes.plot([place - 0.12] * len(values), values, "o", color=colour, alpha=0.5, markersize=4)
        if values:
            mean, low, high = _interval(values, panel)
            axes.errorbar([place + 0.12], [mean], yerr=[[mean - low], [high - mean]], fmt="D", color=colour, capsize=4)
    longest = max(len(cell.name) for cell in every)
    axes.set_xticks(
        range(len(every)),
        [fill(_plain(cell.name), 16) if longest < 24 else _plain(cell.name) for cell in every],
        rotation=0 if len(every) <= 4 and longest < 24 else 40,
        ha="center" if len(every) <= 4 and longest < 24 else "right",
        fontsize=8,
    )
    axes.set_xlim(-0.6, len(every) - 0.4)
    _scale(axes, panel)


def _curves(axes: Axes, panel: Panel, every: Sequence[Cell], arms: Sequence[str]) -> None:
    """Over epochs, as far as all runs of a cell went; those that diverged are left out."""
    for cell in every:
        runs = [run for pair, run in cell.runs.items() if pair in cell.figures and run.is_finished]
        rows = [
            [row[panel.metric] for row in run.rows if isfinite(row.get(panel.metric, float("nan")))] for run in runs
        ]
        epochs = min(map(len, rows), default=0)
        points = [(epoch + 1, [values[epoch] for values in rows]) for epoch in range(epochs)]
        note = f" ({cell.num_diverged} diverged)" if cell.num_diverged else ""
        _line(axes, points, cell.name + note, panel, cell, arms)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    _finish(axes, panel, "epoch")


def _over(axes: Axes, panel: Panel, every: Sequence[Cell], arms: Sequence[str]) -> None:
    """Against a setting of the cells that have it: numbers at their place, other values side by side."""
    assert panel.x is not None
    values = list(dict.fromkeys(cell.settings[panel.x] for cell in every if panel.x in cell.settings))
    places = _places(values)
    if places is None:
        places = {value: float(place) for place, value in enumerate(values)}
        axes.set_xticks(list(places.values()), [_plain(value) for value in values], fontsize=8)
    for arm in dict.fromkeys(cell.arm for cell in every):
        own = [cell for cell in every if cell.arm == arm and panel.x in cell.settings]
        points = [(places[cell.settings[panel.x]], list(cell.values(panel.metric).values())) for cell in own]
        points = sorted((at, values) for at, values in points if values)
        if own:
            _line(axes, points, arm, panel, own[0], arms)
    _finish(axes, panel, panel.x)


def _places(values: Sequence[str]) -> dict[str, float] | None:
    """The numbers that the values are; None where one is none."""
    try:
        return {value: float(value) for value in values}
    except ValueError:
        return None


def _depth(axes: Axes, panel: Panel, every: Sequence[Cell], arms: Sequence[str]) -> None:
    """The figures METRIC/1, METRIC/2 ... against their number."""
    pattern = re.compile(rf"{re.escape(panel.metric)}/(\d+)$")
    for cell in every:
        names = {name for figures in cell.figures.values() for name in figures}
        numbers = sorted(int(found.group(1)) for name in names if (found := pattern.match(name)))
        points = [(number, list(cell.values(f"{panel.metric}/{number}").values())) for number in numbers]
        _line(axes, points, cell.name, panel, cell, arms)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    _finish(axes, panel, "layer")


DRAWN = {"dots": _dots, "curves": _curves, "over": _over, "depth": _depth}


def _line(
    axes: Axes,
    points: Sequence[tuple[float, list[float]]],
    label: str,
    panel: Panel,
    cell: Cell,
    arms: Sequence[str],
) -> None:
    """Mean and band."""
    found = [(at, *_interval(values, panel)) for at, values in points if values]
    colour = _colour(cell.arm, arms)
    style = STYLES[len([line for line in axes.lines if line.get_color() == colour]) % len(STYLES)]
    marker = MARKERS[arms.index(cell.arm) % len(MARKERS)] if len(found) <= 12 else None
    places = [at for at, *_ in found]
    axes.plot(
        places, [each[1] for each in found], style, color=colour, marker=marker, markersize=4, label=_plain(label)
    )
    axes.fill_between(
        places, [each[2] for each in found], [each[3] for each in found], color=colour, alpha=0.2, linewidth=0
    )


def _finish(axes: Axes, panel: Panel, across: str) -> None:
    axes.set_xlabel(across, fontsize=9)
    _scale(axes, panel)
    axes.legend(fontsize=8)


def _scale(axes: Axes, panel: Panel) -> None:
    """Logarithmic where asked for, and where there is something above 0 to show."""
    if "x" in panel.log and _has_positive([line.get_xdata() for line in axes.lines]):
        axes.set_xscale("log")
    if "y" in panel.log and _has_positive([line.get_ydata() for line in axes.lines]):
        axes.set_yscale("log")
    else:
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _has_positive(lines: Sequence[Any]) -> bool:
    return any(value > 0 for line in lines for value in line)


def _interval(values: Sequence[float], panel: Panel) -> tuple[float, float, float]:
    """Mean, and the interval where there are values enough for one; of logarithms on a logarithmic axis."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    if "y" in panel.log and min(values) > 0:
        found = summarize([log(value) for value in values])
        return exp(found.mean), exp(found.low), exp(found.high)
    found = summarize(values)
    return found.mean, found.low, found.high


def _colour(arm: str, arms: Sequence[str]) -> str:
    return COLOURS[arms.index(arm) % len(COLOURS)]


def _plain(text: str) -> str:
    """A dollar sign starts no formula."""
    return text.replace("$", r"\$")
