"""Written dates: every text has one answer, the calendar's, and is in one split."""

import re
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import torch

from paribus.data.dates import DAYS, FIRST, LAST, STYLES, dates, written
from paribus.data.loader import Fold, Loading
from paribus.data.pairs.module import PairData
from paribus.errors import ConfigError

# As the standard library reads a text that has lost its ordinals and its "the" and "of".
READ = {
    "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%B %d '%y", "%d %B, '%y", "%A, %B %d, %Y", "%A, %d %B %Y",
    "%A %d %B %Y", "%a %d %b %Y", "%a, %b %d, %Y", "%d-%b-%y", "%Y, %B %d", "%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y",
    "%m/%d/%y", "%Y/%m/%d",
}  # fmt: skip


def _dates(seed: int = 0, **changes: Any) -> PairData:
    settings = {"train_size": 500, "validation_size": 40, "test_size": 60, "batch_tokens": None, **changes}
    return dates(Loading(seed, 16, 1), **settings)


def _pairs(data: PairData, name: str) -> dict[str, str]:
    every = torch.arange(data.num_rows(name))
    return {
        source: target
        for source, (target,) in zip(data.sources(name, every), data.references(name, every), strict=True)
    }


def _readings(text: str) -> set[date]:
    plain = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", text).replace("the ", "").replace("of ", "")
    found = set()
    for form in READ:
        try:
            day = datetime.strptime(plain, form).date()
        except ValueError:
            continue
        if "%y" in form and day.year >= 2050:  # the standard library's centuries turn at 69
            day = day.replace(year=day.year - 100)
        if (
            day.strftime(form).replace(" 0", " ").lstrip("0") == plain.replace(" 0", " ").lstrip("0")
            or "%A" not in form
        ):
            found.add(day)
    return found


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_read_as_the_day_it_was_written_for_and_no_other(style: str) -> None:
    for number in range(0, DAYS, 379):
        day = FIRST + timedelta(number)
        text = written(day, style)
        assert _readings(text) == {day}
        assert text.count(str(day.year)) == ("{year}" in style)


def test_weekdays_are_those_of_the_calendar() -> None:
    assert written(date(2016, 5, 3), STYLES[10]) == "Tuesday, May 3, 2016"
    for number in range(0, DAYS, 379):
        day = FIRST + timedelta(number)
        assert written(day, "{weekday} {short_weekday}") == day.strftime("%A %a")


def test_ordinals_are_as_in_english() -> None:
    ordinals = [written(date(2001, 1, day), "{ordinal}") for day in range(1, 32)]
    assert ordinals[:4] == ["1st", "2nd", "3rd", "4th"] and ordinals[10:13] == ["11th", "12th", "13th"]
    assert ordinals[20:23] == ["21st", "22nd", "23rd"] and ordinals[29:] == ["30th", "31st"]


def test_no_text_is_in_two_splits_and_each_has_its_date() -> None:
    data = _dates()
    splits = [_pairs(data, name) for name in ("train", "val", "test")]
    assert [len(split) for split in splits] == [500, 40, 60]
    assert len(set().union(*splits)) == 600
    for split in splits:
        assert all(_readings(text) == {date.fromisoformat(answer)} for text, answer in split.items())
    assert min(splits[0].values()) >= FIRST.isoformat() and max(splits[0].values()) <= LAST.isoformat()
    assert data.spec.scores == "exact" and data.spec.longest_target == len("2016-05-03") + 1


def test_the_seed_decides_and_the_test_stays_whatever_the_training_size() -> None:
    assert _pairs(_dates(), "test") == _pairs(_dates(train_size=90), "test") != _pairs(_dates(1), "test")
    assert _dates().fingerprint == _dates().fingerprint


def test_more_texts_than_there_are_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"^data.train_size, validation_size and test_size ask for 900100 different texts; there are"
    ):
        _dates(train_size=900_000)


def test_there_are_no_folds() -> None:
    with pytest.raises(ConfigError, match=r"^cross_validation=3: this data brings its own test"):
        dates(Loading(0, 16, 1, fold=Fold(1, 3)), train_size=50, validation_size=5, test_size=5, batch_tokens=None)
