"""The README can be followed by copying: its commands run, its overrides check, its targets exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, Run

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
OF_ONE_RUN = README.partition("\n## Sweeps\n")[0]
OVERRIDES = re.findall(r"^\| [^|]+ \| `([^`]*=[^`]*)` \|$", OF_ONE_RUN, re.MULTILINE)


def test_readme_has_commands_and_overrides() -> None:
    assert len(BLOCKS) >= 4 and len(OVERRIDES) >= 15


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_commands_run_as_written(block: str, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_overrides_check(paribus: Run, overrides: str) -> None:
    code, _, err = paribus("check", *overrides.split(), "trainer.accelerator=cpu")
    assert (code, err) == (0, "")


def test_shown_error_is_the_real_one(paribus: Run) -> None:
    shown = re.search(r"^\$ paribus (.*)\n(config error: .*)$", README, re.MULTILINE)
    assert shown is not None
    assert paribus(*shown.group(1).split())[2] == shown.group(2) + "\n"


def test_targets_and_files_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("train", "test", "setup", "lint", "tensorboard", "bench", "clean", "help"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
