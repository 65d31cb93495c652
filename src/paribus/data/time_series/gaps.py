"""The time step of a series, its season, and gaps: steps without a row. Shapes: T rows."""

from dataclasses import dataclass, replace

import numpy as np

from paribus.data.time_series.times import Place, Times
from paribus.errors import DataError

TOLERANCE = 0.2  # of a step, by which rows may be early or late: 2000.08, 2000.17, 2000.25 are months
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000  # microseconds
SIZES = {"week": 7 * DAY, "day": DAY, "hour": HOUR, "minute": MINUTE, "second": 1_000_000, "microsecond": 1}
MONTHS = {"year": 12, "quarter": 3, "month": 1}
SEASONS = {  # kind and step of times -> steps of a season, and what it is
    ("clock", 15 * MINUTE): (96, "a day"),
    ("clock", 30 * MINUTE): (48, "a day"),
    ("clock", HOUR): (24, "a day"),
    ("clock", DAY): (7, "a week"),
    ("clock", 7 * DAY): (52, "a year"),
    ("month", 1): (12, "a year"),
    ("month", 3): (4, "a year"),
}


@dataclass(frozen=True)
class Spacing:
    """How far apart rows are: the most frequent difference of ticks, and how many such steps lead to each next row.

    steps (T - 1,) are not whole where rows are unevenly apart.
    """

    times: Times
    step: float
    steps: np.ndarray

    @property
    def uneven(self) -> np.ndarray:
        """(n,) rows that are not a whole number of steps after the row before."""
        whole = np.maximum(self.steps.round(), 1)
        return np.flatnonzero(np.abs(self.steps - whole) > TOLERANCE) + 1

    @property
    def after_gaps(self) -> np.ndarray:
        """(n,) rows that are not one step after the row before."""
        return np.flatnonzero(np.abs(self.steps - 1) > TOLERANCE) + 1

    @property
    def season(self) -> tuple[int, str] | None:
        """Steps of a season and what it is, where the time step says so and no gap is left."""
        return None if len(self.after_gaps) else SEASONS.get((self.times.kind, int(self.step)))

    def describe(self) -> str:
        """The step in words."""
        step, kind = int(self.step), self.times.kind
        if kind == "number":
            return f"{self.step:g}"
        sizes = {"row": {"row": 1}, "month": MONTHS, "clock": SIZES}[kind]
        name, size = next((name, size) for name, size in sizes.items() if step % size == 0)
        return f"{step // size} {name}{'s' if step > size else ''}"


def spacing(times: Times) -> Spacing:
    """Measure it, of two rows or more."""
    differences = np.diff(times.ticks)
    rounded = differences
    if times.kind == "number":  # 0.3 - 0.2 is not 0.2 - 0.1
        rounded = np.array([float(f"{difference:.6g}") for difference in differences])
    values, counts = np.unique(rounded, return_counts=True)
    step = values[counts.argmax()]
    return Spacing(times, float(step), differences / step)


def check_steps(found: Spacing, place: Place, gaps: str) -> None:
    """Raise DataError for the first gap, unless `gaps` is fill, and for the first uneven step."""
    uneven, after_gaps = found.uneven, found.after_gaps
    if len(uneven):
        raise DataError(
            f"{place(uneven[0])}: {_distance(found, uneven[0])}, and rows must be equally far apart "
            f"({len(uneven)} in all are not); set data.gaps=ignore, or mend the file"
        )
    if len(after_gaps) and gaps == "error":
        raise DataError(
            f"{place(after_gaps[0])}: {_distance(found, after_gaps[0])}, a gap ({len(after_gaps)} in all); mend the "
            "file, or set data.gaps=fill, which repeats the row before, or data.gaps=ignore"
        )


def filled(found: Spacing, where: str) -> tuple[Times, np.ndarray]:
    """Times without gaps, and which row each is (T + missing,): that before, for those that were missing.

    Raises DataError where more rows are missing than there are.
    """
    times, counts = found.times, np.append(found.steps.round().astype(np.int64), 1)
    if counts.sum() > 2 * len(counts):
        raise DataError(
            f"{where} has {len(counts)} rows and lacks {counts.sum() - len(counts)} at a step of {found.describe()}, "
            "too many to fill; set data.gaps=ignore"
        )
    rows = np.repeat(np.arange(len(counts)), counts)
    beyond = np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts)  # steps after that row
    step = found.step if times.kind == "number" else int(found.step)
    return replace(times, ticks=times.ticks[rows] + beyond * step), rows


def _distance(found: Spacing, row: int) -> str:
    times = found.times
    steps = f"{found.steps[row - 1]:.4g}"
    return f"from {times.text(row - 1)} to {times.text(row)} is {steps} steps of {found.describe()}"
