"""The wheel: built without the network, holds the configs, trains from an empty folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import ROOT


def run(*arguments: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_trains_from_an_empty_folder(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    wheel = next(tmp_path.glob("paribus-*.whl"))
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".yaml")}
    assert shipped == {
        f"paribus/configs/{file.relative_to(ROOT / 'configs')}" for file in (ROOT / "configs").rglob("*.yaml")
    }

    # Beside this environment's packages, but not its editable install of the sources.
    installed = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    run(*pip, "--target", installed, wheel, cwd=tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); import paribus; from paribus.cli import main; "
        f"assert paribus.__file__.startswith({str(installed)!r}); "
        "sys.exit(main(['train', 'data=iris', 'model=mlp', 'trainer=cpu', 'trainer.max_epochs=1']))"
    )
    out = run(sys.executable, "-c", code, cwd=empty)
    folder = Path(out.splitlines()[-1])
    assert folder.is_relative_to(empty) and (folder / "metrics.json").is_file()
