"""The manifest on disk, and what is learned of jobs from their folders."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import made_up
import pytest

from paribus.errors import ConfigError
from paribus.sweeps.manifest import Job, Manifest, job_folder

VALUES = {
    "model": "mlp",
    "optimizer.lr": 1e-05,
    "model.hidden_sizes": [64, 32],
    "regularization.gradient_clip": None,
    "model.bias": True,
    "data.path": "a,b 'c'.csv",
    "model.blocks": [{"channels": 8}],
}


def _manifest(path: Path, *jobs: Job) -> Manifest:
    return made_up.manifest(path, jobs, ["seed"])


def _job(state: str = "running") -> Job:
    return made_up.job(0, {"seed": 0}, state, seconds=None)


def _status(manifest: Manifest, job: Job, **status: Any) -> None:
    manifest.folder(job).mkdir(exist_ok=True)
    (manifest.folder(job) / "status.json").write_text(json.dumps(status))


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    job = made_up.job(0, VALUES, "failed", error="it is\u2028so", seconds=1.5, trial=7, result={"val/loss": 0.1})
    manifest = _manifest(tmp_path, job, _job())
    manifest.write()
    assert Manifest.read(tmp_path) == manifest


def test_a_kill_while_writing_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = _manifest(tmp_path, _job("waiting"))
    manifest.write()

    def die(number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    manifest.jobs[0].state = "done"
    with pytest.raises(KeyboardInterrupt):
        manifest.write()
    assert Manifest.read(tmp_path).jobs[0].state == "waiting"


DAMAGED = {
    "half of it": lambda text: text[: len(text) // 2],
    "nothing": lambda text: "",
    "a list": lambda text: "[]",
    "no jobs": lambda text: text.replace('"jobs"', '"works"'),
    "another version": lambda text: text.replace('"folder"', '"place"'),
    "a key too much": lambda text: text.replace('"name"', '"extra": 1, "name"', 1),
    "no text": lambda text: "\udcff",
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_manifest_is_one_line(tmp_path: Path, how: str) -> None:
    _manifest(tmp_path, _job()).write()
    file = tmp_path / "manifest.json"
    file.write_bytes(DAMAGED[how](file.read_text()).encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=r"manifest.json is damaged or of another version") as caught:
        Manifest.read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "state"),
    [("running", "running"), ("finished", "done"), ("failed", "failed"), ("pruned", "pruned"), ("x", "running")],
)
def test_a_jobs_state_is_what_its_folder_says(tmp_path: Path, status: str, state: str) -> None:
    manifest = _manifest(tmp_path, job := _job())
    _status(
        manifest,
        job,
        status=status,
        error="so",
        started="2026-01-01T00:00:00.000+00:00",
        ended="2026-01-01T00:01:00.500+00:00",
    )
    (tmp_path / job.folder / "metrics.json").write_text(json.dumps({"val/loss": 0.25, "epochs": 5}))
    with (tmp_path / job.folder / "metrics.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["epoch", "step", "val/loss"], [1, 10, 0.75], [2, 20, 0.5]])
    manifest.refresh(job)
    assert (job.state, job.seconds) == (state, 60.5)
    assert job.error == ("so" if state == "failed" else None)
    assert job.result == ({"val/loss": 0.25, "epochs": 5} if state == "done" else {"val/loss": 0.5, "epochs": 2})


def test_a_job_without_a_folder_is_as_it_was(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path, job := _job("failed"))
    job.error = "its values do not go together"
    manifest.refresh(job)
    assert (job.state, job.error, job.result) == ("failed", "its values do not go together", {})


def test_a_run_that_failed_before_it_began_has_no_time(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path, job := _job())
    _status(manifest, job, status="failed", error="no", ended="2026-01-01T00:01:00.500+00:00")
    manifest.refresh(job)
    assert (job.state, job.error, job.seconds) == ("failed", "no", None)


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_job_whose_process_is_gone_has_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], has_folder: bool
) -> None:
    manifest = _manifest(tmp_path, job := _job())
    if has_folder:
        _status(manifest, job, status="running", started="2026-01-01T00:00:00.000+00:00")
    manifest.fail(job, "the process was ended by SIGSEGV")
    assert (job.state, job.error) == ("failed", "the process was ended by SIGSEGV")
    assert manifest.count("failed") == 1
    assert ("cannot be written" in capsys.readouterr().err) != has_folder
    manifest.refresh(job)
    assert (job.state, job.error) == ("failed", "the process was ended by SIGSEGV")


def test_another_attempt_begins_anew() -> None:
    job = made_up.job(0, {}, "failed", error="so", result={"val/loss": 1.0})
    job.begin()
    assert (job.state, job.error, job.result, job.seconds, job.attempts) == ("running", None, {}, None, 2)


def test_the_best_is_the_first_of_the_best_that_finished(tmp_path: Path) -> None:
    states = {0: ("done", 0.5), 1: ("failed", 0.9), 2: ("done", 0.75), 3: ("done", 0.75), 4: ("pruned", 1.0)}
    jobs = [
        made_up.job(number, {}, state, result={"val/accuracy": value, "val/loss": value})
        for number, (state, value) in states.items()
    ]
    best = _manifest(tmp_path, *jobs, made_up.job(5, {}, "done", result={})).best()
    assert best is not None and best.number == 2
    lowest = made_up.manifest(tmp_path, jobs, [], metrics=["val/loss"], directions=["min"]).best()
    assert lowest is not None and lowest.number == 0
    assert _manifest(tmp_path, jobs[1]).best() is None


def test_what_varies_is_shown_as_it_would_be_typed() -> None:
    assert made_up.job(0, VALUES).chosen.startswith(
        "model=mlp optimizer.lr=1e-05 model.hidden_sizes=[64,32] regularization.gradient_clip=null model.bias=true"
    )


def test_folders_of_a_sweep_are_equally_long() -> None:
    assert job_folder(7, 12) == "job_007"
    assert job_folder(7, 1000) == "job_007" and job_folder(999, 1000) == "job_999"
    assert job_folder(7, 1001) == "job_0007"
