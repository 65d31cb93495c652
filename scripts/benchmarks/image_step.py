"""The framework's training step of EfficientNet-B0 against the model alone.

`python -m benchmarks.image_step LOOP SIZE FOLDER` prints the seconds of one of LOOPS. Shapes: B batch, S size.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.optim import Adam

from benchmarks import framework_step
from benchmarks.measuring import Row, Settings, in_turns, reported_seconds
from paribus.torchvision_ops import torchvision

NUM_CLASSES = 10
STOCHASTIC_DEPTH = 0.2  # as published
LIMIT = 1.1


@dataclass(frozen=True)
class Case:
    """Images of `size` pixels a side, in batches. The mean of `num_steps` steps is taken, after a few others."""

    size: int
    stem_stride: int
    batch_size: int
    num_images: int  # so many that they stay bytes, as larger data do, and each batch is scaled by itself
    num_warm_up: int
    num_steps: int


CASES = {case.size: case for case in (Case(32, 1, 64, 22_400, 5, 20), Case(224, 2, 16, 480, 2, 10))}


def benchmark(settings: Settings) -> list[Row]:
    """Seconds of a training step of EfficientNet-B0.

    With Adam, from scratch: images of 32 pixels with a stem of stride 1 in batches of 64, and images of 224 pixels
    with the published stem of stride 2 in batches of 16. The mean of 20 steps after 5 others, or of 10 after 2.

    - `paribus train` reads a folder of random JPEG files with `data=image_folder`, without augmentation; they are
      decoded before the first step, and too many to be kept as floats, so each batch is scaled by itself. A step is
      timed from its end to the next one's, so it holds the data, metrics, the progress bar, and TensorBoard every 10
      steps, where the default is 50. The run is ended after the steps that are timed.
    - The bare model is torchvision's with the same stem, trained on one batch of random floats again and again:
      forward, cross entropy, backward and a step of `torch.optim.Adam(fused=True)`, and nothing else.
    """
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES.values():
            _write_images(Path(folder, str(case.size)), case)
        measures = {
            _name(loop, case): partial(
                reported_seconds, "benchmarks.image_step", loop, str(case.size), f"{folder}/{case.size}"
            )
            for case in CASES.values()
            for loop in LOOPS
        }
        found = in_turns(measures, settings.rounds)
    rows = []
    for case in CASES.values():
        bare, framework = (_name(loop, case) for loop in LOOPS)
        rows += [_with_speed(found.row(bare), case), _with_speed(found.row(framework, bare, LIMIT), case)]
    return rows


def _name(loop: str, case: Case) -> str:
    return f"{NAMES[loop]}, {case.size} px"


def _with_speed(row: Row, case: Case) -> Row:
    return replace(row, what=f"{row.what}: {case.batch_size / row.seconds:.1f} images/s")


def _write_images(folder: Path, case: Case) -> None:
    """Folders train, val and test with folders of classes; in the last two an image a class."""
    generator = np.random.default_rng(0)
    for split, count in {"train": case.num_images, "val": NUM_CLASSES, "test": NUM_CLASSES}.items():
        for label in range(NUM_CLASSES):
            (folder / split / str(label)).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(256, size=(case.size, case.size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / split / str(number % NUM_CLASSES) / f"{number}.jpg")


def bare_seconds(case: Case, folder: Path) -> float:
    """Seconds of a step of torchvision's model on a batch (B, 3, S, S) in memory."""
    torch.manual_seed(0)
    model = torchvision.models.efficientnet_b0(
        num_classes=NUM_CLASSES, dropout=0, stochastic_depth_prob=STOCHASTIC_DEPTH
    )
    model.features[0][0] = nn.Conv2d(3, 32, 3, case.stem_stride, padding=1, bias=False)
    optimizer = Adam(model.parameters(), fused=True)
    images = torch.randn(case.batch_size, 3, case.size, case.size)
    labels = torch.randint(NUM_CLASSES, (case.batch_size,))
    ends = []
    for _ in range(case.num_warm_up + case.num_steps):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        ends.append(time.perf_counter())
    return framework_step.mean_seconds(ends, case.num_warm_up)


def framework_seconds(case: Case, folder: Path) -> float:
    """Seconds of a step of the framework on the images in a folder."""
    overrides = [
        "experiment=null",
        "data=image_folder",
        f"data.path={folder}",
        f"data.cache={folder}-cache",
        f"data.batch_size={case.batch_size}",
        "model=efficientnet_b0",
        f"model.stem_stride={case.stem_stride}",
        f"model.stochastic_depth={STOCHASTIC_DEPTH}",
        "trainer.log_every_n_steps=10",
    ]
    return framework_step.framework_seconds(overrides, case.num_warm_up, case.num_steps)


LOOPS: dict[str, Callable[[Case, Path], float]] = {"bare": bare_seconds, "framework": framework_seconds}
NAMES = {"bare": "bare EfficientNet-B0", "framework": "`paribus train model=efficientnet_b0`"}


if __name__ == "__main__":
    name, size, place = sys.argv[1:]
    print(LOOPS[name](CASES[int(size)], Path(place)))
