from itertools import pairwise

import numpy as np
import pytest
import torch
from drawn import RUN, texts
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from sacrebleu.metrics import BLEU
from torch import Tensor

from paribus import figures, scores
from paribus.figures.attention import readable

ODD = ["ĠHe", "Ċ", "", " ", "\t", "\r\n", "\x07", "日本", "\ud800", "$x$", "\u200f", "a" * 60, "שלום", "Ġ$"]


def _weights(outputs: int, sources: int) -> Tensor:
    return torch.rand(outputs, sources, generator=torch.Generator().manual_seed(0)).softmax(1)


def _names(count: int) -> list[str]:
    return [f"t{number}" for number in range(count)]


def _attention(*shapes: tuple[int, int], run: str = "") -> Figure:
    sources, outputs = [_names(source) for _, source in shapes], [_names(output) for output, _ in shapes]
    return figures.attention([_weights(*shape) for shape in shapes], sources, outputs, run=run)


def _maps(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def _drawn(axes: Axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def test_a_map_has_a_row_for_each_output_token_and_a_column_for_each_of_the_source() -> None:
    figure = figures.attention([_weights(2, 3)], [["ein", "Hund", "<end>"]], [["dog", "<end>"]], run=RUN)
    (axes,) = _maps(figure)
    assert np.array_equal(_drawn(axes), _weights(2, 3).numpy())
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ein", "Hund", "<end>"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog", "<end>"]
    assert axes.images[0].get_clim() == (0, 1) and axes.yaxis_inverted()
    assert any(text.get_text() == RUN for text in texts(figure))


def test_cells_are_of_one_size_and_maps_apart() -> None:
    figure = _attention((9, 20), (2, 3), (12, 4), run=RUN)
    figure.draw_without_rendering()
    every = _maps(figure)
    sizes = [np.diff(axes.transData.transform([(0, 0), (1, 1)]), axis=0)[0] for axes in every]
    assert np.abs(sizes).min() > 9 and np.ptp(np.abs(sizes)) < 1  # pixels
    boxes = [axes.get_tightbbox() for axes in figure.axes if axes.axison]
    assert len(boxes) == 4  # with the one of the colours
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place] if one and other)
    assert all(box and box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_tokens_do_not_touch_each_other() -> None:
    figure = _attention((40, 40))
    figure.draw_without_rendering()
    (axes,) = _maps(figure)
    across = [label.get_window_extent() for label in axes.get_xticklabels()]
    down = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(one.x1 < other.x0 for one, other in pairwise(across))
    assert all(one.y0 > other.y1 for one, other in pairwise(down))


def test_of_long_sequences_the_start_is_shown_and_of_many_the_first_four() -> None:
    figure = _attention(*[(64, 120)] * 5)
    every = _maps(figure)
    assert len(every) == 4
    assert np.array_equal(_drawn(every[0]), _weights(64, 120)[:40, :40].numpy())
    assert every[0].get_xlabel() == "source (first 40 of 120 tokens)"
    assert every[0].get_ylabel() == "output (first 40 of 64 tokens)"
    assert _maps(_attention((40, 40)))[0].get_xlabel() == "source"


def test_what_cannot_be_seen_is_shown_by_a_sign() -> None:
    signs = {
        "ĠHe": "▁He",
        "Ġ": "▁",
        " ": "␣",
        "a\tb": "a␣b",
        "\n": "↵",
        "Ċ": "↵",
        "": "∅",
        "日": "□",
        "\x07": "□",
        "\u200f": "□",
    }
    assert {token: readable(token) for token in signs} == signs
    assert readable("Donaudampfschifffahrt") == "Donauda…ffahrt" and len(readable("a" * 99)) == 14
    assert all(readable(token).strip() for token in ODD)


@pytest.mark.parametrize("weights", [_weights(len(ODD), len(ODD)), torch.full((14, 14), torch.nan)])
def test_any_tokens_and_weights_can_be_drawn(weights: Tensor) -> None:
    figure = figures.attention([weights.bfloat16()], [ODD], [ODD], run=RUN)
    assert figures.pixels(figure).std() > 0  # a warning of a letter that no font has would be an error


def test_without_a_token_there_is_no_map() -> None:
    for weights, output in ([], []), ([torch.zeros(0, 2)], [[]]):
        figure = figures.attention(weights, [["a", "b"]] * len(weights), output)
        assert not _maps(figure) and figure.get_suptitle() == "Attention: no token was written"


def _corpus(count: int) -> tuple[list[int], list[str], list[list[str]]]:
    """Lengths, outputs and references; the longer, the more words are wrong, and one is far longer than all others."""
    lengths = [3 + place % 17 for place in range(count - 1)] + [300]
    true = [[f"w{(place + step) % 7}" for step in range(length)] for place, length in enumerate(lengths)]
    outputs = [" ".join("x" if step % 20 > 12 else word for step, word in enumerate(words)) for words in true]
    return lengths, outputs, [[" ".join(words)] for words in true]


def _bars(figure: Figure) -> list[tuple[int, int, int, float]]:
    """Shortest and longest source, how many, and the score."""
    (axes,) = figure.axes
    (container,) = (each for each in axes.containers if isinstance(each, BarContainer))
    found = []
    for label, bar in zip(axes.get_xticklabels(), container.patches, strict=True):
        lengths, count = label.get_text().split("\nn = ")
        shortest, _, longest = lengths.partition("–")
        found.append((int(shortest), int(longest or shortest), int(count), float(bar.get_height())))
    return found


def test_bleu_by_length_is_that_of_each_bucket() -> None:
    lengths, outputs, references = _corpus(400)
    figure = figures.score_by_length("translation", lengths, outputs, references, run=RUN)
    assert figure.get_suptitle() == "BLEU by source length (test)"
    bars = _bars(figure)
    assert len(bars) > 4 and bars[-1][1] == 300 and sum(count for _, _, count, _ in bars) == 400
    for shortest, longest, count, score in bars:
        places = [place for place, length in enumerate(lengths) if shortest <= length <= longest]
        true = [[references[place][0] for place in places]]
        assert len(places) == count >= 20
        assert score == pytest.approx(BLEU().corpus_score([outputs[place] for place in places], true).score)


def test_exact_matches_by_length_have_the_interval_of_wilson() -> None:
    outputs, references = ["right"] * 81 + ["wrong"] * 263, [["right"]] * 344
    figure = figures.score_by_length("exact", [5] * 344, outputs, references)
    assert _bars(figure) == [(5, 5, 344, pytest.approx(81 / 344))]
    (low, high) = figure.axes[0].collections[0].get_segments()[0][:, 1]  # type: ignore[attr-defined]
    share, count, z = 81 / 344, 344, 1.959964
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    assert (low, high) == pytest.approx((middle - half, middle + half))


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([4], [(4, 4, 1)]),
        ([1, 2, 3], [(1, 3, 3)]),
        ([1] * 20 + [9] * 5, [(1, 9, 25)]),
        ([1] * 5 + [9] * 20, [(1, 9, 25)]),
        ([9] * 20 + [1] * 20, [(1, 1, 20), (9, 9, 20)]),
    ],
)
def test_buckets_of_few_examples_are_joined(lengths: list[int], expected: list[tuple[int, int, int]]) -> None:
    wrong = ["x"] * len(lengths)
    figure = figures.score_by_length("pronunciation", lengths, wrong, [["y"]] * len(lengths), run=RUN)
    assert [bar[:3] for bar in _bars(figure)] == expected
    assert figures.pixels(figure).std() > 0


def test_the_worst_pairs_are_drawn_as_a_table() -> None:
    sources, outputs = [f"source {number}" for number in range(40)], ["x " * number for number in range(40)]
    rows = scores.mistakes(
        sources, outputs, [["$y$", "日本"]] * 40, scores.by_example("exact", outputs, [["$y$", "日本"]] * 40)
    )
    figure = figures.worst_pairs(rows, run=RUN)
    assert figure.get_suptitle() == "Worst mistakes (test): 25 of 40 outputs that are wrong"
    columns = {axes.get_title("left"): [text.get_text() for text in axes.texts] for axes in figure.axes}
    assert list(columns) == ["source", "reference", "output", "score"]
    assert columns["source"] == [row["source"] for row in rows[:25]]
    assert set(columns["reference"]) == {r"\$y\$ | □□"} and set(columns["score"]) == {"0.000"}
    assert figures.pixels(figure).std() > 0


def test_without_mistakes_the_title_says_so() -> None:
    assert figures.worst_pairs([]).get_suptitle() == "Worst mistakes (test): none"


def test_columns_are_as_wide_as_their_texts_within_limits() -> None:
    rows = [{"source": "W" * 500, "reference": "W" * 30, "output": "", "score": 0.0}]
    figure = figures.worst_pairs(rows)
    widths = [axes.get_xlim()[1] for axes in figure.axes]
    assert widths[0] == pytest.approx(4.8) and 0.8 < widths[1] < 4.8 and widths[2] == pytest.approx(0.8)
    figure.draw_without_rendering()
    cells = [axes.texts[0] for axes in figure.axes]
    assert cells[0].get_text().startswith("WWW") and "…" in cells[0].get_text()
    assert cells[1].get_text() == "W" * 30
