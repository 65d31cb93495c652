"""What all tests share."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # tests run side by side; more threads would only wait for each other
os.environ.pop("PARIBUS_EXTEND", None)

import subprocess  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

import paribus.torchvision_ops  # noqa: E402, F401 - before anything imports lightning
from paribus.cli import main  # noqa: E402

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
Run = Callable[..., tuple[int, str, str]]

QUICK = ("trainer=cpu", "trainer.max_epochs=2")


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


def run_folder(stdout: str) -> Path:
    """The run folder that `paribus train` prints last."""
    return Path(stdout.splitlines()[-1])
