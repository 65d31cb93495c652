"""Written dates, to be put in figures: "Tuesday, May 3rd, 2016" -> "2016-05-03". Made by rule, with one answer each."""

from datetime import date, timedelta

import torch

from paribus.data.loader import Loading
from paribus.data.pairs.files import Lines, lines
from paribus.data.pairs.making import pair_data, sides
from paribus.data.pairs.module import PairData
from paribus.data.pairs.splitting import Corpus
from paribus.errors import ConfigError
from paribus.seeding import derive
from paribus.types import PositiveInt, SampleCount

FIRST, LAST = date(1950, 1, 1), date(2049, 12, 31)  # so that '50 to '99 are of one century and '00 to '49 of the next
DAYS = (LAST - FIRST).days + 1

# With slashes the month comes before the day, with dots after it, so that no date could be read in two ways.
STYLES = (
    "{day} {month} {year}",
    "{day} {short_month} {year}",
    "{month} {day}, {year}",
    "{short_month} {day}, {year}",
    "{ordinal} {month} {year}",
    "{month} {ordinal}, {year}",
    "{month} {ordinal} '{short_year}",
    "{ordinal} of {month} {year}",
    "the {ordinal} of {month} {year}",
    "the {ordinal} of {month}, '{short_year}",
    "{weekday}, {month} {day}, {year}",
    "{weekday}, {day} {month} {year}",
    "{weekday} the {ordinal} of {month} {year}",
    "{short_weekday} {day} {short_month} {year}",
    "{short_weekday}, {short_month} {ordinal}, {year}",
    "{day:02}-{short_month}-{short_year}",
    "{year}, {month} {day}",
    "{day}.{number}.{year}",
    "{day:02}.{number:02}.{short_year}",
    "{number}/{day}/{year}",
    "{number:02}/{day:02}/{short_year}",
    "{year}/{number:02}/{day:02}",
)
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
WEEKDAYS = "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"
ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
MOST = DAYS * len(STYLES) * 3 // 4  # texts; some styles write some days alike, such as 10.10.1999
LONGEST = 64  # characters; no text has as many


def dates(
    loading: Loading,
    *,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
    batch_tokens: PositiveInt | None,
) -> PairData:
    """Days from 1950 to 2049, each written in one of STYLES; characters on both sides. No text comes twice."""
    sizes = {"test": test_size, "val": validation_size, "train": train_size}  # the test stays, whatever train_size
    texts = _texts(sum(sizes.values()), derive(loading.seed, "generated", "dates"))
    found = {name: _next(texts, size) for name, size in sizes.items()}
    how = sides(
        "character",
        "character",
        vocabulary_size=1000,  # far more than there are
        min_count=1,
        shared_vocabulary=False,
        lowercase=False,
        normalization="nfc",
        max_length=LONGEST,
    )
    return pair_data(Corpus(found["train"], found["val"], found["test"]), how, "exact", loading, batch_tokens)


def written(day: date, style: str) -> str:
    """A day in one of STYLES."""
    month, weekday = MONTHS[day.month - 1], WEEKDAYS[day.weekday()]
    return style.format(
        day=day.day,
        ordinal=f"{day.day}{ENDINGS.get(day.day, 'th')}",
        month=month,
        short_month=month[:3],
        number=day.month,
        year=day.year,
        short_year=f"{day.year % 100:02}",
        weekday=weekday,
        short_weekday=weekday[:3],
    )


def _texts(count: int, seed: int) -> list[tuple[str, str]]:
    """So many different texts with their dates, drawn from all days and styles. Raises ConfigError for too many."""
    if count > MOST:
        raise ConfigError(
            f"data.train_size, validation_size and test_size ask for {count} different texts; there are {MOST} for "
            "sure, so ask for as many or fewer"
        )
    order = torch.randperm(DAYS * len(STYLES), generator=torch.Generator().manual_seed(seed))
    found: dict[str, str] = {}
    for number in order.tolist():
        if len(found) == count:
            break
        days, style = divmod(number, len(STYLES))
        day = FIRST + timedelta(days)
        found[written(day, STYLES[style])] = day.isoformat()
    return list(found.items())


def _next(texts: list[tuple[str, str]], size: int) -> Lines:
    """The next texts, which are taken off the list."""
    sources, targets = zip(*texts[:size], strict=True)
    del texts[:size]
    return lines(sources, targets, "dates")
