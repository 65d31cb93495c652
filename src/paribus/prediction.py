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
from paribus.data.spec import PADDING, PairSpec
from paribus.data.texts.tokens import Tokenizer
from paribus.decoding.search import Hypothesis, decode
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
class Writer:
    """A trained model with its tokenizers, ready to decode."""

    model: Seq2Seq
    source: Tokenizer
    target: Tokenizer
    device: torch.device


def predict(config: Config, folder: Path, texts: Sequence[str], where: str) -> list[list[Output]]:
    """Of each text the outputs that decoding asks for, the best first; none for a blank text.

    Raises ConfigError where the run's best checkpoint cannot be used, and DataError with `where` and line for a text
    that is longer than the run's data.max_length.
    """
    prepare_torch(config)
    writer = load_writer(config, folder.absolute() / "checkpoints" / "best.ckpt")
    given = [row for row, text in enumerate(texts) if text.strip()]
    assert given, "nothing to decode"
    encoded = writer.source.encode(pl.Series([texts[row] for row in given], dtype=pl.String))
    longest = writer.source.how.max_length
    too_long = (encoded.lengths > longest).nonzero().flatten().tolist()
    if too_long:
        raise DataError(
            f"{where}: line {given[too_long[0]] + 1} has {int(encoded.lengths[too_long[0]])} tokens, more than the "
            f"{longest} of data.max_length that the run was trained with; split it"
        )
    found: list[list[Output]] = [[] for _ in texts]
    for rows, hypotheses in _decoded(writer, encoded.inputs, config):
        for row, several in zip(rows, hypotheses, strict=True):
            written = writer.target.decode([each.tokens for each in several])
            found[given[row]] = [
                Output(text, each.score, not each.is_ended) for text, each in zip(written, several, strict=True)
            ]
    return found


def load_writer(config: Config, path: Path) -> Writer:
    """The model and the tokenizers that a checkpoint holds. Raises ConfigError for one that does not hold them."""
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


def _decoded(writer: Writer, inputs: Tensor, config: Config) -> Iterator[tuple[list[int], list[list[Hypothesis]]]]:
    """Rows of inputs (N, S) and what is found for them, a batch of like lengths at a time, the longest first."""
    decoding, lengths = config["decoding"].build(), (inputs != PADDING).sum(1)
    order = lengths.argsort(descending=True, stable=True)
    console = Console(stderr=True)
    columns = (TextColumn("decoding"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(inputs))
        for rows in order.split(config["data"].settings["batch_size"]):
            batch = inputs[rows, : int(lengths[rows].max())].to(writer.device)
            yield rows.tolist(), decode(writer.model, batch, decoding)
            progress.advance(bar, len(rows))
