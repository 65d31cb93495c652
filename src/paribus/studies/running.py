"""A study's runs as one sweep, and what is measured of each run beyond its own figures."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from omegaconf import OmegaConf

from paribus.composition import parse
from paribus.errors import ConfigError
from paribus.runs import as_text
from paribus.studies.cells import ARM, Cell, cell_name
from paribus.studies.judging import judge
from paribus.studies.measuring import measures
from paribus.studies.study import Study, load
from paribus.sweeps import engine
from paribus.sweeps.manifest import Job, Manifest, job_folder
from paribus.sweeps.settings import divided
from paribus.sweeps.space import Space, combinations

STUDIES = Path("outputs/studies")
FILE = "study.yaml"
RUN = ("figures=false", "logger=none")  # what the runs of a study leave out: its own figure shows what they did
BARE = "experiment=null"  # nothing is switched on but what the study itself says, unless it names an experiment


def freeze(
    study: Study, seeds: Sequence[int], overrides: Sequence[str], extension: Path | None, command: Sequence[str]
) -> Manifest:
    """Compose and check every run, then claim the study's folder. Raises ConfigError, and then there is none.

    Overrides are for all arms; those of the launcher say how the runs are made.
    """
    asked, theirs = divided(overrides)
    for text in asked:
        if not text.startswith(engine.LAUNCHER):
            raise ConfigError(
                f"{text}: a study runs every arm with every seed; of a sweep, only its launcher is chosen"
            )
    _check_own(study, theirs)
    measures(study, extension)
    jobs = _jobs(study, seeds, theirs, extension)
    judge(study, _planned(jobs))  # refuses a prediction of what no run is of
    varied = list(dict.fromkeys(chain.from_iterable(job.values for job in jobs)))
    metric = OmegaConf.create(jobs[0].config).trainer.monitor
    manifest = engine.manifest_of(jobs, study.name, metric, varied, asked, extension, command)
    engine.claim(manifest, STUDIES)
    (manifest.path / FILE).write_text(OmegaConf.to_yaml(OmegaConf.create(study.model_dump())), encoding="utf-8")
    return manifest


def resumed(path: Path, overrides: Sequence[str], extension: Path | None) -> tuple[Study, Manifest]:
    """A study that goes on, as it was when it began. Raises ConfigError."""
    if not (path / FILE).is_file():
        raise ConfigError(f"resume={path}: that is no folder of a study: it holds no {FILE}")
    return load(path / FILE), engine.resumed(path, overrides, extension)


def _jobs(study: Study, seeds: Sequence[int], overrides: Sequence[str], extension: Path | None) -> list[Job]:
    """Pair after pair: what is compared is run side by side, so that seconds can be compared, too."""
    jobs: list[Job] = []
    for arm, own in study.arms.items():
        names_one = any(text.startswith("experiment=") for text in (*study.common, *overrides, *own))
        base = RUN if names_one else (BARE, *RUN)
        shifted = ",".join(str(seed + study.seed_offset.get(arm, 0)) for seed in seeds)
        space = Space.read([*base, *study.common, *overrides, *own, f"seed=choice({shifted})"], extension)
        for values in combinations(space.dimensions):
            checked, texts = space.config(values)
            if checked.cross_validation is not None:
                raise ConfigError("cross_validation is for runs by themselves: the pairs of a study share a seed")
            jobs.append(Job(0, {ARM: arm, **values}, checked.seed, checked.text, texts, ""))
    jobs.sort(key=lambda job: seeds.index(job.seed - study.seed_offset.get(job.values[ARM], 0)))
    for number, job in enumerate(jobs):
        job.number, job.folder = number, job_folder(number, len(jobs))
    return jobs


def _planned(jobs: Sequence[Job]) -> list[Cell]:
    """The cells that there will be, without any figures."""
    every = [(job.values[ARM], {key: as_text(value) for key, value in job.values.items()}) for job in jobs]
    chosen = [(arm, {key: value for key, value in values.items() if key not in (ARM, "seed")}) for arm, values in every]
    names = {cell_name(arm, settings): (arm, settings) for arm, settings in chosen}
    return [Cell(name, arm, settings, {}, {}, []) for name, (arm, settings) in names.items()]


def _check_own(study: Study, overrides: Sequence[str]) -> None:
    """Raise ConfigError for an override of what the arms differ in: it would make them alike."""
    differing = {parse(text).key_or_group for own in study.arms.values() for text in own}
    for text in overrides:
        override = parse(text)
        key = override.key_or_group
        if key == "seed":
            raise ConfigError(f"{text}: every arm is run with the same seeds; use seeds={text.partition('=')[2]}")
        if override.is_sweep_override():
            raise ConfigError(f"{text} gives several values; a study varies what its arms differ in, and nothing else")
        if key in differing:
            raise ConfigError(f"{text}: {key} is what the arms of {study.name} differ in; leave it out")
