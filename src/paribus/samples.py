"""What a model writes for a few validation sources, after each epoch: in train.log and in TensorBoard."""

import logging

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from paribus import figures
from paribus.tasks.sequence_to_sequence import SequenceToSequence

COUNT = 5

log = logging.getLogger("paribus")


class Samples(Callback):
    """Outputs beside their references, and where the model looks as it writes them."""

    def __init__(self, run: str, *, draws_figures: bool) -> None:
        self._run, self._draws_figures = run, draws_figures

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Called while averaged weights, if any, are still in place."""
        assert isinstance(pl_module, SequenceToSequence)
        rows = pl_module.samples("val", COUNT)
        for row in rows:
            log.info("sample: %s", " || ".join(f"{name}: {text}" for name, text in row.items()))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("samples", _table(rows), trainer.global_step)
                # Drawing takes longer than all else here.
                maps = pl_module.attention_maps("val", self._run) if self._draws_figures else None
                if maps is not None:
                    image = figures.pixels(maps)
                    logger.experiment.add_image("attention", image, trainer.global_step, dataformats="HWC")


def _table(rows: list[dict[str, str]]) -> str:
    """Markdown, which TensorBoard draws."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
