"""Hydra at work: it makes the sweeper and the launcher from its own config, and the sweeper runs the manifest."""

from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from paribus import parts
from paribus.sweeps.manifest import Manifest


def launched(manifest: Manifest) -> Manifest:
    """Run what is missing: the manifest with what became of every job. Raises ConfigError or Interrupted."""
    folder = str(manifest.path).replace("\\", "\\\\").replace("'", "\\'")
    overrides = [
        "hydra/sweeper=paribus",
        f"hydra.sweeper.folder='{folder}'",
        f"hydra.sweep.dir='{folder}'",
        "hydra.sweep.subdir=.",
        "hydra.run.dir=.",
        "hydra.output_subdir=null",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        *manifest.launcher,
    ]
    with initialize_config_dir(str(parts.configs_folder()), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        finished: Manifest = hydra.multirun(None, _task, overrides, with_log_configuration=False)
    return finished


def _task(chosen: DictConfig) -> Any:
    """One job, in whatever process the launcher calls this."""
    from paribus.sweeps.jobs import task

    return task(chosen)
