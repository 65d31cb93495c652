"""An epoch of the framework's image data against torchvision's ImageFolder and a DataLoader with workers.

`python -m benchmarks.image_epoch READER FOLDER CACHE EPOCHS` prints the seconds of one of READERS.
"""

import importlib
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Subset

from benchmarks.measuring import CommandError, Row, Settings, in_turns, reported_seconds
from paribus import composition, config
from paribus.torchvision_ops import torchvision

ARCHIVE = "cifar10-jpeg.tar.gz"
NUM_TRAIN = 45_000  # of the 50,000 in train/; the framework holds a tenth out for validation
BATCH_SIZE = 128
NUM_WORKERS = 2
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10, red green blue
NEW_CACHE = "cache"  # below the folder that a process starts in, which is a new one each time
ROUNDS = 3  # at most: the DataLoader's epochs are long

LOADER = "`DataLoader` over `ImageFolder`"
THEIR_FIRST, THEIR_SECOND = f"{LOADER}, first epoch", f"{LOADER}, second epoch"
EMPTY = "`data=image_folder`, first epoch with an empty cache"
FULL = "`data=image_folder`, first epoch of a later run"
LATER = "`data=image_folder`, later epochs"
FIRST_LIMIT = 1.0
LATER_LIMIT = 0.25  # four times faster

Epoch = Callable[[int], int]  # goes through the batches of an epoch, from 0, and gives their number of images


def benchmark(settings: Settings) -> list[Row]:
    """Seconds an epoch of image data alone.

    The batches of 45,000 of the training images of CIFAR-10, 60,000 JPEG files in class folders: shuffled, 128 at a
    time, with crops (4 pixels of reflected padding), flips and standardization, and without a model. At most 3 rounds.
    Imports are left out, the files are in the system's file cache, and both may use 2 processes beside their own.

    - `data=image_folder` with `augmentation=[crop,flip]`. Its first epoch includes all that comes before: finding the
      files, decoding all 60,000 of them (validation and test too) into the cache, splitting, and measuring mean and
      deviation. A later run finds the cache full. Of later epochs the mean of 4 is shown.
    - `torchvision.datasets.ImageFolder` over `train`, its transforms v2 on each image (mean and deviation given) and
      `DataLoader(batch_size=128, shuffle=True, num_workers=2)`. Its first epoch includes finding the files.
    """
    archive = settings.data_root / ARCHIVE
    if not archive.is_file():
        raise CommandError(f"{archive} is absent; give the folder that holds it with --data-root")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        with tempfile.TemporaryDirectory() as cache:
            seconds = partial(_reported, folder, cache)
            seconds("framework", 1)  # fills the cache
            measures = {
                THEIR_FIRST: partial(seconds, "loader", 1),
                EMPTY: partial(_reported, folder, NEW_CACHE, "framework", 1),
                FULL: partial(seconds, "framework", 1),
                LATER: partial(seconds, "framework", 5),
                THEIR_SECOND: partial(seconds, "loader", 2),
            }
            found = in_turns(measures, min(settings.rounds, ROUNDS))
    return [
        found.row(THEIR_FIRST),
        found.row(EMPTY, THEIR_FIRST, FIRST_LIMIT),
        found.row(FULL, THEIR_FIRST),
        found.row(THEIR_SECOND),
        found.row(LATER, THEIR_SECOND, LATER_LIMIT),
    ]


def _reported(folder: str, cache: str, reader: str, epochs: int) -> float:
    return reported_seconds("benchmarks.image_epoch", reader, folder, cache, str(epochs))


def framework(folder: Path, cache: Path) -> Epoch:
    """The training batches of data=image_folder, as a run gets them."""
    from paribus.building import build_data

    overrides = [
        "experiment=null",
        "data=image_folder",
        f"data.path={folder}",
        f"data.cache={cache}",
        f"data.batch_size={BATCH_SIZE}",
        f"data.num_workers={NUM_WORKERS}",
        "augmentation=[crop,flip]",
    ]
    loader = build_data(config.check(composition.compose(overrides))).train_dataloader()

    def epoch(number: int) -> int:
        loader.sampler.set_epoch(number)
        return sum(len(images) for images, _ in loader.batches())

    return epoch


def image_folder(folder: Path, cache: Path) -> Epoch:
    """Each image through PIL and its transforms, in worker processes, every epoch anew. Needs no cache."""
    from torchvision.transforms import v2

    steps = v2.Compose(
        [
            v2.RandomCrop(32, 4, padding_mode="reflect"),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, DEVIATION),
        ]
    )
    data = Subset(torchvision.datasets.ImageFolder(folder / "train", steps), range(NUM_TRAIN))
    loader = DataLoader(data, BATCH_SIZE, shuffle=True, num_workers=NUM_WORKERS)
    return lambda number: sum(len(images) for images, _ in loader)


READERS: dict[str, Callable[[Path, Path], Epoch]] = {"framework": framework, "loader": image_folder}
IMPORTS = {"framework": "paribus.building", "loader": "torchvision.transforms.v2"}  # not timed


def _seconds(reader: str, folder: Path, cache: Path, epochs: int) -> float:
    """Of a single epoch with what comes before it; of more than one, the mean of those after the first."""
    importlib.import_module(IMPORTS[reader])
    started = time.perf_counter()
    epoch = READERS[reader](folder, cache)
    _check(epoch(0))
    if epochs == 1:
        return time.perf_counter() - started
    started = time.perf_counter()
    for number in range(1, epochs):
        _check(epoch(number))
    return (time.perf_counter() - started) / (epochs - 1)


def _check(num_images: int) -> None:
    assert num_images == NUM_TRAIN, f"an epoch of {num_images} images, not {NUM_TRAIN}"


if __name__ == "__main__":
    name, root, place, number = sys.argv[1:]
    print(_seconds(name, Path(root), Path(place), int(number)))
