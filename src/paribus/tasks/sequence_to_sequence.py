"""Sequence to sequence. Shapes: B batch, S source steps, T target steps, V target tokens, M real targets of a batch."""

from typing import Any, Literal

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.text import Perplexity

from paribus import figures, scores
from paribus.data.module import TensorData
from paribus.data.pairs.module import PairData
from paribus.data.spec import END, NO_TARGET, PADDING, PairSpec
from paribus.decoding.search import Hypothesis, decode
from paribus.metric_names import lower_is_better
from paribus.models.seq2seq import Seq2Seq
from paribus.tasks.task import Task

PANELS = 4  # attention maps in a figure
MOST_LISTED = 1000  # mistakes in the table


class TokenPerplexity(Perplexity):
    """exp of the mean -log probability of a token.

    torchmetrics takes the logarithm of a softmax, which may be that of 0; here a token is never so unlikely.
    """

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Logits (M, V), targets (M,)."""
        self.total_log_probs += F.cross_entropy(preds, target, reduction="sum").double()
        self.count += len(target)


class SequenceToSequence(Task):
    """Loss, accuracy and perplexity of tokens, each given the true ones before it; scores of what is written freely.

    After an epoch the validation sources are decoded greedily, the most likely token at each step; the test's are
    decoded as the group decoding says.
    """

    spec: PairSpec
    model: Seq2Seq

    def predicted(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """inputs (B, S), targets (B, T) -> logits (M, V) of the real targets."""
        share = self.model.teacher_forcing(self._progress) if self.training else 1.0
        outputs: Tensor = self.model(inputs, targets, share)
        return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

    @property
    def _progress(self) -> float:
        """The share of all steps that is done."""
        epochs = self.trainer.max_epochs if self._trainer else None
        return self.global_step / (self.steps_per_epoch * epochs) if epochs else 0.0

    def flat(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """outputs (M, V) as they are, targets (B, T) -> (M,)."""
        return outputs, targets[targets != NO_TARGET]

    def count(self, targets: Tensor) -> int:
        """M of targets (B, T)."""
        return int((targets != NO_TARGET).sum())

    def metrics(self, stage: str) -> MetricCollection:
        """Of tokens; training gets accuracy alone."""
        accuracy = MulticlassAccuracy(self.spec.num_classes, average="micro", validate_args=False)
        if stage == "train":
            return MetricCollection({"token_accuracy": accuracy})
        return MetricCollection({"token_accuracy": accuracy, "perplexity": TokenPerplexity()}, compute_groups=False)

    def readable(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and targets as they are."""
        return outputs, targets

    def bests(self, stage: str) -> dict[str, Literal["min", "max"]]:
        """As of any task, and the scores."""
        found = super().bests(stage)
        if stage == "train":
            return found
        return found | {name: "min" if lower_is_better(name) else "max" for name in scores.KINDS[self.spec.scores]}

    def on_validation_start(self) -> None:
        """Forget what the epoch before has written."""
        super().on_validation_start()
        self._written: list[Hypothesis] = []

    def on_test_epoch_start(self) -> None:
        """Forget an earlier test."""
        super().on_test_epoch_start()
        self._written = []

    def _keep(self, stage: str, inputs: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """What is written for the batch's sources; its logits are not kept, since they may be of 10,000 tokens."""
        assert self._decoding is not None
        decoding = self._decoding.greedily if stage == "val" else self._decoding
        self._written += [found[0] for found in decode(self.model, inputs, decoding)]

    def _figures_of(self, stage: str) -> dict[str, float]:
        """Those of tokens, and the scores of what was written."""
        found = super()._figures_of(stage)
        if stage == "train":
            return found
        outputs, references = self._texts(stage)
        self._scores = scores.measured(self.spec.scores, outputs, references)
        return found | {f"{stage}/{name}": value for name, value in self._scores.items()}

    def _texts(self, stage: str) -> tuple[list[str], list[list[str]]]:
        """What was written for each source of a stage that has ended, and its references."""
        data = self._data
        outputs = data.target_tokenizer.decode([each.tokens for each in self._written])
        return outputs, data.references(stage, torch.arange(len(outputs)))

    @property
    def _data(self) -> PairData:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, PairData)
        return data

    def samples(self, stage: str, count: int) -> list[dict[str, str]]:
        """source, reference and output of a few examples of a stage that has ended, from short to long."""
        positions = self._spread(count)
        outputs, references = self._texts(stage)
        sources = self._data.sources(stage, torch.tensor(positions))
        return [
            {"source": source, "reference": " | ".join(references[place]), "output": outputs[place]}
            for source, place in zip(sources, positions, strict=True)
        ]

    @torch.no_grad()
    def attention_maps(self, stage: str, run: str) -> Figure | None:
        """Where it looks as it writes a few of its outputs; None for a model without attention."""
        positions = self._spread(PANELS)
        written = [torch.tensor([*self._written[place].tokens, END]) for place in positions]
        data = self._data
        sources = data.raw(stage).take(torch.tensor(positions)).to(self.device)
        targets = pad_sequence(written, batch_first=True, padding_value=NO_TARGET).to(self.device)
        is_training = self.model.training  # Lightning gives that back after a test
        _, weights = self.model.eval().aligned(sources, targets)
        self.model.train(is_training)
        if weights is None:
            return None
        maps, inputs, outputs = [], [], []
        for source, target, found in zip(sources.tolist(), written, weights.float().cpu(), strict=True):
            inputs.append(data.source_tokenizer.tokens([number for number in source if number != PADDING]))
            outputs.append(data.target_tokenizer.tokens(target.tolist()))
            maps.append(found[: len(target), : len(inputs[-1])])
        return figures.attention(maps, inputs, outputs, run=run)

    def _spread(self, count: int) -> list[int]:
        """Positions of examples of a stage that has ended, evenly from its shortest source to its longest."""
        every = len(self._written)
        return sorted({(2 * number + 1) * every // (2 * count) for number in range(count)})

    def figures(self, run: str, data: TensorData) -> dict[str, Figure]:
        """Attention maps, the score by length of the source, the worst mistakes."""
        lengths = ((data.raw("test").inputs != PADDING).sum(1) - 1).tolist()  # without END
        maps = self.attention_maps("test", run)
        return {
            **({} if maps is None else {"attention": maps}),
            "score_by_length": figures.score_by_length(self.spec.scores, lengths, *self._texts("test"), run=run),
            "worst_mistakes": figures.worst_pairs(self._mistakes(), run=run),
        }

    def tables(self, data: TensorData) -> dict[str, list[dict[str, Any]]]:
        """Every output of the test, the worst mistakes, and how each score was measured."""
        outputs, references = self._texts("test")
        signatures = scores.signatures(self.spec.scores, references)
        return {
            "outputs": [
                {"source": source, "references": " | ".join(known), "output": output, "search_score": each.score}
                for source, known, output, each in zip(
                    self._sources("test"), references, outputs, self._written, strict=True
                )
            ],
            "mistakes": self._mistakes()[:MOST_LISTED],
            "scores": [
                {"score": name, "value": value, "signature": signatures[name]} for name, value in self._scores.items()
            ],
        }

    def verdict(self) -> str | None:
        """How a translation was measured: what a paper is to say."""
        if self.spec.scores != "translation":
            return None
        found = scores.signatures(self.spec.scores, self._texts("test")[1])
        return "\n".join(f"{name}: {text}" for name, text in found.items())

    def _mistakes(self) -> list[dict[str, Any]]:
        """Of the test, the worst first."""
        outputs, references = self._texts("test")
        judged = scores.by_example(self.spec.scores, outputs, references)
        return scores.mistakes(self._sources("test"), outputs, references, judged)

    def _sources(self, stage: str) -> list[str]:
        return self._data.sources(stage, torch.arange(len(self._written)))
