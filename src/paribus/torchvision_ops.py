"""Imports torchvision where its compiled operators do not fit the installed torch.

A CUDA wheel of torchvision beside a CPU build of torch fails at import with "operator torchvision::nms does not
exist", and torchmetrics and lightning import torchvision. Declaring the schemas of its two operators first makes all
of torchvision work but these two (used by object detectors). Import this module before lightning.
"""

import importlib
import sys

import torch

REPAIRED = False  # whether the schemas had to be declared


def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[module]
    _LIBRARY = _declare_operators()  # kept: the schemas live as long as this object
    torchvision = importlib.import_module("torchvision")
    REPAIRED = True

__all__ = ["REPAIRED", "torchvision"]
