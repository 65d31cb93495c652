"""The YAML file of a study: every shipped one is whole, and a mistake in one is one readable line."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from planted import KEYS
from planted import study as planted

from paribus import parts, runs
from paribus.errors import ConfigError
from paribus.metric_names import is_measured
from paribus.studies import running
from paribus.studies.cells import ARM, cells
from paribus.studies.judging import judge
from paribus.studies.measuring import measures
from paribus.studies.study import BEST, FEWEST_SEEDS, arm_of, load, read

SHIPPED = parts.options("study", None)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_study_says_what_it_claims_and_what_was_tried(name: str) -> None:
    text = SHIPPED[name].read_text(encoding="utf-8")
    assert text.startswith(f"# {parts.first_comment(SHIPPED[name])}\n") and len(parts.first_comment(SHIPPED[name])) > 20
    study = read(name, None)
    assert study == load(SHIPPED[name]) and study.name == name
    assert study.claim.endswith(".") and study.source and len(study.tried) > 40


@pytest.mark.parametrize("name", SHIPPED)
def test_the_runs_of_a_shipped_study_compose_and_all_that_it_names_is_there(name: str) -> None:
    """What would be found out only after all runs were made: arms with their settings, measures, figures, axes."""
    study = read(name, None)
    manifest = running.freeze(study, [0], [], None, ["study", name])  # one seed stands for all
    assert {job.values[ARM] for job in manifest.jobs} == set(study.arms)
    findings = judge(study, cells(study, runs.found(manifest.path), {}))
    assert len(findings) == len(study.predictions) and {each.outcome for each in findings} == {"open"}
    measures(study, None)
    for metric in [*(each.metric for each in study.predictions), *(each.metric for each in study.figure)]:
        stage, _, figure = metric.partition("/")
        assert stage in study.measures or metric == "diverged" or is_measured(metric) or (stage == "test" and figure)
    for panel in study.figure:
        shown = panel.arms or tuple(study.arms)
        assert panel.x is None or any(panel.x in job.values for job in manifest.jobs if job.values[ARM] in shown)
    assert study.best_by is None or is_measured(study.best_by) or study.best_by.partition("/")[0] in study.measures


def test_a_study_is_read_composed_judged_and_drawn_without_torch() -> None:
    code = f"""
import sys
from paribus import runs
from paribus.studies import conclusion, running
from paribus.studies.study import read
study = read("null", None)
manifest = running.freeze(study, range({FEWEST_SEEDS}), [], None, ["study", "null"])
conclusion.conclude(study, manifest, None)
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def _written(keys: Mapping[str, Any]) -> Path:
    file = Path("mine.yaml").absolute()
    file.write_text(yaml.safe_dump({key: value for key, value in keys.items() if value is not None}))
    return file


def test_a_study_that_is_frozen_reads_back_as_it_was() -> None:
    keys = {"diverged": {"test/accuracy": 0.1}, "measures": {"gradients": {}}, "best_by": "val/loss", "seeds": 6}
    panel = {"kind": "over", "metric": "val/loss", "x": "optimizer.lr", "log": "x", "arms": ["small"], "title": "$a$"}
    study = planted(**keys, figure=[panel], seed_offset={"large": 7}, name="its_own")
    manifest = running.freeze(study, range(5), [], None, ["study", "mine"])
    assert running.resumed(manifest.path, [], None) == (study, manifest)


PREDICTION, PANEL = KEYS["predictions"][0], KEYS["figure"][0]
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    # keys
    "a key": ({"best": "val/loss"}, ["best is not a key of a study", "did you mean best_by?"]),
    "a needed key": (
        {"predictions": None, "predictons": [PREDICTION]},
        ["predictons is not a key of a study", "did you mean predictions?"],
    ),
    "a key of a prediction": (
        {"predictions": [{**PREDICTION, "margn": 1}]},
        ["predictions.0.margn is not a key", "did you mean margin?"],
    ),
    "a key of a panel": (
        {"figure": [PANEL, {**PANEL, "metrics": "val/loss"}]},
        ["figure.1.metrics is not a key", "did you mean metric?"],
    ),
    "a key far from any": ({"zebra": 1}, ["zebra is not a key of a study", "keys: arms, best_by, claim, "]),
    **{f"no {key}": ({key: None}, [f"{key} is missing"]) for key in KEYS if key != "name"},
    # values
    "arms as a list": ({"arms": ["a", "b"]}, ["arms=['a', 'b']", "dictionary"]),
    "no arms": ({"arms": {}}, ["arms={}", "at least 1"]),
    "an arm as text": ({"arms": {"small": "model=mlp", "large": []}}, ["arms.small=model=mlp", "list"]),
    "few seeds": ({"seeds": 4}, ["seeds=4", "greater than or equal to 5"]),
    "seeds as text": ({"seeds": "5"}, ["seeds=5", "integer"]),
    "no time": ({"minutes": 0}, ["minutes=0", "greater than 0"]),
    "a relation": (
        {"predictions": [{**PREDICTION, "expect": "above"}]},
        ["predictions.0.expect=above", "'higher', 'lower', ", "'equal' or 'no different'"],
    ),
    "a margin": ({"predictions": [{**PREDICTION, "margin": -1}]}, ["predictions.0.margin=-1", "or equal to 0"]),
    "no predictions": ({"predictions": []}, ["predictions=[]", "at least 1"]),
    "a kind": ({"figure": [{**PANEL, "kind": "dot"}]}, ["figure.0.kind=dot", "'dots', 'curves', 'over' or 'depth'"]),
    "a scale": ({"figure": [{**PANEL, "log": True}]}, ["figure.0.log=True", "'none', 'x', 'y' or 'xy'"]),
    "over without x": ({"figure": [{**PANEL, "kind": "over"}]}, ["figure.0=", "x is the setting that a panel"]),
    "dots with x": ({"figure": [{**PANEL, "x": "seed"}]}, ["figure.0=", "x is the setting that a panel"]),
    "five panels": ({"figure": [PANEL] * 5}, ["figure=", "at most 4"]),
    "a measure": ({"measures": ["gradients"]}, ["measures=['gradients']", "dictionary"]),
    # names
    "an arm": ({"predictions": [{**PREDICTION, "arm": "smal"}]}, ["smal is no arm", "did you mean small?"]),
    "the other arm": ({"predictions": [{**PREDICTION, "than": "larg"}]}, ["larg is no arm", "did you mean large?"]),
    "an arm in a panel": ({"figure": [{**PANEL, "arms": ["lerge"]}]}, ["lerge is no arm", "did you mean large?"]),
    "a shifted arm": ({"seed_offset": {"larger": 9}}, ["larger is no arm", "did you mean large?"]),
    "an arm far from any": ({"seed_offset": {"zebra": 9}}, ["zebra is no arm", "arms: large, small"]),
    "the best of no arm": (
        {"best_by": "val/loss", "predictions": [{**PREDICTION, "arm": "best smal"}]},
        ["smal is no arm", "did you mean small?"],
    ),
    "the best by nothing": ({"predictions": [{**PREDICTION, "arm": "best small"}]}, ["needs best_by"]),
    "the best by a test": ({"best_by": "test/accuracy"}, ["best_by=test/accuracy", "is not tested by it"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_in_a_file_names_the_file_the_key_and_the_remedy(what: str) -> None:
    changed, said = WRONG[what]
    file = _written({**KEYS, **changed})
    with pytest.raises(ConfigError) as caught:
        load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ") and len(message.splitlines()) == 1
    assert all(each in message for each in said), message


def test_without_a_mistake_the_same_file_is_read() -> None:
    assert load(_written(KEYS)) == planted()
    best = {"best_by": "val/loss", "predictions": [{**PREDICTION, "arm": "best small"}]}
    assert load(_written({**KEYS, **best})) == planted(**best)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"claim: [", "cannot be read"),
        (b"claim: \xff", "cannot be read"),
        (b"- claim", "is no study: it has no keys"),
        (b"", "claim is missing"),
    ],
)
def test_a_file_that_is_no_study_is_an_error(content: bytes, said: str) -> None:
    Path("mine.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"mine\.yaml.*{said}"):
        load(Path("mine.yaml"))


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        load(Path("nowhere.yaml"))
    with pytest.raises(ConfigError, match=re.escape("nul is no study; did you mean null?")):
        read("nul", None)
    with pytest.raises(ConfigError, match=r"zebra is no study; studies: .*null"):
        read("zebra", None)


@pytest.mark.parametrize(
    ("cell", "arm"),
    [
        ("l1", "l1"),
        ("l1 and l2", "l1 and l2"),
        ("l1 and l2 optimizer.lr=0.1", "l1 and l2"),
        ("l1 optimizer.lr=0.1", "l1"),
        (f"{BEST}l1 and l2", "l1 and l2"),
        (f"{BEST}l1", "l1"),
        ("l12", "l12"),  # none of them, as it stands
        ("l1 andante", "l1"),
    ],
)
def test_the_name_of_a_cell_opens_with_its_arm(cell: str, arm: str) -> None:
    assert arm_of(cell, {"l1": [], "l1 and l2": [], "l2": []}) == arm
