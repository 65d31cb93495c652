"""Figures and tables made of texts. Shapes: N examples, C classes."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from torch import Tensor

from paribus.figures.drawing import new_figure, plain

MOST_DRAWN, MOST_LISTED = 25, 1000
SIZE = 8.0  # points
ROW = 0.2  # inches
COLUMNS = {"text": 5.4, "true": 1.6, "predicted": 1.6, "confidence": 0.8}  # inches
WIDE = 0.66  # width of a letter in units of the font size, where many are capitals
NO_GLYPH = "□"  # for a letter that the font does not have; the table that is no figure has it

Texts = Callable[[Tensor], list[str]]


def confident_mistakes(
    probabilities: Tensor, targets: Tensor, names: Sequence[str], texts: Texts
) -> list[dict[str, Any]]:
    """probabilities (N, C), targets (N,) -> a row for each example that is wrong, the most confident first.

    Each has text, true, predicted and confidence; there are MOST_LISTED at most. `texts` gives the text of examples by
    position, (n,).
    """
    confidence, predicted = probabilities.max(1)
    wrong = (predicted != targets).nonzero().squeeze(1)
    order = wrong[confidence[wrong].argsort(descending=True, stable=True)][:MOST_LISTED]
    found = zip(texts(order), targets[order], predicted[order], confidence[order], strict=True)
    return [
        {"text": text, "true": names[true], "predicted": names[chosen], "confidence": float(share)}
        for text, true, chosen, share in found
    ]


def worst_texts(probabilities: Tensor, targets: Tensor, names: Sequence[str], texts: Texts, *, run: str = "") -> Figure:
    """As confident_mistakes, drawn as a table; long texts and names lose their middle, and white space is one space."""
    rows = confident_mistakes(probabilities, targets, names, texts)[:MOST_DRAWN]
    if not rows:
        figure = new_figure(5.4, 0.9, run)
        figure.suptitle(f"Worst mistakes (test): none; all {len(targets)} examples are right", fontsize=11)
        return figure
    wrong = int((probabilities.argmax(1) != targets).sum())
    figure = new_figure(sum(COLUMNS.values()) + 0.4, ROW * len(rows) + 1.1, run)
    figure.suptitle(f"Worst mistakes (test): {len(rows)} of {wrong} among {len(targets)} examples", fontsize=11)
    every = figure.subplots(1, len(COLUMNS), width_ratios=list(COLUMNS.values()))
    for axes, (column, width) in zip(every, COLUMNS.items(), strict=True):
        axes.set(ylim=(len(rows), 0), xlim=(0, width), xticks=[], yticks=[], frame_on=False)
        axes.set_title(column, loc="left", fontsize=SIZE, fontweight="bold")
        for place, row in enumerate(rows):
            if place % 2 == 0:
                axes.axhspan(place, place + 1, color="whitesmoke", linewidth=0)
            cell = axes.text(0.03, place + 0.5, _shown(row[column], width), va="center", fontsize=SIZE, clip_on=True)
            cell.set_in_layout(False)  # there is room for it already, and to look for some is slow
    return figure


def _shown(value: str | float, width: float) -> str:
    """What stands in a cell of `width` inches."""
    if isinstance(value, float):
        return f"{value:.3f}"
    drawable = "".join(letter if ord(letter) in _glyphs() else NO_GLYPH for letter in " ".join(value.split()))
    return plain(drawable, int(width * 72 / (SIZE * WIDE)))


@cache
def _glyphs() -> frozenset[int]:
    """The code points that the font of figures can draw; of each other one matplotlib would warn."""
    return frozenset(FT2Font(findfont("DejaVu Sans")).get_charmap())
