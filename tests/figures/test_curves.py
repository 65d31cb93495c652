import numpy as np
import pytest
from drawn import epoch_rows, regression_rows
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paribus import figures


def _panel(figure: Figure, title: str) -> Axes:
    (axes,) = (axes for axes in figure.axes if axes.get_title().startswith(title))
    return axes


def test_panels_do_not_repeat_one_another() -> None:
    figure = figures.learning_curves(epoch_rows(30), 20)
    titles = [axes.get_title() for axes in figure.axes]
    together = "auroc, f1, precision, recall (validation)"
    assert titles == ["loss (logarithmic axis)", "accuracy", "ece", together, "learning rate"]
    assert [len(axes.get_legend().get_texts()) for axes in figure.axes] == [2, 2, 1, 4, 1]
    regression = figures.learning_curves(regression_rows(4), 2)
    assert [axes.get_title() for axes in regression.axes] == ["loss", "mae", "r2", "rmse", "learning rate"]


def test_best_epoch_is_marked_and_its_values_given() -> None:
    rows = epoch_rows(30)
    figure = figures.learning_curves(rows, 20)
    assert "best epoch: 20 of 30" in figure.get_suptitle()
    for axes in figure.axes:
        assert axes.lines[0].get_xdata() == [20, 20]
    texts = [text.get_text() for text in _panel(figure, "loss").get_legend().get_texts()]
    assert texts == [f"training {rows[19]['train/loss']:#.4g}", f"validation {rows[19]['val/loss']:#.4g}"]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_a_row_lacks_is_a_gap(value: float | None) -> None:
    rows = epoch_rows(40)
    for index in (0, 1, 2, 9, 11):
        if value is None:
            del rows[index]["val/accuracy"]
        else:
            rows[index]["val/accuracy"] = value
    figure = figures.learning_curves(rows, 10)
    _, training, validation = _panel(figure, "accuracy").lines
    drawn = np.asarray(validation.get_ydata())
    assert np.flatnonzero(np.isnan(drawn)).tolist() == [0, 1, 2, 9, 11]
    assert drawn[12] == rows[12]["val/accuracy"] and not np.isnan(training.get_ydata()).any()
    assert validation.get_marker() == "." and validation.get_markevery() == [10]  # else it would not be seen
    assert validation.get_label() == "validation" and training.get_label().startswith("training 0.")
    figures.pixels(figure)


def test_one_epoch_is_seen() -> None:
    for axes in figures.learning_curves(epoch_rows(1), 1).axes:
        assert axes.get_xlim() == (0.5, 1.5) and axes.lines[1].get_markevery() == [0]
