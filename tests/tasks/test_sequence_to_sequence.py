"""Sequence to sequence: tokens are measured without padding, and what is written by its scores."""

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from conftest import NO_REGULARIZATION
from paribus import losses, scores
from paribus.data.loader import Loading
from paribus.data.pairs.files import Lines, lines
from paribus.data.pairs.making import pair_data, sides
from paribus.data.pairs.module import PairData
from paribus.data.pairs.splitting import Corpus
from paribus.data.spec import NO_TARGET
from paribus.decoding.choices import Decoding
from paribus.decoding.search import Hypothesis
from paribus.tasks.sequence_to_sequence import SequenceToSequence, TokenPerplexity

COUNT, LONGEST = 12, 13
BEAM = Decoding(beam_size=4, length_penalty=1.0, n_best=2, max_ratio=1.0, max_extra=2)


def _lines(count: int) -> Lines:
    """Sources of 1, 2 ... letters, the longest first, and as many sounds."""
    lengths = range(count, 0, -1)
    return lines(
        [" ".join("abc"[place % 3] for place in range(length)) for length in lengths],
        ["S " * length for length in lengths],
        "here",
    )


def _data(kind: str) -> PairData:
    how = sides(
        "spaced",
        "spaced",
        vocabulary_size=50,
        min_count=1,
        shared_vocabulary=False,
        lowercase=False,
        normalization="nfc",
        max_length=50,
    )
    return pair_data(Corpus(_lines(COUNT), _lines(COUNT), _lines(COUNT)), how, kind, Loading(0, 4, 1), None)


class Given(nn.Module):
    """Gives logits that depend on the step and the number of source tokens alone, whatever stands in padding."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.logits = nn.Parameter(3 * torch.randn(LONGEST + 1, LONGEST, num_classes, generator=generator))
        self.shares: list[float] = []

    def forward(self, sources: Tensor, targets: Tensor, forced: float = 1.0) -> Tensor:
        self.shares.append(forced)
        found = self.logits[(sources != 0).sum(1) - 1, : targets.shape[1]]
        return found[targets != NO_TARGET]

    def aligned(self, sources: Tensor, targets: Tensor) -> tuple[Tensor, None]:
        """As a model without attention."""
        return torch.zeros(targets.shape), None

    def teacher_forcing(self, progress: float) -> float:
        return 1 - progress


def _task(kind: str = "pronunciation", monitor: str = "val/loss", step: int = 0) -> SequenceToSequence:
    """A task with its data in a trainer that has taken so many steps, of 2 epochs of 5."""
    data = _data(kind)
    task = SequenceToSequence(
        data.spec,
        Given(data.spec.num_classes),
        losses.cross_entropy(data.spec, 0, class_weights=None),
        lambda parameters: SGD(parameters, 0.1),
        lambda monitor_mode: None,
        NO_REGULARIZATION,
        None,
        None,
        None,
        BEAM,
        steps_per_epoch=5,
        monitor=monitor,
        log_every_n_steps=1,
    )
    task._trainer = cast(Any, SimpleNamespace(datamodule=data, max_epochs=2, global_step=step))
    return task.eval()


def _reference(task: SequenceToSequence) -> tuple[Tensor, Tensor]:
    """-log-probability (M,) of each real target of validation, and whether it is the likeliest."""
    split, model = task._data.raw("val"), cast(Given, task.model)
    log_probabilities = model.logits.detach().double().log_softmax(2)
    found, right = [], []
    for source, target in zip(split.inputs, split.targets, strict=True):
        for step, token in enumerate(target[target != NO_TARGET].tolist()):
            row = log_probabilities[int((source != 0).sum()) - 1, step]
            found.append(-row[token])
            right.append(row.argmax() == token)
    return torch.stack(found), torch.stack(right)


def _validated(task: SequenceToSequence, monkeypatch: pytest.MonkeyPatch, text: str = "S") -> dict[str, float]:
    """The figures of a validation, in whose batches the same text is written for every source."""
    data = task._data
    tokens = tuple(data.spec.class_names.index(token) for token in text.split())
    asked: list[Decoding] = []

    def decode(_: object, sources: Tensor, decoding: Decoding) -> list[list[Hypothesis]]:
        asked.append(decoding)
        return [[Hypothesis(tokens, -1.0, is_ended=True)] for _ in sources]

    monkeypatch.setattr("paribus.tasks.sequence_to_sequence.decode", decode)
    task.on_validation_start()
    with torch.no_grad():
        task.validation_step([[batch] for batch in data.val_dataloader().batches()], 0)
    assert len(asked) == 3 and set(asked) == {BEAM.greedily}
    return task._figures_of("val")


def test_figures_of_tokens_are_means_over_the_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither over batches nor over examples, and no padding in them."""
    task = _task()
    missing, right = _reference(task)
    assert len(missing) == sum(range(2, COUNT + 2))
    found = _validated(task, monkeypatch)
    assert found["val/loss"] == pytest.approx(float(missing.mean()), rel=1e-6)
    assert found["val/perplexity"] == pytest.approx(float(missing.mean().exp()), rel=1e-5)
    assert found["val/token_accuracy"] == pytest.approx(float(right.double().mean()), rel=1e-6)


def test_more_padding_changes_nothing() -> None:
    task = _task()
    inputs, targets = next(task._data.val_dataloader().batches())
    longer = nn.functional.pad(inputs, (0, 3)), nn.functional.pad(targets, (0, 3), value=NO_TARGET)
    outputs, real = task.flat(task.predicted(inputs, targets), targets)
    padded, same = task.flat(task.predicted(*longer), longer[1])
    assert torch.equal(outputs, padded) and torch.equal(real, same)
    assert task.count(targets) == task.count(longer[1]) == len(real) == len(outputs) == 2 + 3 + 4 + 5


def test_accumulated_batches_weigh_as_their_real_tokens() -> None:
    """One step of two batches, of long and of short targets, has the gradient of both as one batch."""
    split = _task()._data.raw("val")
    batch = split.inputs, split.targets
    found = []
    for step in ([batch], [(batch[0][:3], batch[1][:3]), (batch[0][3:], batch[1][3:])]):
        task = _task()
        task.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
        task._backward(step, 0, is_measured=True)
        gradient = cast(Given, task.model).logits.grad
        assert gradient is not None
        found.append(gradient)
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(("step", "share"), [(0, 1.0), (4, 0.6), (5, 0.5), (10, 0.0)])
def test_the_share_of_true_tokens_follows_the_steps_of_training(step: int, share: float) -> None:
    """And validation reads true tokens alone."""
    task = _task(step=step)
    batch = next(task._data.val_dataloader().batches())
    task.predicted(*batch)
    task.train()
    task.predicted(*batch)
    assert cast(Given, task.model).shares == pytest.approx([1.0, share])


@pytest.mark.parametrize("kind", scores.KINDS)
def test_what_is_written_has_the_scores_of_its_kind(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    task = _task(kind)
    references = [[" ".join(["S"] * length)] for length in range(1, COUNT + 1)]  # validation is sorted
    expected = scores.measured(kind, ["S S"] * COUNT, references)
    for _ in range(2):  # an epoch does not remember the one before
        found = _validated(task, monkeypatch, "S S")
        assert {name: found[f"val/{name}"] for name in expected} == pytest.approx(expected)
    assert found["val/exact_match"] == pytest.approx(1 / COUNT)
    assert set(found) == {f"val/{name}" for name in (*expected, "loss", "perplexity", "token_accuracy")}


@pytest.mark.parametrize(
    ("monitor", "kind", "mode"),
    [
        ("val/bleu", "translation", "max"),
        ("val/wer", "pronunciation", "min"),
        ("val/cer", "exact", "min"),
        ("val/exact_match", "exact", "max"),
        ("val/perplexity", "exact", "min"),
        ("train/token_accuracy", "exact", "max"),
    ],
)
def test_each_figure_can_be_monitored(monitor: str, kind: str, mode: str) -> None:
    assert _task(kind, monitor).monitor_mode == mode


@pytest.mark.parametrize("count", [1, 3, 5, COUNT, 50])
def test_samples_go_from_short_to_long(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    task = _task()
    _validated(task, monkeypatch, "S S S")
    rows = task.samples("val", count)
    lengths = [len(row["source"].split()) for row in rows]
    assert len(rows) == min(count, COUNT) and lengths == sorted(set(lengths))
    assert abs(lengths[0] - 1 - (COUNT - lengths[-1])) <= 1  # as far from the one end as from the other
    for row, length in zip(rows, lengths, strict=True):
        assert row["reference"] == " ".join(["S"] * length) and row["output"] == "S S S"


def test_without_attention_there_is_no_figure_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    task = _task()
    _validated(task, monkeypatch)
    assert task.attention_maps("val", "a run") is None


def test_attention_is_drawn_without_dropout_also_after_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning gives the model back in the mode that it had before the test."""
    task, modes = _task(), list[bool]()
    _validated(task, monkeypatch)
    monkeypatch.setattr(Given, "aligned", lambda self, *_: (modes.append(self.training), None))
    task.train()
    task.attention_maps("val", "a run")
    assert modes == [False] and task.model.training


def test_perplexity_of_a_token_that_seems_impossible_is_a_number() -> None:
    metric = TokenPerplexity()
    metric.update(torch.tensor([[0.0, 120.0], [0.0, 0.0]]), torch.tensor([0, 1]))
    assert float(metric.compute()) == pytest.approx(math.exp((120 + math.log(2)) / 2))
