"""Sweeps as they would be found on disk, without a run having been made."""

import csv
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import exp, log10
from pathlib import Path
from typing import Any

from paribus.sweeps.manifest import Job, Manifest
from paribus.sweeps.values import typed

CONFIG = """\
name: made_up
seed: 0
model: {name: mlp, hidden_sizes: [64]}
optimizer: {name: sgd, lr: 0.1}
data: {batch_size: 32, root: '${oc.env:HOME}/data'}
augmentation: {}
regularization: {gradient_clip: null}
"""


def job(number: int, values: Mapping[str, Any], state: str = "done", **given: Any) -> Job:
    settled: dict[str, Any] = {
        "seed": values.get("seed", 0),
        "config": CONFIG,
        "overrides": [f"{key}={typed(value)}" for key, value in values.items()],
        "folder": f"job_{number:03}",
        "attempts": 1,
        "seconds": 2.5,
    }
    return Job(number=number, values=dict(values), state=state, **{**settled, **given})  # type: ignore[arg-type]


def manifest(path: Path, jobs: Sequence[Job], varied: Sequence[str], **given: Any) -> Manifest:
    settled: dict[str, Any] = {
        "name": "made_up",
        "command": ["sweep", "model=mlp,cnn"],
        "metrics": ["val/accuracy"],
        "directions": ["max"],
        "asked": [],
        "settings": {},
        "launcher": [],
        "space": {},
        "study": "",
        "extension": None,
        "seed": 0,
    }
    path.mkdir(parents=True, exist_ok=True)
    return Manifest(path=path, varied=list(varied), jobs=list(jobs), **{**settled, **given})


def figures(accuracy: float) -> dict[str, float]:
    """As metrics.json has them."""
    return {
        "train/loss": 1 - accuracy,
        "val/loss": 1.1 - accuracy,
        "val/accuracy": accuracy,
        "test/loss": 1.2 - accuracy,
        "test/accuracy": accuracy - 0.01,
        "best_epoch": 4,
        "epochs": 5,
        "train_seconds": 1.5,
    }


def write_curve(folder: Path, accuracy: float, epochs: int = 5) -> None:
    """metrics.csv of a run that comes near its final accuracy."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "step", "val/accuracy", "val/loss"])
        for epoch in range(1, epochs + 1):
            value = accuracy * (1 - exp(-epoch / 2))
            writer.writerow([epoch, epoch * 10, value, 1.1 - value])


def grid(path: Path, accuracy: Callable[[str, float, int], float], seeds: int = 3) -> Manifest:
    """Two models, three learning rates and some seeds; jobs in the grid's order."""
    jobs = []
    for number, (model, lr, seed) in enumerate(product(("mlp", "cnn"), (0.001, 0.01, 0.1), range(seeds))):
        result = figures(accuracy(model, lr, seed))
        jobs.append(job(number, {"model": model, "optimizer.lr": lr, "seed": seed}, result=result))
        write_curve(path / jobs[-1].folder, result["val/accuracy"])
    return manifest(path, jobs, ["model", "optimizer.lr", "seed"])


def search(path: Path, count: int, epochs: int = 5, seed: int = 0) -> Manifest:
    """Trials of a search: accuracy hangs on the learning rate, hardly on the batch; some fail, some are pruned."""
    draw = random.Random(seed)
    jobs = []
    for number in range(count):
        model = draw.choice(["mlp", "cnn"])
        values: dict[str, Any] = {"model": model, "optimizer.lr": 10 ** draw.uniform(-4, -1)}
        values |= {
            "data.batch_size": draw.choice([16, 32, 64]),
            "regularization.gradient_clip": draw.choice([None, 1.0]),
        }
        if model == "mlp":
            values["model.hidden_sizes"] = draw.choice([[32], [64, 64], [128, 64]])
        accuracy = 0.95 - 0.1 * abs(log10(values["optimizer.lr"]) + 2) + (0.02 if model == "cnn" else 0)
        accuracy += draw.gauss(0, 0.004)
        state = "failed" if number % 17 == 5 else "pruned" if number % 7 == 3 else "done"
        given: dict[str, Any] = {"done": {"result": figures(accuracy)}, "pruned": {"result": pruned(accuracy)}}.get(
            state, {}
        )
        if state == "failed":
            given = {"error": "the loss is not finite after step 40; lower optimizer.lr"}
        jobs.append(job(number, values, state, trial=number, **given))
        write_curve(path / jobs[-1].folder, accuracy, epochs if state == "done" else 2)
    varied = ["model", "optimizer.lr", "data.batch_size", "regularization.gradient_clip", "model.hidden_sizes"]
    command = ["sweep", "model=mlp,cnn", "optimizer.lr=tag(log,interval(1e-4,1e-1))", "sampler=tpe"]
    return manifest(path, jobs, varied, command=command)


def pruned(accuracy: float) -> dict[str, float]:
    """The last row of a run that was given up."""
    return {"epoch": 2, "step": 20, "val/accuracy": accuracy - 0.2, "val/loss": 1.3 - accuracy}
