"""The loops that the framework is compared with: `python -m benchmarks.loops LOOP DATA_ROOT EPOCHS`.

Each trains an MLP 784-256-256-10 on MNIST (55,000 rows, 5,000 for validation, batch 128, Adam) and gives the seconds
of an epoch, validation included. Shapes: N rows, B batch.
"""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader, Subset, TensorDataset

from paribus.torchvision_ops import torchvision

BATCH_SIZE = 128
NUM_TRAIN = 55_000
Rows = tuple[Tensor, Tensor]  # images (N, 1, 28, 28) of values in 0..1, labels (N,)


def prepare(root: Path) -> None:
    """Download MNIST where it is not there yet."""
    torchvision.datasets.MNIST(root, download=True)


def bare(root: Path, epochs: int) -> float:
    """As short as PyTorch allows, over tensors in memory."""
    return _resident(root, epochs, is_fused=None)


def fused(root: Path, epochs: int) -> float:
    """The bare loop with a fused optimizer."""
    return _resident(root, epochs, is_fused=True)


def _resident(root: Path, epochs: int, is_fused: bool | None) -> float:
    (images, labels), validation = _resident_rows(root)
    network = _network()
    optimizer = Adam(network.parameters(), fused=is_fused)

    def epoch() -> None:
        order = torch.randperm(NUM_TRAIN)
        for indices in order.split(BATCH_SIZE):
            _step(network, optimizer, images[indices], labels[indices])
        _validate(network, [validation])

    return _seconds_an_epoch(epoch, epochs)


def per_image(root: Path, epochs: int) -> float:
    """As tutorials read MNIST: each image through PIL and its transforms, every epoch anew. No epoch to warm up."""
    transforms = torchvision.transforms
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    data = torchvision.datasets.MNIST(root, transform=steps)
    train = DataLoader(Subset(data, range(NUM_TRAIN)), BATCH_SIZE, shuffle=True, num_workers=0)
    validation = DataLoader(Subset(data, range(NUM_TRAIN, len(data))), BATCH_SIZE, num_workers=0)
    network = _network()
    optimizer = Adam(network.parameters())

    def epoch() -> None:
        for images, labels in train:
            _step(network, optimizer, images, labels)
        _validate(network, validation)

    return _seconds_an_epoch(epoch, epochs, warm_up=0)


def skorch(root: Path, epochs: int) -> float:
    """As skorch trains: a DataLoader, and a Python list that gets loss, accuracy and size of each batch."""
    train, validation = (DataLoader(data, BATCH_SIZE, shuffle=shuffle) for data, shuffle in _datasets(root))
    network = _network()
    optimizer = Adam(network.parameters())
    history: list[list[dict[str, float]]] = []

    def record(logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        accuracy = (logits.argmax(1) == labels).float().mean().item()
        history[-1].append({"loss": loss.item(), "accuracy": accuracy, "size": len(labels)})

    def epoch() -> None:
        history.append([])
        network.train()
        for images, labels in train:
            logits, loss = _step(network, optimizer, images, labels)
            record(logits, labels, loss)
        network.eval()
        with torch.no_grad():
            for images, labels in validation:
                logits = network(images)
                record(logits, labels, F.cross_entropy(logits, labels))

    return _seconds_an_epoch(epoch, epochs)


def lightning(root: Path, epochs: int) -> float:
    """As Lightning's documentation shows it, with the Trainer's defaults."""
    from lightning.pytorch import Callback, LightningModule, Trainer
    from torchmetrics.classification import MulticlassAccuracy

    class Network(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = _network()
            self.train_accuracy, self.val_accuracy = MulticlassAccuracy(10), MulticlassAccuracy(10)

        def training_step(self, batch: Rows, batch_idx: int) -> Tensor:
            loss = self._loss(batch, self.train_accuracy)
            self.log("train_loss", loss, prog_bar=True)
            self.log("train_accuracy", self.train_accuracy, prog_bar=True)
            return loss

        def validation_step(self, batch: Rows, batch_idx: int) -> None:
            self.log("val_loss", self._loss(batch, self.val_accuracy), prog_bar=True)
            self.log("val_accuracy", self.val_accuracy, prog_bar=True)

        def _loss(self, batch: Rows, accuracy: MulticlassAccuracy) -> Tensor:
            images, labels = batch
            logits = self.network(images)
            accuracy(logits, labels)
            return F.cross_entropy(logits, labels)

        def configure_optimizers(self) -> Optimizer:
            return Adam(self.parameters())

    class Clock(Callback):
        """The times at which epochs start, and that of the end."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.times.append(time.perf_counter())

        def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.times.append(time.perf_counter())

    clock = Clock()
    train, validation = (DataLoader(data, BATCH_SIZE, shuffle=shuffle) for data, shuffle in _datasets(root))
    Trainer(max_epochs=1 + epochs, callbacks=[clock]).fit(Network(), train, validation)
    return (clock.times[-1] - clock.times[1]) / epochs  # the first epoch warms up


LOOPS: dict[str, Callable[[Path, int], float]] = {
    "bare": bare,
    "fused": fused,
    "lightning": lightning,
    "skorch": skorch,
    "per_image": per_image,
}


def _resident_rows(root: Path) -> tuple[Rows, Rows]:
    data = torchvision.datasets.MNIST(root)
    images, labels = data.data[:, None].float() / 255, data.targets
    return (images[:NUM_TRAIN], labels[:NUM_TRAIN]), (images[NUM_TRAIN:], labels[NUM_TRAIN:])


def _datasets(root: Path) -> Iterable[tuple[TensorDataset, bool]]:
    """Training and validation rows, each with whether to shuffle it."""
    train, validation = _resident_rows(root)
    return (TensorDataset(*train), True), (TensorDataset(*validation), False)


def _network() -> nn.Module:
    torch.manual_seed(0)
    hidden = (nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, 10))


def _step(network: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    logits = network(images)
    loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return logits.detach(), loss.detach()


def _validate(network: nn.Module, batches: Iterable[Any]) -> tuple[float, float]:
    """Mean loss and accuracy."""
    loss, correct, rows = 0.0, 0, 0
    network.eval()
    with torch.no_grad():
        for images, labels in batches:
            logits = network(images)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            correct += int((logits.argmax(1) == labels).sum())
            rows += len(labels)
    network.train()
    return loss / rows, correct / rows


def _seconds_an_epoch(epoch: Callable[[], None], epochs: int, warm_up: int = 1) -> float:
    for _ in range(warm_up):
        epoch()
    started = time.perf_counter()
    for _ in range(epochs):
        epoch()
    return (time.perf_counter() - started) / epochs


if __name__ == "__main__":
    name, folder, number = sys.argv[1:]
    print(LOOPS[name](Path(folder), int(number)))
