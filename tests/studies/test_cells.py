"""Which runs make a cell, which of them are pairs, and which cell a prediction names."""

from collections.abc import Sequence

import pytest
from planted import NAN, cells_of, run, study

from paribus.errors import ConfigError
from paribus.runs import Run
from paribus.studies.cells import DIVERGED, Cell, cells, find
from paribus.studies.study import Study

ALIKE = {"l1": ["regularization.l1=0.1"], "l1 and l2": ["regularization.l2=0.1"]}


def _searched(best_by: str, values: dict[str, Sequence[float]], **keys: object) -> tuple[Study, list[Cell]]:
    """One arm with several learning rates, and a figure of each run."""
    chosen = study(best_by=best_by, **keys)
    every = [
        run("small", seed, {best_by: value}, optimizer__lr=lr)
        for lr, own in values.items()
        for seed, value in enumerate(own)
    ]
    return chosen, cells(chosen, every, {})


def test_runs_are_paired_by_their_seed_less_what_their_arm_is_shifted_by() -> None:
    chosen = study(seed_offset={"large": 1000})
    every = [run("small", seed, {"test/accuracy": seed}) for seed in (3, 5, 4)]
    every += [run("large", 1000 + seed, {"test/accuracy": 10 * seed}) for seed in (5, 4, 7)]
    small, large = cells(chosen, every, {})
    assert small.values("test/accuracy") == {3: 3, 5: 5, 4: 4}
    assert large.values("test/accuracy") == {5: 50, 4: 40, 7: 70}
    assert large.runs[5].seed == 1005


def test_each_setting_of_an_arm_is_a_cell_of_its_own_in_the_order_of_the_runs() -> None:
    every = [run("small", seed, {"a": 1}, optimizer__lr=lr) for seed in (0, 1) for lr in ("0.1", "0.01")]
    every += [run("large", 0, {"a": 1})]
    found = cells(study(), every, {})
    assert [(each.name, each.arm, dict(each.settings), list(each.runs)) for each in found] == [
        ("small optimizer.lr=0.1", "small", {"optimizer.lr": "0.1"}, [0, 1]),
        ("small optimizer.lr=0.01", "small", {"optimizer.lr": "0.01"}, [0, 1]),
        ("large", "large", {}, [0]),
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1.4e+09 at step 9, over 1,000,000 times the first; so it"])
def test_a_run_whose_loss_is_no_longer_finite_has_the_figures_that_the_study_gives_it(value: str) -> None:
    chosen = study(diverged={"test/accuracy": 0.1})
    every = [run("small", 0, {"test/accuracy": 0.9}), run("small", 1, error=NAN.replace("nan", value))]
    (cell,) = cells(chosen, every, {"small_1": {"gradients/1": 5.0, "test/accuracy": 0.5}})
    assert cell.figures == {
        0: {"test/accuracy": 0.9, DIVERGED: 0},
        1: {"test/accuracy": 0.1, "gradients/1": 5, DIVERGED: 1},
    }
    assert (cell.num_diverged, list(cell.failed)) == (1, [])
    assert cell.values(DIVERGED) == {0: 0, 1: 1}


OTHERWISE = [
    run("small", 1, error="RuntimeError: it does not work"),
    run("small", 1, error="ConfigError: model.hidden_sizes=nan must be a list"),
    run("small", 1, error="DataError: t.csv: the share is infinite"),
    run("small", 1, error="DataError: t.csv: row 3 is over 1,000 letters long"),
    run("small", 1),  # it has not begun
]


@pytest.mark.parametrize("other", OTHERWISE, ids=lambda each: str(each.error))
def test_a_run_that_failed_otherwise_has_no_figures(other: Run) -> None:
    every = [run("small", 0, {"test/accuracy": 0.9}), other]
    (cell,) = cells(study(diverged={"test/accuracy": 0.1}), every, {"small_1": {"gradients/1": 5.0}})
    assert list(cell.failed) == [other] and list(cell.figures) == [0] and cell.num_diverged == 0
    assert list(cell.runs) == [0, 1]


def test_measures_stand_beside_the_figures_of_their_run() -> None:
    every = [run("small", 0, {"test/accuracy": 0.9}), run("small", 1, {"test/accuracy": 0.8})]
    (cell,) = cells(study(), every, {"small_1": {"gradients/1": 5.0}, "other": {"gradients/1": 6.0}})
    assert cell.values("gradients/1") == {1: 5.0}


def test_what_is_no_number_is_no_value() -> None:
    figures = [{"a": 1.0}, {"a": float("nan")}, {"a": float("inf")}, {"b": 2.0}]
    (cell,) = cells(study(), [run("small", seed, each) for seed, each in enumerate(figures)], {})
    assert cell.values("a") == {0: 1.0}


@pytest.mark.parametrize(("best_by", "best"), [("val/loss", "0.1"), ("val/accuracy", "0.01"), ("val/mae", "0.1")])
def test_the_best_of_an_arm_is_by_the_validation_figure_in_its_direction(best_by: str, best: str) -> None:
    chosen, every = _searched(best_by, {"1.0": (0.5, 0.5), "0.1": (0.2, 0.4), "0.01": (0.9, 0.7)})
    assert find("best small", chosen, every).settings == {"optimizer.lr": best}


def test_of_equals_the_first_is_the_best() -> None:
    chosen, every = _searched("val/loss", {"1.0": (0.5, 0.7), "0.1": (0.2, 0.4), "0.01": (0.4, 0.2)})
    assert find("best small", chosen, every).settings == {"optimizer.lr": "0.1"}


def test_a_setting_of_which_a_run_has_no_figure_is_not_the_best() -> None:
    chosen, every = _searched("val/loss", {"1.0": (0.5, 0.7), "0.1": (0.2, float("nan"))})
    assert find("best small", chosen, every).settings == {"optimizer.lr": "1.0"}
    chosen, every = _searched("val/loss", {"1.0": (float("nan"),), "0.1": (float("nan"),)})
    assert find("best small", chosen, every).settings == {"optimizer.lr": "1.0"}


def test_the_best_of_an_arm_is_none_of_another_arm() -> None:
    chosen = study(best_by="val/loss")
    every = [
        run(arm, 0, {"val/loss": loss}, optimizer__lr=lr)
        for arm, lr, loss in (("small", "0.1", 0.5), ("large", "0.1", 0.1), ("small", "1.0", 0.4))
    ]
    assert find("best small", chosen, cells(chosen, every, {})).name == "small optimizer.lr=1.0"


def test_arms_whose_names_begin_alike_are_told_apart() -> None:
    predicted = [{"metric": "val/loss", "arm": "l1", "expect": "lower", "than": "l1 and l2"}]
    chosen = study(arms=ALIKE, predictions=predicted, best_by="val/loss")
    every = cells_of(chosen, {"l1": [0.5, 0.6], "l1 and l2": [0.3, 0.4]}, "val/loss")
    for name, arm in (("l1", "l1"), ("best l1", "l1"), ("l1 and l2", "l1 and l2"), ("best l1 and l2", "l1 and l2")):
        assert find(name, chosen, every).arm == arm
    searched = cells(chosen, [run(arm, 0, {"val/loss": 1}, optimizer__lr="0.1") for arm in ALIKE], {})
    assert find("l1 and l2 optimizer.lr=0.1", chosen, searched).arm == "l1 and l2"
    assert find("l1 optimizer.lr=0.1", chosen, searched).arm == "l1"
    assert find("l1", chosen, searched).name == "l1 optimizer.lr=0.1"  # all that there is of it


def test_a_setting_that_no_run_has_is_an_error_with_the_nearest() -> None:
    chosen, every = _searched("val/loss", {"0.1": (0.5,), "0.01": (0.5,)})
    with pytest.raises(ConfigError, match=r"mine: small optimizer.lr=0.02 is no arm .*; did you mean small optim"):
        find("small optimizer.lr=0.02", chosen, every)
    with pytest.raises(ConfigError, match="small is no arm with its settings"):  # which of the two?
        find("small", chosen, every)
