"""What varies: Hydra's grammar, conditions, and that a job's overrides compose to the job's config."""

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from paribus import composition, config
from paribus.errors import ConfigError
from paribus.sweeps.space import Dimension, Space, combinations

MLP = ("data=iris", "model=mlp", "regularization.normalization=none")
LENGTH = "model.hidden_sizes"

# An override -> the choices that it gives.
CHOICES: dict[str, tuple[Any, ...]] = {
    "seed=1,2": (1, 2),
    "seed=choice(3,1,2)": (3, 1, 2),
    "seed=range(3)": (0, 1, 2),
    "seed=range(1,7,step=2)": (1, 3, 5),
    "seed=range(start=2,stop=4)": (2, 3),
    "optimizer.lr=1e-3,0.1": (0.001, 0.1),
    "optimizer.lr=range(0.5,2,0.5)": (0.5, 1.0, 1.5),
    "optimizer.lr=float(1,2)": (1.0, 2.0),
    "optimizer.lr=sort(3,1,2,reverse=true)": (3, 2, 1),
    "model.hidden_sizes=[64],[64,32],[]": ([64], [64, 32], []),
    "model.hidden_sizes=choice([64],[32])": ([64], [32]),
    "trainer.channels_last=true,false,null": (True, False, None),
    "model.bias=true,false": (True, False),
    "regularization.gradient_clip=null,0.5": (None, 0.5),
    "data.path='a,b.csv',\"c d.csv\"": ("a,b.csv", "c d.csv"),
    "data.path=/data/x_1.csv,${oc.env:HOME}/y.csv": ("/data/x_1.csv", "${oc.env:HOME}/y.csv"),
    "data.target=yes_no,'1','true'": ("yes_no", "1", "true"),
    "model.blocks=[{channels:8}],[{channels:16},{channels:8}]": (
        [{"channels": 8}],
        [{"channels": 16}, {"channels": 8}],
    ),
    "optimizer={lr:0.1},{lr:0.2}": ({"lr": 0.1}, {"lr": 0.2}),
    "augmentation=[crop],[crop,flip],none": (["crop"], ["crop", "flip"], "none"),
    "+seed=1,2": (1, 2),
    "++seed=1,2": (1, 2),
}
# An override -> low, high, whether whole, whether log.
INTERVALS: dict[str, tuple[float, float, bool, bool]] = {
    "optimizer.lr=interval(0.1,0.5)": (0.1, 0.5, False, False),
    "optimizer.lr=interval(start=1,end=2)": (1.0, 2.0, False, False),
    "optimizer.lr=tag(log,interval(1e-4,1e-1))": (0.0001, 0.1, False, True),
    "trainer.max_epochs=int(interval(1,8))": (1, 8, True, False),
    "trainer.max_epochs=tag(log,int(interval(1,8)))": (1, 8, True, True),
}


def _dimensions(*typed: str) -> tuple[Dimension, ...]:
    """Those of a grid on iris."""
    return Space.read([*MLP, *typed], None).dimensions


@pytest.fixture
def nothing_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the grammar counts: composing takes a third of a second."""
    empty = composition.Composed(OmegaConf.create(), {}, {}, (), None)
    monkeypatch.setattr("paribus.sweeps.space.compose", lambda *arguments: empty)


@pytest.mark.usefixtures("nothing_composed")
@pytest.mark.parametrize("typed", CHOICES)
def test_choices_of_hydras_grammar(typed: str) -> None:
    (found,) = _dimensions(typed)
    assert found.key == typed.partition("=")[0].lstrip("+")
    assert found.choices == CHOICES[typed] and found.ends == found.choices
    assert [type(each) for each in found.choices] == [type(getattr(each, "expected", each)) for each in CHOICES[typed]]
    assert (found.low, found.high, found.when) == (None, None, ())


@pytest.mark.usefixtures("nothing_composed")
@pytest.mark.parametrize("typed", INTERVALS)
def test_intervals_of_hydras_grammar(typed: str) -> None:
    (found,) = _dimensions(typed)
    assert (found.low, found.high, found.is_whole, found.is_log) == INTERVALS[typed]
    assert type(found.low) is type(found.high) is (int if found.is_whole else float)
    assert found.ends == INTERVALS[typed][:2] and found.choices == ()


@pytest.mark.usefixtures("nothing_composed")
def test_glob_stands_for_names_of_a_group() -> None:
    (found,) = _dimensions("activation=glob(*elu)")
    assert {"relu", "elu"} <= set(found.choices) and all(name.endswith("elu") for name in found.choices)
    (some,) = _dimensions("activation=glob([relu,*elu],exclude=elu)")
    assert set(some.choices) == set(found.choices) - {"elu"}


@pytest.mark.usefixtures("nothing_composed")
def test_what_does_not_vary_is_no_dimension() -> None:
    assert _dimensions("seed=3", "data.path='a,b'", "model.hidden_sizes=[64,32]", "name=null") == ()


# What is typed -> the combinations in their order, the last key varying fastest.
GRIDS: dict[tuple[str, ...], list[dict[str, Any]]] = {
    ("seed=1,2", "optimizer.lr=0.1,0.2"): [
        {"seed": 1, "optimizer.lr": 0.1},
        {"seed": 1, "optimizer.lr": 0.2},
        {"seed": 2, "optimizer.lr": 0.1},
        {"seed": 2, "optimizer.lr": 0.2},
    ],
    ("optimizer=sgd,adam", "optimizer.momentum=tag('optimizer=sgd',choice(0,0.9))", "seed=1,2"): [
        {"optimizer": "sgd", "optimizer.momentum": 0, "seed": 1},
        {"optimizer": "sgd", "optimizer.momentum": 0, "seed": 2},
        {"optimizer": "sgd", "optimizer.momentum": 0.9, "seed": 1},
        {"optimizer": "sgd", "optimizer.momentum": 0.9, "seed": 2},
        {"optimizer": "adam", "seed": 1},
        {"optimizer": "adam", "seed": 2},
    ],
    # A condition may be typed before what it hangs on, and hang on another conditional key; values may be no texts.
    (
        "optimizer.nesterov=tag('optimizer=sgd','optimizer.momentum=0.9',choice(true,false))",
        "optimizer.momentum=tag('optimizer=sgd',choice(0,0.9))",
        "optimizer=sgd,adam",
    ): [
        {"optimizer": "sgd", "optimizer.momentum": 0},
        {"optimizer": "sgd", "optimizer.momentum": 0.9, "optimizer.nesterov": True},
        {"optimizer": "sgd", "optimizer.momentum": 0.9, "optimizer.nesterov": False},
        {"optimizer": "adam"},
    ],
    ("model.hidden_sizes=[8],[4,4]", "optimizer.lr=tag('model.hidden_sizes=[4,4]',choice(0.1,0.2))"): [
        {LENGTH: [8]},
        {LENGTH: [4, 4], "optimizer.lr": 0.1},
        {LENGTH: [4, 4], "optimizer.lr": 0.2},
    ],
    ("model=mlp,cnn", "model.hidden_sizes=tag('model=mlp',choice([1]))", "activation=relu,tanh"): [
        {"model": "mlp", LENGTH: [1], "activation": "relu"},
        {"model": "mlp", LENGTH: [1], "activation": "tanh"},
        {"model": "cnn", "activation": "relu"},
        {"model": "cnn", "activation": "tanh"},
    ],
}


@pytest.mark.usefixtures("nothing_composed")
@pytest.mark.parametrize("typed", GRIDS)
def test_combinations_are_those_that_exist_once_each_in_order(typed: tuple[str, ...]) -> None:
    space = Space.read(["data=iris", *typed], None)
    assert list(combinations(space.dimensions)) == GRIDS[typed]
    for place, dimension in enumerate(space.dimensions):
        assert {key for key, _ in dimension.when} <= {each.key for each in space.dimensions[:place]}


# Values whose overrides must give, by `paribus train`, the config that the sweep made.
REPRODUCED = (
    *("optimizer.lr=1e-05,0.1", "model.hidden_sizes=[8],[4,4]", "regularization.gradient_clip=null,0.5"),
    *("seed=0,7", "activation=tanh,elu", "name='a-b','1.50'"),
)


def test_a_jobs_overrides_compose_to_its_config() -> None:
    space = Space.read([*MLP, "trainer.max_epochs=3", *REPRODUCED], None)
    every = list(combinations(space.dimensions))
    assert len(every) == 2 ** len(REPRODUCED)
    for values in (every[0b010101], every[0b101010]):
        made, overrides = space.config(values)
        typed = config.check(composition.compose(overrides))
        assert OmegaConf.create(made.text) == OmegaConf.create(typed.text)
        assert made.flat() == typed.flat() and (made.name, made.seed) == (typed.name, typed.seed)
        assert made.overrides == typed.overrides == tuple(overrides)


def test_texts_and_mappings_come_back_as_they_were(tmp_path: Path) -> None:
    """Also texts that look like numbers, and such as are no words of the grammar."""
    file = str(tmp_path / "rows, 'the first' {x}.csv")
    texts = "data.path='" + file.replace("'", "\\'") + "','null'"
    block = "{{channels:{},kernel:3,stride:1,padding:1,padding_mode:zeros,pooling:max}}"
    blocks = f"[{block.format(4)}],[{block.format(8)},{block.format(4)}]"
    lists = "data.exclude=['1','true',' a ','x,y'],[b],['${data.target}']"
    space = Space.read(["data=table", "data.target='1e5',y", "model=cnn", texts, f"model.blocks={blocks}", lists], None)
    assert space.dimensions[1].choices == (file, "null")
    every = list(combinations(space.dimensions))
    for values in (every[0], every[1], every[-1]):
        made, overrides = space.config(values)
        assert made.flat() == config.check(composition.compose(overrides)).flat()
    assert made["data"].settings["exclude"] == ["y"]


def test_a_space_comes_back_from_json_and_needs_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ("model=mlp,cnn", "model.hidden_sizes=tag('model=mlp',choice([8],[4,4]))", "data.target=y", "data=table")
    monkeypatch.chdir(tmp_path)
    space = Space.read([*typed, "data.path=rows.csv", "optimizer.lr=tag(log,interval(0.1,1))"], None)
    again = Space.from_state(json.loads(json.dumps(space.state())), None)
    assert again.dimensions == space.dimensions and again.state() == space.state()
    monkeypatch.setattr("paribus.sweeps.space.compose", None)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    values = {"model": "mlp", LENGTH: [4, 4], "optimizer.lr": 0.5}
    made, overrides = again.config(values)
    assert made.text == space.config(values)[0].text
    assert made["data"].settings["path"] == str(tmp_path / "rows.csv")  # where the sweep began
    assert overrides[-3:] == ["model=mlp", "model.hidden_sizes=[4,4]", "optimizer.lr=0.5"]


def test_every_end_is_checked_with_every_combination_of_parts() -> None:
    typed = [
        "data=iris",
        "model=mlp,digits_cnn",
        "regularization.dropout=interval(0.1,0.5)",
        "model.hidden_sizes=[8],[9]",
    ]
    assert len(Space.read(typed, None).check()) == 2 * (1 + 2 + 2)
    wrong = Space.read([*typed[:2], "regularization.dropout=interval(0.1,1)"], None)
    with pytest.raises(ConfigError, match=r"^regularization.dropout=1.0 must be a number from 0 to below 1$"):
        wrong.check()


def test_a_setting_of_one_choice_alone_is_told_how_to_say_so() -> None:
    with pytest.raises(ConfigError, match=r"optimizer.momentum is not a setting of adam.*tag\('optimizer=sgd',choice"):
        Space.read([*MLP, "optimizer=sgd,adam", "optimizer.momentum=0,0.9"], None).check()


def test_an_interval_of_whole_numbers_is_told_how_to_say_so() -> None:
    with pytest.raises(ConfigError, match=r"use trainer.max_epochs=int\(interval\(1,8\)\)$"):
        Space.read([*MLP, "trainer.max_epochs=interval(1,8)"], None).check()
    with pytest.raises(ConfigError, match=r"must be a list of whole numbers.* \[64,64\]$"):
        Space.read([*MLP, "model.hidden_sizes=interval(8,64)"], None).check()
