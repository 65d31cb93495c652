"""The framework's training step of recurrent networks against a bare torch.nn.LSTM.

`python -m benchmarks.sequences LOOP CASE` prints the seconds of one of LOOPS. Shapes: B batch, T steps.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence
from torch.optim import Adam

from benchmarks import framework_step
from benchmarks.measuring import Row, Settings, in_turns, reported_seconds

LIMIT = 1.2
NUM_WARM_UP, NUM_STEPS = 10, 60
HIDDEN = 128
EMBEDDING = 64


@dataclass(frozen=True)
class Case:
    """An experiment in batches of `batch_size`; the bare loop trains on batches of the same shape."""

    overrides: tuple[str, ...]
    batch_size: int


NUMBERS, TEXTS = "numbers", "texts"
CASES = {
    NUMBERS: Case(("data=adding_problem", "loss=mse", "model=lstm"), 64),
    TEXTS: Case(("data=city_names", "model=lstm", "model.is_bidirectional=true"), 64),
}


def benchmark(settings: Settings) -> list[Row]:
    """Seconds of a training step of an LSTM, and sequences a second.

    One layer of 128 units, batches of 64, Adam; the mean of 60 steps after 10 others.

    - Numbers: the adding problem, 100 steps of 2 numbers, one direction, the last state to one output.
    - Texts: names of cities by letters (embeddings of 64), of different lengths, both directions, the last states to
      ten classes.
    - `paribus train` is timed from the end of a step to the next one's, so it holds the data, metrics, the progress
      bar and TensorBoard every 50 steps.
    - The bare loop is `torch.nn.LSTM` with a linear layer, trained on the very batches of the framework, made
      beforehand: forward, loss, backward and a step of `torch.optim.Adam(fused=True)`, and nothing else. Texts are
      packed (`pack_padded_sequence`), as PyTorch's documentation does it.
    """
    measures = {
        _name(loop, case): partial(reported_seconds, "benchmarks.sequences", loop, case)
        for case in CASES
        for loop in LOOPS
    }
    found = in_turns(measures, settings.rounds)
    rows = []
    for name, case in CASES.items():
        bare, framework = (_name(loop, name) for loop in LOOPS)
        rows += [_with_speed(found.row(bare), case), _with_speed(found.row(framework, bare, LIMIT), case)]
    return rows


def _name(loop: str, case: str) -> str:
    return f"{NAMES[loop]}, {case}"


def _with_speed(row: Row, case: Case) -> Row:
    return replace(row, what=f"{row.what}: {case.batch_size / row.seconds:,.0f} sequences/s")


class Bare(nn.Module):
    """(B, T, features), or tokens (B, T) of which 0 is padding -> (B, num_outputs)."""

    def __init__(self, num_inputs: int, num_outputs: int, *, is_text: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_inputs, EMBEDDING, padding_idx=0) if is_text else None
        self.lstm = nn.LSTM(EMBEDDING if is_text else num_inputs, HIDDEN, batch_first=True, bidirectional=is_text)
        self.output = nn.Linear(HIDDEN * (1 + is_text), num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """The last state of each direction, to the outputs."""
        if self.embedding is None:
            hidden = self.lstm(inputs)[0][:, -1]
        else:
            lengths = (inputs != 0).sum(1).cpu()
            packed = pack_padded_sequence(self.embedding(inputs), lengths, batch_first=True, enforce_sorted=False)
            hidden = torch.cat(list(self.lstm(packed)[1][0]), 1)
        outputs: Tensor = self.output(hidden)
        return outputs


def bare_seconds(case: Case) -> float:
    """Seconds of a step of the bare loop."""
    from paribus import composition, config
    from paribus.building import build_data
    from paribus.data.spec import ClassificationSpec
    from paribus.experiment import prepare_torch

    checked = config.check(composition.compose(_overrides(case)))
    prepare_torch(checked)
    data = build_data(checked)
    batches = list(data.train_dataloader().batches())
    is_text = data.spec.is_text
    num_outputs = data.spec.num_classes if isinstance(data.spec, ClassificationSpec) else 1
    model = Bare(len(data.spec.vocabulary) if is_text else data.spec.input_shape[-1], num_outputs, is_text=is_text)
    optimizer = Adam(model.parameters(), fused=True)
    ends = []
    for step in range(NUM_WARM_UP + NUM_STEPS):
        inputs, targets = batches[step % len(batches)]
        outputs = model(inputs)
        loss = F.cross_entropy(outputs, targets) if is_text else F.mse_loss(outputs.squeeze(1), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ends.append(time.perf_counter())
    return framework_step.mean_seconds(ends, NUM_WARM_UP)


def framework_seconds(case: Case) -> float:
    """Seconds of a step of the framework."""
    return framework_step.framework_seconds(_overrides(case), NUM_WARM_UP, NUM_STEPS)


def _overrides(case: Case) -> list[str]:
    return ["experiment=null", *case.overrides, f"data.batch_size={case.batch_size}", f"model.hidden_size={HIDDEN}"]


LOOPS: dict[str, Callable[[Case], float]] = {"bare": bare_seconds, "framework": framework_seconds}
NAMES = {"bare": "bare LSTM", "framework": "`paribus train model=lstm`"}


if __name__ == "__main__":
    name, chosen = sys.argv[1:]
    print(LOOPS[name](CASES[chosen]))
