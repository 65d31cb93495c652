"""Variants against the baseline, and what is said of it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from made_runs import accuracy, config, write_run, write_runs
from paribus.comparing.contrasts import Comparison, compare, summary, test_to_train
from paribus.comparing.tables import environments, left_out, places
from paribus.comparing.variants import Variant, variants
from paribus.comparing.verdicts import number, p_value, verdicts, with_interval
from paribus.comparison import holm, paired
from paribus.errors import ConfigError
from paribus.runs import found, read

test_to_train.__test__ = False  # type: ignore[attr-defined] # pytest takes its name for a test's

SGD = {0: 0.90, 1: 0.80, 2: 0.85, 3: 0.88}
BETTER = {0: 0.95, 1: 0.84, 2: 0.91, 3: 0.93}
ALIKE = {0: 0.91, 1: 0.79, 2: 0.85, 3: 0.875}


def _variants(root: Path, figures: Mapping[str, Mapping[int, float]]) -> list[Variant]:
    return variants([read(path) for path in write_runs(root, figures)])


def _compared(root: Path, figures: Mapping[str, Mapping[int, float]], *metrics: str) -> Comparison:
    groups = _variants(root, figures)
    return compare(groups, groups[0], metrics)


def test_pairs_are_of_the_same_seed_whatever_the_order(tmp_path: Path) -> None:
    shuffled = {seed: BETTER[seed] for seed in (3, 1, 0, 2)}
    comparison = _compared(tmp_path, {"sgd": SGD, "adam": shuffled}, "test/accuracy")
    (contrast,) = comparison.contrasts
    assert contrast.difference == paired([BETTER[seed] for seed in range(4)], [SGD[seed] for seed in range(4)])
    assert contrast.corrected == contrast.difference.p


def test_the_main_metric_and_the_others_are_corrected_apart(tmp_path: Path) -> None:
    comparison = _compared(tmp_path, {"sgd": SGD, "adam": BETTER, "rmsprop": ALIKE})
    assert comparison.metrics == ["test/loss", "test/accuracy"] and comparison.main == "test/accuracy"
    assert comparison.tested(in_main=True) == comparison.tested(in_main=False) == 2
    for metric in comparison.metrics:
        chosen = [each for each in comparison.contrasts if each.metric == metric]
        p_values = [each.difference.p for each in chosen]
        assert [each.corrected for each in chosen] == holm([p for p in p_values if p is not None])


def test_words_follow_the_numbers(tmp_path: Path) -> None:
    better, alike, _ = verdicts(_compared(tmp_path, {"sgd": SGD, "adam": BETTER, "rmsprop": ALIKE}))
    assert better.startswith("adam is better than sgd in test/accuracy by 0.0500 [0.0")
    assert "more than noise (p = 0.0" in better and "corrected for 2 comparisons" in better
    assert alike.startswith("no difference beyond noise is shown: rmsprop less sgd is -0.0013 [-0.0")


def test_lower_losses_are_better(tmp_path: Path) -> None:
    first, last = verdicts(_compared(tmp_path, {"sgd": SGD, "adam": BETTER}, "test/loss"))
    assert first.startswith("adam is better than sgd in test/loss by 0.0500 [0.0370, 0.0630]")
    assert "paired by seed" in last
    (worse, _) = verdicts(_compared(tmp_path / "b", {"adam": BETTER, "sgd": SGD}, "test/loss"))
    assert worse.startswith("sgd is worse than adam in test/loss by 0.0500 [0.0370, 0.0630]")


def test_equal_figures_and_equal_differences(tmp_path: Path) -> None:
    same = verdicts(_compared(tmp_path / "a", {"sgd": SGD, "adam": SGD}))
    assert same[0] == "adam and sgd are the same to the last bit in all figures of 4 pairs"
    only = [write_run(tmp_path / f"b{seed}", config("sgd", seed), accuracy(0.9, 0.5)) for seed in (0, 1)]
    only += [write_run(tmp_path / f"c{seed}", config("adam", seed), accuracy(0.9, 0.4)) for seed in (0, 1)]
    groups = variants([read(path) for path in only])
    equal = compare(groups, groups[0], [])
    assert verdicts(equal)[0] == "no difference in test/accuracy: adam and sgd have the same in each of 2 pairs"
    shifted = verdicts(_compared(tmp_path / "d", {"sgd": SGD, "adam": {seed: v - 0.1 for seed, v in SGD.items()}}))
    assert shifted[0].startswith("adam is worse than sgd in test/accuracy by 0.1000 in each of 4 pairs")


def test_one_pair_proves_nothing(tmp_path: Path) -> None:
    comparison = _compared(tmp_path, {"sgd": {0: 0.9}, "adam": {0: 0.95}})
    assert comparison.tested(in_main=True) == 0
    said = verdicts(comparison)
    assert said[0] == "adam less sgd is 0.0500 in test/accuracy, with one pair only"
    assert "One run a side cannot tell a difference from noise" in said[1]


def test_each_variant_is_paired_with_the_baseline_by_itself(tmp_path: Path) -> None:
    groups = _variants(tmp_path, {"sgd": SGD, "adam": {0: 0.9, 1: 0.95}, "rmsprop": {7: 0.9}})
    comparison = compare(groups, groups[0], [])
    assert [each.name for each in comparison.variants] == ["sgd", "adam"]
    assert left_out(groups, comparison) == [
        "left out: sgd, seeds 2, 3 (no partner with the same seed)",
        "left out: rmsprop, seed 7 in rmsprop_7 (no partner with the same seed)",
    ]
    assert {each.difference.count for each in comparison.contrasts} == {2}


def test_figures_that_are_not_finite_are_no_pair(tmp_path: Path) -> None:
    comparison = _compared(tmp_path, {"sgd": SGD, "adam": {**BETTER, 1: float("nan")}}, "test/accuracy")
    assert [pair[0] for pair in comparison.contrasts[0].pairs] == [0, 2, 3]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"sgd": {0: 0.9}, "adam": {1: 0.9}}, "no seed is shared: sgd has 0, adam has 1"),
        ({"sgd": {}, "adam": {1: 0.9}}, "no run of the baseline sgd has finished .*failed: RunError"),
        ({"sgd": {0: 0.9}, "adam": {}}, "no run but those of the baseline sgd has finished .*failed: RunError"),
    ],
)
def test_nothing_to_pair_is_an_error(tmp_path: Path, figures: dict[str, dict[int, float]], said: str) -> None:
    paths = write_runs(tmp_path, figures)
    failed = [name for name, by_seed in figures.items() if not by_seed]
    paths += [write_run(tmp_path / name, config(name), {}, status="failed") for name in failed]
    groups = variants([read(path) for path in paths])
    with pytest.raises(ConfigError, match=said):
        compare(groups, next(each for each in groups if each.name == "sgd"), [])


def test_unknown_metrics_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metric=test/acuracy is not a metric .* did you mean test/accuracy\?"):
        _compared(tmp_path, {"sgd": SGD, "adam": SGD}, "test/acuracy")
    (one,) = write_runs(tmp_path / "b", {"sgd": {0: 0.5}})
    other = write_run(tmp_path / "other", config("adam"), {"test/rmse": 1.0, "epochs": 2})
    groups = variants([read(one), read(other)])
    with pytest.raises(ConfigError, match="no test metric in common"):
        compare(groups, groups[0], [])
    with pytest.raises(ConfigError, match="metric=test/accuracy is not a metric of all runs"):
        compare(groups, groups[0], ["test/accuracy"])


@pytest.mark.parametrize(
    ("monitor", "figures", "main"),
    [
        ("val/loss", ("test/loss", "test/accuracy"), "test/accuracy"),
        ("val/f1", ("test/loss", "test/accuracy", "test/f1"), "test/f1"),
        ("val/loss", ("test/loss", "test/rmse"), "test/loss"),
        ("val/loss", ("test/loss", "test/accuracy", "test/exact_match"), "test/loss"),
        ("val/loss", ("test/rmse",), "test/rmse"),
    ],
)
def test_the_main_metric(tmp_path: Path, monitor: str, figures: tuple[str, ...], main: str) -> None:
    trainer = {"trainer": {"monitor": monitor}}
    values = dict.fromkeys(figures, 0.5)
    paths = [write_run(tmp_path / name, config(name, **trainer), values) for name in ("sgd", "adam")]
    groups = variants([read(path) for path in paths])
    assert compare(groups, groups[0], []).main == main


def test_folds_of_cross_validation_are_corrected(tmp_path: Path) -> None:
    figures = {"sgd": [0.9, 0.8, 0.95, 0.85], "adam": [0.95, 0.84, 0.94, 0.9]}
    for name, values in figures.items():
        for fold, value in enumerate(values, 1):
            settings = config(name, cross_validation=4, fold=fold)
            write_run(tmp_path / name / f"fold_{fold}", settings, accuracy(value))
    groups = variants([run for name in figures for run in found(tmp_path / name)])
    ratio = 0.25 / (1 - 0.25 - 0.1)  # a quarter is tested, a tenth of all validates
    assert test_to_train(groups[0]) == pytest.approx(ratio)
    comparison = compare(groups, groups[0], ["test/accuracy"])
    assert comparison.contrasts[0].difference == paired(figures["adam"], figures["sgd"], test_to_train(groups[0]))
    found_summary = summary(groups[0], "test/accuracy")
    assert found_summary is not None and "corrected" in verdicts(comparison)[-1]


def test_environments_that_differ_are_a_warning(tmp_path: Path) -> None:
    same = _variants(tmp_path / "same", {"sgd": SGD, "adam": ALIKE})
    assert environments(same) == {} and places(same, {}) == ["all runs ran in the same environment"]
    paths = [
        write_run(tmp_path / "a", config("sgd", 0), accuracy(0.9), threads=1),
        write_run(tmp_path / "b", config("sgd", 1), accuracy(0.9), threads=2, git_commit="a" * 40),
        write_run(tmp_path / "c", config("adam", 0), accuracy(0.9), threads=1, git_commit="a" * 40),
    ]
    mixed = variants([read(path) for path in paths])
    told = environments(mixed)
    assert told == {"threads": ["1 | 2", "1"], "git_commit": ["- | aaaaaaaaaaaa", "aaaaaaaaaaaa"]}
    assert str(places(mixed, told)[-1]).startswith("warning: the runs differ in where they ran (threads, git_commit)")


def test_numbers_are_as_long_as_they_say_something() -> None:
    assert [number(each) for each in (0, 0.5, 12345.6, 0.00123, 1e-7)] == [
        "0.0000", "0.5000", "12345.6000", "0.00123", "1.00e-07",
    ]  # fmt: skip
    assert with_interval(0.001, -0.002, 0.004) == "0.00100 [-0.00200, 0.00400]"
    assert [p_value(p) for p in (0.0002, 0.0123, 0.5)] == ["p < 0.001", "p = 0.012", "p = 0.50"]
