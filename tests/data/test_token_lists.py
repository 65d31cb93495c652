"""Lists to be copied or reversed."""

from collections import Counter
from typing import Any

import pytest
import torch

from paribus.data.loader import Loading
from paribus.data.pairs.module import PairData
from paribus.data.token_lists import copy, reverse
from paribus.errors import ConfigError

SETTINGS: dict[str, Any] = {
    "symbols": 10,
    "min_length": 3,
    "max_length": 6,
    "train_size": 400,
    "validation_size": 30,
    "test_size": 50,
    "batch_tokens": None,
}


def _pairs(data: PairData, name: str) -> list[tuple[list[str], list[str]]]:
    every = torch.arange(data.num_rows(name))
    answers = data.references(name, every)
    return [
        (source.split(" "), answer.split(" "))
        for source, (answer,) in zip(data.sources(name, every), answers, strict=True)
    ]


@pytest.mark.parametrize(("part", "answer"), [(reverse, lambda row: row[::-1]), (copy, list)])
def test_answers_are_right_and_no_list_comes_twice(part: Any, answer: Any) -> None:
    data = part(Loading(0, 16, 1), **SETTINGS)
    found = [pair for name in ("train", "val", "test") for pair in _pairs(data, name)]
    assert len({tuple(source) for source, _ in found}) == len(found) == 480
    assert all(target == answer(source) for source, target in found)
    lengths = Counter(len(source) for source, _ in found)
    assert set(lengths) == {3, 4, 5, 6} and min(lengths.values()) > 80  # of 480 each is 120 +- 10
    assert set(data.spec.vocabulary[3:]) == {str(symbol) for symbol in range(1, 11)}
    assert data.spec.has_one_vocabulary and data.spec.vocabulary == data.spec.class_names
    assert data.num_rows("val") == 30 and data.num_rows("test") == 50


def test_the_seed_decides_and_the_test_stays_whatever_the_training_size() -> None:
    one, other, more = (
        reverse(Loading(seed, 16, 1), **{**SETTINGS, "train_size": size})
        for seed, size in ((0, 300), (1, 300), (0, 301))
    )
    again = reverse(Loading(0, 16, 1), **{**SETTINGS, "train_size": 300})
    assert one.fingerprint == again.fingerprint and _pairs(one, "test") != _pairs(other, "test")
    assert _pairs(one, "test") == _pairs(more, "test")


def test_more_lists_than_there_are_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"ask for 480 different lists, of 14 that there are; ask for 7 or fewer"):
        copy(Loading(0, 16, 1), **{**SETTINGS, "symbols": 2, "min_length": 1, "max_length": 3})
    with pytest.raises(ConfigError, match=r"^data.min_length=7 is above data.max_length=6"):
        copy(Loading(0, 16, 1), **{**SETTINGS, "min_length": 7})
