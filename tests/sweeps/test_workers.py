"""Warm workers: the same bits as a run of its own, room for jobs of several devices, further attempts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import faulty
import made_up
import pytest
from faulty import IRIS, status
from omegaconf import OmegaConf

from conftest import Run, equal, rows_of, run_folder, weights
from paribus.results import RunFolder
from paribus.sweeps import workers
from paribus.sweeps.manifest import Job, Manifest
from paribus.sweeps.sources import Grid
from paribus.sweeps.workers import Slot, Workers

ONE = ("launcher.workers=1", "launcher.threads=1")


def test_jobs_of_a_warm_worker_have_the_bits_of_runs_of_their_own(paribus: Run) -> None:
    """The first and the second job of a worker share data, the third has its own; dropout draws numbers."""
    settings = [each for each in IRIS if not each.startswith("model.")]
    varied = "model.hidden_sizes=[8],[16],[4,4]", "regularization.dropout=0.3", "data.batch_size=16"
    code, out, _ = paribus("sweep", *settings, *varied, "seed=tag('model.hidden_sizes=[4,4]',choice(5))", *ONE)
    manifest = Manifest.read(run_folder(out))
    assert code == 0 and [job.seed for job in manifest.jobs] == [0, 0, 5]
    assert len({status(manifest, job.number)["pid"] for job in manifest.jobs}) == 1
    for job in manifest.jobs:
        alone = run_folder(paribus("train", *job.overrides)[1])
        folder = manifest.folder(job)
        assert equal(weights(folder), weights(alone))
        assert equal(weights(folder, "best.ckpt"), weights(alone, "best.ckpt"))
        assert rows_of(folder) == rows_of(alone)
        made, typed = (RunFolder(each).read_json("metrics.json") for each in (folder, alone))
        assert made | {"train_seconds": 0} == typed | {"train_seconds": 0}
        assert (folder / "config.yaml").read_text() == (alone / "config.yaml").read_text()
        assert {each.name for each in alone.rglob("*")} | {"output.log"} == {each.name for each in folder.rglob("*")}


def test_a_job_of_several_devices_has_a_fresh_process_of_its_own(paribus: Run) -> None:
    devices = ("trainer.devices=1,2", "data.batch_size=20", "launcher.workers=2", "launcher.threads=1")
    code, out, _ = paribus("sweep", *IRIS, *devices, "seed=tag('trainer.devices=1',choice(0,1))")
    manifest = Manifest.read(run_folder(out))
    assert code == 0 and [job.values["trainer.devices"] for job in manifest.jobs] == [1, 1, 2]
    pids = [status(manifest, number)["pid"] for number in range(3)]
    assert pids[2] not in pids[:2]
    environments = [RunFolder(manifest.folder(job)).read_json("environment.json") for job in manifest.jobs]
    assert environments[2]["command"][-2:] == [str(manifest.path), "2"]
    assert environments[0]["command"] != environments[2]["command"]
    assert manifest.jobs[2].result["val/loss"] == pytest.approx(manifest.jobs[0].result["val/loss"], rel=1e-4)


class Staged(Workers):
    """Workers whose jobs end when, and as, the test says."""

    def __init__(self, manifest: Manifest, count: int, ends: Iterator[Sequence[tuple[int, str]]], retries: int) -> None:
        super().__init__(manifest, count, [], 1, retries)
        self._ends = ends
        self.at_work: list[dict[int, int]] = []  # of each moment: jobs, and how many slots each takes

    def _start_warm(self, slot: Slot, job: Job) -> None:
        slot.process = Mock()

    _start_fresh = _start_warm

    def _wait(self, busy: Sequence[Slot]) -> None:
        self.at_work.append({slot.job.number: 1 + len(slot.lent) for slot in busy if slot.job})
        self._now = dict(next(self._ends))

    def _is_over(self, slot: Slot) -> bool:
        assert slot.job is not None
        if slot.job.number not in self._now:
            return False
        folder = RunFolder(self._manifest.folder(slot.job))
        folder.path.mkdir(exist_ok=True)
        folder.write_json("status.json", {"status": self._now[slot.job.number], "error": "so"})
        slot.seconds = 1.0
        return True


def _job(number: int, devices: int = 1) -> Job:
    config = OmegaConf.to_yaml(OmegaConf.create({"trainer": {"devices": devices, "max_epochs": 1}}))
    return made_up.job(number, {}, "waiting", config=config, attempts=0)


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run jobs that need so many devices each, and end as said."""
    monkeypatch.setattr(workers, "warm_up", lambda: None)

    def run(
        devices: Sequence[int], count: int, ends: Sequence[Sequence[tuple[int, str]]], retries: int = 0
    ) -> tuple[Staged, Manifest]:
        jobs = [_job(number, each) for number, each in enumerate(devices)]
        manifest = made_up.manifest(tmp_path, jobs, [])
        found = Staged(manifest, count, iter(ends), retries)
        found.work(Grid(list(manifest.jobs)), lambda: None)
        return found, manifest

    return run


def test_every_worker_has_a_job_as_long_as_there_are_some(staged: Any) -> None:
    ends = [[(1, "finished")], [(0, "finished"), (2, "finished")], [(3, "finished"), (4, "finished")]]
    found, manifest = staged([1] * 5, 2, ends)
    assert found.at_work == [{0: 1, 1: 1}, {0: 1, 2: 1}, {3: 1, 4: 1}]
    assert manifest.count("done") == 5 and {job.seconds for job in manifest.jobs} == {1.0}
    assert Manifest.read(manifest.path) == manifest


def test_a_job_of_several_devices_takes_the_room_of_as_many_workers(staged: Any) -> None:
    """The second waits until three of the four are free; what comes after it waits, too."""
    done = "finished"
    ends = [[(0, done)], [(1, done)], [(2, done), (3, done)]]
    found, _ = staged([1, 3, 1, 1], 3, ends)
    assert found.at_work == [{0: 1}, {1: 3}, {2: 1, 3: 1}]
    found, _ = staged([1, 2, 1, 9], 3, [[(1, done)], [(0, done), (2, done)], [(3, done)]])
    assert found.at_work == [{0: 1, 1: 2}, {0: 1, 2: 1}, {3: 3}]  # never more room than there is


def test_a_run_that_failed_is_tried_again_as_often_as_asked_for(staged: Any) -> None:
    ends = [[(0, "failed")], [(0, "failed"), (1, "finished")], [(0, "failed")]]
    found, manifest = staged([1, 1], 2, ends, retries=2)
    assert found.at_work == [{0: 1, 1: 1}, {0: 1, 1: 1}, {0: 1}]
    assert [(job.state, job.attempts) for job in manifest.jobs] == [("failed", 3), ("done", 1)]


def test_a_run_that_succeeds_the_second_time_has_succeeded(staged: Any) -> None:
    _, manifest = staged([1], 2, [[(0, "failed")], [(0, "finished")]], retries=5)
    assert [(job.state, job.attempts, job.error) for job in manifest.jobs] == [("done", 2, None)]


@pytest.mark.parametrize(
    ("gpus", "asked", "jobs", "expected"),
    [
        ("", (None, None, None), 9, (4, 1)),  # four cores: a worker each
        ("", (None, None, None), 3, (3, 1)),  # no more than there are jobs
        ("", (2, None, None), 9, (2, 2)),  # the cores divided among them
        ("", (8, None, None), 9, (8, 1)),
        ("", (2, None, 3), 9, (2, 3)),
        ("4,5", (None, None, None), 9, (2, 2)),  # a worker for each GPU
        ("4,5", (3, None, None), 9, (3, 1)),
        ("4,5", (None, 0, None), 9, (4, 1)),
        ("4,5", (None, 1, None), 9, (1, 4)),
    ],
)
def test_as_many_workers_as_suit_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: str, asked: tuple[int | None, ...], jobs: int, expected: Any
) -> None:
    monkeypatch.setattr(workers, "warm_up", lambda: None)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    every = [*(_job(number) for number in range(jobs)), made_up.job(jobs, {}, "done")]
    settings = {"sampler": {"settings": {}}}
    found = Workers.suited(made_up.manifest(tmp_path, every, [], settings=settings), *asked, retries=0)
    assert (len(found._slots), found._threads) == expected
    seen = [each for each in gpus.split(",") if each][: asked[1]]
    assert [found._environment([slot]) for slot in found._slots] == [
        {"CUDA_VISIBLE_DEVICES": seen[place % len(seen)] if seen else ""} for place in range(expected[0])
    ]
    if len(seen) == 2:
        assert found._environment(found._slots[:3]) == {"CUDA_VISIBLE_DEVICES": "4,5"}


def test_what_a_job_prints_is_in_its_folder(paribus: Run, tmp_path: Path) -> None:
    own = faulty.extension(tmp_path / "own")
    (own / "activations.py").write_text(
        faulty.CODE.replace('"exit":', '"speak": lambda: (print("aloud"), os.write(2, b"from C\\n")), "exit":')
    )
    typed = ("activation=faulty", "activation.fault=speak", "seed=0,1", "--extend", str(own), *ONE)
    code, out, _ = paribus("sweep", *IRIS, *typed)
    assert code == 0
    assert "aloud" not in out
    for number in (0, 1):
        text = (run_folder(out) / f"job_00{number}/output.log").read_text()
        assert "aloud" in text and "from C" in text
