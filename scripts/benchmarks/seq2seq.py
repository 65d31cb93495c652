"""The framework's training step of sequence to sequence and its searches against bare PyTorch.

`python -m benchmarks.seq2seq LOOP WEIGHTS` prints the seconds of one of LOOPS. Shapes: B batch, S source steps, T
target steps, M real target tokens of a batch.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from benchmarks import framework_step
from benchmarks.bare_seq2seq import Bare, beam, greedy
from benchmarks.measuring import Row, Settings, in_turns, reported_seconds
from paribus.data.loader import Batch
from paribus.data.spec import NO_TARGET, PADDING
from paribus.decoding.choices import Decoding
from paribus.decoding.search import decode
from paribus.models.seq2seq import Seq2Seq, tokens_before

TRAINING_LIMIT = 1.15
STEPWISE_LIMIT = 0.5
NUM_WARM_UP, NUM_STEPS = 5, 30
BATCH_SIZE, TEST_SIZE = 64, 256
HIDDEN, EMBEDDING = 256, 128
CLIP = 1.0
PREPARING_RATE = 5e-3  # the highest; it rises and falls
PREPARING_STEPS = 400
ALIKE = 0.95  # the least share of outputs that the bare search must have in common with the framework's
OVERRIDES = (
    "experiment=null",
    "data=reverse",
    "data.symbols=200",
    "data.min_length=5",
    "data.max_length=20",
    f"data.test_size={TEST_SIZE}",
    f"data.batch_size={BATCH_SIZE}",
    "model=seq2seq",
    f"model.hidden_size={HIDDEN}",
    f"model.embedding_size={EMBEDDING}",
    "optimizer=adam",
    f"regularization.gradient_clip={CLIP}",
)


@dataclass(frozen=True)
class Built:
    """The framework's model, the training batches of its first epoch, test sources (B, S), and the search chosen."""

    model: Seq2Seq
    batches: Sequence[Batch]
    sources: Sequence[Tensor]
    decoding: Decoding


def benchmark(settings: Settings) -> list[Row]:
    """Seconds of a training step of sequence to sequence, and of decoding.

    Lists of 5 to 20 of 200 symbols, to be reversed (`data=reverse`), in batches of 64; embeddings of 128, an encoder of
    both directions and a decoder of 256 units, a layer each, `attention=luong_general`, Adam, the gradient's norm
    clipped at 1; the mean of 30 steps after 5 others. Tokens are those of the targets, END with them.

    - `paribus train` is timed from the end of a step to the next one's, so it holds the data, metrics, the progress
      bar and TensorBoard every 50 steps.
    - The bare loop is the same model of `torch.nn.Embedding`, `LSTM` and `Linear`, all target steps at once, trained
      on the very batches of the framework, of sequences of like length, made beforehand: forward, cross entropy,
      backward, `clip_grad_norm_` and a step of `torch.optim.Adam(fused=True)`, and nothing else. Packed, its encoder
      reads with `pack_padded_sequence`, as tutorials have it. Not packed, it reads padding too, which is another model
      where there is padding, and the quicker one: the framework is compared with this.
    - All target steps at once and one after the other: the framework's model in the bare loop, and the same with its
      `step` for each token, as scheduled sampling and input feeding need it. The target is half of the time.
    - Decoding is of 256 sources in batches of 64, sorted by length, by a model trained for 400 steps, as
      `decoding=greedy` and `decoding=beam`, of 5, do it. The bare searches, with the same weights, are of whole batches
      up to the step at which all outputs have ended: the likeliest token of each sentence, and the 5 best outputs.

    Before anything is timed, the bare model with the framework's weights must give the same loss, and the bare searches
    the same outputs but for 5 % at most.
    """
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder, "weights.pt"))
        reported_seconds("benchmarks.seq2seq", "prepare", weights)
        measures = {NAMES[loop]: partial(reported_seconds, "benchmarks.seq2seq", loop, weights) for loop in NAMES}
        found = in_turns(measures, settings.rounds)
    tokens = _tokens_a_step()

    def trained(loop: str, baseline: str | None = None, limit: float | None = None) -> Row:
        row = found.row(NAMES[loop], baseline and NAMES[baseline], limit)
        return replace(row, what=f"{row.what}: {tokens / row.seconds:,.0f} tokens/s")

    def decoded(loop: str, baseline: str | None = None) -> Row:
        row = found.row(NAMES[loop], baseline and NAMES[baseline])
        return replace(row, what=f"{row.what}: {TEST_SIZE / row.seconds:,.0f} sentences/s")

    return [
        trained("bare"),
        trained("packed", "bare"),
        trained("framework", "bare", TRAINING_LIMIT),
        trained("stepwise"),
        trained("at_once", "stepwise", STEPWISE_LIMIT),
        decoded("bare_greedy"),
        decoded("greedy", "bare_greedy"),
        decoded("bare_beam"),
        decoded("beam", "bare_beam"),
    ]


def _tokens_a_step() -> float:
    """The mean number of real target tokens of the batches that are timed."""
    timed = _built().batches[NUM_WARM_UP : NUM_WARM_UP + NUM_STEPS]
    return sum(int((targets != NO_TARGET).sum()) for _, targets in timed) / len(timed)


def prepare(weights: Path) -> float:
    """Train the framework's model until nearly every output ends where it should; its weights are kept in a file."""
    built = _built(f"data.train_size={PREPARING_STEPS * BATCH_SIZE}")
    rate = partial(OneCycleLR, max_lr=PREPARING_RATE, total_steps=len(built.batches), pct_start=0.1)
    seconds = _training_seconds(partial(_loss, built.model), built.model, built.batches, rate)
    torch.save(built.model.state_dict(), weights)
    return seconds


def framework_seconds(weights: Path) -> float:
    """Seconds of a step of the framework."""
    return framework_step.framework_seconds(OVERRIDES, NUM_WARM_UP, NUM_STEPS)


def bare_seconds(weights: Path, *, is_packed: bool) -> float:
    """Seconds of a step of the bare loop."""
    built = _built()
    bare = _bare(built)
    bare.is_packed = is_packed
    return _training_seconds(bare.loss, bare, _timed(built))


def model_seconds(weights: Path, *, is_stepwise: bool) -> float:
    """Seconds of a step of the framework's model in the bare loop, all target steps at once or one after the other."""
    built = _built()
    logits = partial(_step_by_step, built.model) if is_stepwise else built.model
    return _training_seconds(partial(_loss, logits), built.model, _timed(built))


def search_seconds(weights: Path, *, search: str, is_bare: bool) -> float:
    """Seconds of decoding the test sources, after those of the first batch."""
    built = _built(f"decoding={search}")
    built.model.load_state_dict(torch.load(weights))
    searched = _bare_search(built) if is_bare else partial(_searched, built)
    searched(built.sources[:1])
    started = time.perf_counter()
    searched(built.sources)
    return time.perf_counter() - started


def _built(*overrides: str) -> Built:
    # Only now: the document needs no lightning.
    from paribus import composition, config
    from paribus.building import build_data, build_task
    from paribus.experiment import prepare_torch

    checked = config.check(composition.compose([*OVERRIDES, *overrides]))
    prepare_torch(checked)
    data = build_data(checked)
    model = build_task(checked, data).model
    assert isinstance(model, Seq2Seq)
    sources = [inputs for inputs, _ in data.test_dataloader().batches()]
    return Built(model, list(data.train_dataloader().batches()), sources, checked["decoding"].build())


def _timed(built: Built) -> Sequence[Batch]:
    return built.batches[: NUM_WARM_UP + NUM_STEPS]


def _bare(built: Built) -> Bare:
    """The bare model with the framework's weights, once both have given the same loss on the batch of most padding."""
    bare = Bare(built.model.output.out_features, HIDDEN, EMBEDDING, is_packed=True)
    bare.load_state_dict({_renamed(name): weight for name, weight in built.model.state_dict().items()})
    sources, targets = max(built.batches, key=lambda batch: float((batch[0] == PADDING).float().mean()))
    losses = bare.loss(sources, targets), _loss(built.model, sources, targets)
    torch.testing.assert_close(*losses, msg=lambda text: f"the losses differ: {text}")
    return bare


def _renamed(name: str) -> str:
    """A name among the framework's weights -> that among the bare model's."""
    for theirs, bare in (
        ("encoder.layer1.forwards.cell", "encoder"),
        ("encoder.layer1.backwards.cell", "encoder"),
        ("decoder.layer1.cell", "decoder"),
        ("decoder.attention.keys", "keys"),
        ("decoder.combination", "combination"),
    ):
        if name.startswith(theirs):
            return name.replace(theirs, bare) + "_reverse" * ("backwards" in name)
    return name


def _loss(logits: Callable[[Tensor, Tensor], Tensor], sources: Tensor, targets: Tensor) -> Tensor:
    """Of logits(sources, targets), (M, V): the mean over real targets."""
    return F.cross_entropy(logits(sources, targets), targets[targets != NO_TARGET])


def _step_by_step(model: Seq2Seq, sources: Tensor, targets: Tensor) -> Tensor:
    """What model(sources, targets) gives, (M, V), from a step of the decoder for each token."""
    memory = model.encode(sources)
    state, found = model.begin(memory), []
    for tokens in tokens_before(targets).unbind(1):
        logits, state, _ = model.step(tokens, state, memory)
        found.append(logits)
    return torch.stack(found, 1)[targets != NO_TARGET]


def _training_seconds(
    loss_of: Callable[[Tensor, Tensor], Tensor],
    model: nn.Module,
    batches: Sequence[Batch],
    make_schedule: Callable[[Adam], LRScheduler] | None = None,
) -> float:
    """Mean seconds of a step of training with Adam after the first ones, once over the batches."""
    optimizer = Adam(model.parameters(), fused=True)
    schedule = make_schedule(optimizer) if make_schedule else None
    ends = []
    for sources, targets in batches:
        loss = loss_of(sources, targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        if schedule:
            schedule.step()
        ends.append(time.perf_counter())
    return framework_step.mean_seconds(ends, NUM_WARM_UP)


def _searched(built: Built, batches: Sequence[Tensor]) -> list[list[int]]:
    """The framework's output for each source."""
    model = built.model.eval()
    return [list(found[0].tokens) for sources in batches for found in decode(model, sources, built.decoding)]


def _bare_search(built: Built) -> Callable[[Sequence[Tensor]], list[list[int]]]:
    """The bare one for each source, once it has given nearly the same outputs as the framework's.

    Either may choose otherwise where two outputs are all but equally likely.
    """
    model, chosen = _bare(built).eval(), built.decoding

    def searched(batches: Sequence[Tensor]) -> list[list[int]]:
        found = []
        for sources in batches:
            longest = int(chosen.longest(sources).max())
            if chosen.beam_size == 1:
                found += greedy(model, sources, longest)
            else:
                found += beam(model, sources, longest, chosen.beam_size, chosen.length_penalty)
        return found

    pairs = list(zip(searched(built.sources), _searched(built, built.sources), strict=True))
    share = sum(bare == framework for bare, framework in pairs) / len(pairs)
    assert share >= ALIKE, f"only {share:.1%} of the outputs are the same"
    return searched


LOOPS: dict[str, Callable[[Path], float]] = {
    "prepare": prepare,
    "bare": partial(bare_seconds, is_packed=False),
    "packed": partial(bare_seconds, is_packed=True),
    "framework": framework_seconds,
    "stepwise": partial(model_seconds, is_stepwise=True),
    "at_once": partial(model_seconds, is_stepwise=False),
    "bare_greedy": partial(search_seconds, search="greedy", is_bare=True),
    "greedy": partial(search_seconds, search="greedy", is_bare=False),
    "bare_beam": partial(search_seconds, search="beam", is_bare=True),
    "beam": partial(search_seconds, search="beam", is_bare=False),
}
NAMES = {
    "bare": "bare model, not packed",
    "packed": "bare model, packed",
    "framework": "`paribus train model=seq2seq`",
    "stepwise": "its model, step by step",
    "at_once": "its model, all steps at once",
    "bare_greedy": "bare greedy search",
    "greedy": "`decoding=greedy`",
    "bare_beam": "bare beam search",
    "beam": "`decoding=beam`",
}


if __name__ == "__main__":
    name, file = sys.argv[1:]
    print(LOOPS[name](Path(file)))
