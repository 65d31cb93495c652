"""The framework's epoch against the loop of the tutorials, which transforms one PIL image at a time."""

from functools import partial

from benchmarks import loops
from benchmarks.epoch import PLAIN, framework_seconds, loop_seconds
from benchmarks.measuring import Row, Settings, in_turns

TUTORIAL = "loop over PIL images"
LIMIT = 0.2  # five times faster
ROUNDS = 3  # at most: an epoch of this loop is long, and far from the target


def benchmark(settings: Settings) -> list[Row]:
    """Seconds an epoch against one transform an image.

    The same network and data, but read as tutorials do: `torchvision.datasets.MNIST` with `ToTensor` and `Normalize`,
    `DataLoader(batch_size=128, shuffle=True, num_workers=0)`, and the bare loop around it. Its first epoch is timed,
    in at most 3 rounds. The target of 0.2 means five times faster.
    """
    loops.prepare(settings.data_root)
    measures = {
        PLAIN: partial(framework_seconds, settings.data_root),
        TUTORIAL: partial(loop_seconds, "per_image", settings.data_root, 1),
    }
    found = in_turns(measures, min(settings.rounds, ROUNDS))
    return [found.row(TUTORIAL), found.row(PLAIN, TUTORIAL, LIMIT)]
