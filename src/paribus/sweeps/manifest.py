"""The manifest: what a sweep is and every job of it, frozen before the first one starts, with what became of each."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import isfinite, nan
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from paribus.errors import ConfigError
from paribus.results import COUNTS, RunFolder
from paribus.sweeps.storage import database
from paribus.sweeps.values import brief

State = Literal["waiting", "running", "done", "failed", "pruned", "interrupted"]
OVER = ("done", "failed", "pruned")  # states that a job of this sitting does not leave
KEPT = ("done", "pruned")  # states that a resume leaves as they are
FILE = "manifest.json"
STATES: dict[str, State] = {  # as status.json calls them
    "running": "running",
    "finished": "done",
    "failed": "failed",
    "pruned": "pruned",
    "interrupted": "interrupted",
}


@dataclass
class Job:
    """One run of a sweep."""

    number: int  # from 0
    values: dict[str, Any]  # what varies, by key; a conditional one is absent where it does not exist
    seed: int
    config: str  # the whole config as YAML
    overrides: list[str]  # `paribus train` with these reproduces the run
    folder: str  # below the sweep's
    state: State = "waiting"
    attempts: int = 0
    result: dict[str, float] = field(default_factory=dict)  # metrics.json; of one that is not done the last epoch's
    error: str | None = None
    seconds: float | None = None  # from its start to its end, set-up and test included, of the last attempt
    trial: int | None = None  # its number in Optuna's storage

    def begin(self) -> None:
        """Another attempt starts."""
        self.state, self.error, self.result, self.seconds = "running", None, {}, None
        self.attempts += 1

    @property
    def title(self) -> str:
        """What names it to people."""
        return self.folder

    @property
    def chosen(self) -> str:
        """What varies, as it would be typed."""
        return " ".join(f"{key}={brief(value)}" for key, value in self.values.items())


@dataclass
class Manifest:
    """A sweep: its settings and its jobs."""

    path: Path  # the sweep's folder
    name: str
    command: list[str]  # as typed, after `paribus`
    varied: list[str]  # the keys that vary, in the order in which they were typed
    metrics: list[str]  # what is best: usually one
    directions: list[Literal["min", "max"]]
    asked: list[str]  # the overrides that are of the sweep and not of its runs
    settings: dict[str, Any]  # sampler and pruner: name and settings of each; batch
    launcher: list[str]  # overrides of Hydra's own node that choose the launcher
    space: dict[str, Any]  # of a search: what a next job is made of; empty for a grid
    study: str  # the search's name in its storage, which may hold others
    extension: str | None  # the folder of the user's own parts
    seed: int  # of the search
    jobs: list[Job] = field(default_factory=list)

    def write(self) -> None:
        """Replace manifest.json as a whole: a kill leaves the old one or the new one."""
        content = asdict(self)
        del content["path"]
        partial = self.path / f".{FILE}.partial"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path / FILE)

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """That of a sweep's folder. Raises ConfigError where there is none, or it is damaged."""
        file = path / FILE
        if not file.is_file():
            raise ConfigError(f"{path} is no folder of a sweep: it holds no {FILE}")
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            jobs = [Job(**job) for job in content.pop("jobs")]
            return cls(path=path.absolute(), jobs=jobs, **content)
        except (ValueError, TypeError, AttributeError, KeyError, OSError) as error:
            raise ConfigError(f"{file} is damaged or of another version ({error})") from None

    def folder(self, job: Job) -> Path:
        """The run folder of a job."""
        return self.path / job.folder

    def pruning(self, job: Job) -> dict[str, Any] | None:
        """What a job's process needs to know to give it up; None where nothing is given up."""
        if self.settings["pruner"]["name"] == "none" or job.trial is None:
            return None
        return {
            "storage": self.storage,
            "trial": job.trial,
            "metric": self.metrics[0],
            "max_epochs": OmegaConf.create(job.config).trainer.max_epochs,
            "pruner": self.settings["pruner"],
            "extension": self.extension,
        }

    @property
    def storage(self) -> str:
        """Optuna's URL of the search."""
        return self.settings["sampler"]["settings"].get("storage") or database(self.path)

    @property
    def total(self) -> int:
        """Jobs in all, those of a search included that are still to be asked for."""
        return int(self.settings["sampler"]["settings"].get("trials", len(self.jobs)))

    def refresh(self, job: Job) -> None:
        """Take over what the job's folder says of it, which is there also after a kill."""
        folder = RunFolder(self.folder(job))
        status = folder.read_json("status.json") if folder.path.is_dir() else {}
        job.state = STATES.get(status.get("status", ""), job.state)
        job.error = status.get("error", job.error) if job.state == "failed" else None
        if job.seconds is None and {"started", "ended"} <= status.keys():
            started, ended = (datetime.fromisoformat(status[name]) for name in ("started", "ended"))
            job.seconds = (ended - started).total_seconds()
        if job.state == "done":
            job.result = folder.read_json("metrics.json")
        elif rows := folder.rows():
            job.result = {name: value for name, value in rows[-1].items() if name not in COUNTS}
            job.result["epochs"] = rows[-1]["epoch"]

    def fail(self, job: Job, error: str) -> None:
        """Say of a job that it failed where its process could not, here and, if that can be written, in its folder."""
        RunFolder(self.folder(job)).close("failed", error)
        self.refresh(job)
        job.state, job.error = "failed", error

    def count(self, *states: str) -> int:
        """Jobs that are in one of the states."""
        return sum(job.state in states for job in self.jobs)

    def best(self) -> Job | None:
        """The finished job with the best first metric; of equals the first."""
        name, direction = self.metrics[0], self.directions[0]
        finished = [job for job in self.jobs if job.state == "done" and isfinite(job.result.get(name, nan))]
        sign = 1 if direction == "min" else -1
        return min(finished, key=lambda job: sign * job.result[name], default=None)


def job_folder(number: int, of: int) -> str:
    """Its name: all of a sweep are equally long."""
    return f"job_{number:0{max(3, len(str(of - 1)))}}"
