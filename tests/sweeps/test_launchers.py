"""Other launchers of Hydra: what they make is what the local one makes."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from faulty import IRIS, outcome

from conftest import Run, equal, run_folder, weights
from paribus.errors import ConfigError
from paribus.sweeps import launchers
from paribus.sweeps.manifest import Manifest

# The second does not fit: it fails before it begins.
TYPED = (*IRIS, "loss=cross_entropy,mse", "sweep.metric=val/accuracy", "launcher.threads=1")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep by warm workers."""
    from paribus.cli.sweep import run_sweep

    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("local"))
        return run_sweep(list(TYPED), None, ["sweep"]).path


LAUNCHERS = {
    "basic": ["hydra/launcher=basic", "sweep.batch=2"],
    "joblib": ["launcher=joblib", "launcher.workers=2"],
    "submitit": ["launcher=submitit", "launcher.executor=local", "launcher.timeout_minutes=5"],
}


@pytest.mark.parametrize("name", LAUNCHERS)
def test_results_are_those_of_the_local_launcher(paribus: Run, local: Path, name: str) -> None:
    if name != "basic" and find_spec(f"hydra_plugins.hydra_{name}_launcher") is None:
        pytest.skip(f"hydra-{name}-launcher is not installed")
    code, out, err = paribus("sweep", *TYPED[:-1], *LAUNCHERS[name])
    folder = run_folder(out)
    assert (code, err) == (1, "") and "2 jobs: 1 done, 1 failed" in out
    assert outcome(folder) == outcome(local)
    manifest = Manifest.read(folder)
    assert [job.state for job in manifest.jobs] == ["done", "failed"]
    assert manifest.jobs[1].error is not None and manifest.jobs[1].error.startswith("loss=mse does not fit data=iris")
    job = manifest.jobs[0]
    assert equal(weights(manifest.folder(job)), weights(local / job.folder))
    assert job.attempts == 1 and job.seconds is not None
    assert all((manifest.folder(each) / "output.log").is_file() for each in manifest.jobs)


SUBMITIT: dict[str, Any] = {
    "timeout_minutes": 60,
    "cpus_per_task": 4,
    "gpus_per_node": 1,
    "memory_gb": None,
    "partition": "gpu",
    "account": None,
    "workers": 8,
}


def test_slurm_is_told_what_was_asked_for() -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="hydra-submitit-launcher is not installed")
    from paribus.sweeps.settings import check

    typed = [f"launcher.{key}={value}" for key, value in SUBMITIT.items() if value is not None]
    assert check(["launcher=submitit", *typed], None).launcher == [
        "hydra/launcher=submitit_slurm",
        "hydra.launcher.timeout_min=60",
        "hydra.launcher.cpus_per_task=4",
        "hydra.launcher.gpus_per_node=1",
        "hydra.launcher.partition=gpu",
        "hydra.launcher.array_parallelism=8",
    ]
    assert not any("partition" in each for each in launchers.submitit(executor="local", **SUBMITIT))


@pytest.mark.parametrize("name", ["joblib", "submitit"])
def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(launchers, "find_spec", lambda module: None)
    with pytest.raises(ConfigError, match=rf'launcher={name} needs a package.*pip install "paribus\[{name}\]"'):
        launchers.joblib(workers=None) if name == "joblib" else launchers.submitit(executor="local", **SUBMITIT)
