from pathlib import Path

import numpy as np
import pytest
from drawn import DRAWN, RUN, roc, texts
from matplotlib.figure import Figure
from matplotlib.image import imread

from paribus import figures


def _outside(figure: Figure) -> list[str]:
    """The texts of a drawn figure that are cut off; those of ticks beyond the limits are not drawn at all."""
    width, height = figure.bbox.size
    unseen = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks() + axis.get_minor_ticks()
            beyond = [tick for tick in ticks if not low - 1e-9 <= tick.get_loc() <= high + 1e-9]
            unseen |= {label for tick in beyond for label in (tick.label1, tick.label2)}
    boxes = {text: text.get_window_extent() for text in texts(figure) if text not in unseen}
    return [
        text.get_text()
        for text, box in boxes.items()
        if box.x0 < 1 or box.y0 < 1 or box.x1 > width - 1 or box.y1 > height - 1
    ]


@pytest.mark.parametrize("name", DRAWN)
def test_the_run_is_named_and_no_text_is_cut_off(name: str) -> None:
    figure = DRAWN[name](run=f"{'a_long_name_' * 40}_7")
    figure.draw_without_rendering()
    assert sum(text.get_text().startswith("a_long_name_") for text in texts(figure)) == 1
    assert _outside(figure) == []


@pytest.mark.parametrize("name", ["confusion, ten", "roc, long", "curves, 3", "classes, two", "mistakes, long"])
def test_without_a_run_no_text_is_cut_off(name: str) -> None:
    figure = DRAWN[name](run="")
    figure.draw_without_rendering()
    assert _outside(figure) == []


def test_a_text_that_is_cut_off_is_noticed() -> None:
    figure = DRAWN["confusion, long"]()
    figure.set_size_inches(3, 3)
    figure.draw_without_rendering()
    assert _outside(figure)


def test_a_figure_names_its_run_if_told() -> None:
    assert RUN in {text.get_text() for text in texts(roc("two", run=RUN))}
    assert RUN not in {text.get_text() for text in texts(roc("two"))}


def test_the_file_and_the_pixels_are_the_same_picture(tmp_path: Path) -> None:
    figure = roc("ten")
    figures.save(figure, tmp_path / "figures" / "roc.png")
    stored = np.rint(imread(tmp_path / "figures" / "roc.png")[..., :3] * 255)
    assert stored.shape == (624, 912, 3) and stored.std() > 10
    assert np.array_equal(stored, figures.pixels(figure))


def test_pixels_follow_a_change() -> None:
    figure = roc("two")
    before = figures.pixels(figure).copy()
    figure.axes[0].set_title("another title")
    assert not np.array_equal(before, figures.pixels(figure))
