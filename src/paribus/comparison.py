"""What several runs together say: means, deviations, intervals and tests that fit how the runs came about."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from scipy.special import stdtr, stdtrit  # type: ignore[import-untyped]  # scipy.stats takes a second to import

CONFIDENCE = 0.95
ROUNDING = 2**-23  # of float32, in which figures are measured: differences that spread no more are all the same


@dataclass(frozen=True)
class Summary:
    """Of a figure over runs: mean, standard deviation and the interval of the mean."""

    count: int
    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Of paired figures, ours less theirs: the mean difference, its interval and a two-sided paired t-test of it.

    `effect` is the mean in standard deviations of the differences. None is what the pairs cannot tell: one pair has no
    spread, and the same difference in every pair leaves the test nothing to hold it against.
    """

    count: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    p: float | None
    effect: float | None


def summarize(figures: Sequence[float], test_to_train: float = 0) -> Summary:
    """The 95 % interval of the mean by Student's t.

    Runs on splits of the same rows are not independent: give test_to_train, the ratio of test rows to training rows,
    and the variance of the mean is that of Nadeau & Bengio 2003, eq. 9. Raises ValueError for fewer than two figures.
    """
    if len(figures) < 2:
        raise ValueError(f"{len(figures)} run is too few for an interval")
    center, deviation = mean(figures), stdev(figures)
    quantile = float(stdtrit(len(figures) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * deviation * sqrt(1 / len(figures) + test_to_train)
    return Summary(len(figures), center, deviation, center - half, center + half)


def difference(ours: Sequence[float], theirs: Sequence[float], test_to_train: float = 0) -> Summary:
    """Of the paired differences, ours less theirs: the same seed or split in the same place."""
    return summarize([own - other for own, other in zip(ours, theirs, strict=True)], test_to_train)


def paired(ours: Sequence[float], theirs: Sequence[float], test_to_train: float = 0) -> Difference:
    """The same, tested. With test_to_train it is the corrected resampled t-test of Nadeau & Bengio 2003.

    Raises ValueError for no pair.
    """
    if not ours:
        raise ValueError("no pair")
    if len(ours) == 1:
        return Difference(1, ours[0] - theirs[0], None, None, None, None, None)
    found = difference(ours, theirs, test_to_train)
    center = found.mean
    if found.deviation <= ROUNDING * max(map(abs, [*ours, *theirs])):
        is_equal = all(own == other for own, other in zip(ours, theirs, strict=True))
        p, effect = (1.0, 0.0) if is_equal else (None, None)
        return Difference(found.count, center, 0.0, center, center, p, effect)
    t = center / (found.deviation * sqrt(1 / found.count + test_to_train))
    p = 2 * float(stdtr(found.count - 1, -abs(t)))
    return Difference(found.count, center, found.deviation, found.low, found.high, p, center / found.deviation)


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected so that all of them together raise a false alarm as seldom as one would alone: Holm 1979."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
