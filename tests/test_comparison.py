"""Intervals and tests of what several runs say together, against SciPy, statsmodels and simulation."""

import warnings

import numpy as np
import pytest
from scipy.stats import ttest_rel

from paribus.comparison import difference, holm, paired, summarize

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from statsmodels.stats.multitest import multipletests


@pytest.mark.parametrize("count", [2, 5, 30])
def test_paired_is_scipys_test(count: int) -> None:
    draws = np.random.default_rng(count)
    theirs = draws.normal(0.9, 0.02, count)
    ours = theirs + draws.normal(0.01, 0.01, count)
    found, known = paired(ours.tolist(), theirs.tolist()), ttest_rel(ours, theirs)
    assert found.p == pytest.approx(known.pvalue)
    interval = known.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    differences = ours - theirs
    assert (found.count, found.mean) == (count, pytest.approx(differences.mean()))
    assert found.effect == pytest.approx(differences.mean() / differences.std(ddof=1))


def test_pairs_of_folds_are_corrected() -> None:
    """Nadeau & Bengio 2003: t is divided by sqrt((1/n + ratio) / (1/n)), and the interval is as much wider."""
    ours, theirs = [0.9, 0.92, 0.97, 0.95], [0.88, 0.93, 0.9, 0.9]
    plain, corrected = paired(ours, theirs), paired(ours, theirs, 1 / 3)
    assert plain.p is not None and corrected.p is not None and corrected.p > plain.p
    summary = difference(ours, theirs, 1 / 3)
    assert (corrected.low, corrected.high) == (summary.low, summary.high)
    assert plain.high is not None and corrected.high is not None
    widening = (corrected.high - corrected.mean) / (plain.high - plain.mean)
    assert widening == pytest.approx(((1 / 4 + 1 / 3) / (1 / 4)) ** 0.5)


def test_the_interval_and_the_test_agree() -> None:
    draws = np.random.default_rng(0)
    for _ in range(200):
        found = paired(draws.normal(0.5, 1, 6).tolist(), draws.normal(0, 1, 6).tolist())
        assert found.low is not None and found.high is not None and found.p is not None
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)


def test_without_a_difference_one_in_twenty_is_a_false_alarm() -> None:
    draws = np.random.default_rng(1)
    tests = [paired(*draws.normal(0.9, 0.01, (2, 8)).tolist()) for _ in range(1000)]
    alarms = sum(each.p is not None and each.p < 0.05 for each in tests)
    assert 50 - 3 * 47.5**0.5 < alarms < 50 + 3 * 47.5**0.5  # binomial, three deviations


def test_holm_keeps_false_alarms_of_all_together_as_rare() -> None:
    draws = np.random.default_rng(2)
    rounds = [[paired(*draws.normal(0, 1, (2, 6)).tolist()).p or 0 for _ in range(5)] for _ in range(400)]
    single = sum(min(each) < 0.05 for each in rounds) / 400
    together = sum(min(holm(each)) < 0.05 for each in rounds) / 400
    assert single > 0.15 and together < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_holm_is_that_of_statsmodels(count: int) -> None:
    p_values = (np.random.default_rng(count).random(count) ** 3).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == []


def test_differences_without_spread_divide_by_nothing() -> None:
    same = paired([0.9, 0.8, 0.7], [0.9, 0.8, 0.7])
    assert (same.mean, same.deviation, same.p, same.effect) == (0, 0, 1, 0)
    shifted = paired([0.9, 0.8, 0.7], [0.8, 0.7, 0.6])  # 0.1 but for rounding
    assert shifted.mean == pytest.approx(0.1) and (shifted.deviation, shifted.p, shifted.effect) == (0, None, None)
    assert (shifted.low, shifted.high) == (shifted.mean, shifted.mean)
    barely = paired([0.9, 0.8, 0.7 + 1e-5], [0.8, 0.7, 0.6])  # a spread that float32 can tell
    assert barely.p is not None and barely.p < 1e-6
    zeros = paired([0.0, 0.0], [0.0, 0.0])
    assert (zeros.p, zeros.effect) == (1, 0)


def test_one_pair_tells_its_difference_only() -> None:
    found = paired([0.9], [0.8])
    assert found.mean == pytest.approx(0.1)
    assert (found.count, found.deviation, found.low, found.high, found.p, found.effect) == (1, *[None] * 5)
    with pytest.raises(ValueError, match="no pair"):
        paired([], [])
    with pytest.raises(ValueError, match="argument 2"):
        paired([1.0, 2.0], [1.0])


def test_a_summary_of_the_differences_is_the_same() -> None:
    assert difference([3.0, 2.0, 7.0], [1.0, 1.0, 4.0]) == summarize([2.0, 1.0, 3.0])
