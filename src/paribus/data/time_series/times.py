"""When the rows of a series are: texts become ticks that can be subtracted. Shapes: T rows."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from paribus.errors import ConfigError, DataError

MOST_SHOWN = 60  # characters of a value, in an error
PRECISIONS = {"D": 86_400_000_000, "m": 60_000_000, "s": 1_000_000, "us": 1}  # numpy's name -> microseconds
CLOCK = r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.]\d+)?)?)?"
ORDERS = (  # how dates are written beside ISO 8601, and where in it year, month and day stand
    (rf"(\d{{4}})[/.](\d{{1,2}})[/.](\d{{1,2}}){CLOCK}", (0, 1, 2)),
    (rf"(\d{{1,2}})[.](\d{{1,2}})[.](\d{{4}}){CLOCK}", (2, 1, 0)),
    (rf"(\d{{1,2}})[/-](\d{{1,2}})[/-](\d{{4}}){CLOCK}", (2, 1, 0)),
    (rf"(\d{{1,2}})[/-](\d{{1,2}})[/-](\d{{4}}){CLOCK}", (2, 0, 1)),
)
REMEDY = "write times as 2016-07-31 or 2016-07-31 14:00, or as numbers such as years"

Place = Callable[[int], str]  # the number of a text -> where it stands, to open an error with
Form = Callable[[str], datetime | None]  # a text -> the time that it is, if it is written in this form


@dataclass(frozen=True)
class Times:
    """When each row is: ticks (T,).

    kind "clock": microseconds (of UTC, where the texts have time zones); "month": months, where all rows are as far
    into their month as any other (offset microseconds; below 0 where all are at its end); "number"; or "row", that of
    the file.
    """

    ticks: np.ndarray
    kind: str
    offset: int = 0
    precision: str = "D"

    def text(self, row: int) -> str:
        """The time of a row, counted from 0, for people."""
        if self.kind == "row":
            return f"row {self.ticks[row]}"
        if self.kind == "number":
            return f"{self.ticks[row]:.10g}"
        moment = self._moments(self.ticks[row : row + 1])
        return str(moment.astype(f"datetime64[{self.precision}]")[0]).replace("T", " ")

    def rows_before(self, border: str, setting: str) -> int:
        """How many rows are before a time. Raises ConfigError, naming the setting, where it is none of this kind."""
        if self.kind == "number":
            try:
                return int(np.searchsorted(self.ticks, float(border)))
            except ValueError:
                raise ConfigError(f"{setting}: {border!r} is no number, and the times of the data are") from None
        try:
            moment = dates([border], lambda _: setting)
        except DataError as error:
            raise ConfigError(str(error)) from None
        return int(np.searchsorted(self._moments(self.ticks), np.array(moment, "datetime64[us]"))[0])

    def _moments(self, ticks: np.ndarray) -> np.ndarray:
        """Ticks as numpy's times, in microseconds."""
        assert self.kind in ("clock", "month")
        if self.kind == "clock":
            return ticks.astype("datetime64[us]")
        return ticks.astype("datetime64[M]").astype("datetime64[us]") + np.timedelta64(self.offset, "us")


def of_moments(moments: np.ndarray) -> Times:
    """Times (T,) of numpy's: counted in months where all rows are as far into their month, or all at its end."""
    moments = moments.astype("datetime64[us]")
    precision = next(name for name, size in PRECISIONS.items() if not (moments.astype(np.int64) % size).any())
    for days in (0, 1):
        months = (moments + np.timedelta64(days, "D")).astype("datetime64[M]")
        offsets = (moments - months.astype("datetime64[us]")).astype(np.int64)
        if len(np.unique(months)) > 1 and (offsets == offsets[0]).all():
            return Times(months.astype(np.int64), "month", int(offsets[0]), precision)
    return Times(moments.astype(np.int64), "clock", precision=precision)


def dates(texts: Sequence[str], place: Place) -> list[datetime]:
    """The texts as dates and times without a time zone, those with one in UTC. All must be written in one form.

    Raises DataError with the place of the first that is not, and where days and months cannot be told apart.
    """
    forms = [_iso, *(_ordered(re.compile(pattern), order) for pattern, order in ORDERS)]
    readings = [_read(texts, form) for form in forms]
    whole = [reading for reading in readings if len(reading) == len(texts)]
    if not whole:
        first = max(map(len, readings))
        what = "no time as those above it" if first else "no time"
        raise DataError(f"{place(first)}: {texts[first][:MOST_SHOWN]!r} is {what}; {REMEDY}")
    if any(reading != whole[0] for reading in whole):
        raise DataError(f"{place(0)}: {texts[0]!r} may begin with the day or the month; {REMEDY}")
    return whole[0]


def _read(texts: Sequence[str], form: Form) -> list[datetime]:
    """As many of the first texts as are written in this form, all of them with a time zone or none."""
    read: list[datetime] = []
    zoned: bool | None = None
    for text in texts:
        moment = form(text)
        if moment is None or zoned not in (None, moment.tzinfo is not None):
            break
        zoned = moment.tzinfo is not None
        read.append(moment.astimezone(UTC).replace(tzinfo=None) if zoned else moment)
    return read


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d{2}", text) else text)
    except ValueError:
        return None


def _ordered(pattern: re.Pattern[str], order: tuple[int, int, int]) -> Form:
    def form(text: str) -> datetime | None:
        found = pattern.fullmatch(text)
        if found is None:
            return None
        year, month, day = (int(found[place + 1]) for place in order)
        hour, minute, second = (int(each or 0) for each in found.groups()[3:])
        try:
            return datetime(year, month, day, hour, minute, second)
        except ValueError:
            return None

    return form
