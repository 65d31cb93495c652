"""A search that is stored as it goes: what it asks, what a kill leaves, and databases that are none."""

import math
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
from searches import LOG, MIXED, SHAPES, SQUARE, choice, in_memory, kept_in_memory, search
from sqlalchemy import event

from paribus.errors import ConfigError
from paribus.sweeps.space import Dimension
from paribus.sweeps.storage import database, opened
from paribus.sweeps.study import Proposal, Search

__all__ = ["in_memory"]  # a fixture


def figure(values: dict[str, Any]) -> float:
    """Any function of them will do."""
    return abs(math.log10(values["lr"]) + 3) + len(str(values)) / 100


def tpe(**settings: object) -> Any:
    return choice("sampler", "tpe", startup_trials=4, **settings)


def go_on(found: Search, trials: int) -> list[dict[str, Any]]:
    """Finish what is running, then ask and tell until there are so many trials."""
    for proposal in found.trials():
        found.tell(proposal.trial, "done", [figure(proposal.values)])
    while len(found.trials()) < trials:
        proposal = found.ask()
        found.tell(proposal.trial, "done", [figure(proposal.values)])
    return [proposal.values for proposal in found.trials()]


def states(folder: Path) -> list[str]:
    study = optuna.load_study(study_name="search", storage=opened(database(folder)))
    return [trial.state.name for trial in study.trials]


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize("name", ["random", "tpe", "cmaes"])
def test_values_are_those_that_vary_and_exist(tmp_path: Path, name: str) -> None:
    sampler = tpe() if name == "tpe" else choice("sampler", name)
    found = go_on(search(tmp_path, MIXED, sampler), 24)
    for values in found:
        other = "model.hidden_sizes" if values["model"] == "mlp" else "model.filters"
        assert list(values) == ["model", other, "lr", "regularization.gradient_clip", "model.bias"]
        assert 1e-5 <= values["lr"] <= 1e-1
        assert values["regularization.gradient_clip"] in (None, 0.5, 1)
        assert values["model.bias"] in (True, False)
        assert type(values["model.bias"]) is bool
        if other == "model.filters":
            assert type(values[other]) is int
            assert 4 <= values[other] <= 64
        else:
            assert values[other] in SHAPES
    assert {values["model"] for values in found} == {"mlp", "cnn"}


def test_another_process_reads_what_was_asked(tmp_path: Path) -> None:
    found = search(tmp_path, MIXED, tpe())
    asked = [found.ask() for _ in range(6)]
    assert search(tmp_path, MIXED, tpe()).trials() == asked
    assert len({proposal.trial for proposal in asked}) == 6


def test_a_trial_is_stored_in_one_transaction(tmp_path: Path) -> None:
    found = search(tmp_path, MIXED, tpe())
    go_on(found, 5)
    engine = found._study._storage._backend.engine  # type: ignore[attr-defined]
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2].split()[0]))
    event.listen(engine, "commit", lambda connection: seen.append("COMMIT"))
    found.ask()
    written = [place for place, word in enumerate(seen) if word in ("INSERT", "UPDATE")]
    assert written
    assert "COMMIT" not in seen[written[0] : written[-1]]


CHILD = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_study
found = test_study.search(Path(sys.argv[2]), test_study.SPACES[sys.argv[3]], test_study.SAMPLERS[sys.argv[3]]())
test_study.go_on(found, int(sys.argv[4]))
found.ask()
assert "torch" not in sys.modules
os.kill(os.getpid(), signal.SIGKILL)
"""
SAMPLERS: dict[str, Callable[[], Any]] = {"tpe": tpe, "cmaes": lambda: choice("sampler", "cmaes")}
SPACES = {"tpe": MIXED, "cmaes": (LOG, *SQUARE)}


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as patched:
        kept_in_memory(patched)
        whole = go_on(search(tmp_path / "whole", SPACES[name], SAMPLERS[name]()), 9)
    child = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(tmp_path), name, "6"]
    killed = subprocess.run(child, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "random"})
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
    assert states(tmp_path) == ["COMPLETE"] * 6 + ["RUNNING"]
    assert go_on(search(tmp_path, SPACES[name], SAMPLERS[name]()), 9) == whole


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_batches_do_not_depend_on_the_order_of_their_ends(tmp_path: Path, name: str) -> None:
    def in_batches(folder: str, order: Callable[[list[Proposal]], list[Proposal]]) -> list[dict[str, Any]]:
        found = search(tmp_path / folder, SPACES[name], SAMPLERS[name]())
        for _ in range(4):
            for proposal in order([found.ask() for _ in range(4)]):
                found.tell(proposal.trial, "done", [figure(proposal.values)])
        return [proposal.values for proposal in found.trials()]

    forward = in_batches("forward", list)
    assert in_batches("backward", lambda batch: batch[::-1]) == forward
    assert all(first != second for first, second in pairwise(forward))


@pytest.mark.usefixtures("in_memory")
def test_another_seed_asks_other_trials(tmp_path: Path) -> None:
    ours = go_on(search(tmp_path, MIXED, tpe()), 6)
    theirs = go_on(search(tmp_path / "other", MIXED, tpe(), seed=1), 6)
    assert all(one["lr"] != other["lr"] for one, other in zip(ours, theirs, strict=True))


def test_trials_end_as_they_are_told_and_only_once(tmp_path: Path) -> None:
    found = search(tmp_path, (LOG,), tpe())
    ids = [found.ask().trial for _ in range(6)]
    found.tell(ids[0], "done", [0.5])
    found.tell(ids[0], "failed", None)
    found.tell(ids[1], "failed", None)
    found.tell(ids[2], "pruned", None)
    found.tell(ids[3], "done", [math.nan])
    found.tell(ids[4], "done", [math.inf])
    assert states(tmp_path) == ["COMPLETE", "FAIL", "PRUNED", "FAIL", "FAIL", "RUNNING"]
    assert found.ask().values["lr"] > 0


@pytest.mark.parametrize(("name", "count"), [("random", 3), ("tpe", 8), ("gp", 4)])
def test_several_metrics_are_kept_side_by_side(tmp_path: Path, name: str, count: int) -> None:
    settings = {} if name == "random" else {"startup_trials": 3}
    found = search(tmp_path, SQUARE, choice("sampler", name, **settings), ["min", "max"])
    for _ in range(count):
        proposal = found.ask()
        found.tell(proposal.trial, "done", [proposal.values["x"] ** 2, -abs(proposal.values["y"])])
    study = optuna.load_study(study_name="search", storage=opened(database(tmp_path)))
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert [trial.values for trial in study.trials] == [
        [each.values["x"] ** 2, -abs(each.values["y"])] for each in found.trials()
    ]


def test_several_metrics_are_refused_where_one_is_gone_by(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pruner=median goes by one metric, and sweep\.metric has 2"):
        search(tmp_path, SQUARE, tpe(), ["min", "max"], pruner="median")
    with pytest.raises(ConfigError, match="sampler=cmaes goes by one metric"):
        search(tmp_path, SQUARE, choice("sampler", "cmaes"), ["min", "max"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "Could not parse"),
        ("sqlite:////no/such/folder/study.db", "unable to open database file"),
        ("oracle9://somewhere", "Can't load plugin"),
        ("postgresql+pg8000://me:secret@host/studies", "its driver is not installed"),
        ("sqlite:///{x}.db", "'x'"),
        ("sqlite://", "in the memory of one process"),
        ("sqlite:///:memory:", "in the memory of one process"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_in_a_line(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(url)
    assert str(caught.value).startswith("sampler.storage=")
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("something else altogether, and long enough to be looked at " * 20)
    with pytest.raises(ConfigError, match=r"study\.db: the database cannot be opened: file is not a database"):
        search(tmp_path, MIXED, tpe())


@pytest.mark.parametrize("dimensions", [MIXED[:4], (*MIXED[:5], Dimension("model.bias", (True,)))])
def test_a_study_in_which_other_things_vary_is_refused(tmp_path: Path, dimensions: tuple[Dimension, ...]) -> None:
    search(tmp_path, MIXED, tpe()).ask()
    with pytest.raises(ConfigError, match="holds a study search in which other settings vary"):
        search(tmp_path, dimensions, tpe())


def test_a_study_of_another_program_is_refused(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="search", storage=opened(database(tmp_path)))
    study.ask()
    with pytest.raises(ConfigError, match="holds a study search in which other settings vary"):
        search(tmp_path, MIXED, tpe())


def test_folders_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b{c}?d=e#f%20ä"
    folder.mkdir()
    search(folder, (LOG,), tpe()).ask()
    assert [file.name for file in folder.iterdir()] == ["study.db"]


def test_many_write_at_once(tmp_path: Path) -> None:
    found = search(tmp_path, (LOG,), choice("sampler", "random"))
    ids = [found.ask().trial for _ in range(4)]

    def report(trial: int) -> None:
        storage = opened(database(tmp_path))
        for epoch in range(10):
            storage.set_trial_intermediate_value(trial, epoch, 0.5)

    with ThreadPoolExecutor(len(ids)) as pool:
        list(pool.map(report, ids))
    with sqlite3.connect(tmp_path / "study.db") as connection:
        assert connection.execute("SELECT count(*) FROM trial_intermediate_values").fetchone() == (40,)
    connection.close()
