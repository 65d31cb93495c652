"""One run, from a checked config to the files in its folder. Reads top to bottom as what a run is."""

import paribus.torchvision_ops  # noqa: F401, I001 - before anything imports lightning

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from matplotlib.figure import Figure

from paribus import figures
from paribus.building import build_data, build_task
from paribus.checkpoints import Checkpoints, link, load, load_for
from paribus.companions import Companions
from paribus.config import Config
from paribus.data.module import TensorData
from paribus.early_stopping import Patience
from paribus.errors import ConfigError
from paribus.interruption import Interruption
from paribus.preview import augmented_samples
from paribus.progress import ProgressReport
from paribus.recording import EpochRows
from paribus.results import RunFolder, quiet_libraries
from paribus.samples import Samples
from paribus.seeding import derive
from paribus.sweeps import hparams
from paribus.several_devices import SeveralDevices
from paribus.tasks.sequence_to_sequence import SequenceToSequence
from paribus.tasks.task import Task
from paribus.trainers import available

log = logging.getLogger("paribus")


@dataclass(frozen=True)
class Result:
    """What a run ends with: its folder, the figures of metrics.json, and a line on how it compares, if any."""

    folder: Path
    metrics: dict[str, Any]
    verdict: str | None = None


def run(
    config: Config,
    resume: Path | None = None,
    place: Path | None = None,
    callbacks: Sequence[Callback] = (),
    build: Callable[[Config], TensorData] | None = None,
) -> Result:
    """Train, validate, test; the files are in the run folder. With `resume`, go on in that folder from last.ckpt.

    The folder is a new one below outputs/runs, or `place`. `callbacks` see an epoch's end before its checkpoint is
    written; `build` makes the data for runs that share data. Raises ConfigError or DataError before the folder is
    made, and RunError, Pruned or Interrupted after.
    """
    prepare_torch(config)
    data = (build or build_data)(config)
    torch.manual_seed(derive(config.seed, "building"))  # whatever the data has drawn, or has not since it was there
    task = build_task(config.without_pretraining() if resume else config, data)
    trainer: Trainer = config["trainer"].build(model=task.model)
    task.check_devices(config["trainer"].settings["devices"], config["data"].settings["batch_size"])
    folder = _resumable(resume, config, task, data) if resume else RunFolder.claim(config.name, place)
    checkpoint = folder.checkpoints / "last.ckpt" if resume else None
    interruption = Interruption(folder.checkpoints / "last.ckpt")
    with folder.recording(), interruption.listening():
        folder.start(config, _devices(trainer))
        checkpoints = _equip(trainer, config, task, folder, [interruption, *callbacks])
        _show_data(data, task, trainer, folder, config)
        with _companions(trainer, config, folder, resume):
            torch.manual_seed(derive(config.seed, "training"))
            trainer.fit(task, data, ckpt_path=checkpoint)
        epochs, train_seconds = trainer.current_epoch, round(checkpoints.train_seconds, 3)
        tester = _test(trainer, config, task, data, checkpoints.best)
        metrics = {
            **checkpoints.best_metrics,
            **_floats(tester),
            "best_epoch": checkpoints.best_epoch,
            "epochs": epochs,
            "train_seconds": train_seconds,
        }
        folder.write_json("metrics.json", metrics)
        log.info("finished: %s", ", ".join(f"{name} {value}" for name, value in metrics.items()))
        _show_test(trainer, config, task, data, folder, checkpoints.best_epoch)
        _log_hyperparameters(trainer, config, metrics)
    return Result(folder.path, metrics, task.verdict())


def follow(config: Config, folder: Path, port: int, *, is_resumed: bool) -> None:
    """Train along with the process that runs `run` in a folder, on another device, and write nothing there.

    The processes meet at `port`.
    """
    prepare_torch(config)
    data = build_data(config)
    torch.manual_seed(derive(config.seed, "building"))
    task = build_task(config.without_pretraining() if is_resumed else config, data)
    trainer: Trainer = config["trainer"].build(model=task.model)
    assert isinstance(trainer.strategy, SeveralDevices)
    checkpoints = RunFolder(folder).checkpoints
    interruption = Interruption(checkpoints / "last.ckpt")
    trainer.callbacks += [interruption, *_at_the_end(config, task, checkpoints)]  # type: ignore[attr-defined]
    interruption.ignore()
    trainer.strategy.meet(port)
    with trainer.strategy.joined():
        torch.manual_seed(derive(config.seed, "training", trainer.strategy.rank))
        trainer.fit(task, data, ckpt_path=checkpoints / "last.ckpt" if is_resumed else None)


def evaluate(config: Config, run_folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Test best.ckpt of a run anew: (the figures now, the figures stored). Writes nothing."""
    folder = RunFolder(run_folder.absolute())
    prepare_torch(config)
    data = build_data(config)
    task = build_task(config.without_pretraining(), data)
    checkpoint = load_for(task, data, folder.checkpoints / "best.ckpt")
    task.load_state_dict(checkpoint["state_dict"])
    trainer = _on_one_device(config, task)
    trainer.test(task, data, verbose=False)
    return _floats(trainer), folder.read_json("metrics.json")


def prepare_torch(config: Config) -> None:
    """Same config, same seed, same machine: same bits; and no chatter of libraries on the screen."""
    if available(config["trainer"].settings["accelerator"]) == "gpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_flush_denormal(True)  # subnormal floats make recurrent runs twice as slow
    torch.manual_seed(derive(config.seed, "building"))
    quiet_libraries()


def _test(trainer: Trainer, config: Config, task: Task, data: TensorData, best: Path) -> Trainer:
    """Test the best epoch, on one device; the trainer that has done so."""
    if not isinstance(trainer.strategy, SeveralDevices):
        trainer.test(task, data, ckpt_path=best, verbose=False)
        return trainer
    task.load_state_dict(load(best)["state_dict"])
    tester = _on_one_device(config, task)
    tester.test(task, data, verbose=False)
    return tester


def _on_one_device(config: Config, task: Task) -> Trainer:
    """A trainer for a test, which is not shared."""
    chosen = config["trainer"]
    trainer: Trainer = replace(chosen, settings={**chosen.settings, "devices": 1}).build(model=task.model)
    return trainer


def _devices(trainer: Trainer) -> str:
    """Where it trains, for people."""
    strategy = trainer.strategy
    return strategy.names if isinstance(strategy, SeveralDevices) else str(strategy.root_device)


def _companions(
    trainer: Trainer, config: Config, folder: RunFolder, resume: Path | None
) -> AbstractContextManager[None]:
    """The processes of the other devices, if there are any, while it trains."""
    if not isinstance(trainer.strategy, SeveralDevices):
        return nullcontext()
    return Companions(folder, config.extension, is_resumed=resume is not None).training(trainer.strategy)


def _resumable(path: Path, config: Config, task: Task, data: TensorData) -> RunFolder:
    """The folder of a run that can go on. Raises ConfigError where there is nothing to do or no checkpoint."""
    folder = RunFolder(path.absolute())
    checkpoint = load_for(task, data, folder.checkpoints / "last.ckpt")
    (loader,) = checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    best = checkpoint["callbacks"]["Checkpoints"]["best_epoch"]
    if best and best == checkpoint["epoch"] + 1 and not loader["position"]:
        link(folder.checkpoints / "last.ckpt", folder.checkpoints / "best.ckpt")  # a kill may have come before
    if best:
        load_for(task, data, folder.checkpoints / "best.ckpt")
    folder.rows()  # raises where they cannot be read
    trainer = config["trainer"].settings
    if loader["position"] and loader["steps_per_execution"] != trainer["steps_per_execution"]:
        raise ConfigError(
            f"trainer.steps_per_execution={trainer['steps_per_execution']}: the run was stopped within an epoch, "
            f"which must be ended as it was begun, with {loader['steps_per_execution']}"
        )
    epochs, wanted = checkpoint["epoch"] + 1, trainer["max_epochs"]
    if epochs > wanted:
        raise ConfigError(f"trainer.max_epochs={wanted} is less than the {epochs} epochs that {path} is at already")
    if folder.read_json("status.json").get("status") != "finished":
        return folder
    if epochs >= wanted:
        raise ConfigError(
            f"resume={path}: the run has finished its {epochs} epochs; add trainer.max_epochs={2 * epochs} to go on"
        )
    waited = checkpoint["callbacks"].get(Patience.state_key, {}).get("wait_count", 0)
    if waited and waited >= config["early_stopping"].settings["patience"]:
        raise ConfigError(
            f"resume={path}: early stopping ended the run after epoch {epochs}; "
            f"add early_stopping.patience={2 * waited} to go on"
        )
    return folder


def _equip(
    trainer: Trainer, config: Config, task: Task, folder: RunFolder, callbacks: Sequence[Callback]
) -> Checkpoints:
    """Give the trainer its logger and callbacks, in the order in which an epoch's end is to be seen."""
    logger: Logger | None = config["logger"].build(folder=folder.path)
    trainer.loggers = [logger] if logger else []
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text("config", "    " + config.text.replace("\n", "\n    "))
    last = _at_the_end(config, task, folder.checkpoints)
    trainer.callbacks += [ProgressReport(task.monitor), EpochRows(folder), *callbacks]  # type: ignore[attr-defined]
    if isinstance(task, SequenceToSequence):
        samples = Samples(folder.title, draws_figures=config.draws_figures)
        trainer.callbacks.append(samples)  # type: ignore[attr-defined]
    trainer.callbacks += last  # type: ignore[attr-defined]
    return last[-1]


def _at_the_end(config: Config, task: Task, folder: Path) -> tuple[*tuple[Callback, ...], Checkpoints]:
    """What acts upon an epoch's figures, on every device."""
    stopping = config["early_stopping"].build(monitor=task.monitor, monitor_mode=task.monitor_mode)
    checkpoints = Checkpoints(folder, task.monitor, task.monitor_mode)
    return (stopping, checkpoints) if stopping else (checkpoints,)


def _floats(trainer: Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _show_data(data: TensorData, task: Task, trainer: Trainer, folder: RunFolder, config: Config) -> None:
    """What there is to say of the data, and augmented samples of it, before training."""
    for remark in data.remarks:
        log.info("data: %s", remark)
        print(f"data: {remark}")
    samples = augmented_samples(data, task.mixer, config.seed, folder.title) if config.draws_figures else None
    if samples is not None:
        _save({"augmented": samples}, trainer, folder)


def _show_test(
    trainer: Trainer, config: Config, task: Task, data: TensorData, folder: RunFolder, best_epoch: int
) -> None:
    if config.draws_figures:
        curves = figures.learning_curves(folder.rows(), best_epoch, run=folder.title)
        _save({"learning_curves": curves, **task.figures(folder.title, data)}, trainer, folder)
    for name, rows in task.tables(data).items():
        folder.write_table(name, rows)


def _save(drawn: dict[str, Figure], trainer: Trainer, folder: RunFolder) -> None:
    """In the run folder and in TensorBoard."""
    for name, figure in drawn.items():
        figures.save(figure, folder.figures / f"{name}.png")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(name, figures.pixels(figure), trainer.current_epoch, dataformats="HWC")


def _log_hyperparameters(trainer: Trainer, config: Config, metrics: dict[str, Any]) -> None:
    final = {name: value for name, value in metrics.items() if name.startswith(("test/", "val/"))}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_metrics(final, trainer.global_step)
            for summary in hparams.session(config.flat()):
                logger.experiment._get_file_writer().add_summary(summary)
        else:
            logger.log_hyperparams(config.flat())
        logger.finalize("success")
