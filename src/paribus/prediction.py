"""Decoding new texts with a trained run, from its folder alone: the data it was trained on is not needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from paribus.building import build_loss, build_model
from paribus.checkpoints import load, load_model
from paribus.config import Config
from paribus.data.pairs.module import PairData
from paribus.data.spec import NO_TARGET, PADDING, PairSpec
from paribus.data.texts.tokens import Tokenizer
from paribus.decoding.search import decode
from paribus.errors import ConfigError, DataError
from paribus.experiment import prepare_torch
from paribus.models.seq2seq import Seq2Seq
from paribus.trainers import available


@dataclass(frozen=True)
class Output:
    """A text written for a source, its score, and whether it was cut at the longest that decoding allows."""

    text: str
    score: float
    is_cut: bool


@dataclass(frozen=True)
class Score:
    """The log-probability of a target, and of how many tokens it is the sum, the end counted."""

    log_probability: float
    tokens: int


@dataclass(frozen=True)
class Writer:
    """A trained model with its tokenizers, ready to decode."""

    model: Seq2Seq
    source: Tokenizer
    target: Tokenizer
    device: torch.device


def predict(config: Config, folder: Path, texts: Sequence[str], where: str) -> list[list[Output]]:
    """Of each text the outputs that decoding asks for, the best first; none for a blank text.

    In 32 bits, also what was tested in bfloat16; in 64 where trainer.precision says so.
    Raises ConfigError where the run's best checkpoint cannot be used, and DataError with `where` and line for a text
    that is longer than the run's data.max_length.
    """
    writer = load_writer(config, folder)
    given = _given(texts)
    inputs, decoding = _numbers(writer.source, texts, given, where), config["decoding"].build()
    found: list[list[Output]] = [[] for _ in texts]
    for rows, sources in _batches(inputs, config, "decoding"):
        for row, several in zip(rows.tolist(), decode(writer.model, sources.to(writer.device), decoding), strict=True):
            written = writer.target.decode([each.tokens for each in several])
            found[given[row]] = [
                Output(text, each.score, not each.is_ended) for text, each in zip(written, several, strict=True)
            ]
    return found


@torch.inference_mode()
def score(config: Config, folder: Path, texts: Sequence[str], targets: Sequence[str], where: str) -> list[Score | None]:
    """Forced decoding: how likely the model finds each target, given its text; None where both are blank.

    `where` is where the targets are. Raises as `predict` does, and DataError where lines do not pair up.
    """
    writer = load_writer(config, folder)
    if len(texts) != len(targets):
        raise DataError(f"{where} has {len(targets)} lines and the input has {len(texts)}; give a target for each text")
    given = _given(texts)
    if unpaired := sorted(set(given) ^ set(_given(targets))):
        raise DataError(f"{where}: line {unpaired[0] + 1}: text or target is blank and the other is not; give both")
    inputs = _numbers(writer.source, texts, given, "the input")
    numbers = _numbers(writer.target, targets, given, where).long()
    numbers[numbers == PADDING] = NO_TARGET
    found: list[Score | None] = [None] * len(texts)
    for rows, sources in _batches(inputs, config, "scoring"):
        logs, _ = writer.model.aligned(sources.to(writer.device), numbers[rows].to(writer.device))
        counts = (numbers[rows] != NO_TARGET).sum(1).tolist()
        for row, total, count in zip(rows.tolist(), logs.sum(1).tolist(), counts, strict=True):
            found[given[row]] = Score(total, count)
    return found


def _given(texts: Sequence[str]) -> list[int]:
    """Which of the texts are not blank: one at least, as files are read."""
    given = [row for row, text in enumerate(texts) if text.strip()]
    assert given, "nothing to decode"
    return given


def _numbers(tokenizer: Tokenizer, texts: Sequence[str], rows: Sequence[int], where: str) -> Tensor:
    """Some of the texts as numbers of tokens (n, steps). Raises DataError, with the line, for one that is too long."""
    encoded, longest = (
        tokenizer.encode(pl.Series([texts[row] for row in rows], dtype=pl.String)),
        tokenizer.how.max_length,
    )
    too_long = (encoded.lengths > longest).nonzero().flatten().tolist()
    if too_long:
        raise DataError(
            f"{where}: line {rows[too_long[0]] + 1} has {int(encoded.lengths[too_long[0]])} tokens, more than the "
            f"{longest} of data.max_length that the run was trained with; split it"
        )
    return encoded.inputs


def load_writer(config: Config, folder: Path) -> Writer:
    """The best model of a run and its tokenizers. Raises ConfigError for a checkpoint that does not hold them."""
    prepare_torch(config)
    path = folder.absolute() / "checkpoints" / "best.ckpt"
    checkpoint = load(path)
    state = checkpoint.get(PairData.__qualname__)
    if not isinstance(state, dict) or "tokenizers" not in state:
        raise ConfigError(f"{path} holds no tokenizers; train the run anew")
    spec = _spec(state["spec"])
    model = build_model(config, spec, build_loss(config, spec))
    load_model(model, checkpoint, path)
    device = torch.device({"gpu": "cuda", "cpu": "cpu"}[available(config["trainer"].settings["accelerator"])])
    assert isinstance(model, Seq2Seq)
    source, target = (Tokenizer.from_state(state["tokenizers"][side]) for side in ("source", "target"))
    return Writer(model.eval().to(device), source, target, device)


def _spec(fields: dict[str, Any]) -> PairSpec:
    """As asdict gave it."""
    return PairSpec(
        tuple(fields["input_shape"]),
        tuple(fields["class_names"]),
        fields["longest_target"],
        fields["scores"],
        fields["has_one_vocabulary"],
        vocabulary=tuple(fields["vocabulary"]),
    )


def _batches(inputs: Tensor, config: Config, what: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of inputs (N, S), and those inputs cut to their longest: like lengths together, the longest first."""
    lengths = (inputs != PADDING).sum(1)
    order = lengths.argsort(descending=True, stable=True)
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(inputs))
        for rows in order.split(config["data"].settings["batch_size"]):
            yield rows, inputs[rows, : int(lengths[rows].max())]
            progress.advance(bar, len(rows))
