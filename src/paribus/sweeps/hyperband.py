"""Hyperband for runs that are judged as they come: successive halving that begins at several epochs, side by side.

As Optuna's, but that nothing is kept beside the figures of epochs, and that brackets do not depend on a study's name:
the same search prunes the same runs, also when it was killed and goes on.
"""

from itertools import accumulate
from math import ceil

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from paribus.seeding import derive


class Hyperband(BasePruner):
    """Li et al. 2018, alg. 1, with brackets run asynchronously (Li et al. 2020, alg. 2)."""

    def __init__(self, max_epochs: int, min_epochs: int, factor: int) -> None:
        self._factor = factor
        starts = [min_epochs]  # the first rung of each bracket, in epochs; the last bracket prunes little or nothing
        while starts[-1] * factor <= max_epochs:
            starts.append(starts[-1] * factor)
        # At max_epochs a run is over: there is nothing left to save.
        self._rungs = [[epoch for epoch in starts[bracket:] if epoch < max_epochs] for bracket in range(len(starts))]
        shares = [ceil(len(starts) * factor**more / (more + 1)) for more in reversed(range(len(starts)))]
        self._bounds = list(accumulate(shares))

    def bracket(self, number: int) -> int:
        """That of a trial: each has a share of the trials as large as its first rung is early."""
        place = derive(0, "bracket", number) % self._bounds[-1]
        return next(bracket for bracket, bound in enumerate(self._bounds) if place < bound)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether a trial at a rung is not of the best 1/factor of its bracket; of fewer than factor, not the best."""
        bracket, epoch = self.bracket(trial.number), trial.last_step
        if epoch is None or epoch not in self._rungs[bracket]:
            return False
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        own = sign * trial.intermediate_values[epoch]
        others = [
            sign * other.intermediate_values[epoch]
            for other in study.get_trials(deepcopy=False)
            if other.number != trial.number
            and epoch in other.intermediate_values
            and self.bracket(other.number) == bracket
        ]
        better = sum(other < own for other in others)
        return better >= max(1, (len(others) + 1) // self._factor)
