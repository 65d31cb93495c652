"""`paribus compare` and `paribus diff` from the command line."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Run, run_folder
from made_runs import accuracy, config, write_run, write_runs, write_sweep
from paribus.cli.compare import seeds_given

SGD = {0: 0.90, 1: 0.80, 2: 0.85, 3: 0.88}
ADAM = {0: 0.95, 1: 0.84, 2: 0.91, 3: 0.93}
IRIS = ("data=iris", "model=mlp", "trainer=cpu", "logger=none", "trainer.max_epochs=2", "launcher=basic")


def _given(root: Path) -> list[str]:
    return [str(path) for path in write_runs(root / "runs", {"sgd": SGD, "adam": ADAM})]


def test_finished_runs_are_compared(paribus: Run, tmp_path: Path) -> None:
    failed = write_run(tmp_path / "failed", config("adam", 4), {}, status="failed")
    code, out, err = paribus("compare", *_given(tmp_path), str(failed))
    assert (code, err) == (0, "")
    assert "optimizer.name   sgd   adam" in out and "all runs ran in the same environment" in out
    assert "adam and sgd share seeds 0, 1, 2, 3" in out
    assert "left out: adam, seed 4 in failed (failed: RunError: the loss is not finite)" in out
    assert "main metric: test/accuracy (that of classification)" in out
    assert "adam is better than sgd in test/accuracy by 0.0500 [0.0370, 0.0630], more than noise (p = 0.0" in out
    folder = run_folder(out)
    assert folder.parent == tmp_path / "outputs" / "comparisons"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "comparison.csv",
        "comparison.json",
        "comparison.png",
    ]
    stored = json.loads((folder / "comparison.json").read_text())
    assert stored["verdicts"][0] in out and stored["baseline"] == "sgd"
    assert stored["configs"]["optimizer.name"] == {"sgd": "sgd", "adam": "adam"}
    (row,) = [each for each in stored["differences"] if each["metric"] == "test/accuracy"]
    assert row["by_pair"] == pytest.approx({str(seed): ADAM[seed] - SGD[seed] for seed in SGD})
    with (folder / "comparison.csv").open() as file:
        rows = {(each["metric"], each["variant"]): each for each in csv.DictReader(file)}
    assert float(rows["test/accuracy", "sgd"]["mean"]) == pytest.approx(sum(SGD.values()) / 4)
    assert float(rows["test/accuracy", "adam"]["p"]) == row["p"] and rows["epochs", "adam"]["p"] == ""


def test_metric_and_baseline_narrow_it(paribus: Run, tmp_path: Path) -> None:
    runs = _given(tmp_path)
    code, out, _ = paribus("compare", *runs, "metric=test/loss", "baseline=adam")
    assert code == 0 and "main metric: test/loss (asked for)" in out
    assert "sgd is worse than adam in test/loss" in out and "corrected for" not in out
    code, out, _ = paribus("compare", *runs, "metric=[val/loss,test/accuracy]")
    assert code == 0 and "main metric: val/loss" in out and "corrected for" not in out  # by itself


def test_a_sweep_is_compared_in_its_own_folder(paribus: Run, tmp_path: Path) -> None:
    jobs = [
        ({"seed": seed, "optimizer": name}, accuracy(value[seed]) if seed or name == "sgd" else {})
        for seed in SGD
        for name, value in (("sgd", SGD), ("adam", ADAM))
    ]
    sweep = write_sweep(tmp_path / "sweep", jobs)
    code, out, _ = paribus("compare", str(sweep))
    assert code == 0 and run_folder(out) == sweep and (sweep / "figures" / "comparison.png").is_file()
    assert "left out: adam, seed 0 in job_001 (failed: it diverged)" in out
    assert "left out: sgd, seed 0 in job_000 (no partner with the same seed)" in out
    again = paribus("compare", str(sweep), str(sweep / "job_000"))[1]
    assert "adam and sgd share seeds 1, 2, 3" in again and run_folder(again).parent.name == "comparisons"


def test_nothing_imports_torch(tmp_path: Path) -> None:
    runs = _given(tmp_path)
    code = (
        "import sys; from paribus.cli import main; "
        f"assert main(['compare', *{runs!r}]) == 0 and main(['diff', *{runs[:2]!r}]) == 0; "
        "assert not {'torch', 'lightning', 'pyarrow'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_variants_are_run_and_compared(paribus: Run, tmp_path: Path) -> None:
    code, out, err = paribus("compare", "optimizer.lr=0.1,0.001", "seeds=2", *IRIS)
    assert (code, err) == (0, "")
    folder = run_folder(out)
    assert folder.parent.parent == tmp_path / "outputs" / "sweeps"
    assert "optimizer.lr=0.001 and optimizer.lr=0.1 share seeds 0, 1" in out
    jobs = json.loads((folder / "manifest.json").read_text())["jobs"]
    assert [(job["seed"], job["values"]["optimizer.lr"]) for job in jobs] == [
        (0, 0.1),
        (0, 0.001),
        (1, 0.1),
        (1, 0.001),
    ]  # so that the first pairs are there before the last seed
    code, again, _ = paribus("compare", f"resume={folder}")
    assert code == 0 and again.endswith(out[out.index("configs") :])


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ((), "nothing varies; give what is to be compared, as in paribus compare optimizer=sgd,adam seeds=10"),
        (("optimizer=adam",), "optimizer=adam does not vary; give what is to be compared"),
        (("optimizer=sgd,adam", "seeds=0"), "seeds=0 must be how many seeds there are, or which"),
        (("optimizer=sgd,adam", "seeds=abc"), "seeds=abc must be how many seeds there are, or which"),
        (("optimizer=sgd,adam", "seeds=true"), "seeds=true must be how many seeds there are, or which"),
        (("optimizer=sgd,adam", "seeds=[1,1]"), "each once"),
        (("optimizer=sgd,adam", "seeds=[1,-1]"), "seeds=[1,-1] must be"),
        (("optimizer=sgd,adam", "seeds=interval(0,3)"), "seeds=interval(0,3) must be"),
        (("optimizer=sgd,adam", "seeds="), "seeds= takes one value"),
        (("optimizer=sgd,adam", "seed=1,2"), "seed=1,2: every variant is run with the same seeds; use seeds=1,2"),
        (("optimizer=sgd,adam", "sampler=tpe"), "sampler=tpe: a comparison runs every variant with every seed"),
        (("nowhere",), "nowhere is no run folder: there is no such folder"),
        (("run", "optimizer=sgd,adam"), "run and optimizer=sgd,adam: give folders of finished runs, or overrides"),
        (("run", "seeds=3"), "run and seeds=3: give folders"),
        (("run", "run"), "all runs have the same config but for the seed"),
        (("resume=nowhere", "seeds=3"), "seeds=3: the seeds of a comparison that goes on are what they were"),
        (("--cfg", "job"), "is not a flag of this command"),
        (("optimizer=sgd,adamm",), "did you mean adam"),
    ],
)
def test_mistakes_are_one_line(paribus: Run, tmp_path: Path, typed: tuple[str, ...], said: str) -> None:
    write_run(tmp_path / "run", config(), accuracy(0.9))
    code, out, err = paribus("compare", *typed)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert said in err and not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", [0, 1, 2]),
        ("[3,5,8]", [3, 5, 8]),
        ("range(5,8)", [5, 6, 7]),
        ("3,5", [3, 5]),
        ("1", [0]),
    ],
)
def test_seeds_are_how_many_or_which(text: str, seeds: list[int]) -> None:
    assert seeds_given(text) == seeds


def test_diff_shows_what_differs(paribus: Run, tmp_path: Path) -> None:
    one, other = (str(path) for path in write_runs(tmp_path, {"sgd": {0: 0.9}, "adam": {0: 0.95}}))
    code, out, err = paribus("diff", one, other)
    assert (code, err) == (0, "") and "environment: the same" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["optimizer.name", "sgd", "adam"] in lines and ["test/accuracy", "0.9", "0.95"] in lines
    assert not any(line[:1] == ["seed"] for line in lines)
    everything = [line.split() for line in paribus("diff", one, other, "all=true")[1].splitlines()]
    assert ["seed", "0", "0"] in everything and ["*", "optimizer.name", "sgd", "adam"] in everything
    assert ["torch", "2", "2"] in everything


def test_diff_shows_what_there_is_of_runs_that_are_not_over(paribus: Run, tmp_path: Path) -> None:
    going = write_run(tmp_path / "a", config(), {}, status="running")
    failed = write_run(tmp_path / "b", config(), {}, status="failed", losses=())
    code, out, _ = paribus("diff", str(going), str(failed))
    lines = [line.split() for line in out.splitlines()]
    assert code == 0 and ["*", "status", "running", "failed"] in lines and ["train/loss", "0.5", "-"] in lines
    assert "of epoch 2" in out and "none yet" in out and "the loss is not finite" in out and "config: the same" in out
    for typed in ((str(going),), (str(going), str(failed), "all=maybe"), (str(going), "nowhere")):
        code, out, err = paribus("diff", *typed)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
