"""The search of a sweep: trials are asked for, stored and told, so that a kill at any moment loses nothing.

A trial follows from the seed, its number and the trials stored before it. It is found in a copy of the study that is
in memory and then stored as a whole, in one transaction: what a kill leaves is a trial or none.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from paribus.config import Choice
from paribus.errors import ConfigError
from paribus.seeding import derive
from paribus.sweeps.space import Dimension
from paribus.sweeps.storage import opened

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

SPACE = "paribus:space"  # the attribute of a study that says what varies in it
STUDY = "paribus:study"  # the attribute of a trial that names its study


@dataclass(frozen=True)
class Proposal:
    """A trial: its id in the storage and the values of the dimensions that exist in it."""

    trial: int
    values: dict[str, Any]


class Search:
    """A study in a database. Raises ConfigError where it cannot be opened, is another's, or the sampler refuses."""

    def __init__(
        self,
        storage: str,
        name: str,
        dimensions: Sequence[Dimension],
        sampler: Choice,
        pruner: Choice,
        directions: Sequence[Literal["min", "max"]],
        seed: int,
    ) -> None:
        if pruner.part.name != "none" and len(directions) > 1:
            raise ConfigError(f"pruner={pruner.part.name} goes by one metric, and sweep.metric has {len(directions)}")
        self._dimensions, self._choice, self._directions = tuple(dimensions), sampler, tuple(directions)
        self._seed = seed
        self._sampler(0)  # refuses now, if at all
        self._study = self._load(storage, name)

    def ask(self) -> Proposal:
        """The next trial, which is running from now on."""
        import optuna

        before = self._study.get_trials(deepcopy=False)
        memory = optuna.storages.InMemoryStorage()
        study = optuna.create_study(
            storage=memory, sampler=self._sampler(len(before)), directions=_named(self._directions)
        )
        for each in before:
            memory.create_new_trial(study._study_id, each)
        trial = study.ask()
        values: dict[str, Any] = {}
        for dimension in self._dimensions:
            if dimension.exists(values):
                values[dimension.key] = _suggest(trial, dimension)
        trial.set_user_attr(STUDY, self._study.study_name)
        found = memory.get_trial(trial._trial_id)
        return Proposal(self._study._storage.create_new_trial(self._study._study_id, found), values)

    def trials(self) -> list[Proposal]:
        """All that are stored, by number."""
        return [
            Proposal(
                each._trial_id,
                {
                    dimension.key: _value(dimension, each.params[dimension.key])
                    for dimension in self._dimensions
                    if dimension.key in each.params
                },
            )
            for each in self._study.get_trials(deepcopy=False)
        ]

    def tell(self, trial: int, state: str, figures: Sequence[float] | None) -> None:
        """What became of a trial: done, with a figure for each direction, failed or pruned. The first telling counts.

        A trial with a figure that is not finite has failed: samplers leave it out.
        """
        from optuna.trial import TrialState

        number = self._study._storage.get_trial_number_from_id(trial)
        states = {"done": TrialState.COMPLETE, "failed": TrialState.FAIL, "pruned": TrialState.PRUNED}
        values = None
        if state == "done":
            assert figures is not None and len(figures) == len(self._directions)
            values = list(figures)
            if not all(map(isfinite, values)):
                state, values = "failed", None
        self._study.tell(number, values, states[state], skip_if_finished=True)

    def _sampler(self, number: int) -> "BaseSampler":
        """That of one trial. A sampler of its own for each, since a kill would lose the state of one for all."""
        seed = derive(self._seed, "sampler", number) % 2**32  # NumPy takes no more
        return sampler_of(self._choice, self._dimensions, self._directions, seed)

    def _load(self, storage: str, name: str) -> "Study":
        """The study of this name, new where there is none. Raises ConfigError for one in which other settings vary."""
        import optuna

        study = optuna.create_study(
            storage=opened(storage),
            study_name=name,
            directions=_named(self._directions),
            load_if_exists=True,
        )
        space = json.dumps({"directions": self._directions, "dimensions": [asdict(each) for each in self._dimensions]})
        stored = study.user_attrs.get(SPACE)
        if stored is None and not study.get_trials(deepcopy=False):  # a kill may have come before it was written
            study.set_user_attr(SPACE, space)
        elif stored != space:
            raise ConfigError(
                f"sampler.storage holds a study {name} in which other settings vary, or others are best; "
                "choose another sweep.name or storage"
            )
        return study


def sampler_of(
    choice: Choice, dimensions: Sequence[Dimension], directions: Sequence[Literal["min", "max"]], seed: int
) -> "BaseSampler":
    """The sampler chosen, for what varies. Raises ConfigError where it cannot search that."""
    intervals = {each.key: _distribution(each) for each in dimensions if not each.choices and not each.when}
    sampler: BaseSampler = choice.build(seed=seed, intervals=intervals, directions=directions)
    return sampler


def _named(directions: Sequence[Literal["min", "max"]]) -> list[Literal["minimize", "maximize"]]:
    return ["minimize" if each == "min" else "maximize" for each in directions]


def _suggest(trial: "Trial", dimension: Dimension) -> Any:
    if dimension.choices:
        return _value(dimension, trial.suggest_categorical(dimension.key, _labels(dimension)))
    assert dimension.low is not None and dimension.high is not None
    if dimension.is_whole:
        return trial.suggest_int(dimension.key, int(dimension.low), int(dimension.high), log=dimension.is_log)
    return trial.suggest_float(dimension.key, dimension.low, dimension.high, log=dimension.is_log)


def _distribution(dimension: Dimension) -> "BaseDistribution":
    """Of an interval, as _suggest makes it."""
    from optuna.distributions import FloatDistribution, IntDistribution

    assert dimension.low is not None and dimension.high is not None
    if dimension.is_whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.is_log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.is_log)


def _value(dimension: Dimension, stored: Any) -> Any:
    """The value that Optuna's stands for."""
    return dimension.choices[_labels(dimension).index(stored)] if dimension.choices else stored


def _labels(dimension: Dimension) -> tuple[Any, ...]:
    """The choices as Optuna keeps them: plain values as they are, or all as JSON where one is a list or mapping."""
    if any(isinstance(each, list | tuple | dict) for each in dimension.choices):
        return tuple(json.dumps(each) for each in dimension.choices)
    return dimension.choices
