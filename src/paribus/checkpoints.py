"""Checkpoints: plain data, written whole or not at all, loaded without running any code."""

import math
import os
import pickle
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO
from torch import nn

from paribus.data.module import TensorData
from paribus.errors import ConfigError, RunError
from paribus.several_devices import SeveralDevices

KEYS = ("state_dict", "epoch", "loops", "callbacks")  # beside them Lightning keeps the data's state by its class


class AtomicCheckpointIO(CheckpointIO):
    """Writes beside the target and renames, so that a kill or a full disk leaves the old checkpoint whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Save plain data to `path`. Raises OSError where the disk is full."""
        target = Path(path)
        target.parent.mkdir(exist_ok=True)
        partial = target.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException as error:
            partial.unlink(missing_ok=True)
            if isinstance(error, RuntimeError) and isinstance(error.__context__, OSError):
                reason = error.__context__  # torch hides a full disk behind an error of its own
                raise OSError(reason.errno, reason.strerror, str(target)) from None
            raise

    def load_checkpoint(self, path: Any, map_location: Any | None = None, weights_only: bool | None = None) -> Any:
        """Load plain data to the CPU, whatever Lightning asks. Raises ConfigError for a file that is none of ours."""
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """The checkpoint at `path`, on the CPU. Raises ConfigError where it is missing, corrupt or not plain data."""
    if not path.is_file():
        raise ConfigError(f"{path} does not exist; the run has no such checkpoint")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other pickle protocols: such a file is foreign
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError):
        raise ConfigError(f"{path} is no checkpoint that can be loaded: it is damaged or foreign") from None
    _check_keys(checkpoint, KEYS, path)
    return checkpoint  # type: ignore[no-any-return]


def _check_keys(checkpoint: object, keys: Sequence[str], path: Path) -> None:
    for key in keys:
        if not isinstance(checkpoint, dict) or key not in checkpoint:
            raise ConfigError(f"{path} is no checkpoint of Paribus: it holds no {key}")


def load_for(module: nn.Module, data: TensorData, path: Path) -> dict[str, Any]:
    """The checkpoint at `path`, made with this data, whose weights are those of `module` by name and shape.

    The data takes over what was fitted in training. Raises ConfigError, or DataError for other data.
    """
    checkpoint = load(path)
    key = type(data).__qualname__
    _check_keys(checkpoint, [key], path)
    data.load_state_dict(checkpoint[key])  # first: of other data weights may be of other shapes
    _check_fits(module, checkpoint, path)
    return checkpoint


def load_model(model: nn.Module, checkpoint: dict[str, Any], path: Path) -> None:
    """Give the model the weights of a checkpoint, loaded from `path`. Raises ConfigError where they do not fit."""
    module = nn.ModuleDict({"model": model})  # as a task holds it
    _check_fits(module, checkpoint, path)
    module.load_state_dict(checkpoint["state_dict"])


def _check_fits(module: nn.Module, checkpoint: dict[str, Any], path: Path) -> None:
    saved = {name: tuple(weight.shape) for name, weight in checkpoint["state_dict"].items()}
    wanted = {name: tuple(weight.shape) for name, weight in module.state_dict().items()}
    wrong = sorted(name for name in saved.keys() | wanted.keys() if saved.get(name) != wanted.get(name))
    if wrong:
        name = wrong[0]
        raise ConfigError(
            f"{path} does not fit the config: {name} is {saved.get(name, 'missing')} in the checkpoint and "
            f"{wanted.get(name, 'missing')} in the model"
        )


class Checkpoints(Checkpoint):
    """Writes last.ckpt each epoch and keeps the best epoch as best.ckpt, with what a resume needs.

    That is, beside Lightning's own state: the states of the random number generators, the best figure so far and
    the seconds spent in training. Lightning calls a Checkpoint last, so that it holds early stopping's state as well.
    """

    def __init__(self, folder: Path, monitor: str, mode: Literal["min", "max"]) -> None:
        self.last, self.best = folder / "last.ckpt", folder / "best.ckpt"
        self.monitor, self.mode = monitor, mode
        self.best_value: float | None = None
        self.best_epoch = 0
        self.best_metrics: dict[str, float] = {}
        self._seconds_before, self._started = 0.0, time.monotonic()
        self._random_states: Any = None  # on several devices a list of each one's
        self._device = torch.device("cpu")
        self._several: SeveralDevices | None = None

    @property
    def train_seconds(self) -> float:
        """Wall time of fitting so far, earlier sittings of the same run counted in."""
        return self._seconds_before + time.monotonic() - self._started

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; after a resume, put the random number generators back."""
        self._started, self._device = time.monotonic(), pl_module.device
        self._several = trainer.strategy if isinstance(trainer.strategy, SeveralDevices) else None
        if self._random_states is not None:
            states = self._random_states if self._several is None else self._random_states[self._several.rank]
            torch.set_rng_state(states["cpu"])
            if self._device.type == "cuda" and states["cuda"] is not None:
                torch.cuda.set_rng_state(states["cuda"], self._device)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write last.ckpt; where this epoch is the best so far, let best.ckpt be the same file.

        Raises RunError where the monitored figure is no number that could be compared.
        """
        value = float(trainer.callback_metrics[self.monitor])
        if not math.isfinite(value):
            raise RunError(
                f"{self.monitor} is {value} after epoch {trainer.current_epoch + 1}, so no best epoch can be told; "
                "set trainer.monitor to another metric, or give the validation split more rows"
            )
        better = self.best_value is None or (value < self.best_value if self.mode == "min" else value > self.best_value)
        if better:
            self.best_value, self.best_epoch = value, trainer.current_epoch + 1
            self.best_metrics = {name: float(figure) for name, figure in trainer.callback_metrics.items()}
        trainer.save_checkpoint(self.last)
        if better and trainer.is_global_zero:
            link(self.last, self.best)

    def state_dict(self) -> dict[str, Any]:
        """Plain data for the checkpoint."""
        random_states = {
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None,
        }
        return {
            "best_value": self.best_value,
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
            "train_seconds": self.train_seconds,
            "random_states": random_states if self._several is None else self._several.every(random_states),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.best_value, self.best_epoch = state_dict["best_value"], state_dict["best_epoch"]
        self.best_metrics = state_dict["best_metrics"]
        self._seconds_before = state_dict["train_seconds"]
        self._random_states = state_dict["random_states"]


def link(source: Path, target: Path) -> None:
    """Give a file a second name, replacing what bore it. `source` is only ever replaced, never written into."""
    partial = target.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(source)
    except OSError:  # a file system without links
        partial.write_bytes(source.read_bytes())
    partial.replace(target)
