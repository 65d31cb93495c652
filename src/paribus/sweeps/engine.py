"""A sweep from what was typed to its results: compose, check, freeze, run what is missing, report."""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.plugins.launcher import Launcher

from paribus import parts
from paribus.config import Choice, Config
from paribus.errors import ConfigError, Interrupted, nearest
from paribus.metric_names import HIGHER_IS_BETTER, LOWER_IS_BETTER, is_measured
from paribus.results import RunFolder, claimed
from paribus.sweeps import report
from paribus.sweeps.manifest import KEPT, OVER, Job, Manifest, job_folder
from paribus.sweeps.settings import Settings, check, divided, renewed
from paribus.sweeps.sources import Grid, Trials
from paribus.sweeps.space import Space, combinations
from paribus.sweeps.storage import opened
from paribus.sweeps.study import Search, sampler_of
from paribus.sweeps.view import View
from paribus.sweeps.workers import Source, warm_up

SWEEPS = Path("outputs/sweeps")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAUNCHER = ("launcher", "hydra/launcher", "hydra.launcher")  # what may be said of how jobs are run
CHANGEABLE = (*LAUNCHER, "sampler.trials=")
LONGEST = 200  # letters of what a launcher says of a fault
PATIENCE_SECONDS = 10  # for the runs of a sweep that was killed to be gone


def freeze(overrides: Sequence[str], extension: Path | None, command: Sequence[str]) -> Manifest:
    """Compose and check every job, or of a search the space, then claim the sweep's folder and write the manifest.

    Raises ConfigError for the first mistake, and then there is no folder.
    """
    asked, theirs = divided(overrides)
    settings = check(asked, extension)
    space = Space.read(theirs, extension)
    varied = [each.key for each in space.dimensions]
    if not varied:
        space.check()
        raise ConfigError("nothing varies; give several values, such as model=mlp,cnn or seed=range(5)")
    if settings.launcher[0] == "hydra/launcher=paribus":
        warm_up()
    jobs: list[Job] = []
    if settings.is_search:
        configs = space.check()
        _check_search(space, settings, configs)
    else:
        jobs, configs = _grid(space)
    metrics = list(settings.metrics or [configs[0]["trainer"].settings["monitor"]])
    _check_measured(metrics, "sweep.metric" if settings.metrics else "trainer.monitor")
    directions = settings.directions(metrics)
    if settings.is_search:
        sampler_of(settings.sampler, space.dimensions, directions, seed=0)  # refuses now, if at all
    manifest = Manifest(
        Path(),
        settings.name or _name(configs),
        list(command),
        varied,
        metrics,
        directions,
        asked,
        settings.state(),
        settings.launcher,
        space.state() if settings.is_search else {},
        "",
        str(extension) if extension else None,
        configs[0].seed,
        jobs,
    )
    claim(manifest, SWEEPS)
    return manifest


def claim(manifest: Manifest, parent: Path) -> None:
    """Give it a folder of its own below `parent`, and write it there. Raises ConfigError where that cannot be."""
    manifest.path = claimed(parent / manifest.name)
    manifest.study = "/".join(manifest.path.parts[-2:])
    try:
        manifest.write()
    except OSError as error:  # a full disk
        shutil.rmtree(manifest.path, ignore_errors=True)
        raise ConfigError(f"{manifest.path} cannot be written: {error.strerror}") from None


def manifest_of(
    jobs: list[Job],
    name: str,
    metric: str,
    varied: list[str],
    asked: list[str],
    extension: Path | None,
    command: Sequence[str],
) -> Manifest:
    """The manifest of jobs that are no grid: `metric` is what the view shows of them."""
    settings = check(asked, extension)
    return Manifest(
        Path(),
        name,
        list(command),
        varied,
        [metric],
        settings.directions([metric]),
        asked,
        settings.state(),
        settings.launcher,
        {},
        "",
        str(extension) if extension else None,
        jobs[0].seed,
        jobs,
    )


def _grid(space: Space) -> tuple[list[Job], list[Config]]:
    """All jobs of a grid, and their configs."""
    for each in space.dimensions:
        if not each.choices:
            raise ConfigError(
                f"{each.key} is an interval, which a grid cannot run through; list values, or search it: sampler=random"
            )
    every = list(combinations(space.dimensions))
    jobs, configs = [], []
    for number, values in enumerate(every):
        checked, overrides = space.config(values)
        configs.append(checked)
        jobs.append(Job(number, values, checked.seed, checked.text, overrides, job_folder(number, len(every))))
    return jobs, configs


def _check_measured(metrics: Sequence[str], key: str) -> None:
    for name in metrics:
        if not is_measured(name):
            stage = name.partition("/")[0]
            known = [f"{stage}/{each}" for each in LOWER_IS_BETTER | HIGHER_IS_BETTER]
            raise ConfigError(f"{key}={name} is no figure of any task; {nearest(name, known)}")


def _check_search(space: Space, settings: Settings, configs: Sequence[Config]) -> None:
    if "seed" in (each.key for each in space.dimensions):
        raise ConfigError("seed is nothing to search for: the best would be the luckiest; leave it out, or use a grid")
    if settings.pruner.part.name != "none" and any(each.is_several for each in configs):
        raise ConfigError(
            f"pruner={settings.pruner.part.name}: a cross-validation is not given up in one of its folds; "
            "use pruner=none, or one fold=..."
        )
    url = settings.sampler.settings["storage"]
    if url:
        opened(url)


def _name(configs: Sequence[Config]) -> str:
    """What the names of the runs have in common."""
    names = sorted({each.name for each in configs})
    common = "".join(letters[0] for letters in takewhile(lambda each: len(set(each)) == 1, zip(*names, strict=False)))
    return common.rstrip("_-.") or names[0]


def resumed(path: Path, overrides: Sequence[str], extension: Path | None) -> Manifest:
    """The manifest of a sweep that goes on: what was stopped or has failed waits again, the rest stays as it is.

    The launcher and its settings may be changed, and the trials of a search. Raises ConfigError for anything else,
    where the extension is not the one it began with, and where runs of it are still going on.
    """
    manifest = Manifest.read(path)
    asked, theirs = divided(overrides)
    wrong = [text for text in asked if not text.startswith(CHANGEABLE)] + theirs
    if wrong:
        raise ConfigError(f"{wrong[0]}: a sweep keeps what it is; only its launcher and sampler.trials may change")
    if manifest.extension != (str(extension) if extension else None):
        raise ConfigError(f"{path} was begun with --extend {manifest.extension or '(nothing)'}; give the same")
    manifest.asked = renewed(manifest.asked, asked)
    settings = check(manifest.asked, extension)
    manifest.launcher = settings.launcher
    if settings.is_search:
        manifest.settings["sampler"]["settings"]["trials"] = settings.sampler.settings["trials"]
    with _alone(path):
        for job in manifest.jobs:
            if job.state not in KEPT:
                _take_up(manifest, job)
        manifest.write()
    return manifest


def _take_up(manifest: Manifest, job: Job) -> None:
    """Learn what became of a job after the sweep had lost sight of it, and let it wait where it is to be run."""
    _wait_until_gone(manifest, job)
    manifest.refresh(job)
    if job.state == "failed" and manifest.space:
        return  # the search has learned of it
    if job.state == "failed":  # it is begun again
        shutil.rmtree(manifest.folder(job), ignore_errors=True)
    if job.state not in KEPT:
        job.state, job.error = "waiting", None


def _wait_until_gone(manifest: Manifest, job: Job) -> None:
    ending = time.monotonic() + PATIENCE_SECONDS
    while RunFolder(manifest.folder(job)).is_going_on():
        if time.monotonic() > ending:
            raise ConfigError(f"resume={manifest.path}: {job.title} is still going on; stop it, or wait for its end")
        time.sleep(0.1)


def run(manifest: Manifest, launcher: Launcher) -> None:
    """Run what is missing with a Hydra launcher, and write the results. Raises Interrupted, resumable, on a signal."""
    with _alone(manifest.path), _interruptible(manifest.path), View(manifest) as view:
        try:
            # Ours takes jobs as they come. Hydra imports plugins its own way, so the class cannot be asked for.
            work = getattr(launcher, "work", None)
            source = _source(manifest, comes_back=work is None)
            if work is None:
                _launch(manifest, source, launcher, view)
            else:
                work(manifest, source, view.show)
        finally:
            for job in manifest.jobs:
                if job.state == "running":  # it was stopped before it could say so
                    job.state = "interrupted"
            _conclude(manifest)


def _conclude(manifest: Manifest) -> None:
    """Write what came of it; a full disk is no reason not to show it."""
    try:
        manifest.write()
        report.write(manifest)
    except OSError as error:
        print(f"the results cannot be written: {error.strerror}: {error.filename}", file=sys.stderr)


def _source(manifest: Manifest, *, comes_back: bool) -> Source:
    """Of a search, by a launcher that comes back only when a whole batch is over, trials are asked for in batches."""
    if not manifest.space:
        return Grid([job for job in manifest.jobs if job.state == "waiting"])
    extension = Path(manifest.extension) if manifest.extension else None
    space = Space.from_state(manifest.space, extension)
    sampler, pruner = (_choice(group, manifest.settings[group], extension) for group in ("sampler", "pruner"))
    search = Search(
        manifest.storage, manifest.study, space.dimensions, sampler, pruner, manifest.directions, manifest.seed
    )
    if manifest.settings["batch"] is None and comes_back:
        manifest.settings["batch"] = os.cpu_count() or 1  # kept: a resume elsewhere asks for as many
    batch = manifest.settings["batch"]
    return Trials(manifest, space, search, batch, sampler.settings["trials"])


def _choice(group: str, saved: dict[str, Any], extension: Path | None) -> Choice:
    part = parts.find(group, saved["name"], extension)
    if part is None:
        raise ConfigError(f"{group}={saved['name']}: there is no such {group} any more")
    return Choice(part, saved["settings"])


def _launch(manifest: Manifest, source: Source, launcher: Launcher, view: View) -> None:
    """With a launcher that is given a batch and comes back when all of it is over."""
    while batch := list(islice(iter(source.next, None), manifest.settings["batch"])):
        for job in batch:
            job.begin()
        manifest.write()
        try:
            with _watching(manifest, batch, view):
                launcher.launch([[f"job={job.number}", *job.overrides] for job in batch], batch[0].number)
        except Exception as error:  # for some launchers one process that dies ends the wait for all
            fault = f"the launcher failed: {type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}"
            _await_others(manifest, batch, view)
        else:
            fault = "its process ended without a word"
        finally:
            for job in batch:
                manifest.refresh(job)
        for job in batch:
            if job.state not in OVER:
                manifest.fail(job, "was stopped from outside" if job.state == "interrupted" else fault)
            source.over(job)
        manifest.write()
        view.show()


def _await_others(manifest: Manifest, batch: Sequence[Job], view: View) -> None:
    """Until no run of a batch is at work any more that its launcher has given up."""
    while any(RunFolder(manifest.folder(job)).is_going_on() for job in batch):
        with _watching(manifest, batch, view):
            time.sleep(1)


@contextlib.contextmanager
def _watching(manifest: Manifest, batch: Sequence[Job], view: View) -> Iterator[None]:
    """Show meanwhile what the runs' own files say."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            for job in batch:
                manifest.refresh(job)
            view.show()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Raise ConfigError where another process is at this sweep."""
    file = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"resume={path}: another process is running this sweep") from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(file)


@contextlib.contextmanager
def _interruptible(path: Path) -> Iterator[None]:
    """Signals raise Interrupted, which names the folder to go on with."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number, handler in before.items():
            if number != signal.SIGHUP or handler is not signal.SIG_IGN:  # as with nohup
                signal.signal(number, interrupt)
        yield
    except Interrupted as interrupted:
        interrupted.folder, interrupted.verb = path, "sweep"
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
