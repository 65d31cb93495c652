"""What all figures share. They are drawn without a display and without pyplot."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.layout_engine import ConstrainedLayoutEngine

DPI = 120
LONGEST = 24  # letters of a class name; the rest is left out of its middle
LETTER = 0.62  # mean width of a letter in units of the font size


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    path.parent.mkdir(exist_ok=True)
    imsave(path, pixels(figure), format="png")


def pixels(figure: Figure) -> np.ndarray:
    """(H, W, 3) bytes, for TensorBoard."""
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg) or figure.stale:  # drawing is slow: once for the file and all loggers
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def new_figure(width: float, height: float, run: str) -> Figure:
    """An empty figure, its size in inches; what it belongs to stands small below the rest."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    if run:
        letters = int((width - 0.3) * 72 / (8 * LETTER))
        figure.supxlabel(plain(run, letters), fontsize=8, color="dimgrey")
    return figure


def plain(text: str, longest: int = LONGEST) -> str:
    """One line of at most `longest` letters in which a dollar sign starts no formula."""
    text = " ".join(text.split())
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[-(longest - longest // 2 - 1) :]}"
    return text.replace("$", r"\$")
