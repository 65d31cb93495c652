"""The verdict: what paired differences say of each prediction, and all of them together of the claim. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from paribus.comparing.verdicts import number, p_value, with_interval
from paribus.comparison import CONFIDENCE, Difference, paired
from paribus.studies.cells import Cell, find
from paribus.studies.study import BEST, Prediction, Study

Outcome = Literal["confirmed", "refuted", "open"]
HOLDS, DOES_NOT_HOLD, NOT_DECIDED = "holds", "does not hold here", "not decided"
ENOUGH_PAIRS = 5  # the same difference in so many pairs, without any spread, is no chance: 1 / 2**5
ENDINGS: dict[Outcome, str] = {"confirmed": "confirmed", "refuted": "refuted", "open": "not decided"}


@dataclass(frozen=True)
class Finding:
    """One prediction and what the runs say of it."""

    prediction: Prediction
    arm: Cell
    than: Cell | float
    pairs: Sequence[int]
    difference: Difference | None  # None where no pair has the figure
    outcome: Outcome

    @property
    def is_seen(self) -> bool:
        """Whether there is a difference beyond noise, whatever was predicted."""
        return self.difference is not None and _sign(self.difference, 1 - CONFIDENCE) != 0

    @property
    def shown(self) -> str:
        """The difference with its interval; the figure itself where it is held against a number."""
        found, than = self.difference, self.than if isinstance(self.than, float) else 0.0
        if found is None:
            return "-"
        if found.low is None or found.high is None or found.low == found.high:
            return number(found.mean + than)
        return with_interval(found.mean + than, found.low + than, found.high + than)

    @property
    def sentence(self) -> str:
        """What is seen and what that makes of the prediction."""
        metric, ours = self.prediction.metric, _called(self.prediction.arm, self.arm)
        ending = f"expected {self.expected}: {ENDINGS[self.outcome]}"
        if self.difference is None:
            return f"no pair of runs has {metric} of {ours}, {ending}"
        less = "" if isinstance(self.than, float) else f" less that of {_called(str(self.prediction.than), self.than)}"
        return f"{metric} of {ours}{less} is {self.shown} ({self._tested}), {ending}"

    @property
    def _tested(self) -> str:
        assert self.difference is not None
        if self.difference.p is not None:
            return p_value(self.difference.p)
        return f"the same in each of {self.difference.count} pairs" if self.difference.count > 1 else "one pair"

    @property
    def expected(self) -> str:
        """What was predicted of what is shown."""
        expect, margin = self.prediction.expect, self.prediction.margin
        than = f" than {self.than:g}" if isinstance(self.than, float) else ""
        if expect == "equal":
            return f"equal{f' to {self.than:g}' if isinstance(self.than, float) else ''} within {margin:g}"
        return f"{expect}{than}" + (f" by {margin:g} or more" if margin and expect != "no different" else "")


def judge(study: Study, every: Sequence[Cell]) -> list[Finding]:
    """A finding for each prediction, in their order. Raises ConfigError for a name of no cell."""
    return [_finding(each, study, every) for each in study.predictions]


def verdict(findings: Sequence[Finding]) -> str:
    """The claim holds where every prediction is confirmed, and does not hold here where one is refuted.

    Since all have to be confirmed, each at 95 %, nothing is to be corrected there; one of many that is refuted may be
    chance, so refuting is corrected for their number (Bonferroni). "no different" is no more than that nothing is seen
    at 95 %, whatever their number.
    """
    outcomes = {each.outcome for each in findings}
    return DOES_NOT_HOLD if "refuted" in outcomes else HOLDS if outcomes == {"confirmed"} else NOT_DECIDED


def _finding(prediction: Prediction, study: Study, every: Sequence[Cell]) -> Finding:
    arm = find(prediction.arm, study, every)
    ours = arm.values(prediction.metric)
    if isinstance(prediction.than, str):
        than: Cell | float = find(prediction.than, study, every)
        theirs = than.values(prediction.metric)  # type: ignore[union-attr]
    else:
        than = float(prediction.than)
        theirs = dict.fromkeys(ours, than)
    pairs = sorted(ours.keys() & theirs.keys())
    if not pairs:
        return Finding(prediction, arm, than, pairs, None, "open")
    differences = [ours[pair] - theirs[pair] for pair in pairs]
    outcome = _outcome(prediction, differences, len(study.predictions))
    return Finding(prediction, arm, than, pairs, _tested(differences), outcome)


def _outcome(prediction: Prediction, differences: Sequence[float], count: int) -> Outcome:
    level, strict = 1 - CONFIDENCE, (1 - CONFIDENCE) / count
    margin = prediction.margin

    def side(border: float, level: float) -> int:
        return _sign(_tested(differences, border), level)

    if prediction.expect == "no different":
        if side(0, level) != 0:
            return "refuted"
        return "confirmed" if len(differences) >= ENOUGH_PAIRS else "open"
    if prediction.expect == "equal":
        if margin == 0 and not any(differences) and len(differences) >= ENOUGH_PAIRS:
            return "confirmed"
        if side(-margin, level) > 0 and side(margin, level) < 0:
            return "confirmed"
        return "refuted" if side(-margin, strict) < 0 or side(margin, strict) > 0 else "open"
    if prediction.expect.startswith("not "):
        sign = 1 if prediction.expect == "not higher" else -1
        if sign * side(sign * margin, level) < 0:
            return "confirmed"
        return "refuted" if sign * side(sign * margin, strict) > 0 else "open"
    sign = 1 if prediction.expect == "higher" else -1
    if sign * side(sign * margin, strict) < 0:  # surely less than what matters
        return "refuted"
    return "confirmed" if sign * side(0, level) > 0 else "open"


def _tested(differences: Sequence[float], border: float = 0.0) -> Difference:
    """Paired differences against a border."""
    return paired(differences, [border] * len(differences))


def _sign(found: Difference, level: float) -> int:
    """The side on which the mean surely is, or 0 where noise may have put it there."""
    # Without any spread there is nothing to test, but chance would not do that often.
    is_sure = (found.count >= ENOUGH_PAIRS and found.mean != 0) if found.p is None else found.p < level
    return 0 if not is_sure else 1 if found.mean > 0 else -1


def _called(name: str, cell: Cell) -> str:
    return f"{cell.name} (best)" if name.startswith(BEST) else name
