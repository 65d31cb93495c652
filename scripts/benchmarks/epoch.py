"""The framework's epoch against hand-written loops over the same data with the same network."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import loops
from benchmarks.measuring import PARIBUS, Row, Settings, in_turns, reported_seconds, wall_seconds

FEW, MANY = 2, 8  # epochs of the two runs whose difference is measured
# The experiment without what it tunes: what `data=mnist model=mlp` is where no experiment is chosen.
NETWORK = (
    "experiment=mnist_mlp",
    "model=mlp",
    "model.hidden_sizes=[256,256]",
    "scheduler=none",
    "regularization.dropout=0",
)

PLAIN = "`paribus train`"
GROUPED = "`paribus train trainer.steps_per_execution=10`"
BARE = "bare loop"
FUSED = "bare loop, fused Adam"
LIGHTNING = "Lightning as documented"
SKORCH = "skorch-like loop"
LIMIT = 1.25  # the framework's promise


def benchmark(settings: Settings) -> list[Row]:
    """Seconds an epoch of a small network.

    An MLP 784-256-256-10 with Adam on MNIST, batch 128: 55,000 rows of training and then a validation of 5,000.

    - `paribus train` has metrics, validation, checkpoints, progress and TensorBoard on. Its figure is the wall time
      of a run of 8 epochs less that of 2 epochs, divided by 6.
    - The loops are processes of their own, and time their epochs after a first one: 6 of the bare loops, 2 of the
      others.
    - The bare loop slices float tensors in memory (randperm, index, forward, cross entropy, backward, step), with
      `torch.optim.Adam` at its defaults, and takes loss and accuracy of the validation rows after each epoch. The
      target is a ratio to this loop; Paribus itself uses Adam's fused kernel, as the second bare loop does.
    - Lightning as documented: `self.log` of loss and torchmetrics accuracy at each step, `DataLoader` over
      `TensorDataset`, and the default Trainer with its logger, progress bar and checkpoints.
    - The skorch-like loop: `DataLoader` over `TensorDataset`, loss and accuracy of each batch into a Python list.
    """
    loops.prepare(settings.data_root)
    root = settings.data_root
    measures = {
        PLAIN: partial(framework_seconds, root),
        BARE: partial(loop_seconds, "bare", root, 6),
        GROUPED: partial(framework_seconds, root, ["trainer.steps_per_execution=10"]),
        FUSED: partial(loop_seconds, "fused", root, 6),
        LIGHTNING: partial(loop_seconds, "lightning", root, 2),
        SKORCH: partial(loop_seconds, "skorch", root, 2),
    }
    found = in_turns(measures, settings.rounds)
    return [
        found.row(BARE),
        found.row(PLAIN, BARE, LIMIT),
        found.row(GROUPED, BARE, LIMIT),
        found.row(PLAIN, FUSED),
        found.row(GROUPED, FUSED),
        found.row(FUSED, BARE),
        found.row(LIGHTNING, BARE),
        found.row(SKORCH, BARE),
    ]


def framework_seconds(root: Path, overrides: Sequence[str] = ()) -> float:
    """Seconds an epoch through the command, start-up and final test left out by a difference of two runs."""
    command = [PARIBUS, "train", *NETWORK, f"data.root={root}", *overrides]
    few, many = (wall_seconds([*command, f"trainer.max_epochs={epochs}"]) for epochs in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def loop_seconds(loop: str, root: Path, epochs: int) -> float:
    """Seconds an epoch of one of `loops.LOOPS`, in a process of its own."""
    return reported_seconds("benchmarks.loops", loop, str(root), str(epochs))
