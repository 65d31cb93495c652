"""Figures made of pictures. Shapes: n pictures, k versions of each, C channels, H height, W width.

Three channels are drawn as colours, any other number as its mean, in grey.
"""

from collections.abc import Callable, Sequence
from textwrap import fill

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from paribus.figures.drawing import DPI, LETTER, new_figure, plain

MOST_MISTAKES, MOST_FILTERS = 25, 64
SMALL = 7.5  # points: the size of a caption
FRAME = 190  # grey of 0..255, as a picture may be as white as the page


def worst_mistakes(
    probabilities: Tensor,
    targets: Tensor,
    names: Sequence[str],
    images: Callable[[Tensor], Tensor],
    *,
    run: str = "",
) -> Figure:
    """probabilities (N, classes), targets (N,) -> the examples that are wrong with the highest confidence.

    `images` gives examples by position: (n,) -> (n, C, H, W) in 0..1.
    """
    confidence, predicted = probabilities.max(1)
    wrong = (predicted != targets).nonzero().squeeze(1)
    order = wrong[confidence[wrong].argsort(descending=True, stable=True)][:MOST_MISTAKES]
    if not len(wrong):
        return _message(f"Worst mistakes (test): none; all {len(targets)} examples are right", run)
    width = 1.5
    labels = [plain(name, _letters(width) - len("predicted: ")) for name in names]
    captions = [
        f"true: {labels[true]}\npredicted: {labels[found]}\nconfidence {share:.3f}"
        for true, found, share in zip(targets[order], predicted[order], confidence[order], strict=True)
    ]
    title = f"Worst mistakes (test): {len(order)} of {len(wrong)} among {len(targets)} examples"
    return _pictures(images(order), captions, 5, width, title, run)


def filters(weights: Tensor, *, run: str = "") -> Figure:
    """weights (n, C, H, W) of the first layer, C being 1 or 3 -> a picture of each, its range symmetric around 0."""
    shown = weights[:MOST_FILTERS].detach().to("cpu", torch.float32)
    largest = shown.abs().amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    shares = (shown / largest + 1) / 2
    if shares.shape[1] == 1:
        coloured = torch.from_numpy(colormaps["RdBu_r"](shares[:, 0].numpy())[..., :3])
        shares, zero = coloured.permute(0, 3, 1, 2).float(), "white; red above"
    else:
        zero = "grey"
    title = f"First-layer filters: {len(shown)} of {len(weights)}\neach in its own range around 0 ({zero})"
    return _pictures(shares, [""] * len(shown), 8, 0.75, title, run)


def augmented(
    originals: Tensor,
    versions: Tensor,
    labels: Sequence[str],
    captions: Sequence[Sequence[str]] | None = None,
    *,
    run: str = "",
) -> Figure:
    """originals (n, C, H, W), versions (n, k, C, H, W), both in 0..1 -> a row an example, the original on the left.

    `labels` (n) stand below the originals, `captions` (n of k) below the versions: where pictures are mixed, such as
    "0.70 cat + 0.30 dog".
    """
    width = 1.3
    pictures = torch.cat([originals[:, None], versions], 1).flatten(0, 1)
    below = captions or [[""] * versions.shape[1]] * len(labels)
    texts = [text for label, others in zip(labels, below, strict=True) for text in (label, *others)]
    lines = [[plain(part, _letters(width)) for part in text.replace(" + ", " +\n").split("\n")] for text in texts]
    title = "Training examples and what augmentation makes of them (originals on the left)"
    return _pictures(pictures, list(map("\n".join, lines)), versions.shape[1] + 1, width, title, run)


def _letters(width: float) -> int:
    """How many letters a line of a caption may have below a picture of `width` inches."""
    return int(width * 72 / (SMALL * LETTER))


def _pictures(pictures: Tensor, captions: Sequence[str], columns: int, width: float, title: str, run: str) -> Figure:
    """pictures (n, C, H, W), row by row, each at most `width` inches wide or high, its caption below.

    One image holds them all: one for each would take seconds to draw.
    """
    tiles = _tiles(pictures, round(width * DPI))
    tall, wide = tiles.shape[1:3]
    inch = max(tall, wide) / width  # in pixels of a tile
    lines = max(caption.count("\n") + bool(caption) for caption in captions)
    step = np.array([tall + int((0.1 + lines * SMALL * 1.3 / 72) * inch), int((width + 0.1) * inch)])
    rows, columns = -(-len(tiles) // columns), min(columns, len(tiles))
    canvas = np.full((*(step * (rows, columns)), 3), 255, np.uint8)
    size = max(canvas.shape[1] / inch, 4.5), canvas.shape[0] / inch
    figure = new_figure(size[0] + 0.3, size[1] + 0.7, run)
    axes = figure.subplots()
    for place, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        top, middle = step * divmod(place, columns) + (0, step[1] // 2)
        canvas[top : top + tall, middle - wide // 2 : middle - wide // 2 + wide] = tile
        below = axes.text(middle, top + tall + 0.03 * inch, caption, ha="center", va="top", fontsize=SMALL)
        below.set_in_layout(False)  # there is room for it already, and to look for some is slow
    axes.imshow(canvas)
    axes.set(xticks=[], yticks=[], frame_on=False)
    axes.set_title("\n".join(fill(line, int(size[0] * 11)) for line in title.split("\n")), fontsize=11)
    return figure


def _tiles(pictures: Tensor, side: int) -> np.ndarray:
    """(n, C, H, W) in 0..1 -> (n, h, w, 3) bytes with a thin frame, the longer of h and w from `side` to its double.

    Small pictures have their pixels repeated, large ones theirs averaged.
    """
    shown = pictures if pictures.shape[1] == 3 else pictures.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    height, width = shown.shape[-2:]
    longer = max(height, width)
    if longer > side:
        shown = F.interpolate(shown, (-(-height * side // longer), -(-width * side // longer)), mode="area")
    times = -(-side // longer)
    tiles = shown.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy().repeat(times, 1).repeat(times, 2)
    tiles[:, [0, -1]] = tiles[:, :, [0, -1]] = FRAME
    return tiles


def _message(text: str, run: str) -> Figure:
    figure = new_figure(5.4, 0.9, run)
    figure.suptitle(text, fontsize=11)
    return figure
