"""Run folders as comparisons and differences read them: what decided a run, where it ran and how it ended. No torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from paribus import parts
from paribus.config import as_typed
from paribus.errors import ConfigError
from paribus.results import RunFolder

UNTOLD = ("command",)  # keys of environment.json that say nothing of where a run ran


@dataclass(frozen=True)
class Run:
    """One run folder, whatever became of the run."""

    path: Path
    settings: Mapping[str, str]  # by dotted key, as typed, interpolations unresolved
    environment: Mapping[str, str]
    status: str  # finished, or what it is instead
    error: str | None
    figures: Mapping[str, float]  # of metrics.json; empty before the end
    rows: list[dict[str, float]]  # of metrics.csv, one an epoch
    chosen: Mapping[str, str] = field(default_factory=dict)  # what a sweep varied, but for the seed

    @property
    def is_finished(self) -> bool:
        """Whether it has ended well and was measured."""
        return self.status == "finished" and bool(self.figures)

    @property
    def seed(self) -> int:
        """What the split, the order of samples and the initial weights derive from."""
        return int(self.settings["seed"])

    @property
    def fold(self) -> int | None:
        """Its fold of a cross-validation, from 1, if it is one's."""
        fold = self.settings.get("fold", "null")
        return None if fold == "null" else int(fold)


def found(path: Path) -> list[Run]:
    """The runs of a run folder, of a cross-validation or of a sweep. Raises ConfigError for any other folder."""
    if (path / "manifest.json").is_file():
        return list(_of_sweep(path))
    folds = _folds(path)
    return [read(fold) for fold in folds] if folds else [read(path)]


def read(path: Path, chosen: Mapping[str, str] | None = None) -> Run:
    """One run folder. Raises ConfigError where it is none, or its files are damaged."""
    if not path.is_dir():
        raise ConfigError(f"{path} is no run folder: there is no such folder")
    file = path / "config.yaml"
    if not file.is_file():
        inside = next((each.parent for each in sorted(path.glob("*/config.yaml"))), None)
        remedy = f"; the runs in it are given as {path}/*" if inside else ""
        raise ConfigError(f"{path} is no run folder: it holds no config.yaml{remedy}")
    return _run(path, _settings(file.read_text(encoding="utf-8", errors="replace"), file), chosen or {})


def as_text(value: Any) -> str:
    """As it would be typed: [64,64], 0.01, null."""
    if isinstance(value, list):
        return f"[{','.join(as_text(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{as_text(each)}' for key, each in value.items())}}}"
    return as_typed(value)


def _of_sweep(path: Path) -> Iterator[Run]:
    from paribus.sweeps.manifest import Manifest

    for job in Manifest.read(path).jobs:
        folder = path / job.folder
        chosen = {key: as_text(value) for key, value in job.values.items() if key != "seed"}
        folds = _folds(folder)
        if folds:
            yield from (read(fold, chosen) for fold in folds)
        else:  # also where there is no folder: the run failed before it had one, or has not begun
            status = "finished" if job.state == "done" else job.state
            yield _run(folder, _settings(job.config, path / "manifest.json"), chosen, status, job.error)


def _folds(path: Path) -> list[Path]:
    """The folders of the folds, in their order, where it is a cross-validation's."""
    folds = (file.parent for file in path.glob("fold_*/config.yaml"))
    return sorted(folds, key=lambda fold: (len(fold.name), fold.name))


def _run(
    path: Path, settings: dict[str, str], chosen: Mapping[str, str], status: str = "", error: str | None = None
) -> Run:
    folder = RunFolder(path)
    state = folder.read_json("status.json")
    figures = {
        name: float(value)
        for name, value in folder.read_json("metrics.json").items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    told = {key: value for key, value in folder.read_json("environment.json").items() if key not in UNTOLD}
    environment = {key.removeprefix("versions."): text for key, text in _flattened("", told)}
    if "host" in state:
        environment["host"] = as_text(state["host"])
    status = status or str(state.get("status", "not begun"))
    return Run(path, settings, environment, status, error or state.get("error"), figures, folder.rows(), chosen)


def _settings(text: str, file: Path) -> dict[str, str]:
    """By dotted key; of groups with several choices also which these are, in order."""
    try:
        tree = OmegaConf.create(text)
        values = OmegaConf.to_container(tree) if isinstance(tree, DictConfig) else {}
    except (OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    assert isinstance(values, dict)
    if not isinstance(values.get("seed"), int):
        raise ConfigError(f"{file} is not the config of a run: it has no seed")
    several = {group: as_text(list(values.get(group) or ())) for group in parts.SEVERAL}
    return {**several, **dict(_flattened("", values))}


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flattened(f"{prefix}.{key}" if prefix else str(key), inner)
    else:
        yield prefix, as_text(value)
