"""Texts of the user: a CSV or Parquet file, one row a text and its class, its number, or the tags of its words."""

import torch

from paribus.data.loader import Loading
from paribus.data.module import target_units
from paribus.data.spec import RegressionSpec, classification_spec
from paribus.data.splitting import check_classes, three_way
from paribus.data.table import read_targets
from paribus.data.texts.module import TextData, classified, known, text_data
from paribus.data.texts.source import TextSource, read_texts
from paribus.data.texts.tags import check_tags_of_training, read_tags
from paribus.data.texts.tokens import Tokenizing
from paribus.errors import ConfigError
from paribus.types import Character, FilePath, Flag, Fraction, PositiveInt, Text, TextTask, TokenKind


def text_table(
    loading: Loading,
    *,
    path: FilePath,
    text: Text,
    target: Text,
    task: TextTask,
    tokens: TokenKind,
    vocabulary_size: PositiveInt,
    min_count: PositiveInt,
    lowercase: Flag,
    max_length: PositiveInt,
    delimiter: Character | None,
    decimal_comma: Flag,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    scale_target: Flag,
) -> TextData:
    """Read, check, split, and learn the vocabulary. Raises DataError with file, row and column, and ConfigError."""
    if task == "tagging" and tokens != "word":
        raise ConfigError(f"data.tokens={tokens} does not go with data.task=tagging, which tags words; use word")
    source = read_texts(path, delimiter, text, target)
    how = Tokenizing("spaced" if task == "tagging" else tokens, vocabulary_size, min_count, lowercase, max_length)
    fractions = (validation_fraction, test_fraction)
    if task == "tagging":
        return _tagged(source, how, fractions, loading)
    if task == "regression":
        return _measured(source, how, fractions, loading, decimal_comma=decimal_comma, scale_target=scale_target)
    targets, names = read_targets(source.frame, path, target, task, decimal_comma)
    check_classes(targets, names, source.place(target))
    return classified(source.corpus, targets, names, how, fractions, loading)


def _measured(
    source: TextSource,
    how: Tokenizing,
    fractions: tuple[float, float],
    loading: Loading,
    *,
    decimal_comma: bool,
    scale_target: bool,
) -> TextData:
    """Texts with a number each, in standard units of the training rows if scale_target."""
    targets, _ = read_targets(source.frame, source.path, source.target, "regression", decimal_comma)
    rows = three_way(None, len(targets), *fractions, loading)
    mean, deviation = target_units(targets[rows["train"]], source.place(source.target), scale_target=scale_target)
    found = known(source.corpus, rows, how)
    spec = RegressionSpec(found.input_shape, source.target, mean, deviation, vocabulary=found.vocabulary)
    scaled = ((targets - mean) / deviation).to(torch.float32)
    return text_data(source.corpus, found, scaled, rows, spec, how, loading)


def _tagged(source: TextSource, how: Tokenizing, fractions: tuple[float, float], loading: Loading) -> TextData:
    """Texts with a tag for each word."""
    tags, names = read_tags(source, how.max_length)
    rows = three_way(None, len(tags), *fractions, loading)
    check_tags_of_training(source, tags, names, rows)
    found = known(source.corpus, rows, how)
    spec = classification_spec(found.input_shape, names, vocabulary=found.vocabulary, is_aligned=True)
    return text_data(source.corpus, found, tags, rows, spec, how, loading)
