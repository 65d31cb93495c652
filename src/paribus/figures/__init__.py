"""Figures. Each function gives a Figure, and `save` writes it; `run` is what the figure belongs to."""

from paribus.figures.attention import attention
from paribus.figures.calibration import BINS, reliability
from paribus.figures.classes import per_class
from paribus.figures.confusion import confusion_matrix
from paribus.figures.curves import learning_curves
from paribus.figures.drawing import pixels, save
from paribus.figures.forecasts import error_by_step, example_forecasts, residuals
from paribus.figures.images import augmented, filters, worst_mistakes
from paribus.figures.pairs import score_by_length, worst_pairs
from paribus.figures.regression import predicted_against_true
from paribus.figures.roc_curves import roc
from paribus.figures.texts import confident_mistakes, worst_texts

__all__ = [
    "BINS",
    "attention",
    "augmented",
    "confident_mistakes",
    "confusion_matrix",
    "error_by_step",
    "example_forecasts",
    "filters",
    "learning_curves",
    "per_class",
    "pixels",
    "predicted_against_true",
    "reliability",
    "residuals",
    "roc",
    "save",
    "score_by_length",
    "worst_mistakes",
    "worst_pairs",
    "worst_texts",
]
