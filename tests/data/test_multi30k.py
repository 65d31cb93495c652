"""Multi30k: the published split, the way back from tokens to texts, and the download."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from paribus.data import multi30k as module
from paribus.data.loader import Loading
from paribus.data.multi30k import multi30k
from paribus.data.pairs.module import PairData
from paribus.data.spec import UNKNOWN
from paribus.data.texts.tokens import Tokenizer, Tokenizing
from paribus.errors import ConfigError, DataError
from paribus.torchvision_ops import torchvision

ROOT = Path(__file__).parents[2].parent / "shared" / "data"
SETTINGS: dict[str, Any] = {
    "source": "en",
    "target": "de",
    "test": "test_2016_flickr",
    "source_tokens": "spaced",
    "target_tokens": "word",
    "vocabulary_size": 8000,
    "min_count": 1,
    "shared_vocabulary": False,
    "lowercase": False,
    "normalization": "nfc",
    "max_length": 100,
    "batch_tokens": 4000,
}


def _multi30k(root: Path = ROOT, **changes: Any) -> PairData:
    return multi30k(str(root), Loading(0, 8, 1), **{**SETTINGS, **changes})


def _texts(name: str) -> list[str]:
    with gzip.open(ROOT / "multi30k" / f"{name}.gz", "rt", encoding="utf-8", newline="\n") as file:
        return [line.strip() for line in file]


@pytest.fixture(scope="module")
def data() -> PairData:
    if not (ROOT / "multi30k").is_dir():
        pytest.skip(f"needs {ROOT / 'multi30k'}")
    return _multi30k()


def test_it_is_split_as_published(data: PairData) -> None:
    for split, name, size in (("val", "val", 1014), ("test", "test_2016_flickr", 1000)):
        every = torch.arange(data.num_rows(split))
        pairs = zip(data.sources(split, every), data.references(split, every), strict=True)
        found = sorted((source.strip(), references[0]) for source, references in pairs)
        assert found == sorted(zip(_texts(f"{name}.en"), _texts(f"{name}.de"), strict=True)) and len(found) == size
    assert data.num_rows("train") == 29000


def test_byte_pairs_come_back_exactly(data: PairData) -> None:
    pytest.importorskip("tokenizers")
    learned = _texts("train.de")[:3000]
    letters = set("".join(learned))
    new = [text for text in _texts("test_2016_flickr.de") if letters.issuperset(text)]
    tokenizer = Tokenizer.learned(pl.Series(learned), Tokenizing("byte_pair", 2000, 1, False, 500, of_pairs=True))
    for texts in (learned, new):
        found = tokenizer.encode(pl.Series(texts))
        assert tokenizer.decode(found.inputs.tolist()) == texts and len(texts) > 900
        assert not (found.inputs == UNKNOWN).any() and len(found.vocabulary) == 2000


def test_one_language_cannot_be_both() -> None:
    with pytest.raises(ConfigError, match=r"^data.source=en is data.target, too"):
        _multi30k(target="en")


CAPTIONS = {
    f"{split}.{language}.gz": gzip.compress("".join(f"{language} {split} {row}\n" for row in range(20)).encode())
    for split in ("train", "val", "test_2017_flickr")
    for language in ("en", "de")
}


def _served(url: str, root: str, md5: str) -> None:
    """As torchvision's download: what does not have the checksum stays, and is an error."""
    name = url.rpartition("/")[2]
    Path(root, name).write_bytes(CAPTIONS[name])
    if hashlib.md5(CAPTIONS[name], usedforsecurity=False).hexdigest() != md5:
        raise RuntimeError("File not found or corrupted.")


def test_absent_files_are_downloaded_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in CAPTIONS.items()}
    monkeypatch.setattr(torchvision.datasets.utils, "download_url", _served)
    monkeypatch.setattr(module, "CHECKSUMS", sums)
    data = _multi30k(tmp_path, test="test_2017_flickr", source="de", target="en")
    first = torch.tensor([0])
    assert data.sources("test", first) == ["de test_2017_flickr 0"]
    assert data.references("test", first) == [["en test_2017_flickr 0"]]
    folder = tmp_path / "multi30k"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CAPTIONS
    monkeypatch.setattr(module, "CHECKSUMS", {})  # what is there is not downloaded again
    _multi30k(tmp_path, test="test_2017_flickr")


def test_a_download_that_fails_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets.utils, "download_url", _served)  # of other content than published
    with pytest.raises(DataError) as error:
        _multi30k(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}/multi30k/train.en.gz is not there, and it could not be downloaded (File not found or corrupted.); "
        "set data.root to the folder that holds multi30k"
    )
    assert not list(tmp_path.iterdir())
