"""A part of the user's own that does what a run of a sweep should not do, and real command lines that meet it."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paribus.errors import ConfigError
from paribus.sweeps.manifest import Manifest

IRIS = (
    *("data=iris", "model=mlp", "model.hidden_sizes=[8]", "regularization.normalization=none"),
    *("trainer=cpu", "trainer.max_epochs=1", "logger=none"),
)
CODE = '''
import os, signal, sys, time
from pathlib import Path

from torch import nn

from paribus.types import Number, Text

HERE = Path(__file__).parent


def edit():
    file = HERE / "configs/activation/faulty.yaml"
    file.write_text(file.read_text().replace("slope: 0", "slope: 0.5"))


def throw():
    raise RuntimeError("it does\\nnot work")


FAULTS = {
    "raise": throw,
    "exit": lambda: sys.exit(3),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "edit": edit,
    "slow": lambda: time.sleep(0.05),
}


class Faulty(nn.Module):
    def __init__(self, fault, slope):
        super().__init__()
        self.fault, self.slope = fault, slope

    def forward(self, inputs):
        if self.training and not (HERE / "mended").exists():
            FAULTS.get(self.fault, lambda: None)()
            if self.fault == "diverge":
                inputs = inputs * float("nan")
        return nn.functional.leaky_relu(inputs, self.slope)


def faulty(*, fault: Text, slope: Number) -> nn.Module:
    """Leaky ReLU, or a fault where there is no file called mended."""
    return Faulty(fault, slope)
'''


def extension(folder: Path) -> Path:
    """The folder of the part."""
    (folder / "configs/activation").mkdir(parents=True)
    (folder / "activations.py").write_text(CODE)
    (folder / "configs/activation/faulty.yaml").write_text("# ReLU, or a fault.\nname: faulty\nfault: none\nslope: 0\n")
    return folder


def begun(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A real command line in a folder, in a process group of its own, as a terminal gives one."""
    return subprocess.Popen(
        [sys.executable, "-m", "paribus", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def sweep_in(folder: Path) -> Path:
    """The one sweep below a folder."""
    (found,) = folder.glob("outputs/sweeps/*/*")
    return found


def waited_for(condition: Callable[[], Any], seconds: float = 120) -> None:
    """Until something is so."""
    ending = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ending, "it never came about"
        time.sleep(0.02)


def states(folder: Path) -> list[str]:
    """Of the jobs, as the manifest of the one sweep says; none before there is one."""
    try:
        return [job.state for job in Manifest.read(sweep_in(folder)).jobs]
    except (ValueError, ConfigError):
        return []


def processes(folder: Path) -> set[int]:
    """Those whose working folder it is."""
    found = set()
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if (each / "cwd").readlink() == folder and (each / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(int(each.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found - {os.getpid()}


def contents(folder: Path) -> dict[Path, int]:
    """Every file below a folder with the time at which it was last written."""
    return {each: each.stat().st_mtime_ns for each in folder.rglob("*") if each.is_file()}


def outcome(folder: Path) -> list[dict[str, str]]:
    """Of each job what is the same however often the sweep was stopped, as results.csv has it."""
    times = {"train_seconds", "seconds", "attempts"}
    with (folder / "results.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if key not in times} for row in csv.DictReader(file)]


def status(manifest: Manifest, number: int) -> dict[str, Any]:
    """status.json of a job."""
    found: dict[str, Any] = json.loads((manifest.folder(manifest.jobs[number]) / "status.json").read_text())
    return found
