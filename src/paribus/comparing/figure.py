"""The figure of a comparison: learning curves with bands above, paired differences below. Drawn without torch.

Shapes: R runs of a variant, E epochs that all of them have.
"""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from paribus.comparing.contrasts import Comparison, Contrast, test_to_train
from paribus.comparing.variants import Variant
from paribus.comparison import CONFIDENCE, summarize
from paribus.metric_names import lower_is_better
from paribus.runs import Run

DPI = 120
# Colours that the colour-blind tell apart: Okabe & Ito 2008, without the yellow, which is too light for lines.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
STYLES = ("-", "--", ":", "-.")  # of the next variants once the colours are used up
WIDTH = 4.6  # of a panel, in inches
LABEL = 40  # letters of a line of a variant's name beside its differences
LETTERS = 11  # of a legend that fit into an inch, its handles counted in
WIDE = 10  # times the lowest loss: from here on the axis is logarithmic
FEW_EPOCHS = 12  # up to here every epoch has a point


class _Curve(NamedTuple):
    """Mean and interval at each epoch that all runs of a variant have."""

    epochs: list[int]
    means: list[float]
    low: list[float]
    high: list[float]


def draw(comparison: Comparison, run: str = "") -> Figure:
    """Losses and the main validation metric over epochs, mean and interval; below the differences, a dot a pair.

    A mean ends where the first of its runs ends; the legend says so.
    """
    names, contrasts = _panels(comparison), comparison.main_contrasts()
    labels = [fill(_plain(each.variant.name), LABEL) for each in contrasts]
    heights = (3.4 if names else 0.01, 1.1 + sum(0.3 + 0.15 * len(label.splitlines()) for label in labels))
    figure = Figure((WIDTH * max(len(names), 2), sum(heights) + 0.9), DPI, layout="constrained")
    grid = figure.add_gridspec(2, max(len(names), 1), height_ratios=heights)
    for place, name in enumerate(names):
        _draw_curves(figure.add_subplot(grid[0, place]), name, comparison.variants)
    if names:
        _draw_legend(figure, f"means and {CONFIDENCE:.0%} intervals over {_over(comparison)}")
    differences = figure.add_subplot(grid[1, :])
    _draw_differences(differences, comparison, contrasts)
    differences.set_yticks(range(len(contrasts)), labels, fontsize=9)
    what = f"{comparison.main}, difference from {_plain(comparison.baseline.name)}: better to the"
    side = "left" if lower_is_better(comparison.main) else "right"
    differences.set_title(fill(f"{what} {side} of 0", int(7 * figure.get_figwidth())), fontsize=11)
    figure.supxlabel(_plain(run), fontsize=8, color="dimgrey")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, as a whole."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    figure.savefig(partial, format="png")
    partial.replace(path)


def _over(comparison: Comparison) -> str:
    return "folds" if comparison.is_of_folds else "seeds"


def _panels(comparison: Comparison) -> list[str]:
    """The losses and what is the main metric in validation, as far as any run wrote them."""
    written = {name for each in comparison.variants for run in each.runs.values() for row in run.rows for name in row}
    main = f"val/{comparison.main.partition('/')[2]}"
    return [name for name in dict.fromkeys(("train/loss", "val/loss", main)) if name in written]


def _draw_curves(axes: Axes, name: str, variants: Sequence[Variant]) -> None:
    curves = [_curve(list(each.runs.values()), name, test_to_train(each)) for each in variants]
    marker = "." if max(len(each.epochs) for each in curves) <= FEW_EPOCHS else ""
    for place, (variant, curve) in enumerate(zip(variants, curves, strict=True)):
        colour, style = _look(place)
        label = _plain(variant.name) + _ending(variant, curve)
        axes.plot(curve.epochs, curve.means, style, marker=marker, color=colour, label=label)
        axes.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)
    lowest = min((value for each in curves for value in each.low), default=0)
    if name.endswith("/loss") and 0 < lowest < max(value for each in curves for value in each.high) / WIDE:
        axes.set_yscale("log")
    axes.set(title=name, xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.grid(alpha=0.25)


def _curve(runs: Sequence[Run], name: str, test_to_train: float) -> _Curve:
    by_epoch = [
        {int(row["epoch"]): row[name] for row in run.rows if isfinite(row.get(name, float("nan")))} for run in runs
    ]
    epochs = sorted(set.intersection(*(set(values) for values in by_epoch)))
    figures = [[values[epoch] for values in by_epoch] for epoch in epochs]  # (E, R)
    if len(runs) == 1:
        alone = [each[0] for each in figures]
        return _Curve(epochs, alone, alone, alone)
    found = [summarize(each, test_to_train) for each in figures]
    return _Curve(epochs, [each.mean for each in found], [each.low for each in found], [each.high for each in found])


def _ending(variant: Variant, curve: _Curve) -> str:
    """Where the mean ends before the longest run does."""
    longest = max((int(run.rows[-1]["epoch"]) for run in variant.runs.values() if run.rows), default=0)
    last = curve.epochs[-1] if curve.epochs else 0
    return f" (to epoch {last}, where the first of its runs ends; the last ends at {longest})" if last < longest else ""


def _draw_legend(figure: Figure, title: str) -> None:
    """Above all panels, which keep their height."""
    lines, labels = figure.axes[0].get_legend_handles_labels()
    columns = min(len(labels), max(1, int(figure.get_figwidth() * LETTERS / max(map(len, labels)))))
    figure.set_figheight(figure.get_figheight() + 0.18 * -(-len(labels) // columns))
    figure.legend(lines, labels, loc="outside upper center", ncols=columns, fontsize="small", title=title)


def _draw_differences(axes: Axes, comparison: Comparison, contrasts: Sequence[Contrast]) -> None:
    """A line for each variant: a dot a pair, and the mean with its interval."""
    axes.axvline(0, color="black", linewidth=1)
    for line, contrast in enumerate(contrasts):
        colour, found = _look(comparison.variants.index(contrast.variant))[0], contrast.difference
        heights = [line - 0.1 - 0.3 * place / found.count for place in range(found.count)]  # equal ones stay apart
        axes.plot(contrast.differences, heights, "o", color=colour, alpha=0.6, markersize=4)
        if found.low is not None and found.high is not None:
            spread = [[found.mean - found.low], [found.high - found.mean]]
            axes.errorbar([found.mean], [line + 0.2], xerr=spread, fmt="D", color=colour, capsize=4, linewidth=2)
    axes.set_ylim(len(contrasts) - 0.5, -0.5)
    axes.set_xlabel(f"dots: one for each pair; diamond: their mean, with its {CONFIDENCE:.0%} interval", fontsize=9)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.grid(alpha=0.25, axis="x")


def _look(place: int) -> tuple[str, str]:
    return COLOURS[place % len(COLOURS)], STYLES[place // len(COLOURS) % len(STYLES)]


def _plain(text: str) -> str:
    """A dollar sign starts no formula."""
    return text.replace("$", r"\$")
