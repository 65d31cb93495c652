"""The runs of a study, composed and frozen before the first one starts."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from planted import study

from paribus import parts
from paribus.errors import ConfigError
from paribus.studies import running
from paribus.studies.cells import ARM
from paribus.studies.study import Study
from paribus.sweeps.manifest import Manifest

PLAIN = ["data=iris", "model=mlp", "trainer=cpu"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _frozen(chosen: Study, *overrides: str, seeds: Any = (0, 1, 2)) -> Manifest:
    return running.freeze(chosen, list(seeds), overrides, None, ["study", "mine"])


def _config(manifest: Manifest, number: int) -> Any:
    return OmegaConf.create(manifest.jobs[number].config)


def test_every_arm_has_every_seed_and_each_of_its_settings() -> None:
    arms = {"small": ["model.hidden_sizes=[4]"], "searched": ["optimizer.lr=0.1,0.01", "optimizer=sgd"]}
    chosen = study(common=PLAIN, arms=arms, predictions=[_prediction("small")], seed_offset={"searched": 100})
    manifest = _frozen(chosen, seeds=(3, 5))
    assert [(job.values[ARM], job.values.get("optimizer.lr"), job.seed) for job in manifest.jobs] == [
        ("small", None, 3),
        ("searched", 0.1, 103),
        ("searched", 0.01, 103),
        ("small", None, 5),
        ("searched", 0.1, 105),
        ("searched", 0.01, 105),
    ]
    assert [job.folder for job in manifest.jobs] == [f"job_{number:03}" for number in range(6)]
    assert [job.number for job in manifest.jobs] == list(range(6))
    assert all(_config(manifest, job.number).seed == job.seed == job.values["seed"] for job in manifest.jobs)
    assert _config(manifest, 1).optimizer.name == "sgd" and _config(manifest, 1).optimizer.lr == 0.1


def _prediction(arm: str) -> dict[str, Any]:
    return {"metric": "test/accuracy", "arm": arm, "expect": "higher", "than": 0.5}


def test_what_is_typed_comes_after_what_is_common_and_before_what_an_arm_is() -> None:
    common = [*PLAIN, "trainer.max_epochs=3", "data.batch_size=8"]
    manifest = _frozen(
        study(common=common), "trainer.max_epochs=1", "logger=tensorboard", "optimizer.lr=0.5", seeds=[0]
    )
    small, large = (_config(manifest, number) for number in (0, 1))
    for config in (small, large):
        assert (config.trainer.max_epochs, config.data.batch_size, config.optimizer.lr) == (1, 8, 0.5)
        assert config.logger.name != "none" and not config.figures
    assert (small.model.hidden_sizes, large.model.hidden_sizes) == ([4], [8])
    arms = {key for key in small if small[key] != large[key]}
    assert arms == {"model"}  # all else is equal


def test_runs_leave_out_figures_and_logs_unless_asked_for() -> None:
    plain, asked = _frozen(study(common=PLAIN)), _frozen(study(common=PLAIN), "figures=true")
    assert _config(plain, 0).logger.name == "none" and not _config(plain, 0).figures and _config(asked, 0).figures


def test_nothing_is_switched_on_but_what_the_study_says_unless_it_names_an_experiment() -> None:
    """The experiment that stands in configs/train.yaml sets a network of its own, with dropout."""
    named = study(
        common=["experiment=digits_cnn", "trainer=cpu"], arms={"small": []}, predictions=[_prediction("small")]
    )
    bare = study(common=["data=digits", "trainer=cpu"], arms={"small": []}, predictions=[_prediction("small")])
    plain, typed = _config(_frozen(bare), 0), _config(_frozen(bare, "experiment=digits_cnn"), 0)
    assert plain.regularization == OmegaConf.load(parts.options("regularization", None)["default"])
    assert plain != typed == _config(_frozen(named), 0)


def test_a_study_has_a_folder_that_says_what_it_was() -> None:
    chosen = study(common=PLAIN)
    manifest = _frozen(chosen, "launcher=basic")
    assert manifest.path.parent == Path("outputs/studies/mine").absolute()
    assert Manifest.read(manifest.path) == manifest
    assert manifest.command == ["study", "mine"] and manifest.launcher == ["hydra/launcher=basic"]
    assert manifest.asked == ["launcher=basic"]
    assert running.resumed(manifest.path, [], None) == (chosen, manifest)


def test_the_study_of_a_folder_is_that_of_its_begin() -> None:
    chosen = study(common=PLAIN, claim="As it was: $x ${oc.env:HOME} 'a' \"b\" # c.")
    manifest = _frozen(chosen)
    again, _ = running.resumed(manifest.path, ["launcher=basic"], None)
    assert again == chosen
    with pytest.raises(ConfigError, match="a sweep keeps what it is"):
        running.resumed(manifest.path, ["optimizer.lr=1"], None)


def test_a_folder_of_no_study_does_not_go_on(tmp_path: Path) -> None:
    manifest = _frozen(study(common=PLAIN))
    (manifest.path / "study.yaml").unlink()
    for folder in (manifest.path, tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match=r"resume=.*: that is no folder of a study: it holds no study\.yaml"):
            running.resumed(folder, [], None)


REFUSED = [
    ("model.hidden_sizes=[9]", "model.hidden_sizes is what the arms of mine differ in; leave it out"),
    ("++model.hidden_sizes=[9]", "model.hidden_sizes is what the arms of mine differ in"),
    ("seed=3", "every arm is run with the same seeds; use seeds=3"),
    ("optimizer.lr=0.1,0.2", "gives several values"),
    ("optimizer.lr=range(3)", "gives several values"),
    ("optimizer.lrr=0.1", "optimizer.lrr is not a setting of adam; did you mean lr?"),
    ("data=irris", "data=irris: there is no such data; did you mean iris?"),
    ("launcher=locl", "did you mean local?"),
    ("sampler=tpe", "sampler=tpe: a study runs every arm with every seed"),
    ("sweep.name=other", "sweep.name=other: a study runs every arm with every seed"),
]


@pytest.mark.parametrize(("typed", "said"), REFUSED)
def test_a_wrong_override_is_refused_before_there_is_a_folder(typed: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _frozen(study(common=PLAIN), typed)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["common", "arms"])
def test_a_wrong_setting_in_the_file_is_refused_before_there_is_a_folder(where: str, tmp_path: Path) -> None:
    wrong = "model.hiden_sizes=[9]"
    keys = {"common": [*PLAIN, wrong]} if where == "common" else {"arms": {"small": [], "large": [wrong]}}
    with pytest.raises(ConfigError, match=r"model\.hiden_sizes is not a setting of mlp; did you mean hidden_sizes\?"):
        _frozen(study(**{"common": PLAIN, **keys}))
    assert not list(tmp_path.iterdir())


WRONG = {
    "measure": ({"measures": {"gapp": {}}}, "gapp is no measure; did you mean gap?"),
    "setting": ({"measures": {"weights": {"below": -1}}}, "measures.weights.below=-1 must be a number above 0"),
    "cell": (
        {"common": [*PLAIN, "optimizer.lr=0.1,0.2"]},
        "small is no arm with its settings; choices: large optimizer.lr=0.1, large optimizer.lr=0.2, small",
    ),
    "folds": ({"common": [*PLAIN, "cross_validation=3"]}, "the pairs of a study share a seed"),
}


@pytest.mark.parametrize(("keys", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_could_not_be_measured_or_judged_is_refused_before_any_run(
    keys: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        _frozen(study(**{"common": PLAIN, **keys}))
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())
