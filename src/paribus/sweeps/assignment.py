"""What a process needs to know of a job. Imports no torch, so that the sweep can make one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from paribus import config
from paribus.composition import Composed
from paribus.config import Config
from paribus.sweeps.manifest import Job, Manifest


@dataclass(frozen=True)
class Assignment:
    """What a process needs to know of a job."""

    folder: Path
    config: str
    overrides: tuple[str, ...]
    extension: Path | None
    metrics: tuple[str, ...]
    pruning: dict[str, Any] | None  # how trials are given up, and which one this is

    @classmethod
    def of(cls, manifest: Manifest, job: Job) -> "Assignment":
        """That of one job."""
        return cls(
            manifest.folder(job),
            job.config,
            tuple(job.overrides),
            Path(manifest.extension) if manifest.extension else None,
            tuple(manifest.metrics),
            manifest.pruning(job),
        )

    @property
    def checked(self) -> Config:
        """The frozen config, checked again: the code may be another than when the sweep began."""
        tree = OmegaConf.create(self.config)
        assert isinstance(tree, DictConfig)
        return config.check(Composed(tree, {}, {}, self.overrides, self.extension))
