"""The columns of a series: which are used, as the settings say, and their cells as numbers."""

import re
from collections import Counter
from dataclasses import dataclass

import polars as pl

from paribus.data.module import LARGEST
from paribus.data.reading import LINE, check_column
from paribus.data.table import NUMBER_LIKE, as_numbers, likeness, mostly_numbers, not_a_number
from paribus.errors import ConfigError, DataError

DATE_OR_TIME = next(reversed(NUMBER_LIKE))


@dataclass(frozen=True)
class Chosen:
    """The file and what the settings say of its columns. No values: all of numbers. No targets: all values."""

    path: str
    time: str | None
    values: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    known_ahead: tuple[str, ...] = ()
    decimal_comma: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """All columns of numbers that the settings name."""
        return tuple(dict.fromkeys((*self.values, *self.known_ahead, *self.targets)))

    def place(self, name: str, line: int | None = None) -> str:
        """Where something stands, to open an error with."""
        return f"{self.path}: {'' if line is None else f'row {line}, '}column {name!r}"


def check_names(frame: pl.DataFrame, chosen: Chosen) -> None:
    """Raise ConfigError for names that are no columns, and for a column that is to be two things."""
    columns = [name for name in frame.columns if name != LINE]
    lists = {"values": chosen.values, "targets": chosen.targets, "known_ahead": chosen.known_ahead}
    for setting, names in {"time": (chosen.time,) if chosen.time is not None else (), **lists}.items():
        for name, times in Counter(names).items():
            check_column(name, columns, setting, chosen.path)
            if times > 1:
                raise ConfigError(f"data.{setting}: {name} is there {times} times; give it once")
            if setting != "time" and name == chosen.time:
                raise ConfigError(f"data.{setting}=[{name}]: {name} is data.time; leave it out of one of them")
            if setting in ("values", "targets") and name in chosen.known_ahead:
                raise ConfigError(
                    f"data.known_ahead=[{name}]: {name} is in data.{setting}, too; leave it out of one of them"
                )


def numbers(frame: pl.DataFrame, chosen: Chosen) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The columns that are used, in double precision, beside LINE and time; and the values among them, in order.

    Raises DataError with row and column for a cell that is no number, or too large a one.
    """
    others = [name for name in frame.columns if name not in (LINE, chosen.time)]
    values = chosen.values or tuple(
        name for name in others if name not in chosen.known_ahead and _is_of_numbers(frame, chosen, name)
    )
    if not values:
        raise DataError(f"{chosen.path} has no column of numbers beside time and those known ahead; name data.values")
    used = dict.fromkeys((*values, *chosen.named))
    found = frame.with_columns(as_double(frame, chosen, name) for name in used)
    kept = [name for name in (LINE, chosen.time) if name is not None]
    return found.select(*kept, *used), values


def _is_of_numbers(frame: pl.DataFrame, chosen: Chosen, name: str) -> bool:
    """Whether a column is one of the values where the settings name none; texts are not, unless mostly numbers."""
    column = frame[name]
    if column.dtype.is_temporal():
        raise DataError(f"{chosen.place(name)} holds times; set data.time={name}, or name other columns in data.values")
    if column.dtype != pl.String or name in chosen.targets:
        return column.dtype.is_numeric() or name in chosen.targets
    if as_numbers(column, chosen.decimal_comma).dtype != pl.String:
        return True
    return mostly_numbers(column, chosen.decimal_comma)


def as_double(frame: pl.DataFrame, chosen: Chosen, name: str) -> pl.Series:
    """A column's numbers in double precision. Raises DataError with the row for what is none, or too large."""
    column = frame[name]
    if column.null_count() == len(column):
        raise DataError(f"{chosen.place(name)} has no values; name other columns in data.values")
    if column.dtype == pl.String:
        column = as_numbers(column, chosen.decimal_comma)
    if column.dtype == pl.String:
        line, text = not_a_number(frame, name, chosen.decimal_comma)
        what, remedy = likeness(text)
        if re.search(DATE_OR_TIME, text):
            remedy = f"set data.time={name}" if chosen.time is None else "leave it out"
        rest = "" if name in (chosen.time, *chosen.named) else ", or name the columns to use in data.values"
        raise DataError(f"{chosen.place(name, line)}: {text!r} is {what}; {remedy}{rest}")
    if not column.dtype.is_numeric():
        raise DataError(f"{chosen.place(name)} holds {column.dtype}; it must hold numbers")
    column = column.cast(pl.Float64)
    wrong = (~(column.abs() < LARGEST)).arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{chosen.place(name, frame[LINE][row])}: {column[row]:g} cannot be used; every value must be a finite "
            f"number below {LARGEST:g}: mend it"
        )
    return column
