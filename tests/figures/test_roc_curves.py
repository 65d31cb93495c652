import numpy as np
import pytest
import torch
from drawn import NAMES, outputs, roc
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from paribus import figures


def _legend(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("kind", ["two", "ten"])
def test_roc_areas_are_those_of_scikit_learn(kind: str) -> None:
    probabilities, targets = outputs(len(NAMES[kind]), 2)
    classes = [1] if kind == "two" else list(range(10))
    expected = {NAMES[kind][index]: roc_auc_score(targets == index, probabilities[:, index]) for index in classes}
    *labels, chance = _legend(figures.roc(probabilities, targets, NAMES[kind]))
    assert chance == "0.5000  chance"
    areas = {name: float(area) for area, name in (label.split("  ") for label in labels)}
    assert areas == pytest.approx(expected, abs=5.1e-5) and list(areas.values()) == sorted(areas.values())


def test_many_classes_are_a_mean_a_range_and_the_worst_and_best() -> None:
    probabilities, targets = outputs(25, 3)
    areas = [roc_auc_score(targets == index, probabilities[:, index]) for index in range(25)]
    names = [f"_{index}" for index in range(25)]
    figure = figures.roc(probabilities, targets, names)
    mean, spread, *shown, chance = _legend(figure)
    assert (
        mean == f"{np.mean(areas):.4f}  mean of 25 classes" and spread == "range of all classes" and "chance" in chance
    )
    order = np.argsort(areas)
    assert shown == [f"{areas[index]:.4f}  {names[index]}" for index in [*order[:3], *order[-3:]]]
    assert "of 25 classes" in figure.axes[0].get_title()


def test_mean_curve_has_the_mean_area() -> None:
    probabilities, targets = outputs(25, 3)
    areas = [roc_auc_score(targets == index, probabilities[:, index]) for index in range(25)]
    line = figures.roc(probabilities, targets, NAMES["long"]).axes[0].lines[0]
    assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(np.mean(areas), abs=0.002)


def test_good_curves_are_shown_in_their_corner_and_no_others() -> None:
    good, poor = roc("ten", 12), roc("ten", 3)
    assert (
        "corner" in good.axes[0].get_title() and good.axes[0].get_xlim()[1] <= 0.2 and good.axes[0].get_ylim()[0] > 0.1
    )
    assert "corner" not in poor.axes[0].get_title()
    assert poor.axes[0].get_xlim()[1] >= 1 and poor.axes[0].get_ylim()[0] <= 0
    right, low = good.axes[0].get_xlim()[1], good.axes[0].get_ylim()[0]
    for line in good.axes[0].lines:
        false_positive, true_positive = (np.asarray(rates) for rates in line.get_data())
        assert low < np.interp(right / 2, false_positive, true_positive) and true_positive[0] < low


def test_perfect_curves_are_one_and_nearly_perfect_ones_are_not_called_so() -> None:
    targets = torch.arange(40_000) % 4
    probabilities = torch.eye(4)[targets] * 0.6 + 0.1
    last = int((targets == 3).nonzero()[-1])
    probabilities[last] = torch.tensor([0.1, 0.1, 0.65, 0.15])  # class 2 has one false positive at most, below none
    probabilities[int((targets == 2).nonzero()[0]), 2] = 0.64
    labels = _legend(figures.roc(probabilities, targets, ["a", "b", "c", "d"]))
    assert labels == ["0.9999  c", "1.0000  a, b, d"]


def test_classes_without_examples_have_no_curve_and_that_is_said() -> None:
    probabilities, _ = outputs(4, 2)
    figure = figures.roc(probabilities, torch.arange(600) % 3, ["a", "b", "c", "absent"])
    assert {label.split("  ")[1] for label in _legend(figure)} == {"a", "b", "c", "chance"}
    assert "1 of 4 classes" in figure.axes[0].get_title()
    alone = figures.roc(probabilities, torch.zeros(600, dtype=torch.long), ["a", "b", "c", "absent"])
    assert _legend(alone) == ["0.5000  chance"]
