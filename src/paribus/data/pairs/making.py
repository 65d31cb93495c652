"""Making the data of pairs out of lines: split, tokens learned, too long ones left out. Shapes: N pairs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl
import torch
from torch import Tensor
from torch.nn.functional import pad

from paribus.data.loader import Loading
from paribus.data.pairs.files import Lines
from paribus.data.pairs.module import Examples, PairData
from paribus.data.pairs.splitting import Corpus, split
from paribus.data.spec import END, NO_TARGET, PADDING, UNKNOWN, PairSpec
from paribus.data.texts.module import listed
from paribus.data.texts.tokens import Encoded, Tokenizer, Tokenizing, composed
from paribus.errors import ConfigError, DataError

MOST_UNKNOWN = 0.5  # of the sources of a split, the share that may hold unknown tokens alone


@dataclass(frozen=True)
class Sides:
    """How sources and targets become tokens; is_shared: by one vocabulary, learned from both."""

    source: Tokenizing
    target: Tokenizing
    is_shared: bool

    def learned(self, pairs: pl.DataFrame) -> tuple[Tokenizer, Tokenizer]:
        """The tokenizers of sources and targets, from training pairs."""
        sources, targets = pairs["source"], pairs["target"]
        if self.is_shared:
            both = Tokenizer.learned(pl.concat([sources, targets.rename("source")]), self.source)
            return both, both
        return Tokenizer.learned(sources, self.source), Tokenizer.learned(targets, self.target)


def sides(
    source_tokens: str,
    target_tokens: str,
    *,
    vocabulary_size: int,
    min_count: int,
    shared_vocabulary: bool,
    lowercase: bool,
    normalization: str,
    max_length: int,
) -> Sides:
    """Of the settings with these names. Raises ConfigError where a vocabulary cannot be shared."""
    if shared_vocabulary and source_tokens != target_tokens:
        raise ConfigError(
            f"data.shared_vocabulary=true needs the same tokens on both sides, not data.source_tokens={source_tokens} "
            f"and data.target_tokens={target_tokens}; make them the same, or set data.shared_vocabulary=false"
        )
    source, target = (
        Tokenizing(
            tokens,
            vocabulary_size,
            min_count,
            lowercase,
            max_length,
            normalization=normalization,
            of_pairs=True,
            setting=setting,
        )
        for tokens, setting in ((source_tokens, "source_tokens"), (target_tokens, "target_tokens"))
    )
    return Sides(source, target, shared_vocabulary)


@dataclass(frozen=True)
class _Numbered:
    """A split: its pairs (N rows of source, target, references), and both sides as numbers, cut to max_length."""

    pairs: Lines
    source: Encoded
    target: Encoded

    def is_long(self, how: Sides) -> Tensor:
        """(N,): whether source or target has more tokens than it may have."""
        return (self.source.lengths > how.source.max_length) | (self.target.lengths > how.target.max_length)


def pair_data(corpus: Corpus, how: Sides, scores: str, loading: Loading, batch_tokens: int | None) -> PairData:
    """The data module, and what is told of it. Raises DataError and ConfigError."""
    found = split(corpus, lambda texts: composed(texts, how.source), loading)
    pairs = {name: _paired(each, how, scores, is_train=name == "train") for name, each in found.items()}
    source, target = how.learned(pairs["train"].frame)
    numbered = {
        name: _Numbered(each, source.encode(each.frame["source"]), target.encode(each.frame["target"]))
        for name, each in pairs.items()
    }
    for name in ("val", "test"):
        _check_held_out(name, numbered[name], how)
    kept = (~numbered["train"].is_long(how)).nonzero()[:, 0]
    if not len(kept):
        raise DataError(
            f"{corpus.train.where}: no training pair has data.max_length={how.source.max_length} tokens or fewer on "
            "both sides; raise it"
        )
    examples = _examples(numbered, kept)
    train = examples["train"]
    spec = PairSpec(
        tuple(train.inputs.shape[1:]),
        target.vocabulary,
        train.targets.shape[1],
        scores,
        how.is_shared,
        vocabulary=source.vocabulary,
    )
    data = PairData(examples, spec, (source, target), loading, batch_tokens)
    data.remarks = tuple(_remarks(examples, numbered, spec))
    if how.target.lowercase and scores == "translation":
        data.remarks += ("outputs are in lower case, their references as written: bleu_lowercase is what is fair",)
    return data


def _paired(found: Lines, how: Sides, scores: str, *, is_train: bool) -> Lines:
    """Columns source, target, references, line: for training a row for each target, else one for each source."""
    every = found.frame.with_row_index("row").explode("targets").rename({"targets": "target"})
    every = every.with_columns(_judged(every["target"], how, scores).alias("references"))
    if is_train:
        frame = every.with_columns(pl.concat_list("references"))
    else:
        frame = every.group_by("row", maintain_order=True).agg(
            pl.col("source", "target", "line").first(), pl.col("references").unique(maintain_order=True)
        )
    return Lines(frame.select("source", "target", "references", "line"), found.where)


def _judged(targets: pl.Series, how: Sides, scores: str) -> pl.Series:
    """targets (N,) in the form that outputs come in: composed, and with single spaces between spaced tokens.

    Of translations only what does not show is changed, so that their figures can be held against published ones.
    """
    form = how.target
    if scores == "translation":
        form = replace(form, lowercase=False, normalization="none" if form.normalization == "none" else "nfc")
    texts = composed(targets, form)
    return texts.str.replace_all(r"\s+", " ") if how.target.tokens == "spaced" else texts


def _check_held_out(name: str, found: _Numbered, how: Sides) -> None:
    """Raise DataError for a pair that is too long, and where most sources have unknown tokens alone."""
    for side, numbers in (("source", found.source), ("target", found.target)):
        long = (numbers.lengths > how.source.max_length).nonzero()[:, 0].tolist()
        if long:
            raise DataError(
                f"{found.pairs.place(long[0])}: the {side} has {int(numbers.lengths[long[0]])} tokens, more than "
                f"data.max_length={how.source.max_length} ({len(long)} {side}s of {name} do); raise "
                "data.max_length, or leave the pair out"
            )
    strange = (~_is_known(found.source.inputs).any(1)).nonzero()[:, 0].tolist()
    if len(strange) > MOST_UNKNOWN * len(found.pairs.frame):
        raise DataError(
            f"{found.pairs.place(strange[0])}: this and {len(strange) - 1} more of the {len(found.pairs.frame)} "
            f"sources of {name} hold no token that is in the vocabulary of the training sources; lower "
            "data.min_count, raise data.vocabulary_size, use data.source_tokens=character, or are source and target "
            "the wrong way round?"
        )


def _examples(numbered: Mapping[str, _Numbered], kept: Tensor) -> dict[str, Examples]:
    """All splits, of train the rows kept, cut or filled up to one width a side."""
    rows = {name: kept if name == "train" else torch.arange(len(each.pairs.frame)) for name, each in numbered.items()}
    sources = _of_one_width({name: each.source.inputs[rows[name]] for name, each in numbered.items()})
    targets = _of_one_width({name: each.target.inputs[rows[name]] for name, each in numbered.items()})
    found = {}
    for name, each in numbered.items():
        frame = each.pairs.frame[rows[name].numpy()]
        numbers = targets[name].long()
        numbers[numbers == PADDING] = NO_TARGET
        found[name] = Examples(frame["source"], frame["references"], sources[name], numbers)
    return found


def _of_one_width(numbers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors (N, S) of splits, each with its own S -> with that of the longest sequence of all."""
    longest = max(int((each != PADDING).sum(1).max()) for each in numbers.values())
    return {
        name: pad(each[:, :longest], (0, max(0, longest - each.shape[1])), value=PADDING)
        for name, each in numbers.items()
    }


def _remarks(examples: Mapping[str, Examples], numbered: Mapping[str, _Numbered], spec: PairSpec) -> Iterator[str]:
    """What became of the pairs, a line each."""
    yield "pairs: " + listed({name: f"{len(each.inputs):,}" for name, each in examples.items()})
    left_out = len(numbered["train"].pairs.frame) - len(examples["train"].inputs)
    if left_out:
        yield f"training pairs left out, longer than data.max_length: {left_out:,}"
    sizes = f"{len(spec.vocabulary):,} source tokens, {len(spec.class_names):,} target tokens"
    yield "vocabulary: " + (f"{len(spec.vocabulary):,} tokens for both sides" if spec.has_one_vocabulary else sizes)
    lengths = [numbers.lengths for numbers in (numbered["train"].source, numbered["train"].target)]
    medians = f"source {int(lengths[0].median())}, target {int(lengths[1].median())}"
    yield f"tokens: median {medians}; longest source {spec.input_shape[0] - 1}, target {spec.longest_target - 1}"
    held_out = [name for name in numbered if name != "train"]
    for side in ("source", "target"):
        shares = {name: f"{_unknown_share(getattr(numbered[name], side).inputs):.2%}" for name in held_out}
        yield f"unknown {side} tokens: {listed(shares)}"
    known = numbered["train"].pairs.frame["source"].unique()
    repeated = {name: int(numbered[name].pairs.frame["source"].is_in(known.implode()).sum()) for name in held_out}
    if any(repeated.values()):
        yield f"sources that training has, too: {listed(repeated)}"


def _is_known(numbers: Tensor) -> Tensor:
    """numbers (N, S) -> (N, S): where there is a token of the text that the vocabulary has."""
    return numbers > END


def _unknown_share(numbers: Tensor) -> float:
    unknown = int((numbers == UNKNOWN).sum())
    return unknown / (unknown + int(_is_known(numbers).sum()))
