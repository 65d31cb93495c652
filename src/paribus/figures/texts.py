"""Figures and tables made of texts. Shapes: N examples, C classes."""

from collections.abc import Callable, Mapping, Sequence
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
        return table([], {}, f"Worst mistakes (test): none; all {len(targets)} examples are right", run=run)
    wrong = int((probabilities.argmax(1) != targets).sum())
    title = f"Worst mistakes (test): {len(rows)} of {wrong} among {len(targets)} examples"
    return table(rows, COLUMNS, title, run=run)


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, float], title: str, *, run: str) -> Figure:
    """Rows of texts and numbers below each other; columns: the width of each, inches. Without rows the title alone."""
    if not rows:
        figure = new_figure(5.4, 0.9, run)
        figure.suptitle(title, fontsize=11)
        return figure
    figure = new_figure(sum(columns.values()) + 0.4, ROW * len(rows) + 1.1, run)
    figure.suptitle(title, fontsize=11)
    every = figure.subplots(1, len(columns), width_ratios=list(columns.values()))
    for axes, (column, width) in zip(every, columns.items(), strict=True):
        axes.set(ylim=(len(rows), 0), xlim=(0, width), xticks=[], yticks=[], frame_on=False)
        axes.set_title(column, loc="left", fontsize=SIZE, fontweight="bold")
        for place, row in enumerate(rows):
            if place % 2 == 0:
                axes.axhspan(place, place + 1, color="whitesmoke", linewidth=0)
            cell = axes.text(0.03, place + 0.5, _shown(row[column], width), va="center", fontsize=SIZE, clip_on=True)
            cell.set_in_layout(False)  # there is room for it already, and to look for some is slow
    return figure


def drawable(text: str) -> str:
    """The text with NO_GLYPH for each letter of which matplotlib would warn."""
    return "".join(letter if ord(letter) in _glyphs() else NO_GLYPH for letter in text)


def letters(width: float) -> int:
    """How many letters stand in a cell of `width` inches."""
    return int(width * 72 / (SIZE * WIDE))


def _shown(value: str | float, width: float) -> str:
    """What stands in a cell of `width` inches."""
    if isinstance(value, float):
        return f"{value:.3f}"
    return plain(drawable(" ".join(value.split())), letters(width))


@cache
def _glyphs() -> frozenset[int]:
    """The code points that the font of figures can draw."""
    return frozenset(FT2Font(findfont("DejaVu Sans")).get_charmap())
