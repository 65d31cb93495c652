"""Pruning: what a run of a search reports at the end of each epoch, and whether it is given up there."""

from collections.abc import Mapping
from copy import copy
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, LightningModule, Trainer

from paribus import parts
from paribus.config import Choice
from paribus.errors import ConfigError, Pruned, nearest
from paribus.sweeps.storage import opened
from paribus.sweeps.study import STUDY

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial


def pruning(
    storage: str, trial: int, metric: str, max_epochs: int, pruner: Mapping[str, Any], extension: str | None
) -> "Pruning":
    """Made in a run's process of plain data: the storage's URL, the trial's id there, the pruner's name and settings.

    Raises ConfigError for settings that do not go with the run.
    """
    part = parts.find("pruner", pruner["name"], Path(extension) if extension else None)
    if part is None:
        raise ConfigError(f"pruner={pruner['name']}: there is no such pruner any more")
    return Pruning(storage, trial, metric, Choice(part, pruner["settings"]).build(max_epochs=max_epochs))


class Pruning(Callback):
    """Reports the metric to the trial's study, after the epoch's row is written and before its checkpoint.

    An epoch that a resume repeats was reported already; what was said of it then is found anew.
    """

    def __init__(self, storage: str, trial: int, metric: str, pruner: "BasePruner") -> None:
        self._url, self._id, self._metric, self._pruner = storage, trial, metric, pruner
        self._study: Study | None = None
        self._trial: FrozenTrial | None = None  # as stored; no other process reports to it

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the study. Raises ConfigError where it cannot be opened."""
        import optuna

        storage = opened(self._url)
        self._trial = storage.get_trial(self._id)
        self._study = optuna.load_study(study_name=self._trial.user_attrs[STUDY], storage=storage)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises Pruned where the run is given up, ConfigError where the metric is not measured each epoch."""
        if self._metric not in trainer.callback_metrics:
            raise ConfigError(
                f"sweep.metric={self._metric} is not measured at the end of an epoch, where a pruner needs it; "
                f"{nearest(self._metric, trainer.callback_metrics, 'there are')}"
            )
        value, epoch = float(trainer.callback_metrics[self._metric]), trainer.current_epoch + 1
        if isfinite(value) and self._is_given_up(value, epoch):  # of a figure that is not, the run itself will tell
            raise Pruned(epoch)

    def _is_given_up(self, value: float, epoch: int) -> bool:
        assert self._study is not None and self._trial is not None
        if self._trial.state.is_finished():  # it was told before, and that is what counts
            return False
        reported = self._trial.intermediate_values
        if epoch not in reported:
            self._study._storage.set_trial_intermediate_value(self._id, epoch, value)
            reported[epoch] = value
        now = copy(self._trial)
        now.intermediate_values = {each: reported[each] for each in sorted(reported) if each <= epoch}
        return self._pruner.prune(self._study, now)
