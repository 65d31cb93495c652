"""`paribus study` from the command line: whole studies on iris, as small as can be."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Run, equal, run_folder, weights
from paribus import parts
from paribus.studies.study import load
from paribus.sweeps.manifest import Manifest

MINE: dict[str, Any] = {
    "claim": "Two units learn iris as well as eight.",
    "source": "The tests.",
    "tried": "As it stands.",
    "minutes": 0.1,
    "common": ["data=iris", "model=mlp", "trainer=cpu", "trainer.max_epochs=2", "optimizer.lr=0.05"],
    "arms": {"two": ["model.hidden_sizes=[2]"], "eight": ["model.hidden_sizes=[8]"]},
    "measures": {"counted": {}, "weights": {"below": 0.1}},
    "predictions": [
        {"metric": "counted/units", "arm": "two", "expect": "lower", "than": "eight", "margin": 6},
        {"metric": "epochs", "arm": "two", "expect": "equal", "than": "eight"},
    ],
    "figure": [{"kind": "curves", "metric": "val/loss"}, {"kind": "dots", "metric": "test/accuracy"}],
}
MEASURE = """
def counted(run):
    \"\"\" "units": of the hidden layer.\"\"\"
    with (run.run.path.parent / "measured").open("a") as file:
        file.write(f"{run.run.path.name}\\n")
    return {"units": float(run.config["model"].settings["hidden_sizes"][0])}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of one's own with the study `mine` and the measure `counted`."""
    return _extension(tmp_path / "own", {})


def _extension(folder: Path, keys: dict[str, Any]) -> Path:
    (folder / "configs/study").mkdir(parents=True)
    (folder / "studies").mkdir()
    (folder / "studies/measures.py").write_text(MEASURE)
    (folder / "configs/study/mine.yaml").write_text("# Mine.\n" + yaml.safe_dump({**MINE, **keys}, sort_keys=False))
    return folder


def _study(paribus: Run, own: Path, *arguments: str) -> tuple[int, str, str]:
    """In this process, since that is quicker than to start others."""
    return paribus("study", "--extend", str(own), *arguments, "launcher=basic")


def _stored(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "study.json").read_text())
    for cell in found["cells"].values():
        for figures in cell.values():
            figures.pop("train_seconds", None)
    return found


def test_a_study_is_run_judged_shown_and_written_and_comes_out_the_same_again(
    paribus: Run, own: Path, tmp_path: Path
) -> None:
    code, out, err = _study(paribus, own, "mine")
    assert (code, err) == (0, "")
    folder = run_folder(out)
    assert folder.is_dir() and folder.parent == tmp_path / "outputs/studies/mine"
    stored = _stored(folder)
    assert (stored["study"], stored["claim"], stored["verdict"]) == ("mine", MINE["claim"], "holds")
    assert [each["outcome"] for each in stored["findings"]] == ["confirmed", "confirmed"]
    assert stored["findings"][0]["difference"] == -6 and stored["findings"][0]["pairs"] == [0, 1, 2, 3, 4]
    assert {name: list(runs) for name, runs in stored["cells"].items()} == {arm: [*"01234"] for arm in MINE["arms"]}
    assert all(each["counted/units"] == 2 and "weights/near_zero" in each for each in stored["cells"]["two"].values())
    assert (
        MINE["claim"] in out and "verdict: holds" in out and all(each["sentence"] in out for each in stored["findings"])
    )
    for job in Manifest.read(folder).jobs:
        figures = json.loads((folder / job.folder / "metrics.json").read_text())
        cell = stored["cells"][job.values["arm"]]
        assert cell[str(job.seed)]["test/loss"] == figures["test/loss"]
        assert not (folder / job.folder / "figures").exists() and not (folder / job.folder / "tensorboard").exists()
    assert (folder / "figures/study.png").read_bytes().startswith(b"\x89PNG")
    _check_page((folder / "study.html").read_text(), folder)

    code, out, _ = _study(paribus, own, "mine", "seeds=6")
    again = _stored(run_folder(out))
    assert code == 0 and run_folder(out) != folder and again["findings"][0]["pairs"] == [0, 1, 2, 3, 4, 5]
    for name, runs in stored["cells"].items():
        assert {seed: again["cells"][name][seed] for seed in runs} == runs


def _check_page(page: str, folder: Path) -> None:
    assert f"<h1>{MINE['claim']}</h1>" in page and 'id="verdict" class="holds">holds<' in page
    assert MINE["source"] in page and MINE["tried"] in page and "lower by 6 or more: confirmed" in page
    assert "http:" not in page and "https:" not in page and "@import" not in page and "url(" not in page
    references = re.findall(r"(?:src|href)\s*=\s*[\"']?([^\"'>]*)", page)
    inside = [each for each in references if not each.startswith("data:image/png;base64,")]
    assert len(references) == len(inside) + 1 and inside
    assert all((folder / each).is_file() for each in inside), inside
    assert "default-src 'none'" in page


def test_a_study_that_was_stopped_goes_on_and_measures_each_run_once(
    paribus: Run, own: Path, command: Callable[..., subprocess.Popen[str]]
) -> None:
    slow = ("trainer.max_epochs=12", "seeds=[3,5,7,9,11]", "launcher.workers=1", "launcher.threads=1")
    process = command("study", "--extend", str(own), "mine", *slow)
    while (manifest := _begun()) is None or manifest.count("done") < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    folder = manifest.path
    assert (process.returncode, err) == (
        143,
        f"interrupted; go on with: paribus study --extend {own} resume={folder}\n",
    )
    states = [job.state for job in Manifest.read(folder).jobs]
    assert states[:3] == ["done"] * 3 and states[-1] == "waiting"
    assert not (folder / "measured").exists() and not (folder / "study.json").exists()
    finished = {file: file.stat().st_mtime_ns for number in range(3) for file in _files(folder / f"job_00{number}")}

    (own / "configs/study/mine.yaml").unlink()  # it goes on as it was
    code, out, err = _study(paribus, own, f"resume={folder}")
    assert (code, err) == (0, "") and run_folder(out) == folder
    assert finished and all(file.stat().st_mtime_ns == before for file, before in finished.items())
    every = [f"job_{number:03}" for number in range(10)]
    assert (folder / "measured").read_text().split() == every
    stored = _stored(folder)
    assert stored["verdict"] == "holds" and [*stored["cells"]["two"]] == ["3", "5", "7", "9", "11"]

    code, out, _ = _study(paribus, own, f"resume={folder}")
    assert code == 0 and (folder / "measured").read_text().split() == every and _stored(folder) == stored

    stopped = next(number for number, state in enumerate(states) if state != "done")
    job = manifest.jobs[stopped]
    typed = [*MINE["common"], *MINE["arms"][job.values["arm"]], "trainer.max_epochs=12"]
    plain = ("experiment=null", "logger=none", "figures=false", f"seed={job.seed}")
    code, out, _ = paribus("train", *typed, *plain)
    assert code == 0 and equal(weights(run_folder(out)), weights(folder / f"job_{stopped:03}"))


def _begun() -> Manifest | None:
    """The one study below this folder, once it is there."""
    found = next(Path("outputs/studies/mine").absolute().glob("*/manifest.json"), None)
    return Manifest.read(found.parent) if found else None


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


def test_a_run_that_diverges_counts_and_one_that_fails_otherwise_is_an_error(paribus: Run, tmp_path: Path) -> None:
    arms = {
        "tame": [],
        "wild": ["optimizer=sgd", "optimizer.lr=1e20"],
        "rising": ["optimizer=sgd", "optimizer.lr=1e8"],  # stopped before its loss is infinite
    }
    keys = {
        "common": [*MINE["common"][:-1], "model.hidden_sizes=[2]", "trainer.max_epochs=1"],
        "arms": arms,
        "diverged": {"test/accuracy": 0.3333},
        "measures": {"last_epoch": {"metrics": ["train/loss"]}},
        "predictions": [{"metric": "diverged", "arm": "wild", "expect": "higher", "than": "tame", "margin": 1}],
    }
    code, out, err = _study(paribus, _extension(tmp_path / "a", keys), "mine")
    stored = _stored(run_folder(out))
    assert (code, err) == (0, "") and stored["verdict"] == "holds"
    errors = [(job.values["arm"], str(job.error)) for job in Manifest.read(run_folder(out)).jobs]
    assert any(arm == "wild" and " is nan at " in error for arm, error in errors)
    assert any(arm == "rising" and ", over 1,000,000 times the first" in error for arm, error in errors)
    for arm in ("wild", "rising"):
        assert [*stored["cells"][arm].values()] == [{"test/accuracy": 0.3333, "diverged": 1}] * 5
    assert all(each["diverged"] == 0 and each["last_epoch/train/loss"] > 0 for each in stored["cells"]["tame"].values())
    assert "5 (5 diverged)" in out and "5 (5 diverged)" in (run_folder(out) / "study.html").read_text()

    keys["arms"] = {"tame": [], "wild": ["data.batch_size=1000"]}  # more rows than there are
    code, out, err = _study(paribus, _extension(tmp_path / "b", keys), "mine")
    folder = run_folder(out)
    stored, page = _stored(folder), (folder / "study.html").read_text()
    assert (code, err) == (1, "") and stored["verdict"] == "not decided"
    assert stored["cells"]["wild"] == {} and len(stored["cells"]["tame"]) == 5
    assert "0 (5 failed)" in out and "no pair of runs has diverged of wild" in out
    assert all(f"wild, seed {seed}: data.batch_size=1000 " in page for seed in range(5))
    assert (folder / "figures/study.png").is_file()


def test_the_list_names_every_study_and_its_claim(paribus: Run, own: Path, tmp_path: Path) -> None:
    code, out, err = paribus("study", "--list")
    files = parts.options("study", None)
    assert (code, err) == (0, "") and [line.split()[0] for line in out.splitlines()] == list(files)
    assert all(line.endswith(load(files[line.split()[0]]).claim) for line in out.splitlines())
    code, out, _ = paribus("study", "--extend", str(own), "--list")
    assert code == 0 and re.search(f"^mine +{re.escape(MINE['claim'])}$", out, re.MULTILINE)
    assert [line.split()[0] for line in out.splitlines()] == [*files, "mine"]
    assert not (tmp_path / "outputs").exists()


MISTAKES = {
    "": ["which study?", "paribus study --list"],
    "mien": ["mien is no study; did you mean mine?"],
    "zebra": ["zebra is no study; studies: ", "mine, ", "null"],
    "mine null": ["mine null: one study at a time"],
    "mine --quick": ["--quick is not a flag of this command", "--list"],
    "--list mine": ["--list stands by itself"],
    "mine seeds=4": ["seeds=4: a study takes 5 seeds or more"],
    "mine seeds=[1,2,3]": ["seeds=[1,2,3]: a study takes 5 seeds or more"],
    "mine seeds=[1,1,2,3,4]": ["seeds=[1,1,2,3,4] must be", "each once"],
    "mine seeds=": ["seeds= takes one value"],
    "mine seed=3": ["seed=3: every arm is run with the same seeds; use seeds=3"],
    "mine model.hidden_sizes=[4]": ["model.hidden_sizes is what the arms of mine differ in; leave it out"],
    "mine optimizer.lr=0.1,0.2": ["optimizer.lr=0.1,0.2 gives several values"],
    "mine optimizer.lrr=0.1": ["optimizer.lrr is not a setting of adam; did you mean lr?"],
    "resume=nowhere": ["resume=nowhere: that is no folder of a study"],
    "resume=nowhere mine": ["mine: a study that goes on is what it was"],
    "resume=nowhere seeds=6": ["seeds=6: a study that goes on is what it was"],
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_one_line_and_no_folder(paribus: Run, own: Path, tmp_path: Path, typed: str) -> None:
    code, out, err = paribus("study", "--extend", str(own), *typed.split())
    assert (code, out) == (2, "") and len(err.splitlines()) == 1 and err.startswith("config error: ")
    assert all(part in err for part in MISTAKES[typed]), err
    assert not (tmp_path / "outputs").exists()


def test_a_mistake_in_the_file_is_one_line(paribus: Run, tmp_path: Path) -> None:
    own = _extension(tmp_path / "own", {"predicted": []})
    for typed in ("mine", "--list"):
        code, _, err = paribus("study", "--extend", str(own), typed)
        assert code == 2 and "mine.yaml: predicted is not a key of a study; did you mean predictions?" in err
        assert len(err.splitlines()) == 1
