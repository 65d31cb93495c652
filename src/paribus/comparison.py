"""What several runs together say: means, deviations and intervals that fit how the runs came about."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from scipy.stats import t as student  # type: ignore[import-untyped]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Of a figure over runs: mean, standard deviation and the interval of the mean."""

    count: int
    mean: float
    deviation: float
    low: float
    high: float


def summarize(figures: Sequence[float], test_to_train: float = 0) -> Summary:
    """The 95 % interval of the mean by Student's t.

    Runs on splits of the same rows are not independent: give test_to_train, the ratio of test rows to training rows,
    and the variance of the mean is that of Nadeau & Bengio 2003, eq. 9. Raises ValueError for fewer than two figures.
    """
    if len(figures) < 2:
        raise ValueError(f"{len(figures)} run is too few for an interval")
    center, deviation = mean(figures), stdev(figures)
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, len(figures) - 1))
    half = quantile * deviation * sqrt(1 / len(figures) + test_to_train)
    return Summary(len(figures), center, deviation, center - half, center + half)


def difference(ours: Sequence[float], theirs: Sequence[float], test_to_train: float = 0) -> Summary:
    """Of the paired differences, ours less theirs: the same seed or split in the same place."""
    return summarize([own - other for own, other in zip(ours, theirs, strict=True)], test_to_train)
