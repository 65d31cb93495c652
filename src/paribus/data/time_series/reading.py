"""Reading a series: a file becomes columns of numbers without holes, and the time of each row. Shapes: T rows."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from paribus.data.reading import LINE, read_table
from paribus.data.table import floats, shortened
from paribus.data.time_series.columns import Chosen, as_double, check_names, numbers
from paribus.data.time_series.gaps import Spacing, check_steps, filled, spacing
from paribus.data.time_series.times import Place, Times, dates, of_moments
from paribus.errors import DataError

GROUP = "\0group"  # a column of our own, as LINE


@dataclass(frozen=True)
class Series:
    """Rows in the order of time: T numbers of each column in double precision, none missing, and how far apart."""

    chosen: Chosen  # values and targets written out
    frame: pl.DataFrame
    spacing: Spacing
    remarks: tuple[str, ...]  # what became of columns and rows, for people

    @property
    def times(self) -> Times:
        """When each row is."""
        return self.spacing.times

    def __len__(self) -> int:
        return len(self.frame)


def read_series(
    chosen: Chosen, delimiter: str | None = None, *, gaps: str = "error", duplicates: str = "error"
) -> Series:
    """Read and check the file. Raises DataError with row and column, and ConfigError for a column's name."""
    whole = read_table(Path(chosen.path), delimiter)
    check_names(whole, chosen)
    frame, values = numbers(whole, chosen)
    chosen = replace(chosen, values=values, targets=chosen.targets or values)
    times = _rows(whole) if chosen.time is None else _times(frame, chosen, chosen.time)
    _check_rising(frame, times, chosen)
    found, times = _without_duplicates(frame, times, chosen, duplicates)
    if len(found) < 2:
        raise DataError(f"{chosen.path} has one row only; a series needs many")
    complete = _without_missing(found, chosen, gaps)
    steps = spacing(times)
    rows = np.arange(len(complete))
    if gaps != "ignore":
        check_steps(steps, _place(found, chosen), gaps)
        times, rows = filled(steps, chosen.path)
    remarks = {
        "columns that are not used": shortened([name for name in whole.columns if name not in frame.columns]),
        "rows of the same time made one": len(frame) - len(found),
        "missing values filled with the last": sum(found.drop(LINE).null_count().row(0)),
        "missing rows filled with the last": len(rows) - len(complete),
        "gaps ignored": len(steps.after_gaps) if gaps == "ignore" else 0,
    }
    used = complete.drop(LINE)[rows]
    return Series(chosen, used, spacing(times), tuple(f"{what}: {n}" for what, n in remarks.items() if n))


def _place(frame: pl.DataFrame, chosen: Chosen) -> Place:
    lines, column = frame[LINE], "" if chosen.time is None else f", column {chosen.time!r}"
    return lambda row: f"{chosen.path}: row {lines[int(row)]}{column}"


def _rows(frame: pl.DataFrame) -> Times:
    """The rows of the file, of which blank ones are missing. A line break within a cell begins no row."""
    lines, breaks = frame[LINE].cast(pl.Int64), pl.col(pl.String).str.count_matches("\n")
    within = frame.select(pl.sum_horizontal(pl.lit(0), breaks.fill_null(0))).to_series().cast(pl.Int64)
    return Times((lines - within.cum_sum() + within).to_numpy(), "row")


def _times(frame: pl.DataFrame, chosen: Chosen, name: str) -> Times:
    """Of the column of times."""
    column, place = frame[name], _place(frame, chosen)
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.null_count():
        raise DataError(f"{place(column.is_null().arg_max() or 0)}: the time is missing; mend or delete the row")
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        moments = column.cast(pl.Datetime("us"))
        return of_moments(moments.to_numpy())
    if column.dtype == pl.String:
        are_dates = column.str.contains(r"^\d{8}$").all()  # 20160731 is no number of days or years
        if are_dates or floats(column, chosen.decimal_comma).null_count() * 2 > len(column):
            try:
                return of_moments(np.array(dates(column.to_list(), place), "datetime64[us]"))
            except DataError:
                if not are_dates:
                    raise
    return Times(as_double(frame, chosen, name).to_numpy(), "number")


def _check_rising(frame: pl.DataFrame, times: Times, chosen: Chosen) -> None:
    falls = np.flatnonzero(np.diff(times.ticks) < 0)
    if len(falls):
        row = int(falls[0]) + 1
        raise DataError(
            f"{_place(frame, chosen)(row)}: {times.text(row)} stands below {times.text(row - 1)}, and times must rise; "
            "sort the file by this column"
        )


def _without_duplicates(
    frame: pl.DataFrame, times: Times, chosen: Chosen, duplicates: str
) -> tuple[pl.DataFrame, Times]:
    """One row for each time, LINE and numbers. Raises DataError for the first of two where duplicates are errors."""
    kept = frame.drop(chosen.time) if chosen.time else frame
    again = np.flatnonzero(np.diff(times.ticks) == 0) + 1
    if not len(again):
        return kept, times
    if duplicates == "error":
        row = int(again[0])
        raise DataError(
            f"{_place(frame, chosen)(row)}: {times.text(row)} is the time of the row above, too ({len(again)} such "
            "rows in all); mend the file, or set data.duplicates=mean or data.duplicates=last"
        )
    groups = kept.group_by(pl.lit(pl.Series(times.ticks)).alias(GROUP), maintain_order=True)
    merged = groups.agg(pl.last(LINE), pl.exclude(LINE).mean() if duplicates == "mean" else pl.exclude(LINE).last())
    return merged.drop(GROUP), replace(times, ticks=np.unique(times.ticks))


def _without_missing(frame: pl.DataFrame, chosen: Chosen, gaps: str) -> pl.DataFrame:
    for name in frame.drop(LINE).columns:
        missing = frame[name].is_null()
        if not missing.any() or (gaps == "fill" and not missing[0]):
            continue
        first = missing.arg_max() or 0
        length = int(missing[first:].arg_min() or len(missing) - first)
        remedy = "mend it, or set data.gaps=fill, which repeats the last value before"
        if first == 0:
            remedy = "the series cannot begin without a value: delete the first rows, or leave the column out"
        raise DataError(f"{chosen.place(name, frame[LINE][first])}: a run of {length} missing values begins; {remedy}")
    return frame.fill_null(strategy="forward")
