"""Which parameter matters: the share of a metric's variance that each explains by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING, Any

from paribus.sweeps.configurations import Configuration

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

ENOUGH = 8  # finished configurations; of fewer a forest says little
MOST = 200  # that are looked at, evenly from the best to the worst: the time grows with their number and more
FEW = 10  # numbers of at most so many different values were listed rather than drawn
WIDE = 50  # a range is looked at in logarithms from this ratio of its ends on


@dataclass(frozen=True)
class Importance:
    """Shares by parameter, the largest first, together 1; and why there are none, or which were left out."""

    shares: dict[str, float]
    remark: str = ""


def importance(found: Sequence[Configuration], metric: str) -> Importance:
    """By a random forest on the finished configurations: Hutter et al. 2014, as Optuna has it."""
    keys = list(dict.fromkeys(key for each in found for key in each.values))
    varying = [key for key in keys if len({str(each.values.get(key)) for each in found}) > 1]
    complete = [key for key in varying if all(key in each.values for each in found)]
    left_out = [key for key in varying if key not in complete]
    remark = f"Left out: {', '.join(left_out)}, which not every configuration has." if left_out else ""
    if len(found) < ENOUGH:
        return Importance({}, f"It takes {ENOUGH} finished configurations to tell; here are {len(found)}.")
    if len(complete) < 2:
        return Importance({}, f"It takes two parameters that vary in all of them; here are {len(complete)}. {remark}")
    if len({each.mean(metric) for each in found}) == 1:
        return Importance({}, f"{metric} is the same in all of them.")
    return Importance(_shares(found[:: -(-len(found) // MOST)], metric, complete), remark)


def is_wide(low: float, high: float) -> bool:
    """Whether numbers from low to high are looked at in logarithms."""
    return low > 0 and high / low >= WIDE


def _shares(found: Sequence[Configuration], metric: str, keys: Sequence[str]) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    columns = {key: _column([each.values[key] for each in found]) for key in keys}
    distributions = {key: _distribution(column) for key, column in columns.items()}
    study = optuna.create_study()
    for place, each in enumerate(found):
        params = {key: column[place] for key, column in columns.items()}
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=each.mean(metric)))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares: Mapping[str, float] = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(value) for key, value in shares.items()}


def _column(values: Sequence[Any]) -> list[Any]:
    """Numbers that were drawn as numbers, in logarithms where they are wide; anything else as texts."""
    is_drawn = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not is_drawn or len(set(values)) <= FEW:
        return [str(value) for value in values]
    return [log10(value) if is_wide(min(values), max(values)) else float(value) for value in values]


def _distribution(column: Sequence[Any]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(column[0], str):
        return CategoricalDistribution(list(dict.fromkeys(column)))
    return FloatDistribution(min(column), max(column))
