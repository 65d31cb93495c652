from functools import cache
from itertools import pairwise

import pytest
import torch
from drawn import NAMES, RUN, confusion
from matplotlib.figure import Figure

from paribus import figures


@cache
def _laid_out(kind: str) -> Figure:
    figure = confusion(kind, run=RUN)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("kind", ["two", "ten", "long", "hundred", "three hundred"])
def test_cells_are_square_and_fill_the_figure(kind: str) -> None:
    figure = _laid_out(kind)
    matrix, bar = (axes.get_window_extent() for axes in figure.axes)
    assert matrix.width / matrix.height == pytest.approx(1, abs=0.25)
    assert bar.height == pytest.approx(matrix.height, rel=0.01)
    tight = figure.get_tightbbox()
    assert tight.width > 0.93 * figure.get_figwidth() and tight.height > 0.93 * figure.get_figheight()


def test_a_row_holds_its_true_class_in_shares_of_it() -> None:
    predicted, targets = torch.tensor([0, 1, 1, 1, 2]), torch.tensor([0, 0, 0, 0, 2])
    axes = figures.confusion_matrix(predicted, targets, ["a", "b", "c"]).axes[0]
    assert axes.images[0].get_array().tolist() == [[0.25, 0.75, 0], [0, 0, 0], [0, 0, 1]]
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    assert numbers[0, 0] == "1" and numbers[1, 0] == "3" and numbers[0, 1] == "0" and len(numbers) == 9


@pytest.mark.parametrize(("kind", "numbered", "named"), [("long", True, True), ("hundred", False, True)])
def test_numbers_and_names_where_they_fit(kind: str, numbered: bool, named: bool) -> None:
    axes = _laid_out(kind).axes[0]
    assert bool(axes.texts) == numbered
    assert (len(axes.get_yticklabels()) == len(NAMES[kind])) == named


@pytest.mark.parametrize("kind", ["two", "ten", "long", "hundred"])
def test_numbers_stay_in_their_cells_and_names_do_not_overlap(kind: str) -> None:
    axes = _laid_out(kind).axes[0]
    cell = axes.get_window_extent().width / len(NAMES[kind])
    assert all(text.get_window_extent().width <= cell for text in axes.texts)
    heights = sorted((box.y0, box.y1) for box in (text.get_window_extent() for text in axes.get_yticklabels()))
    assert all(above[0] > below[1] - 0.35 * cell for below, above in pairwise(heights))
    for text in axes.get_xticklabels():
        if not text.get_rotation():
            assert text.get_window_extent().width < cell


def test_counts_need_little_memory_where_torch_is_deterministic() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        classes = torch.arange(5000) % 1000  # a table of examples times classes squared would be 40 GB
        figure = figures.confusion_matrix(classes, classes, [str(index) for index in range(1000)])
    finally:
        torch.use_deterministic_algorithms(False)
    assert figure.axes[0].images[0].get_array().trace() == 1000
