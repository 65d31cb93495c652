"""Checkpoints. That they load, resume and survive a full disk is tested at the command line."""

from math import inf, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from paribus.checkpoints import AtomicCheckpointIO, Checkpoints
from paribus.errors import RunError


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_monitored_figure_that_is_no_number_ends_the_run(tmp_path: Path, value: float) -> None:
    checkpoints = Checkpoints(tmp_path, "val/loss", "min")
    trainer: Any = SimpleNamespace(callback_metrics={"val/loss": torch.tensor(value)}, current_epoch=2)
    with pytest.raises(RunError, match=f"val/loss is {value} after epoch 3"):
        checkpoints.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_old_checkpoint_whole(tmp_path: Path) -> None:
    io, file = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"epoch": 1}, file)
    before = file.read_bytes()
    with pytest.raises(AttributeError):  # a local function cannot be pickled
        io.save_checkpoint({"epoch": lambda: None}, file)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]
