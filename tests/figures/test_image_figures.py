import numpy as np
import pytest
import torch
from drawn import LONG, NAMES, augmented, filters, images, mistakes, outputs
from matplotlib.figure import Figure
from torch import Tensor

from paribus import figures


def _mosaic(figure: Figure) -> np.ndarray:
    (image,) = figure.axes[0].images
    return np.asarray(image.get_array())


def _captions(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def _picture(figure: Figure, index: int, side: int) -> np.ndarray:
    """(side, side, 3) of 0..1: one picture of side x side pixels, read at the middle of each."""
    x, y = figure.axes[0].texts[index].get_position()
    mosaic = _mosaic(figure)
    bottom = int(y) - 1
    while (mosaic[bottom, int(x)] == 255).all():
        bottom -= 1
    size = next(times * side for times in range(1, 999) if times * side >= SIDES[figure.axes[0].get_title()[:5]])
    places = (np.arange(side) + 0.5) * size / side
    rows, columns = (bottom + 1 - size + places).astype(int), (int(x) - size // 2 + places).astype(int)
    return mosaic[rows][:, columns] / 255


SIDES = {"Worst": 180, "Train": 156, "First": 90}  # pixels of a picture in each kind of figure


# ---- worst mistakes


def test_the_worst_mistakes_are_shown_with_their_confidence() -> None:
    probabilities, targets = outputs(10, 4)
    asked: list[Tensor] = []

    def given(positions: Tensor) -> Tensor:
        asked.append(positions)
        return images(positions)

    figure = figures.worst_mistakes(probabilities, targets, NAMES["ten"], given)
    predicted, confidence = probabilities.argmax(1), probabilities.amax(1)
    wrong = sorted(torch.where(predicted != targets)[0].tolist(), key=lambda place: -confidence[place])
    (positions,) = asked
    assert positions.tolist() == wrong[:25]
    expected = [
        f"true: {targets[place]}\npredicted: {predicted[place]}\nconfidence {confidence[place]:.3f}"
        for place in wrong[:25]
    ]
    assert _captions(figure) == expected
    assert f"25 of {len(wrong)} among 600" in figure.axes[0].get_title()
    for index in (0, 6, 24):
        pixels = images(positions)[index, 0].numpy()
        np.testing.assert_allclose(_picture(figure, index, 8), np.stack([pixels] * 3, -1), atol=0.003)


def test_a_model_without_mistakes_is_told_so() -> None:
    figure = figures.worst_mistakes(torch.eye(3), torch.arange(3), ["a", "b", "c"], images)
    assert "none; all 3 examples are right" in figure.get_suptitle()


@pytest.mark.parametrize("shape", [(3, 64, 48), (1, 8, 8), (1, 1, 300), (3, 90, 4), (3, 500, 400)])
def test_captions_overlap_no_picture_and_no_other(shape: tuple[int, int, int]) -> None:
    figure = mistakes("long", shape=shape)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    mosaic, transform = _mosaic(figure), figure.axes[0].transData.inverted()
    for box in boxes:
        (left, bottom), (right, top) = transform.transform([(box.x0, box.y0), (box.x1, box.y1)])
        assert (mosaic[int(top) : int(bottom), int(left) : int(right)] == 255).all()


def test_long_names_are_shortened_and_short_ones_are_not() -> None:
    probabilities, targets = torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([0, 1])
    figure = figures.worst_mistakes(probabilities, targets, ["ant", LONG[0]], images)
    assert _captions(figure)[0] == "true: ant\npredicted: N owl …ots_N\nconfidence 0.900"


# ---- augmented samples


def test_each_row_begins_with_the_original() -> None:
    originals = images(torch.arange(2), 3)
    versions = torch.stack([originals.flip(3), 1 - originals], 1)
    figure = figures.augmented(originals, versions, ["cat", "dog"])
    assert _captions(figure) == ["cat", "", "", "dog", "", ""]
    for row in range(2):
        expected = [originals[row], originals[row].flip(2), 1 - originals[row]]
        mosaic = _mosaic(figure)
        for column, picture in enumerate(expected):
            step = mosaic.shape[0] // 2, mosaic.shape[1] // 3
            size = 160  # the least multiple of 8 from 1.3 inches of 120 dots on
            top, left = row * step[0], column * step[1] + step[1] // 2 - size // 2
            places = np.arange(8) * 20 + 10
            found = mosaic[top + places][:, left + places] / 255
            np.testing.assert_allclose(found, picture.permute(1, 2, 0), atol=0.003)


def test_mixed_pictures_have_a_line_for_each_part() -> None:
    captions = _captions(augmented((3, 32, 32), is_mixed=True))
    assert len(captions) == 15 and captions[5] == "N wren wit…\\$ spots_N"
    first, second = captions[1].split("\n")
    assert first.startswith("0.70 N owl") and first.endswith("+") and second.startswith("0.30 N owl")


# ---- filters


@pytest.mark.parametrize("count", [2, 64, 65])
def test_up_to_64_filters_are_shown(count: int) -> None:
    figure = filters(count, 3, 5, 5)
    assert figure.axes[0].get_title().startswith(f"First-layer filters: {min(count, 64)} of {count}\n")
    assert len(figure.axes[0].texts) == min(count, 64)


def test_a_filter_of_colours_is_grey_at_nought_and_uses_its_whole_range() -> None:
    weights = torch.zeros(2, 3, 3, 3)
    weights[0, 0, 1, 1], weights[0, 1, 1, 2] = 0.2, -0.1
    weights[1] = -5
    figure = figures.filters(weights)
    first, second = _picture(figure, 0, 3), _picture(figure, 1, 3)
    np.testing.assert_allclose(first[1, 1], [1, 0.5, 0.5], atol=0.003)
    np.testing.assert_allclose(first[1, 2], [0.5, 0.25, 0.5], atol=0.003)
    np.testing.assert_allclose(first[0, 0], 0.5, atol=0.003)
    assert (second == 0).all()


def test_a_grey_filter_is_white_at_nought_red_above_and_blue_below() -> None:
    weights = torch.tensor([[[[1.0, -1.0], [0.0, 0.5]]]])
    red, blue, white, light = _picture(figures.filters(weights), 0, 2).reshape(4, 3)
    assert red[0] > 2 * red[2] and blue[2] > 2 * blue[0]
    assert white.min() > 0.95 and light[0] > light[2] > red[2]


def test_filters_that_are_all_nought_can_be_drawn() -> None:
    assert _mosaic(figures.filters(torch.zeros(4, 1, 3, 3))).min() > 150
