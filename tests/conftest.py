"""What all tests share."""

import csv
import os

os.environ["OMP_NUM_THREADS"] = "1"  # tests run side by side; more threads would only wait for each other
os.environ.pop("PARIBUS_EXTEND", None)

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import paribus.torchvision_ops
from paribus.cli import main
from paribus.interruption import Interruption
from paribus.regularization import Regularization

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
Run = Callable[..., tuple[int, str, str]]

NO_REGULARIZATION = Regularization(0, 0, 0, None, None, None, 0, 0)
QUICK = ("trainer=cpu", "trainer.max_epochs=2")


LONGEST = ("test_pairwise", "test_readme", "test_composition")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONGEST))


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go to a folder of the tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PARIBUS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def paribus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the real command line in an empty folder."""

    def start(*arguments: str, cwd: Path = tmp_path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "paribus", *arguments],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def stopped_after(step: int, paribus: Run, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Path:
    """The folder of a training run that SIGTERM stops after so many optimizer steps."""
    original = Interruption.on_train_batch_end

    def strike(self: Interruption, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, trainer, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "on_train_batch_end", strike)
        code, _, err = paribus("train", *arguments)
    assert code == 143 and len(err.splitlines()) == 1
    return Path(err.strip().rpartition("resume=")[2])


def run_folder(stdout: str) -> Path:
    """The run folder that `paribus train` prints last."""
    return Path(stdout.splitlines()[-1])


def weights(folder: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    checkpoint = torch.load(folder / "checkpoints" / name, weights_only=True)
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    return state


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
