from itertools import pairwise

import numpy as np
import pytest
from drawn import LONG, score_rows
from matplotlib.figure import Figure

from paribus import figures


def _names(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_yticklabels()]


def _drawn(figure: Figure) -> dict[str, np.ndarray]:
    """The shares from top to bottom, by name in the legend."""
    return {line.get_label(): np.asarray(line.get_xdata()) for line in figure.axes[0].lines[:3]}


@pytest.mark.parametrize("kind", ["two", "ten"])
def test_all_scores_are_drawn_the_worst_on_top(kind: str) -> None:
    rows = score_rows(kind)
    figure = figures.per_class(rows)
    expected = sorted(rows, key=lambda row: row["f1"])
    assert _names(figure) == [f"{row['class']} ({row['examples']})" for row in expected]
    for label, name in (("recall", "recall"), ("precision", "precision"), ("F1", "f1")):
        assert _drawn(figure)[label].tolist() == [row[name] for row in expected]
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top


@pytest.mark.parametrize("kind", ["hundred", "three hundred"])
def test_of_many_classes_the_worst_and_the_best_are_shown(kind: str) -> None:
    rows = score_rows(kind)
    figure = figures.per_class(rows)
    scores = sorted(row["f1"] for row in rows)
    assert _drawn(figure)["F1"].tolist() == scores[:30] + scores[-10:]
    assert f"30 worst and 10 best of {len(rows)}" in figure.axes[0].get_title()
    assert f"{len(rows) - 40} classes between" in {text.get_text() for text in figure.axes[0].texts}
    mean = next(line for line in figure.axes[0].lines if line.get_label() == "mean F1")
    assert mean.get_xdata()[0] == pytest.approx(np.mean(scores))


def test_a_class_neither_seen_nor_predicted_is_left_out_and_that_is_said() -> None:
    rows = score_rows("ten")
    nothing = {"class": "absent", "examples": 0, "precision": None, "recall": None, "f1": None}
    figure = figures.per_class([*rows, nothing])
    assert len(_names(figure)) == 10 and "without 1 of 11 classes" in figure.axes[0].get_title()


def test_names_of_classes_do_not_overlap() -> None:
    figure = figures.per_class(score_rows("long"))
    figure.draw_without_rendering()
    boxes = sorted((box.y0, box.y1) for box in (text.get_window_extent() for text in figure.axes[0].get_yticklabels()))
    assert len(boxes) == len(LONG)
    assert all(above[0] > below[1] for below, above in pairwise(boxes))
