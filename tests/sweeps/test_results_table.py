"""A sweep as tables, and what they are made of: configurations over seeds and the Pareto front."""

import csv
import re
import subprocess
import sys
from math import nan, sqrt
from pathlib import Path
from statistics import stdev

import pytest
from made_up import figures, grid, job, manifest, pruned, search, write_curve
from rich.console import Console

from paribus.results import RunFolder
from paribus.sweeps.configurations import configurations, is_low_best, pareto_front
from paribus.sweeps.importance import importance
from paribus.sweeps.manifest import Manifest
from paribus.sweeps.table import best_table, results
from paribus.sweeps.values import typed

T_TWO = 4.302652729911275  # Student's t, 0.975 at two degrees of freedom


def said(sweep: Manifest, width: int = 1000) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(best_table(sweep))
    return captured.get()


def accuracy(model: str, lr: float, seed: int) -> float:
    return 0.8 + 0.05 * (model == "cnn") + 0.02 * (lr == 0.01) + 0.001 * seed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([64, 64], "[64,64]"),
        ([["a", 1], None], "[[a,1],null]"),
        (True, "true"),
        ({"kernel": 3, "pool": False}, "{kernel:3,pool:false}"),
        (1e-05, "1e-05"),
    ],
)
def test_values_stand_as_typed(value: object, text: str) -> None:
    assert typed(value) == text


def test_results_have_a_row_a_job_and_the_union_of_final_figures(tmp_path: Path) -> None:
    jobs = [
        job(
            0, {"model.hidden_sizes": [64, 64], "seed": 1}, result={"test/mae": 2.0, "epochs": 3, "train_seconds": 1.5}
        ),
        job(1, {"seed": 2}, result={"test/rmse": 3.0, "epochs": 4}, attempts=2),
        job(2, {"model.hidden_sizes": [8], "seed": 3}, "pruned", result={"epoch": 2, "step": 9, "test/mae": 7.0}),
        job(3, {"model.hidden_sizes": [8], "seed": 4}, "failed", error="no, it cannot", seconds=None),
    ]
    sweep = manifest(tmp_path, jobs, ["model.hidden_sizes", "seed"])
    RunFolder(tmp_path).write_table("results", results(sweep))
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("job", "model.hidden_sizes", "seed", "state", "test/mae", "test/rmse"),
        *("best_epoch", "epochs", "train_seconds", "seconds", "attempts", "folder", "error"),
    ]
    assert [row["model.hidden_sizes"] for row in rows] == ["[64,64]", "", "[8]", "[8]"]
    assert [row["test/mae"] for row in rows] == ["2.0", "", "7.0", ""]
    assert [row["epochs"] for row in rows] == ["3", "4", "2", ""]
    assert [row["seed"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[1]["attempts"] == "2" and rows[3]["error"] == "no, it cannot" and rows[3]["seconds"] == ""


def test_configurations_are_jobs_that_differ_by_seed_best_mean_first(tmp_path: Path) -> None:
    sweep = grid(tmp_path, accuracy)
    sweep.jobs[4].state = "failed"  # mlp, 0.01, seed 1
    found = configurations(sweep)
    assert len(found) == 6
    assert found[0].values == {"model": "cnn", "optimizer.lr": 0.01}
    assert [each.number for each in found[0].jobs] == [12, 13, 14]
    assert found[0].mean("val/accuracy") == pytest.approx(0.871)
    spread = stdev([0.870, 0.871, 0.872])
    assert found[0].half("val/accuracy") == pytest.approx(T_TWO * spread / sqrt(3))
    mlp = next(each for each in found if each.values == {"model": "mlp", "optimizer.lr": 0.01})
    assert len(mlp.jobs) == 2


def test_configurations_without_the_metric_are_not_ranked(tmp_path: Path) -> None:
    values = [{"val/accuracy": 0.5}, {"val/accuracy": nan}, {"val/loss": 0.1}]
    jobs = [job(number, {"model": str(number)}, result=result) for number, result in enumerate(values)]
    found = configurations(manifest(tmp_path, jobs, ["model"]))
    assert [each.values for each in found] == [{"model": "0"}]
    assert found[0].half("val/accuracy") is None


def test_pareto_front_by_brute_force(tmp_path: Path) -> None:
    """Low losses and high accuracies: the front is what no other point is at least as good as in both."""
    points = [(1.0, 0.9), (2.0, 0.95), (1.0, 0.8), (3.0, 0.95), (0.5, 0.1), (0.5, 0.1), (2.5, 0.99)]
    jobs = [
        job(number, {"model": number}, result={"val/loss": loss, "val/accuracy": best})
        for number, (loss, best) in enumerate(points)
    ]
    two = {"metrics": ["val/loss", "val/accuracy"], "directions": ["min", "max"]}
    sweep = manifest(tmp_path, jobs, ["model"], **two)
    front = pareto_front(configurations(sweep), sweep)
    assert [each.values["model"] for each in front] == [4, 5, 0, 1, 6]
    lines = said(sweep).splitlines()
    assert "Pareto front of val/loss and val/accuracy" in lines
    assert [line.split()[0] for line in lines if re.match(r" \d", line)] == ["4", "5", "0", "1", "6"]


def test_terminal_shows_means_over_seeds_best_first(tmp_path: Path) -> None:
    sweep = grid(tmp_path, accuracy)
    lines = said(sweep).splitlines()
    assert lines[0].strip() == "18 jobs: 18 done"
    assert "interval over seeds" in lines[2]
    shown = [line.split() for line in lines if re.search(r"\d ± \d", line)]
    assert len(shown) == 6
    assert shown[0][:6] == ["12-14", "cnn", "0.01", "0.8710", "±", f"{T_TWO * stdev([0, 0.001, 0.002]) / sqrt(3):.4f}"]
    assert [row[1] for row in shown] == ["cnn"] * 3 + ["mlp"] * 3


def test_terminal_shows_no_interval_of_one_seed_and_every_failure(tmp_path: Path) -> None:
    jobs = [
        job(0, {"augmentation": ["flip", "bold"], "lr": 0.123456789}, result=figures(0.9)),
        job(1, {"augmentation": ["[red]"]}, "failed", error="data error: [b]here[/b]: row 3"),
        job(2, {"augmentation": ["none"]}, "pruned", result=pruned(0.5)),
    ]
    text = said(manifest(tmp_path, jobs, ["augmentation", "lr"]))
    assert "3 jobs: 1 done, 1 failed, 1 pruned" in text
    assert "±" not in text
    assert "[flip,bold]" in text and "0.1235" in text  # brackets are no markup
    assert "data error: [b]here[/b]: row 3" in text and "augmentation=[[red]]" in text


def test_terminal_cuts_nothing_where_it_is_narrow(tmp_path: Path) -> None:
    jobs = [job(0, {"model.hidden_sizes": list(range(30))}, "failed", error="word " * 30 + "end")]
    text = said(manifest(tmp_path, jobs, ["model.hidden_sizes"]), width=60)
    assert "…" not in text and "end" in text and "best" not in text


def test_test_figures_that_have_no_room_are_left_to_the_files(tmp_path: Path) -> None:
    names = [f"test/{letter * 12}" for letter in "abcdef"]
    result = {**figures(0.9), **dict.fromkeys(names, 0.5)}
    sweep = manifest(tmp_path, [job(0, {"model": "mlp"}, result=result)], ["model"])
    wide, narrow = said(sweep), said(sweep, width=60)
    assert all(name in wide for name in names)
    assert "val/accuracy" in narrow and "test/accuracy" in narrow and names[-1] not in narrow
    assert max(map(len, narrow.splitlines())) <= 60


def test_a_figure_is_best_as_the_sweep_says_else_by_its_name(tmp_path: Path) -> None:
    sweep = manifest(tmp_path, [], [], metrics=["val/loss"], directions=["max"])
    assert not is_low_best("val/loss", sweep)
    assert is_low_best("test/loss", sweep) and not is_low_best("test/accuracy", sweep)


def test_importance_finds_what_matters(tmp_path: Path) -> None:
    found = configurations(search(tmp_path, 60))
    known = importance(found, "val/accuracy")
    assert next(iter(known.shares)) == "optimizer.lr"
    assert known.shares["optimizer.lr"] > 0.8
    assert sum(known.shares.values()) == pytest.approx(1)
    assert known.remark == "Left out: model.hidden_sizes, which not every configuration has."
    assert importance(found, "val/accuracy") == known


def test_importance_says_why_it_has_nothing_to_say(tmp_path: Path) -> None:
    few = configurations(grid(tmp_path, accuracy))
    assert importance(few, "val/accuracy").remark == "It takes 8 finished configurations to tell; here are 6."
    jobs = [job(number, {"lr": number, "model": "mlp"}, result=figures(number / 20)) for number in range(10)]
    one = configurations(manifest(tmp_path, jobs, ["lr", "model"]))
    assert "two parameters that vary" in importance(one, "val/accuracy").remark
    jobs = [job(number, {"lr": number, "model": number % 2}, result=figures(0.5)) for number in range(10)]
    same = configurations(manifest(tmp_path, jobs, ["lr", "model"]))
    assert importance(same, "val/accuracy").remark == "val/accuracy is the same in all of them."


def test_a_report_is_written_without_torch(tmp_path: Path) -> None:
    write_curve(tmp_path / "job_000", 0.9)
    manifest(tmp_path, [job(0, {"model": "mlp"}, result=figures(0.9))], ["model"]).write()
    code = (
        "import sys; from pathlib import Path; from paribus.sweeps.manifest import Manifest; "
        f"from paribus.sweeps.report import write; write(Manifest.read(Path({str(tmp_path)!r}))); "
        "sys.exit('torch' in sys.modules or 'tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert (tmp_path / "report.html").is_file() and (tmp_path / "results.csv").is_file()
