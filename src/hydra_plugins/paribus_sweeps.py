"""Paribus' sweeper and launcher as Hydra plugins. Hydra imports this at every start, so nothing heavy stands here."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


class FrozenLoader(ConfigLoaderImpl):
    """Launchers compose each job anew from YAML: from this one they get what the manifest holds."""

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """For overrides whose first is job=NUMBER: the live hydra node, the job's number and the sweep's folder."""
        number = int(sweep_overrides[0].partition("=")[2])
        config = deepcopy(master_config)
        with open_dict(config):
            config.job, config.sweep = number, master_config.hydra.sweeper.folder
            config.hydra.overrides.task = list(sweep_overrides)
        return config


class ParibusSweeper(Sweeper):
    """Runs what is missing of the sweep in a folder, which holds its manifest."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher that the config chooses."""
        loader = hydra_context.config_loader
        frozen = HydraContext(FrozenLoader(loader.get_search_path()), hydra_context.callbacks)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=frozen, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run it; the arguments are in the manifest."""
        from paribus.sweeps import engine
        from paribus.sweeps.manifest import Manifest

        manifest = Manifest.read(self._folder)
        engine.run(manifest, self._launcher)
        return manifest


class ParibusLauncher(Launcher):
    """Warm worker processes on this machine."""

    def __init__(self, workers: int | None, gpus: int | None, threads: int | None, retries: int) -> None:
        self._workers, self._gpus, self._threads, self._retries = workers, gpus, threads, retries

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember where the sweep is."""
        self._folder = Path(config.hydra.sweeper.folder)

    def work(self, manifest: Any, source: Any, show: Any) -> None:
        """Run jobs as the source gives them."""
        from paribus.sweeps.workers import Workers

        workers = Workers.suited(manifest, self._workers, self._gpus, self._threads, self._retries)
        workers.work(source, show)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch, of which each job opens with job=NUMBER."""
        from paribus.sweeps.manifest import Manifest
        from paribus.sweeps.sources import Grid

        manifest = Manifest.read(self._folder)
        jobs = [manifest.jobs[int(overrides[0].partition("=")[2])] for overrides in job_overrides]
        self.work(manifest, Grid(jobs), lambda: None)
        return [JobReturn(overrides=overrides, status=JobStatus.COMPLETED) for overrides in job_overrides]


@dataclass
class SweeperConfig:
    """hydra/sweeper=paribus."""

    _target_: str = "hydra_plugins.paribus_sweeps.ParibusSweeper"
    folder: str = "???"


@dataclass
class LauncherConfig:
    """hydra/launcher=paribus."""

    _target_: str = "hydra_plugins.paribus_sweeps.ParibusLauncher"
    workers: int | None = None
    gpus: int | None = None
    threads: int | None = None
    retries: int = 0


ConfigStore.instance().store(group="hydra/sweeper", name="paribus", node=SweeperConfig, provider="paribus")
ConfigStore.instance().store(group="hydra/launcher", name="paribus", node=LauncherConfig, provider="paribus")
