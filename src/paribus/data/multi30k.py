"""Multi30k: captions of photographs in English and German, split as published (Elliott et al. 2016, task 1)."""

import shutil
import tempfile
from pathlib import Path

from paribus.data.loader import Loading
from paribus.data.pairs.files import Lines, Remedies, read_pairs
from paribus.data.pairs.making import pair_data, sides
from paribus.data.pairs.module import PairData
from paribus.data.pairs.splitting import Corpus
from paribus.errors import ConfigError, DataError
from paribus.torchvision_ops import torchvision
from paribus.types import CaptionLanguage, CaptionTest, Flag, PairTokens, PositiveInt, UnicodeForm

FOLDER = "multi30k"
SOURCE = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
CHECKSUMS = {  # MD5
    "train.en.gz": "0065d13af80720a55ca8153d126e6627",
    "train.de.gz": "81ff90b99829c0cd4b1b587d394afd39",
    "val.en.gz": "2b69aa9253948ac9f67e94917272dd40",
    "val.de.gz": "6e0e229eb049e3fc99a1ef02fb2d5f91",
    "test_2016_flickr.en.gz": "ff2c0fcb4893a13bd73414306bc250ae",
    "test_2016_flickr.de.gz": "efd67d314d98489b716b145475101932",
    "test_2017_flickr.en.gz": "005396bac545d880abe6f00bbb7dbbb4",
    "test_2017_flickr.de.gz": "6a8d5c87f6ae19e3d35681aa6fd16571",
    "test_2017_mscoco.en.gz": "a7b684e0edbef1d4a23660c8e8e743fd",
    "test_2017_mscoco.de.gz": "e8cd6ec2bc8a11fc846fa48a46e3d0bb",
    "test_2018_flickr.en.gz": "a152878809942757a55ce087073486b8",
    "test_2018_flickr.de.gz": "87e00327083dd69feaa029a8f7c1a047",
}


def multi30k(
    root: str,
    loading: Loading,
    *,
    source: CaptionLanguage,
    target: CaptionLanguage,
    test: CaptionTest,
    source_tokens: PairTokens,
    target_tokens: PairTokens,
    vocabulary_size: PositiveInt,
    min_count: PositiveInt,
    shared_vocabulary: Flag,
    lowercase: Flag,
    normalization: UnicodeForm,
    max_length: PositiveInt,
    batch_tokens: PositiveInt | None,
) -> PairData:
    """Captions in one language and the other. Raises ConfigError, and DataError for what cannot be read or fetched."""
    if source == target:
        raise ConfigError(f"data.source={source} is data.target, too; translate en to de or de to en")
    how = sides(
        source_tokens,
        target_tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        shared_vocabulary=shared_vocabulary,
        lowercase=lowercase,
        normalization=normalization,
        max_length=max_length,
    )
    folder = Path(root, FOLDER)
    train, validation, tested = (_captions(folder, split, (source, target)) for split in ("train", "val", test))
    return pair_data(Corpus(train, validation, tested), how, "translation", loading, batch_tokens)


def _captions(folder: Path, split: str, languages: tuple[str, str]) -> Lines:
    """The lines of a split, fetched where they are not there."""
    paths = [folder / f"{split}.{language}.gz" for language in languages]
    for path in paths:
        if not path.exists():
            _fetch(path)
    return read_pairs([str(path) for path in paths], Remedies("delete the file to download it again"))


def _fetch(path: Path) -> None:
    """Download a file, checked before it gets its name. Raises DataError where that fails."""
    try:
        with tempfile.TemporaryDirectory() as place:
            torchvision.datasets.utils.download_url(f"{SOURCE}/{path.name}", place, md5=CHECKSUMS[path.name])
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            shutil.copyfile(Path(place, path.name), part)
            part.replace(path)
    except Exception as error:  # a network, a checksum or a disk that fails, each with errors of its own
        reason = " ".join(str(error).split())[:200].rstrip(":") or type(error).__name__
        raise DataError(
            f"{path} is not there, and it could not be downloaded ({reason}); set data.root to the folder that holds "
            f"{FOLDER}"
        ) from None
