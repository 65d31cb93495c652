"""`trainer.devices`: what several devices learn is what one learns, and they end together."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import Run, equal, rows_of, run_folder, stopped_after, weights
from paribus import trainers
from paribus.checkpoints import Checkpoints
from paribus.companion import FOLDER, PORT, RANK
from paribus.data.loader import own_rows
from paribus.errors import ConfigError
from paribus.interruption import Interruption
from paribus.several_devices import SeveralDevices

# 1257 training rows: 9 steps an epoch, the last of 57 rows.
PLAIN = ("model=mlp", "regularization.dropout=0", "regularization.normalization=none", "optimizer=sgd")
SETTINGS = (
    *PLAIN,
    "optimizer.lr=0.5",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "data.batch_size=150",
    "augmentation=[crop,mixup]",
)
TWO = (*SETTINGS, "trainer.devices=2")


@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("devices", [2, 3, 8])
def test_shares_of_a_batch_are_the_batch(devices: int, least: int) -> None:
    for size in range(1, 20):
        rows = [list(range(size))[own_rows(size, rank, devices, least)] for rank in range(devices)]
        assert [row for own in rows for row in own] == list(range(size))
        counts = [len(own) for own in rows if own]
        assert rows[0] and max(counts) - min(counts) <= 1
        assert min(counts) >= min(least, size) and len(counts) == max(1, min(devices, size // least))


class _Alone(SeveralDevices):
    """Device 1 of two: the other has what it has, and one more."""

    def every(self, value: Any) -> list[Any]:
        return [{**value, "cpu": value["cpu"] + 1}, value]


def test_each_device_goes_on_with_its_own_random_numbers(tmp_path: Path) -> None:
    trainer: Any = SimpleNamespace(strategy=_Alone(torch.device("cpu"), 1, 2))
    module: Any = SimpleNamespace(device=torch.device("cpu"))
    saved = Checkpoints(tmp_path, "val/loss", "min")
    saved.on_train_start(trainer, module)
    torch.manual_seed(1)
    state = saved.state_dict()
    drawn = torch.rand(3)
    loaded = Checkpoints(tmp_path, "val/loss", "min")
    loaded.load_state_dict(state)
    loaded.on_train_start(trainer, module)
    assert torch.equal(torch.rand(3), drawn)


def _close(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


def test_two_devices_learn_what_one_does_and_stop_and_resume_at_the_same_bits(
    paribus: Run, command: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    process = command("train", *TWO)
    one = run_folder(paribus("train", *SETTINGS)[1])
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    two = run_folder(out)
    assert _close(weights(one), weights(two)) and not equal(weights(one), weights(two))
    for ours, theirs in zip(rows_of(one), rows_of(two), strict=True):
        assert {name: float(value) for name, value in ours.items()} == pytest.approx(
            {name: float(value) for name, value in theirs.items()}, abs=1e-4
        )
    assert _files(one) == _files(two)
    assert json.loads((two / "environment.json").read_text())["device"] == "cpu, cpu"
    assert out.count("epoch 1/2") == 1

    folder = stopped_after(13, paribus, monkeypatch, *TWO)
    assert json.loads((folder / "status.json").read_text())["status"] == "interrupted"
    code, _, err = paribus("train", f"resume={folder}", "trainer.devices=1")
    assert code == 2 and "start a new run" in err
    assert paribus("train", f"resume={folder}")[0] == 0
    assert equal(weights(two), weights(folder)) and rows_of(two) == rows_of(folder)
    assert not _companions()


def _files(folder: Path) -> list[str]:
    """Events of TensorBoard are named after time and process."""
    return sorted(str(file.relative_to(folder)).partition("tfevents")[0] for file in folder.rglob("*"))


def _companions() -> list[int]:
    """The processes that this one has started and that still run."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "paribus.companion" in line]


def test_a_device_that_dies_ends_the_run(paribus: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    original = Interruption.on_train_batch_end

    def kill(self: Interruption, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == 3:
            os.kill(_companions()[0], signal.SIGKILL)
        original(self, trainer, *rest)

    monkeypatch.setattr(Interruption, "on_train_batch_end", kill)
    code, _, err = paribus("train", *TWO)
    assert code == 1 and len(err.splitlines()) == 1
    assert err.startswith("run failed: device 1: its process was ended by signal 9")
    (status,) = tmp_path.glob("outputs/runs/*/*/status.json")
    assert json.loads(status.read_text())["status"] == "failed"
    assert not torch.distributed.is_initialized() and not _companions()


def test_a_companion_ends_when_the_first_process_does(tmp_path: Path) -> None:
    environment = {**os.environ, FOLDER: str(tmp_path), PORT: "1", RANK: "1", "PARIBUS_EXTEND": ""}
    arguments = [sys.executable, "-c", "import time, threading, paribus.companion as companion\n"
                 "threading.Thread(target=companion._end_with_the_first).start()\ntime.sleep(60)"]  # fmt: skip
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    started = time.monotonic()
    process.stdin.close()
    assert process.wait() == 1 and time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (("data.batch_size=1",), "data.batch_size=1 is the batch of all devices together"),
        (("data.batch_size=3", "regularization.normalization=batch"), "needs 4 or more"),
        (("loss=dice",), "no mean over examples"),
        (("loss.class_weights=[1,2,1,1,1,1,1,1,1,1]",), "loss.class_weights=null"),
        (("trainer.devices=0",), "a whole number, 1 or more"),
    ],
)
def test_what_cannot_be_shared_is_refused(paribus: Run, tmp_path: Path, typed: tuple[str, ...], says: str) -> None:
    code, _, err = paribus("train", *TWO, *typed)
    assert code == 2 and len(err.splitlines()) == 1 and says in err
    assert not (tmp_path / "outputs").exists()


def test_more_devices_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert trainers._several("gpu", 2).names == "cuda:0, cuda:1"
    with pytest.raises(ConfigError, match="torch finds 2 GPUs here; use 2"):
        trainers._several("gpu", 3)
