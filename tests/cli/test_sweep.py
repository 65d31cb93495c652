"""`paribus sweep`: mistakes are one line and leave nothing behind; other ways to ask for the same."""

import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, Run
from paribus.cli import sweep
from paribus.sweeps import engine
from paribus.sweeps.manifest import Manifest

SGD = "optimizer=sgd"
LR = "optimizer.lr=interval(0.1,0.2)"
TPE = f"sampler=tpe {LR}"
BASIC = "seed=0,1 launcher=basic"

# What is typed -> what the one line must say. "_" stands for a space within an argument.
MISTAKES = {
    # what varies
    "": ["nothing varies", "seed=range(5)"],
    "model=mlp seed=0": ["nothing varies"],
    "modle=mlp,cnn": ["modle is not a group or setting", "did you mean model?"],
    "model=mlp,cn": ["model=cn: there is no such model", "did you mean cnn?"],
    f"{SGD},adam optimizer.momentum=0,0.9": [
        "optimizer.momentum is not a setting of adam",
        "tag('optimizer=sgd',choice(...))",
    ],
    f"{SGD} optimizer.momentun=0,0.9": ["optimizer.momentun is not a setting of sgd", "did you mean momentum?"],
    "optimizer.lr=0.1,abc": ["optimizer.lr=abc must be a number above 0"],
    "optimizer.lr=0.1,": ["optimizer.lr=0.1, must be a number above 0"],
    "optimizer.lr=": ["optimizer.lr= must be a number above 0"],
    "seed=0,1 optimizer.lr=abc": ["optimizer.lr=abc must be"],
    "seed=range(0)": ["seed=range(0): the range is empty"],
    "seed=range(5,2)": ["seed=range(5,2): the range is empty"],
    "seed=1,2,1": ["1 is named twice"],
    "optimizer.lr=0.1,0.10": ["0.1 is named twice"],
    "seed=1,2 seed=3": ["seed is given twice", "give it once, with all its values"],
    "seed=1,2 seed=3,4": ["seed is given twice"],
    LR: ["optimizer.lr is an interval, which a grid cannot run through", "sampler=random"],
    "optimizer.lr=tag(log,choice(0.1,0.2))": ["log is for intervals", "tag(log,interval(1e-4,1e-1))"],
    "optimizer.lr=tag(lg,interval(1,2))": ["lg is no tag", "log"],
    "optimizer.lr=glob(*)": ["stands for nothing", "model=glob(*)"],
    "model=glob(zz*)": ["stands for nothing"],
    f"{SGD},adam optimizer.momentum=tag('optimizer=sdg',choice(0,0.9))": [
        "optimizer.momentum is to exist where 'optimizer=sdg'",
        "it can be 'optimizer=sgd' or 'optimizer=adam'",
    ],
    f"{SGD} optimizer.momentum=tag('optimizer=sgd',choice(0,0.9))": ["optimizer does not vary by choices"],
    "seed=tag('fold=1',choice(0,1)) fold=tag('seed=1',choice(1,2))": ["wait for each other"],
    "optimizer.name=sgd,adam": ["a part is chosen by its group; use optimizer=sgd,adam"],
    "~model=mlp,cnn": ["nothing can be removed"],
    "model@other=mlp,cnn": ["packages (@) cannot be overridden"],
    "augmentation=[crop],[flp]": ["flp is no augmentation", "did you mean flip?"],
    "name=a,b/c": ["name=b/c must be letters"],
    "fold=1,2": ["give cross_validation"],
    "seed=0,1 mlp": ["mlp is not an override"],
    "seed=0,1 --lr=3": ["--lr=3 is not a flag"],
    "--extend nowhere seed=0,1": ["nowhere", "no such folder"],
    # a search
    f"{TPE} seed=0,1": ["seed is nothing to search for"],
    "sampler=tpe optimizer.lr=interval(0.2,0.1)": ["the interval is empty", "the lower end first"],
    "sampler=tpe optimizer.lr=interval(0.1,0.1)": ["the interval is empty"],
    "sampler=tpe optimizer.lr=tag(log,interval(0,0.1))": ["a log scale begins above 0"],
    "sampler=tpe optimizer.lr=interval(-1,0.1)": ["optimizer.lr=-1.0 must be a number above 0"],
    "sampler=tpe trainer.max_epochs=interval(1,8)": [
        "trainer.max_epochs=1.0 must be a whole number",
        "use trainer.max_epochs=int(interval(1,8))",
    ],
    f"sampler=tp {LR}": ["there is no such sampler", "did you mean tpe?"],
    f"sampler=tpe,random {LR}": ["sampler=tpe,random", "does not vary", "give one value"],
    f"sampler.name=tpe {LR}": ["use sampler=tpe"],
    f"{TPE} sampler.trials=0": ["sampler.trials=0 must be a whole number, 1 or more"],
    f"{TPE} sampler.trails=3": ["sampler.trails is not a setting of tpe", "did you mean trials?"],
    "seed=0,1 sampler.trials=3": ["sampler.trials is not a setting of grid"],
    "sampler=cmaes model=mlp,cnn": ["sampler=cmaes", "none varies", "use sampler=tpe"],
    f"sampler=cmaes {LR} sweep.metric=[val/loss,train_seconds]": ["goes by one metric", "use sampler=tpe"],
    f"{TPE} sampler.storage=sqlite:////nowhere/x.db": ["sampler.storage=sqlite:////nowhere/x.db", "unable to open"],
    f"{TPE} sampler.storage=postgresql://me:secret@host/db": ["postgresql://me:***@host/db", "driver"],
    f"{TPE} sampler.storage=nonsense": ["sampler.storage=nonsense", "sqlite:///"],
    "seed=0,1 pruner=median": ["pruner=median", "a grid runs all it names"],
    f"{TPE} pruner=medain": ["did you mean median?"],
    f"{TPE} pruner=median sweep.metric=[val/loss,train_seconds]": ["pruner=median goes by one metric"],
    f"{TPE} pruner=median cross_validation=3": ["pruner=median", "cross-validation", "pruner=none"],
    # what is best
    "seed=0,1 sweep.metric=test/accuracy": ["sweep.metric=test/accuracy", "no longer tested", "use val/accuracy"],
    f"{TPE} sweep.metric=[val/loss,test/loss]": ["sweep.metric=test/loss", "use val/loss"],
    "seed=0,1 sweep.metric=val/acuracy": ["sweep.metric=val/acuracy", "did you mean val/accuracy?"],
    "seed=0,1 trainer.monitor=val/acuracy": ["trainer.monitor=val/acuracy", "did you mean val/accuracy?"],
    "seed=0,1 sweep.metric=accuracy": ["sweep.metric=accuracy must be a metric such as val/accuracy"],
    "seed=0,1 sweep.metric=[val/loss,train_seconds]": ["a grid is ranked by one metric"],
    "seed=0,1 sweep.direction=up": ["sweep.direction=up must be auto, min or max"],
    "seed=0,1 sweep.direction=[min,max]": ["sweep.direction=min,max", "one direction for each metric, here val/loss"],
    f"{TPE} sweep.metric=[val/loss,epochs] sweep.direction=min": ["one direction for each metric", "val/loss, epochs"],
    "seed=0,1 sweep.nam=x": ["sweep.nam is not a setting of a sweep", "did you mean name?"],
    "seed=0,1 sweep.name=a/b": ["sweep.name=a/b must be letters"],
    "seed=0,1 sweep.batch=0": ["sweep.batch=0 must be a whole number, 1 or more"],
    "seed=0,1 sweep=x": ["sweep='x' is no section"],
    # where runs happen
    "seed=0,1 launcher=locl": ["there is no such launcher", "did you mean local?"],
    "seed=0,1 launcher.gpus=99": ["launcher.gpus=99", "GPUs are visible here"],
    "seed=0,1 launcher.workers=0": ["launcher.workers=0 must be a whole number, 1 or more"],
    "seed=0,1 launcher.wrokers=2": ["launcher.wrokers is not a setting of local", "did you mean workers?"],
    "seed=0,1 launcher=submitit launcher.executor=pbs": ["launcher.executor=pbs must be slurm or local"],
    "seed=0,1 hydra/launcher=nowhere": ["hydra/launcher=nowhere: Hydra has no such launcher", "basic"],
    "seed=0,1 hydra.launcher.n_jobs=2": ["hydra.launcher.n_jobs=2", "Could not override"],
    "seed=0,1 hydra/launcher=basic launcher.workers=2": ["launcher.workers=2", "give one launcher"],
    "seed=0,1 hydra/sweeper=optuna": ["hydra/sweeper=optuna", "only hydra/launcher can be chosen, or sampler="],
    "seed=0,1 hydra.sweep.dir=x": ["hydra.sweep.dir=x", "only hydra/launcher"],
    # a sweep that goes on
    "resume=nowhere": ["nowhere is no folder of a sweep: it holds no manifest.json"],
    "resume=": ["resume= takes one path"],
    "resume=a resume=b": ["resume= takes one path"],
}


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is found before a process would be of use."""
    monkeypatch.setattr(engine, "warm_up", lambda: None)


def _expect_one_line(paribus: Run, folder: Path, arguments: Sequence[str], parts: Sequence[str]) -> None:
    before = set(folder.rglob("*"))
    code, out, err = paribus("sweep", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1 and err.startswith("config error: "), err
    assert all(part in err for part in parts), err
    assert set(folder.rglob("*")) == before  # no folder left behind


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_one_line(paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    _expect_one_line(paribus, tmp_path, typed.split(), MISTAKES[typed])


def test_outputs_that_cannot_be_made(paribus: Run, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    _expect_one_line(paribus, tmp_path, ["seed=0,1"], ["can be made in", "outputs/sweeps", "Not a directory"])


def test_a_folder_that_is_no_sweeps(paribus: Run, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    _expect_one_line(paribus, tmp_path, [f"resume={tmp_path}"], ["manifest.json is damaged or of another version"])


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> list[Manifest]:
    """The sweeps that would have been run."""
    found: list[Manifest] = []

    def keep(manifest: Manifest) -> Manifest:
        found.append(manifest)
        return manifest

    monkeypatch.setattr(sweep, "launched", keep)
    return found


TYPED = ("seed=0,1", "model=mlp", "hydra/launcher=basic")


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_hydras_own_way_to_ask_does_the_same(
    paribus: Run, frozen: list[Manifest], monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    paribus("sweep", *TYPED)
    paribus("train", flag, *TYPED)
    monkeypatch.setattr(sys, "argv", ["train.py", *TYPED, flag])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "scripts/train.py"), run_name="__main__")
    assert len(frozen) == 3 and len({each.path for each in frozen}) == 3
    for each in frozen:
        assert each.jobs == frozen[0].jobs and [job.values for job in each.jobs] == [{"seed": 0}, {"seed": 1}]
        assert each.launcher == ["hydra/launcher=basic"]
        assert each.name == "digits_mlp" and each.path.parent.name == "digits_mlp"


def test_what_is_typed_is_kept(paribus: Run, frozen: list[Manifest]) -> None:
    typed = ("model=mlp,cnn", "sweep.name=mine", "optimizer.lr=0.1", "launcher.workers=3", "seed=4")
    paribus("sweep", *typed)
    (found,) = frozen
    assert Manifest.read(found.path) == found
    assert (found.name, found.command, found.varied, found.seed) == ("mine", ["sweep", *typed], ["model"], 4)
    assert (found.metrics, found.directions) == (["val/loss"], ["min"])
    assert found.asked == ["sweep.name=mine", "launcher.workers=3"]
    common = ["optimizer.lr=0.1", "seed=4"]
    assert [job.overrides for job in found.jobs] == [[*common, "model=mlp"], [*common, "model=cnn"]]


def test_sweeping_needs_no_torch(tmp_path: Path) -> None:
    code = """
import sys
from paribus.cli import sweep
from paribus.sweeps import engine, report
engine.warm_up = lambda: None
kept = []
sweep.launched = lambda manifest: kept.append(manifest) or manifest
sweep.run_sweep(sys.argv[1:], None, ["sweep"])
report.write(kept[0])
sys.exit("torch" in sys.modules)
"""
    for typed in (["seed=0,1"], ["sampler=tpe", "optimizer.lr=tag(log,interval(1e-3,1))"]):
        done: Any = subprocess.run([sys.executable, "-c", code, "model=mlp", *typed], cwd=tmp_path, check=False)
        assert done.returncode == 0
