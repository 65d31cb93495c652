"""Where a decoder looks as it writes. Shapes: T output tokens, S source tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from torch import Tensor

from paribus.figures.drawing import LETTER, new_figure, plain
from paribus.figures.texts import NO_GLYPH, drawable

MOST, ACROSS = 4, 2  # maps in a figure, and side by side
MOST_TOKENS = 40  # of a source, and of an output: more could not be read
LONGEST = 14  # letters of a token; the rest is left out of its middle
SIZE = 7.0  # points
CELL = 0.16  # inches
SPACE, LINE_END, NOTHING = "␣", "↵", "∅"
WORD_START = {"Ġ": "▁", "Ċ": LINE_END}  # how byte pairs write a space and the end of a line


@dataclass(frozen=True)
class Side:
    """An axis of a map: a label for each token, and what the axis is called."""

    labels: list[str]
    name: str


@dataclass(frozen=True)
class Map:
    """weights (T, S) of an example, both at most MOST_TOKENS."""

    weights: np.ndarray
    source: Side
    output: Side


def attention(
    weights: Sequence[Tensor], sources: Sequence[Sequence[str]], outputs: Sequence[Sequence[str]], *, run: str = ""
) -> Figure:
    """weights (T, S) of each example, its source tokens (S,) and output tokens (T,) -> maps of the first few.

    Each row of a map is what one output token was written from. Of long sequences the axes say that they are cut.
    """
    every = zip(weights, sources, outputs, strict=True)
    maps = [_map(found, source, output) for found, source, output in every if found.numel()][:MOST]
    if not maps:
        figure = new_figure(5.4, 0.9, run)
        figure.suptitle("Attention: no token was written", fontsize=11)
        return figure
    columns = [maps[place::ACROSS] for place in range(min(ACROSS, len(maps)))]
    rows = [maps[start : start + ACROSS] for start in range(0, len(maps), ACROSS)]
    widths = [max(len(each.source.labels) for each in column) for column in columns]
    heights = [max(len(each.output.labels) for each in row) for row in rows]
    beside = sum(_inches(each.output for each in column) for column in columns)
    above = sum(_inches(each.source for each in row) for row in rows)
    figure = new_figure(max(5.4, CELL * sum(widths) + beside + 1.2), max(2.4, CELL * sum(heights) + above + 0.8), run)
    figure.suptitle("Attention: the share of each source token in each output token", fontsize=11)
    grid = figure.subplots(len(rows), len(columns), squeeze=False, width_ratios=widths, height_ratios=heights)
    for axes in grid.flat[len(maps) :]:
        axes.set_axis_off()
    for place, found in enumerate(maps):
        row, column = divmod(place, ACROSS)
        image = _draw(grid[row, column], found)
        # Each as large as the largest of its row and column, so that all cells are of one size.
        grid[row, column].set(xlim=(-0.5, widths[column] - 0.5), ylim=(heights[row] - 0.5, -0.5), anchor="NW")
    figure.colorbar(image, ax=grid, panchor=False, fraction=0.05, aspect=30, label="attention weight")
    return figure


def readable(token: str) -> str:
    """A token in letters that can be seen and drawn."""
    token = WORD_START.get(token[:1], token[:1]) + token[1:]
    token = token.replace("\r\n", "\n").replace("\n", LINE_END)
    return plain(drawable("".join(map(_visible, token))), LONGEST) or NOTHING


def _visible(letter: str) -> str:
    if letter.isspace():
        return SPACE
    return letter if letter.isprintable() else NO_GLYPH


def _map(weights: Tensor, source: Sequence[str], output: Sequence[str]) -> Map:
    assert weights.shape == (len(output), len(source)), "a weight for each pair of tokens"
    shown = weights[:MOST_TOKENS, :MOST_TOKENS].float().cpu().numpy()
    return Map(shown, _side("source", source), _side("output", output))


def _side(name: str, tokens: Sequence[str]) -> Side:
    cut = f" (first {MOST_TOKENS} of {len(tokens)} tokens)" if len(tokens) > MOST_TOKENS else ""
    return Side([readable(token) for token in tokens[:MOST_TOKENS]], name + cut)


def _inches(sides: Iterable[Side]) -> float:
    """The room for the labels and the name of an axis."""
    return LETTER * SIZE / 72 * max(len(label) for side in sides for label in side.labels) + 0.4


def _draw(axes: Axes, found: Map) -> AxesImage:
    """The source stands above, the output on the left."""
    source, output = found.source.labels, found.output.labels
    image = axes.imshow(found.weights, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set_frame_on(False)
    edge = Rectangle((-0.5, -0.5), len(source), len(output), fill=False, edgecolor="grey", linewidth=0.8, clip_on=False)
    axes.add_patch(edge)
    axes.tick_params(length=2, pad=1, labelsize=SIZE, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(found.source.name, fontsize=8, loc="left")
    axes.set_ylabel(found.output.name, fontsize=8, loc="top")
    axes.set_xticks(range(len(source)), source, rotation=90)
    axes.set_yticks(range(len(output)), output)
    return image
