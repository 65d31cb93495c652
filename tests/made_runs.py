"""Run folders and sweeps written by hand, as small as those who read them allow."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from paribus.sweeps.manifest import Job, Manifest, job_folder

Figures = Mapping[str, float]


def config(optimizer: str = "sgd", seed: int = 0, **settings: Any) -> dict[str, Any]:
    """Enough of a config to tell runs apart."""
    return {
        "name": f"made_{optimizer}",
        "seed": seed,
        "data": {"name": "iris", "root": "/data", "num_workers": 0, "validation_fraction": 0.1},
        "optimizer": {"name": optimizer, "lr": 0.1},
        "trainer": {"name": "lightning", "monitor": "val/loss"},
        "augmentation": {"none": {"name": "none"}},
        **settings,
    }


def write_run(
    path: Path,
    settings: Mapping[str, Any],
    figures: Figures,
    *,
    status: str = "finished",
    losses: Sequence[float] = (1.0, 0.5),
    **environment: Any,
) -> Path:
    """A run folder; one of an epoch for each loss. Without figures there is no metrics.json."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(dict(settings))))
    told = {"error": "RunError: the loss is not finite"} if status == "failed" else {}
    (path / "status.json").write_text(json.dumps({"status": status, "host": "here", **told}))
    (path / "environment.json").write_text(
        json.dumps({"versions": {"torch": "2"}, "device": "cpu", "command": [str(path)], **environment})
    )
    if figures:
        (path / "metrics.json").write_text(json.dumps(dict(figures)))
    with (path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", "train/loss", "val/loss"])
        writer.writeheader()
        writer.writerows({"epoch": epoch, "train/loss": loss, "val/loss": loss} for epoch, loss in enumerate(losses, 1))
    return path


def accuracy(value: float, loss: float = 0.5) -> dict[str, float]:
    """Final figures of classification."""
    return {"val/loss": loss, "test/loss": loss, "test/accuracy": value, "epochs": 2, "train_seconds": 1.5}


def write_runs(root: Path, by_optimizer: Mapping[str, Mapping[int, float]]) -> list[Path]:
    """A run for each optimizer and seed, with its test accuracy."""
    return [
        write_run(root / f"{optimizer}_{seed}", config(optimizer, seed), accuracy(value, 1 - value))
        for optimizer, by_seed in by_optimizer.items()
        for seed, value in by_seed.items()
    ]


def write_sweep(path: Path, values: Sequence[tuple[Mapping[str, Any], Figures]]) -> Path:
    """A sweep of optimizers (and more) by seeds; a job without figures has failed and left no folder."""
    jobs = []
    for number, (chosen, figures) in enumerate(values):
        settings = config(chosen.get("optimizer", "sgd"), chosen["seed"])
        if "optimizer.lr" in chosen:
            settings["optimizer"]["lr"] = chosen["optimizer.lr"]
        folder = job_folder(number, len(values))
        job = Job(number, dict(chosen), chosen["seed"], OmegaConf.to_yaml(settings), [], folder)
        job.state, job.result, job.error = ("done", dict(figures), None) if figures else ("failed", {}, "it diverged")
        if figures:
            write_run(path / folder, settings, figures)
        jobs.append(job)
    path.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        path, "made", ["compare"], list(values[0][0]), ["val/loss"], ["min"], [], {}, [], {}, "", None, 0, jobs
    )
    manifest.write()
    return path
