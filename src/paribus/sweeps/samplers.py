"""Samplers: how a search finds the values of its next trial. Each gives an Optuna sampler; a grid has none.

Optuna is imported in the functions, since the sweeps that need it are few. `trials` and `storage` are for the sweep.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from paribus.errors import ConfigError
from paribus.types import Flag, NonNegativeInt, PopulationSize, PositiveInt, Text

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler


def grid() -> None:
    """Every combination."""


def random(seed: int, *, trials: PositiveInt, storage: Text | None) -> "BaseSampler":
    """Each value by itself, uniformly or log-uniformly (Bergstra & Bengio 2012)."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def tpe(
    seed: int, *, trials: PositiveInt, storage: Text | None, startup_trials: NonNegativeInt, multivariate: Flag
) -> "BaseSampler":
    """Tree-structured Parzen estimator: values that are likelier among good trials than among others.

    Bergstra et al. 2011, section 4; multivariate as in Falkner et al. 2018: settings are seen together, those that
    exist only under a condition where it held. Trials that are running count as bad ones, so that parallel ones differ.
    """
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of group
        return TPESampler(seed=seed, n_startup_trials=startup_trials, multivariate=multivariate, group=multivariate)


def cmaes(
    seed: int,
    intervals: Mapping[str, "BaseDistribution"],
    directions: Sequence[str],
    *,
    trials: PositiveInt,
    storage: Text | None,
    population: PopulationSize | None,
) -> "BaseSampler":
    """Covariance matrix adaptation (Hansen 2016), for the intervals that always exist; all else is drawn at random.

    Its state is kept in the storage by pickle: go on only with a storage that you trust. Raises ConfigError for
    several metrics, and where no interval varies.
    """
    from optuna.samplers import CmaEsSampler

    if len(directions) > 1:
        raise ConfigError(f"sampler=cmaes goes by one metric, and sweep.metric has {len(directions)}; use sampler=tpe")
    if not intervals:
        raise ConfigError("sampler=cmaes moves in intervals, and none varies in all runs; use sampler=tpe")
    # From the first trial on: no state has to be begun, and the same space for all trials.
    sampler = CmaEsSampler(seed=seed, n_startup_trials=0, popsize=population, warn_independent_sampling=False)
    sampler.infer_relative_search_space = lambda study, trial: dict(intervals)  # type: ignore[method-assign]
    return sampler


def gp(seed: int, *, trials: PositiveInt, storage: Text | None, startup_trials: PositiveInt) -> "BaseSampler":
    """A Gaussian process with expected improvement (Ament et al. 2023): few, dear trials. It imports torch."""
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, n_startup_trials=startup_trials, warn_independent_sampling=False)
