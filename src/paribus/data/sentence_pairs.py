"""Pairs of texts of the user's own: files that are aligned line by line, or one with TABs."""

from paribus.data.loader import Loading
from paribus.data.pairs.files import Lines, Remedies, read_pairs
from paribus.data.pairs.making import pair_data, sides
from paribus.data.pairs.module import PairData
from paribus.data.pairs.splitting import Corpus, HeldOut
from paribus.types import EmptyLines, FilePaths, Flag, Fraction, PairScores, PairTokens, PositiveInt, UnicodeForm


def pairs(
    loading: Loading,
    *,
    train: FilePaths,
    validation: FilePaths | None,
    test: FilePaths | None,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    empty_lines: EmptyLines,
    scores: PairScores,
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
    """Read, split where there are no files for it, learn tokens. Raises DataError with file and line, ConfigError."""
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
    corpus = Corpus(
        _read("train", train, empty_lines),
        _read("validation", validation, empty_lines)
        if validation
        else HeldOut("validation_fraction", validation_fraction),
        _read("test", test, empty_lines) if test else HeldOut("test_fraction", test_fraction),
    )
    return pair_data(corpus, how, scores, loading, batch_tokens)


def _read(setting: str, paths: list[str], empty_lines: str) -> Lines:
    remedies = Remedies(f"set data.{setting}", "set data.empty_lines=skip")
    return read_pairs(paths, remedies, skip_empty=empty_lines == "skip")
