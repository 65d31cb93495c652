from itertools import pairwise

import pytest
import torch
from drawn import LONG, NAMES, RUN, outputs, texts
from matplotlib.figure import Figure
from torch import Tensor

from paribus import figures

HARD = [
    "costs $5 or $x^2$ \\frac{1}{2}",
    "line\none\r\nand\ttwo",
    "שלום עולם",
    "日本語 😀",
    "W" * 400,
    "\x07 bell",
    "{brace} _under_ % & #",
]


def _given(positions: Tensor) -> list[str]:
    return [f"text no {place}" for place in positions.tolist()]


def _hard(positions: Tensor) -> list[str]:
    return [HARD[place % len(HARD)] for place in positions.tolist()]


def _column(figure: Figure, place: int) -> list[str]:
    return [text.get_text() for text in figure.axes[place].texts]


def _expected() -> list[tuple[int, int, int, float]]:
    """Position, true, predicted and confidence of each mistake, the most confident first."""
    probabilities, targets = outputs(10, 4)
    confidence, predicted = probabilities.max(1)
    rows = zip(range(600), targets.tolist(), predicted.tolist(), confidence.tolist(), strict=True)
    return sorted((row for row in rows if row[1] != row[2]), key=lambda row: -row[3])


def test_all_mistakes_are_listed_the_most_confident_first() -> None:
    found = figures.confident_mistakes(*outputs(10, 4), NAMES["ten"], _given)
    assert found == [
        {"text": f"text no {place}", "true": str(true), "predicted": str(chosen), "confidence": share}
        for place, true, chosen, share in _expected()
    ]


def test_the_figure_shows_the_first_of_them() -> None:
    figure = figures.worst_texts(*outputs(10, 4), NAMES["ten"], _given, run=RUN)
    rows = _expected()
    assert figure.get_suptitle() == f"Worst mistakes (test): 25 of {len(rows)} among 600 examples"
    assert [axes.get_title("left") for axes in figure.axes] == ["text", "true", "predicted", "confidence"]
    for place, column in enumerate(zip(*rows[:25], strict=True)):
        expected = [(f"text no {each}", str(each), str(each), f"{each:.3f}")[place] for each in column]
        assert _column(figure, place) == expected


def test_a_model_without_mistakes_has_none() -> None:
    perfect = torch.eye(3), torch.arange(3), ["a", "b", "c"], _given
    assert figures.confident_mistakes(*perfect) == []
    assert "none; all 3 examples are right" in figures.worst_texts(*perfect).get_suptitle()


def test_any_text_can_be_drawn_and_stays_in_its_column() -> None:
    figure = figures.worst_texts(*outputs(25, 4), LONG, _hard, run=RUN)
    assert figures.pixels(figure).std() > 0  # a warning of a letter that no font has would be an error
    shown = _column(figure, 0)
    assert all("\n" not in text and len(text) < 90 for text in shown)
    assert "line one and two" in shown and any(text.startswith("costs \\$5 or \\$x^2\\$") for text in shown)
    assert all(cell.get_clip_on() for axes in figure.axes for cell in axes.texts)
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


@pytest.mark.parametrize("count", [1, 2, 25])
def test_rows_are_evenly_spaced_and_all_within_the_figure(count: int) -> None:
    probabilities, targets = torch.tensor([[0.9, 0.1]]).expand(count, 2), torch.ones(count, dtype=torch.int64)
    figure = figures.worst_texts(probabilities, targets, ["no", "yes"], _hard, run=RUN)
    figure.draw_without_rendering()
    height = figure.bbox.height
    tops = [cell.get_window_extent().y1 for cell in figure.axes[3].texts]
    assert len(tops) == count and all(0 < top < height for top in tops)
    assert all(one - other >= 10 for one, other in pairwise(tops))  # pixels
    assert all(cell.get_text() for cell in texts(figure))
