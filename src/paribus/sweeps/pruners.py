"""Pruners: when a run of a search is given up. Each gives an Optuna pruner, which is asked at the end of each epoch.

What they say follows from the figures stored and from nothing else, so that a run that is killed and goes on is judged
as it would have been. Optuna is imported in the functions, since the sweeps that need it are few.
"""

from typing import TYPE_CHECKING

from paribus.errors import ConfigError
from paribus.types import NonNegativeInt, PositiveInt, ReductionFactor

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


def none() -> None:
    """Every run to its end."""


def median(*, startup_trials: PositiveInt, warmup_epochs: NonNegativeInt, interval_epochs: PositiveInt) -> "BasePruner":
    """Gives up a run whose best figure so far is worse than the median of finished runs at that epoch.

    Golovin et al. 2017, section 3.2.2, but for the median of figures, not of their means. Not before startup_trials
    runs are finished, nor in a run's first warmup_epochs; then every interval_epochs.
    """
    from optuna.pruners import MedianPruner

    return MedianPruner(startup_trials, warmup_epochs + 1, interval_epochs)  # Optuna's steps are our epochs, from 1


def hyperband(max_epochs: int, *, min_epochs: PositiveInt, reduction_factor: ReductionFactor) -> "BasePruner":
    """Asynchronous Hyperband (Li et al. 2018; Li et al. 2020): at a rung the best 1/reduction_factor go on.

    Raises ConfigError for a min_epochs above max_epochs.
    """
    from paribus.sweeps.hyperband import Hyperband

    if min_epochs > max_epochs:
        raise ConfigError(f"pruner.min_epochs={min_epochs} is more than trainer.max_epochs={max_epochs}; lower it")
    return Hyperband(max_epochs, min_epochs, reduction_factor)
