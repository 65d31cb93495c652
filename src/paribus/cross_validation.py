"""Cross-validation: one run a fold, each tested on rows that no other fold tests, and what they say together."""

import paribus.torchvision_ops  # noqa: F401, I001 - before anything imports lightning

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from lightning.pytorch import Callback

from paribus.building import build_data, build_task
from paribus.comparison import Summary, summarize
from paribus.config import Config
from paribus.errors import ConfigError, Interrupted
from paribus.experiment import prepare_torch, run
from paribus.interruption import Interruption
from paribus.results import RunFolder
from paribus.trainers import available


def cross_validate(
    config: Config, resume: Path | None = None, place: Path | None = None, callbacks: Sequence[Callback] = ()
) -> tuple[Path, dict[str, Summary]]:
    """Run every fold in a folder of its own: the folder of them all, and a summary of each test figure.

    The folder is a new one below outputs/runs, or `place`. With `resume`, finished folds are kept, a stopped one goes
    on and the others are run; `callbacks` see each run. Raises ConfigError or DataError before any folder is made, else
    what a run raises.
    """
    assert config.cross_validation is not None
    folds = [config.of_fold(number) for number in range(1, config.cross_validation + 1)]
    prepare_torch(config)
    data = build_data(folds[0])
    task = build_task(folds[0], data)  # mistakes are found before there is a folder
    task.check_devices(config["trainer"].settings["devices"], config["data"].settings["batch_size"])
    whole = RunFolder.claim(config.name, place) if resume is None else RunFolder(resume.absolute())
    if whole.read_json("status.json").get("status") == "finished":
        raise ConfigError(f"resume={resume}: all {len(folds)} folds have finished")
    try:
        with whole.recording(), Interruption(whole.path).listening():
            whole.start(config, available(config["trainer"].settings["accelerator"]))
            metrics = [_metrics(fold, whole.path / f"fold_{fold.fold}", callbacks) for fold in folds]
            summaries = _summaries(metrics, data.num_rows("test") / data.num_rows("train"))
            _write(whole, metrics, summaries)
    except Interrupted as interrupted:
        interrupted.folder = whole.path
        raise
    return whole.path, summaries


def _metrics(fold: Config, path: Path, callbacks: Sequence[Callback]) -> dict[str, Any]:
    """Those of a fold: read where it has finished, else it goes on or is run."""
    finished = RunFolder(path).read_json("metrics.json")
    if finished:
        return finished
    print(f"fold {fold.fold} of {fold.cross_validation}")
    if (path / "checkpoints" / "last.ckpt").is_file():
        return run(fold, resume=path, callbacks=callbacks).metrics
    return run(fold, place=path, callbacks=callbacks).metrics


def _summaries(metrics: Sequence[Mapping[str, float]], test_to_train: float) -> dict[str, Summary]:
    tested = [name for name in metrics[0] if name.startswith("test/")]
    return {name: summarize([each[name] for each in metrics], test_to_train) for name in tested}


def _write(whole: RunFolder, metrics: Sequence[Mapping[str, float]], summaries: Mapping[str, Summary]) -> None:
    whole.write_table("results", [{"fold": number, **each} for number, each in enumerate(metrics, start=1)])
    whole.write_json("cross_validation.json", {name: asdict(each) for name, each in summaries.items()})
    whole.write_json("metrics.json", {name: mean([each[name] for each in metrics]) for name in metrics[0]})
