"""A whole sweep: runs that fail lose themselves alone, and one that is stopped in any way goes on to the same end."""

import errno
import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import faulty
import pytest
from faulty import IRIS, begun, contents, outcome, processes, states, sweep_in, waited_for
from hydra.plugins.launcher import Launcher

from conftest import Run, equal, run_folder, weights
from paribus.errors import ConfigError, Interrupted
from paribus.results import RunFolder
from paribus.sweeps import engine
from paribus.sweeps.manifest import Manifest

WRONG = {
    "raise": "RuntimeError: it does not work",
    "exit": "SystemExit: 3",
    "crash": "the process was ended by SIGSEGV",
    "diverge": "train/loss is nan at step 1",
    "kill": "the process was ended by SIGKILL; the system does so when memory runs out",
}
FAULTS = ("edit", "raise", "a", "exit", "b", "crash", "c", "diverge", "d", "kill", "e", "f")
RIGHT = [number for number, fault in enumerate(FAULTS) if fault not in WRONG]
RESULTS = ("val/loss", "val/accuracy", "test/loss", "test/accuracy")


def test_runs_that_fail_lose_themselves_alone_and_a_resume_runs_them_again(tmp_path: Path, paribus: Run) -> None:
    own = faulty.extension(tmp_path / "own")
    extend = ("--extend", str(own))
    process = begun(
        tmp_path, "sweep", *IRIS, "activation=faulty", f"activation.fault={','.join(FAULTS)}", "seed=3", *extend
    )
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (1, "")
    folder = sweep_in(tmp_path)
    manifest = Manifest.read(folder)
    assert out.splitlines()[-1] == str(folder)
    assert [job.number for job in manifest.jobs if job.state == "done"] == RIGHT
    assert manifest.count("failed") == 5 and "12 jobs: 7 done, 5 failed" in out
    table = out[out.index("12 jobs: ") :].partition("failed\n")[2]
    for job in manifest.jobs:
        if job.state == "failed":
            assert WRONG[FAULTS[job.number]] in str(job.error), job.error
            assert any(line.split()[0] == str(job.number) and str(job.error)[:20] in line for line in _rows(table))
    # The first run edited a YAML file, and the others waited in the queue.
    assert "slope: 0.5" in (own / "configs/activation/faulty.yaml").read_text()
    results = [tuple(manifest.jobs[number].result[name] for name in RESULTS) for number in RIGHT]
    assert len(set(results)) == 1
    assert not processes(tmp_path)

    (own / "mended").touch()
    kept = {number: contents(manifest.folder(manifest.jobs[number])) for number in RIGHT}
    code, out, _ = paribus("sweep", f"resume={folder}", *extend)
    again = Manifest.read(folder)
    assert code == 0 and "12 jobs: 12 done" in out
    assert [job.attempts for job in again.jobs] == [1 if job.number in RIGHT else 2 for job in again.jobs]
    assert all(contents(again.folder(again.jobs[number])) == kept[number] for number in RIGHT)
    assert {tuple(job.result[name] for name in RESULTS) for job in again.jobs} == set(results)
    assert all(job.error is None for job in again.jobs)
    assert "slope: 0\n" in (folder / "job_011/config.yaml").read_text()
    assert (folder / "job_001/output.log").is_file()


def _rows(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.split()]


SLOW = (*IRIS, "trainer.max_epochs=3", "activation=faulty", "activation.fault=slow", "launcher.threads=1")
STOPS = [("SIGINT", 130, 0), ("SIGKILL", -9, 1), ("SIGTERM", 143, 1)]


def _stopped(folder: Path, name: str, more: int, *arguments: str) -> tuple[int, str]:
    """Exit code and stderr of a command that a signal stops in the midst of a run, once it has finished so many more.

    SIGINT reaches all its processes, as Ctrl-C does.
    """
    before = states(folder).count("done")
    process = begun(folder, "sweep", *arguments)

    def is_midway() -> bool:
        found = states(folder)
        return found.count("done") >= before + more and "running" in found

    waited_for(lambda: is_midway() or process.poll() is not None)
    number = signal.Signals[name]
    os.killpg(process.pid, number) if name == "SIGINT" else process.send_signal(number)
    _, err = process.communicate(timeout=60)
    waited_for(lambda: not processes(folder), seconds=30)
    return process.returncode, err


def test_a_sweep_that_is_stopped_in_any_way_ends_as_one_that_was_not(tmp_path: Path, paribus: Run) -> None:
    extend = ("--extend", str(faulty.extension(tmp_path / "own")))
    typed = (*SLOW, "seed=range(5)", "launcher.workers=2", *extend)
    whole = run_folder(paribus("sweep", *typed)[1])
    (broken := tmp_path / "broken").mkdir()
    arguments: tuple[str, ...] = typed
    finished: dict[Path, int] = {}
    for name, code, more in STOPS:
        found, err = _stopped(broken, name, more, *arguments)
        folder = sweep_in(broken)
        assert found == code
        manifest = Manifest.read(folder)
        if name != "SIGKILL":
            assert err == f"interrupted; go on with: paribus sweep {' '.join(extend)} resume={folder}\n"
            assert "running" not in states(broken) and "interrupted" in states(broken)
            assert (folder / "results.csv").is_file() and (folder / "report.html").is_file()
        assert all(file.stat().st_mtime_ns == time for file, time in finished.items())
        for job in manifest.jobs:
            if job.state == "done":
                finished |= contents(manifest.folder(job))
        arguments = (f"resume={folder}", *extend)
    assert len({file.parent for file in finished if file.name == "metrics.json"}) >= 2
    assert paribus("sweep", *arguments)[0] == 0
    assert all(file.stat().st_mtime_ns == time for file, time in finished.items())
    assert outcome(folder) == outcome(whole)
    for job in Manifest.read(folder).jobs:
        assert equal(weights(folder / job.folder), weights(whole / job.folder))
        assert (folder / job.folder / "metrics.csv").read_text() == (whole / job.folder / "metrics.csv").read_text()


def test_a_search_that_is_killed_finds_what_it_would_have_found(tmp_path: Path, paribus: Run) -> None:
    extend = ("--extend", str(faulty.extension(tmp_path / "own")))
    search = ("sampler=tpe", "sampler.trials=4", "sampler.startup_trials=2", "sweep.metric=val/accuracy")
    typed = (*SLOW, *search, "optimizer.lr=tag(log,interval(1e-3,1))", "launcher.workers=1", *extend)
    whole = run_folder(paribus("sweep", *typed)[1])
    (broken := tmp_path / "broken").mkdir()
    _stopped(broken, "SIGKILL", 2, *typed)
    folder = sweep_in(broken)
    assert paribus("sweep", f"resume={folder}", *extend)[0] == 0
    assert outcome(folder) == outcome(whole)
    one, other = Manifest.read(folder), Manifest.read(whole)
    assert [job.values for job in one.jobs] == [job.values for job in other.jobs] and len(one.jobs) == 4
    best, same = one.best(), other.best()
    assert best is not None and same is not None and best.number == same.number


def test_folds_are_judged_by_their_mean(paribus: Run) -> None:
    code, out, _ = paribus("sweep", *IRIS, "cross_validation=2", "optimizer.lr=0.1,0.01", "launcher=basic")
    manifest = Manifest.read(run_folder(out))
    best = manifest.best()
    assert code == 0 and best is not None and manifest.metrics == ["val/loss"]
    for job in manifest.jobs:
        folds = [RunFolder(manifest.folder(job) / f"fold_{number}").read_json("metrics.json") for number in (1, 2)]
        assert job.result["val/loss"] == pytest.approx(mean(fold["val/loss"] for fold in folds))
        assert best.result["val/loss"] <= job.result["val/loss"]


@pytest.mark.parametrize("folds", [(), ("cross_validation=2",)])
def test_a_metric_that_a_run_does_not_measure_fails_it_before_its_first_step(paribus: Run, folds: Any) -> None:
    typed = ("seed=0,1", "sweep.metric=val/bleu", "launcher=basic", *folds)
    code, out, _ = paribus("sweep", *IRIS, *typed)
    manifest = Manifest.read(run_folder(out))
    assert code == 1 and manifest.count("failed") == 2
    for job in manifest.jobs:
        assert job.error is not None and job.error.startswith("sweep.metric=val/bleu is not measured; ")
        assert not list(manifest.folder(job).rglob("metrics.csv"))


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """A sweep of three jobs that has not begun."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "warm_up", lambda: None)
    return engine.freeze([*IRIS, "seed=range(3)", "launcher.workers=2"], None, ["sweep"])


class Given(Launcher):
    """Does with a batch what the test says."""

    def __init__(self, does: Callable[[list[int]], None]) -> None:
        self._does = does

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None: ...

    def launch(self, job_overrides: Any, initial_job_idx: int) -> Any:
        self._does([int(overrides[0].partition("=")[2]) for overrides in job_overrides])


def _ended(manifest: Manifest, number: int, **status: str) -> None:
    """A job's folder as one that has ended leaves it."""
    folder = RunFolder(manifest.folder(manifest.jobs[number]))
    folder.path.mkdir(exist_ok=True)
    folder.write_json("status.json", status)
    folder.write_json("metrics.json", {"val/loss": 1.0 + number})


def test_a_launcher_that_fails_fails_what_it_has_not_ended(frozen: Manifest) -> None:
    def die(numbers: list[int]) -> None:
        assert numbers == [0, 1, 2] and Manifest.read(frozen.path).count("running") == 3
        _ended(frozen, 0, status="finished")
        _ended(frozen, 1, status="failed", error="as it says")  # as one does that failed before it began
        raise RuntimeError("a worker\nhas died")

    engine.run(frozen, Given(die))
    assert [job.state for job in frozen.jobs] == ["done", "failed", "failed"]
    assert frozen.jobs[1].error == "as it says"
    assert frozen.jobs[2].error == "the launcher failed: RuntimeError: a worker has died"
    assert Manifest.read(frozen.path) == frozen
    assert (frozen.path / "results.csv").is_file()


def test_a_launcher_is_given_as_many_at_a_time_as_asked_for(frozen: Manifest) -> None:
    batches: list[list[int]] = []
    frozen.settings["batch"] = 2
    engine.run(frozen, Given(batches.append))
    assert batches == [[0, 1], [2]]
    assert {job.error for job in frozen.jobs} == {"its process ended without a word"}


def _resume(manifest: Manifest, *overrides: str) -> Manifest:
    return engine.resumed(manifest.path, list(overrides), None)


def test_a_resume_takes_up_what_became_of_jobs_after_a_kill(frozen: Manifest) -> None:
    for job in frozen.jobs:
        job.begin()
    frozen.write()
    _ended(frozen, 0, status="finished")
    _ended(frozen, 1, status="running")
    _ended(frozen, 2, status="failed", error="so")
    found = _resume(frozen)
    assert [job.state for job in found.jobs] == ["done", "waiting", "waiting"]
    assert found.jobs[0].result == {"val/loss": 1.0}
    assert found.folder(found.jobs[1]).is_dir() and not found.folder(found.jobs[2]).exists()
    assert Manifest.read(frozen.path) == found


def test_another_launcher_stays_chosen(frozen: Manifest) -> None:
    assert _resume(frozen, "launcher=basic").launcher == ["hydra/launcher=basic"]
    assert _resume(frozen).launcher == ["hydra/launcher=basic"]
    assert "hydra.launcher.workers=1" in _resume(frozen, "launcher=local", "launcher.workers=1").launcher


REFUSED = {
    "seed=0,1": "a sweep keeps what it is",
    "optimizer.lr=0.1": "a sweep keeps what it is",
    "sweep.metric=val/accuracy": "a sweep keeps what it is",
    "sampler=tpe": "a sweep keeps what it is",
    "sampler.trials=5": "sampler.trials is not a setting of grid",
    "launcher=locl": "did you mean local?",
    "launcher.gpus=99": "GPUs are visible here",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_what_a_sweep_is_cannot_be_changed(frozen: Manifest, typed: str) -> None:
    before = contents(frozen.path)
    with pytest.raises(ConfigError, match=REFUSED[typed]) as caught:
        _resume(frozen, typed)
    assert typed.partition("=")[0] in str(caught.value)
    assert contents(frozen.path) == before


def test_a_resume_needs_the_same_parts(frozen: Manifest, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"was begun with --extend \(nothing\); give the same"):
        engine.resumed(frozen.path, [], tmp_path)


def test_a_sweep_is_run_by_one_process(frozen: Manifest) -> None:
    file = os.open(frozen.path, os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_EX)
    before = contents(frozen.path)
    try:
        for start in (lambda: _resume(frozen), lambda: engine.run(frozen, Given(print))):
            with pytest.raises(ConfigError, match="another process is running this sweep"):
                start()
    finally:
        os.close(file)
    assert contents(frozen.path) == before
    _resume(frozen)


def test_a_run_that_is_still_going_on_is_not_begun_again(frozen: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.2)
    _ended(frozen, 1, status="running")
    with (frozen.path / "job_001/train.log").open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match=r"resume=.*: job_001 is still going on; stop it, or wait for its end"):
            _resume(frozen)
    assert _resume(frozen).jobs[1].state == "waiting"


def test_signals_are_as_before_once_it_is_over(frozen: Manifest) -> None:
    before = [signal.getsignal(number) for number in engine.SIGNALS]

    def stop(numbers: list[int]) -> None:
        _ended(frozen, 0, status="interrupted")
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted) as caught:
        engine.run(frozen, Given(stop))
    assert (caught.value.folder, caught.value.verb, caught.value.exit_code) == (frozen.path, "sweep", 143)
    assert [signal.getsignal(number) for number in engine.SIGNALS] == before
    assert Manifest.read(frozen.path).count("interrupted") == 3


def test_nothing_is_left_of_a_sweep_that_cannot_be_written_down(
    paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(engine, "warm_up", lambda: None)
    code, _, err = paribus("sweep", *IRIS, "seed=0,1")
    assert code == 2 and len(err.splitlines()) == 1 and "cannot be written: No space left on device" in err
    assert not list(tmp_path.glob("outputs/sweeps/*/*"))
