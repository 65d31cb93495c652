"""Figures. Each function gives a Figure, and `save` writes it; `run` is what the figure belongs to."""

from paribus.figures.calibration import BINS, reliability
from paribus.figures.classes import per_class
from paribus.figures.confusion import confusion_matrix
from paribus.figures.curves import learning_curves
from paribus.figures.drawing import pixels, save
from paribus.figures.images import augmented, filters, worst_mistakes
from paribus.figures.regression import predicted_against_true
from paribus.figures.roc_curves import roc

__all__ = [
    "BINS",
    "augmented",
    "confusion_matrix",
    "filters",
    "learning_curves",
    "per_class",
    "pixels",
    "predicted_against_true",
    "reliability",
    "roc",
    "save",
    "worst_mistakes",
]
