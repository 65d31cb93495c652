from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from sklearn.metrics import r2_score, roc_auc_score, root_mean_squared_error
from torch import Tensor

from paribus import figures

RUN = "digits_cnn/2026-11-21_11-18-24"
LONG = [f"{where} {bird} with $ spots_{where}" for where in "NSEWM" for bird in ("owl", "wren", "gull", "teal", "swan")]
NAMES = {
    "two": ["malignant", "benign"],
    "ten": [str(digit) for digit in range(10)],
    "long": LONG,
    "hundred": [f"class_{index}" for index in range(100)],
    "three hundred": [f"class_{index}" for index in range(300)],
}


def _outputs(num_classes: int, sharpness: float, count: int = 600) -> tuple[Tensor, Tensor]:
    """Probabilities (N, C) and targets (N,); the higher the class, the easier."""
    generator = torch.Generator().manual_seed(1)
    targets = torch.arange(count) % num_classes
    logits = 2 * torch.randn(count, num_classes, generator=generator)
    ease = sharpness * torch.linspace(0.6, 1.3, num_classes)
    logits[torch.arange(count), targets] += ease[targets]
    return logits.softmax(1), targets


def _rows(count: int) -> list[dict[str, float]]:
    rows = []
    for epoch in range(1, count + 1):
        loss = 2 * 0.8**epoch + 0.01
        shares = dict.fromkeys(
            ["train/accuracy", "val/accuracy", "val/f1", "val/precision", "val/recall"], 1 - loss / 4
        )
        losses = {"train/loss": loss, "val/loss": loss + 0.02, "train/learning_rate": 0.001 / epoch}
        rows.append({"epoch": epoch, "step": 40 * epoch, **losses, **shares, "val/auroc": 1 - loss / 40})
    return rows


def _regression_rows(count: int) -> list[dict[str, float]]:
    names = [f"{stage}/{name}" for stage in ("train", "val") for name in ("loss", "mse", "rmse", "mae", "r2")]
    return [
        {"epoch": epoch, "train/learning_rate": 0.001, **dict.fromkeys(names, 9.0 / epoch)} for epoch in range(1, count)
    ]


def _regression(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    targets = 150 + 70 * torch.randn(count, generator=generator)
    return 0.6 * targets + 60 + 30 * torch.randn(count, generator=generator), targets


def _confusion(kind: str, **run: str) -> Figure:
    probabilities, targets = _outputs(len(NAMES[kind]), 5)
    return figures.confusion_matrix(probabilities.argmax(1), targets, NAMES[kind], **run)


def _roc(kind: str, sharpness: float = 3, **run: str) -> Figure:
    return figures.roc(*_outputs(len(NAMES[kind]), sharpness), NAMES[kind], **run)


DRAWN: dict[str, Callable[..., Figure]] = {
    **{f"confusion, {kind}": lambda kind=kind, **run: _confusion(kind, **run) for kind in NAMES},
    **{f"roc, {kind}": lambda kind=kind, **run: _roc(kind, **run) for kind in NAMES},
    "roc, corner": lambda **run: _roc("ten", 12, **run),
    "roc, corner of many": lambda **run: _roc("long", 14, **run),
    "roc, perfect": lambda **run: _roc("long", 60, **run),
    **{
        f"curves, {count}": lambda count=count, **run: figures.learning_curves(_rows(count), (count + 1) // 2, **run)
        for count in (1, 3, 30, 300)
    },
    "curves, none": lambda **run: figures.learning_curves([], 0, **run),
    "curves, a loss alone": lambda **run: figures.learning_curves([{"epoch": 1, "val/loss": 0.5}], 1, **run),
    "curves, regression": lambda **run: figures.learning_curves(_regression_rows(9), 4, **run),
    **{
        f"regression, {count}": lambda count=count, **run: figures.predicted_against_true(
            *_regression(count), "disease progression in $ and € a year, as paid", **run
        )
        for count in (50, 5000)
    },
}


def _texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


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
    boxes = {text: text.get_window_extent() for text in _texts(figure) if text not in unseen}
    return [
        text.get_text()
        for text, box in boxes.items()
        if box.x0 < 1 or box.y0 < 1 or box.x1 > width - 1 or box.y1 > height - 1
    ]


def _legend(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def _panel(figure: Figure, title: str) -> Axes:
    (axes,) = (axes for axes in figure.axes if axes.get_title().startswith(title))
    return axes


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("run", ["", RUN, f"{'a_long_name_' * 40}_7"])
def test_no_text_is_cut_off(name: str, run: str) -> None:
    figure = DRAWN[name](run=run)
    figure.draw_without_rendering()
    assert _texts(figure) and _outside(figure) == []


def test_a_text_that_is_cut_off_is_noticed() -> None:
    figure = DRAWN["confusion, long"]()
    figure.set_size_inches(3, 3)
    figure.draw_without_rendering()
    assert _outside(figure)


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_names_its_run_if_told(name: str) -> None:
    assert RUN in {text.get_text() for text in _texts(DRAWN[name](run=RUN))}
    assert RUN not in {text.get_text() for text in _texts(DRAWN[name]())}


def test_the_file_and_the_pixels_are_the_same_picture(tmp_path: Path) -> None:
    figure = _roc("ten")
    figures.save(figure, tmp_path / "figures" / "roc.png")
    stored = np.rint(imread(tmp_path / "figures" / "roc.png")[..., :3] * 255)
    assert stored.shape == (624, 912, 3) and stored.std() > 10
    assert np.array_equal(stored, figures.pixels(figure))


def test_pixels_follow_a_change() -> None:
    figure = _roc("two")
    before = figures.pixels(figure).copy()
    figure.axes[0].set_title("another title")
    assert not np.array_equal(before, figures.pixels(figure))


# ---- confusion matrix


@pytest.mark.parametrize("kind", ["two", "ten", "long", "hundred", "three hundred"])
def test_cells_are_square_and_fill_the_figure(kind: str) -> None:
    figure = _confusion(kind, run=RUN)
    figure.draw_without_rendering()
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
    axes = _confusion(kind).axes[0]
    assert bool(axes.texts) == numbered
    assert (len(axes.get_yticklabels()) == len(NAMES[kind])) == named


@pytest.mark.parametrize("kind", ["two", "ten", "long", "hundred"])
def test_numbers_stay_in_their_cells_and_names_do_not_overlap(kind: str) -> None:
    figure = _confusion(kind)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    cell = axes.get_window_extent().width / len(NAMES[kind])
    assert all(text.get_window_extent().width <= cell for text in axes.texts)
    heights = sorted((box.y0, box.y1) for box in (text.get_window_extent() for text in axes.get_yticklabels()))
    assert all(above[0] > below[1] - 0.35 * cell for below, above in pairwise(heights))
    for text in axes.get_xticklabels():
        if not text.get_rotation():
            assert text.get_window_extent().width < cell


# ---- ROC


@pytest.mark.parametrize("kind", ["two", "ten"])
def test_roc_areas_are_those_of_scikit_learn(kind: str) -> None:
    probabilities, targets = _outputs(len(NAMES[kind]), 2)
    classes = [1] if kind == "two" else list(range(10))
    expected = {NAMES[kind][index]: roc_auc_score(targets == index, probabilities[:, index]) for index in classes}
    *labels, chance = _legend(figures.roc(probabilities, targets, NAMES[kind]))
    assert chance == "0.5000  chance"
    areas = {name: float(area) for area, name in (label.split("  ") for label in labels)}
    assert areas == pytest.approx(expected, abs=5.1e-5) and list(areas.values()) == sorted(areas.values())


def test_many_classes_are_a_mean_a_range_and_the_worst_and_best() -> None:
    probabilities, targets = _outputs(25, 3)
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
    probabilities, targets = _outputs(25, 3)
    areas = [roc_auc_score(targets == index, probabilities[:, index]) for index in range(25)]
    line = figures.roc(probabilities, targets, NAMES["long"]).axes[0].lines[0]
    assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(np.mean(areas), abs=0.002)


def test_good_curves_are_shown_in_their_corner_and_no_others() -> None:
    good, poor = _roc("ten", 12), _roc("ten", 3)
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
    probabilities, _ = _outputs(4, 2)
    figure = figures.roc(probabilities, torch.arange(600) % 3, ["a", "b", "c", "absent"])
    assert {label.split("  ")[1] for label in _legend(figure)} == {"a", "b", "c", "chance"}
    assert "1 of 4 classes" in figure.axes[0].get_title()
    alone = figures.roc(probabilities, torch.zeros(600, dtype=torch.long), ["a", "b", "c", "absent"])
    assert _legend(alone) == ["0.5000  chance"]


# ---- learning curves


def test_panels_do_not_repeat_one_another() -> None:
    figure = figures.learning_curves(_rows(30), 20)
    titles = [axes.get_title() for axes in figure.axes]
    together = "auroc, f1, precision, recall (validation)"
    assert titles == ["loss (logarithmic axis)", "accuracy", together, "learning rate"]
    assert [len(axes.get_legend().get_texts()) for axes in figure.axes] == [2, 2, 4, 1]
    regression = figures.learning_curves(_regression_rows(4), 2)
    assert [axes.get_title() for axes in regression.axes] == ["loss", "mae", "r2", "rmse", "learning rate"]


def test_best_epoch_is_marked_and_its_values_given() -> None:
    rows = _rows(30)
    figure = figures.learning_curves(rows, 20)
    assert "best epoch: 20 of 30" in figure.get_suptitle()
    for axes in figure.axes:
        assert axes.lines[0].get_xdata() == [20, 20]
    texts = [text.get_text() for text in _panel(figure, "loss").get_legend().get_texts()]
    assert texts == [f"training {rows[19]['train/loss']:#.4g}", f"validation {rows[19]['val/loss']:#.4g}"]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_a_row_lacks_is_a_gap(value: float | None) -> None:
    rows = _rows(40)
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
    for axes in figures.learning_curves(_rows(1), 1).axes:
        assert axes.get_xlim() == (0.5, 1.5) and axes.lines[1].get_markevery() == [0]


# ---- regression


@pytest.mark.parametrize("count", [50, 5000])
def test_regression_shows_every_example_and_the_errors(count: int) -> None:
    predicted, targets = _regression(count)
    axes = figures.predicted_against_true(predicted, targets, "y").axes[0]
    r2, rmse = (line.split()[1] for line in axes.get_legend().get_title().get_text().splitlines())
    assert float(r2) == pytest.approx(r2_score(targets, predicted), abs=6e-4)
    assert float(rmse) == pytest.approx(root_mean_squared_error(targets, predicted), rel=6e-4)
    (drawn,) = axes.collections
    assert (drawn.get_array().sum() if count > 1000 else len(drawn.get_offsets())) == count
    assert axes.get_xlim() == axes.get_ylim()


@pytest.mark.parametrize("count", [1, 5, 2000])
def test_regression_on_a_constant_can_be_drawn(count: int) -> None:
    figure = figures.predicted_against_true(torch.full((count,), 3.0), torch.full((count,), 3.0), "y")
    assert figures.pixels(figure).std() > 1
    assert figure.axes[0].get_legend().get_title().get_text() == "RMSE 0"
