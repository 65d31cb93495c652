"""What people are told of a series: its columns, times, splits and season, a line each."""

from collections.abc import Mapping
from itertools import pairwise

from paribus.data.table import shortened
from paribus.data.time_series.reading import Series
from paribus.data.time_series.windows import SPLITS, Borders, Layout


def remarks(series: Series, borders: Borders, layout: Layout, starts: Mapping[str, range]) -> tuple[str, ...]:
    """All but the season."""
    chosen = series.chosen
    lists = {"values": chosen.values, "known ahead": chosen.known_ahead, "targets": chosen.targets}
    if chosen.values == chosen.targets:
        lists = {"values and targets": chosen.values, "known ahead": chosen.known_ahead}
    columns = [f"{what}: {shortened(names)}" for what, names in lists.items() if names]
    if chosen.known_ahead:
        columns.append(
            f"inputs: {layout.window} rows, the {layout.horizon} ahead of them, and a feature that marks those ahead"
        )
    whole = f"{_period(series, 0, len(series))}, step {series.spacing.describe()}"
    unused = len(series) - borders[2]
    if unused:
        whole += f"; the last {unused:,} are in no split"
    splits = [
        f"{SPLITS[name]}: {_period(series, first, end)}, {_windows(starts[name], first, end, layout)}"
        for name, (first, end) in zip(SPLITS, pairwise((0, *borders)), strict=True)
    ]
    return (*columns, f"series: {whole}", *splits, *series.remarks)


def _period(series: Series, first: int, end: int) -> str:
    return f"{end - first:,} rows, {series.times.text(first)} to {series.times.text(end - 1)}"


def _windows(starts: range, first: int, end: int, layout: Layout) -> str:
    """How many there are, and how many rows are in none of them where they do not overlap."""
    windows = f"{len(starts):,} windows"
    if not layout.is_stream:
        return windows
    before = starts[0] + layout.lead - max(first, layout.lead)
    after = end - starts[-1] - layout.span
    left = [f"the {where} {rows:,} rows" for where, rows in (("first", before), ("last", after)) if rows]
    return f"{windows}, {' and '.join(left)} in none" if left else windows


def season_remark(series: Series, season: int | None) -> tuple[int, str]:
    """The season that is used, 1 where none is known, and what is told of it."""
    if season is not None:
        return season, f"season: {season:,} rows"
    found = series.spacing.season
    if found is None:
        return 1, "season: the time step tells none; data.season gives one"
    return found[0], f"season: {found[0]} rows, {found[1]}, by the time step; data.season gives another"
