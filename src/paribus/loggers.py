"""Loggers: what is written beside metrics.csv and the figures, which are written in any case."""

from pathlib import Path

from lightning.pytorch.loggers import Logger, TensorBoardLogger


def none() -> None:
    """Nothing."""


def tensorboard(folder: Path) -> Logger:
    """TensorBoard event files in the run folder."""
    return TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False)
