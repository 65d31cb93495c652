"""What planted figures say of a prediction, and what predictions say of a claim."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from planted import cells_of, study
from scipy.stats import nct, t, ttest_1samp, ttest_rel  # type: ignore[import-untyped]

from paribus.errors import ConfigError
from paribus.studies.judging import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, Finding, judge, verdict

THEIRS = (0.50, 0.62, 0.55, 0.58, 0.41)
SPREAD = (-0.1, -0.05, 0.0, 0.05, 0.1)  # around the mean difference: its interval is the mean +- 0.098
LEVEL = 0.5  # where an arm is held against a number


def _findings(ours: Sequence[float], theirs: Sequence[float], *predictions: dict[str, Any]) -> list[Finding]:
    keys = [{"metric": "test/accuracy", "arm": "small", "than": "large", **each} for each in predictions]
    chosen = study(predictions=keys)
    return judge(chosen, cells_of(chosen, {"small": ours, "large": theirs}))


def _shifted(by: float, count: int = 5) -> tuple[list[float], list[float]]:
    theirs = list(THEIRS[:count])
    return [each + by + noise for each, noise in zip(theirs, SPREAD[:count], strict=True)], theirs


OUTCOMES = [
    # what is expected, the margin, the mean difference, the outcome
    ("higher", 0.0, 1.0, "confirmed"),
    ("higher", 0.0, 0.11, "confirmed"),
    ("higher", 0.0, 0.08, "open"),
    ("higher", 0.0, -0.08, "open"),
    ("higher", 0.0, -0.11, "refuted"),
    ("higher", 0.5, 1.0, "confirmed"),
    ("higher", 0.5, 0.45, "confirmed"),  # it may be 0.5
    ("higher", 0.5, 0.3, "refuted"),  # it is higher, and surely by less than matters
    ("higher", 0.5, 0.0, "refuted"),
    ("higher", 0.08, 0.0, "open"),
    ("lower", 0.0, -1.0, "confirmed"),
    ("lower", 0.0, 0.08, "open"),
    ("lower", 0.0, 0.11, "refuted"),
    ("lower", 0.5, -0.45, "confirmed"),
    ("lower", 0.5, -0.3, "refuted"),
    ("equal", 0.2, 0.0, "confirmed"),
    ("equal", 0.2, 0.11, "open"),
    ("equal", 0.2, -0.11, "open"),
    ("equal", 0.2, 0.2, "open"),
    ("equal", 0.2, 0.31, "refuted"),
    ("equal", 0.2, -0.31, "refuted"),
    ("equal", 0.09, 0.0, "open"),  # too much noise to tell
    ("equal", 0.0, 0.0, "open"),  # nothing with a spread is equal to the last bit
    ("equal", 0.0, 0.11, "refuted"),
    ("not higher", 0.0, -0.11, "confirmed"),
    ("not higher", 0.0, 0.08, "open"),
    ("not higher", 0.0, 0.11, "refuted"),
    ("not higher", 0.5, 0.3, "confirmed"),
    ("not higher", 0.5, 0.45, "open"),  # it may be more than 0.5
    ("not higher", 0.5, 0.61, "refuted"),
    ("not lower", 0.0, 0.11, "confirmed"),
    ("not lower", 0.5, -0.3, "confirmed"),
    ("not lower", 0.5, -0.61, "refuted"),
    ("no different", 0.0, 0.08, "confirmed"),
    ("no different", 0.0, 0.11, "refuted"),
    ("no different", 0.0, -0.11, "refuted"),
]


@pytest.mark.parametrize(("expect", "margin", "by", "outcome"), OUTCOMES)
def test_a_prediction_is_confirmed_refuted_or_open_as_the_pairs_say(
    expect: str, margin: float, by: float, outcome: str
) -> None:
    (found,) = _findings(*_shifted(by), {"expect": expect, "margin": margin})
    assert found.outcome == outcome
    level = [LEVEL + by + noise for noise in SPREAD]
    (found,) = _findings(level, THEIRS, {"expect": expect, "margin": margin, "than": LEVEL})
    assert found.outcome == outcome


@pytest.mark.parametrize("expect", ["higher", "lower", "not higher", "not lower"])
def test_the_mirrored_prediction_has_the_same_outcome(expect: str) -> None:
    mirrored = {"higher": "lower", "lower": "higher", "not higher": "not lower", "not lower": "not higher"}[expect]
    for by, margin in product((-0.4, -0.1, 0.0, 0.1, 0.4), (0.0, 0.3)):
        ours, theirs = _shifted(by)
        (one,) = _findings(ours, theirs, {"expect": expect, "margin": margin})
        (other,) = _findings(theirs, ours, {"expect": mirrored, "margin": margin})
        assert one.outcome == other.outcome


def test_differences_are_tested_as_scipy_tests_pairs() -> None:
    draws = np.random.default_rng(0)
    for count in (2, 5, 20):
        theirs = draws.normal(0.9, 0.05, count)
        ours = theirs + draws.normal(0.01, 0.02, count)
        known = ttest_rel(ours, theirs)
        (found,) = _findings(ours.tolist(), theirs.tolist(), {"expect": "higher"})
        interval = known.confidence_interval(0.95)
        assert found.difference is not None and found.pairs == list(range(count))
        assert found.difference.p == pytest.approx(known.pvalue)
        assert (found.difference.low, found.difference.high) == pytest.approx((interval.low, interval.high))
        assert found.is_seen == (known.pvalue < 0.05)
        (found,) = _findings(ours.tolist(), theirs.tolist(), {"expect": "higher", "than": 0.88})
        assert found.difference is not None
        assert found.difference.p == pytest.approx(ttest_1samp(ours, 0.88).pvalue)


def test_outcomes_follow_scipys_p_value_and_refuting_takes_a_smaller_one_the_more_predictions_there_are() -> None:
    draws, seen = np.random.default_rng(1), set()
    for _ in range(300):
        theirs = draws.normal(0, 1, 6)
        ours = draws.normal(draws.normal(0, 1), 1, 6)
        known = ttest_rel(ours, theirs)
        is_higher, count = bool(known.statistic > 0), int(draws.integers(1, 11))
        for found in _findings(ours.tolist(), theirs.tolist(), *[{"expect": "higher"}] * count):
            refuted = not is_higher and known.pvalue < 0.05 / count
            assert found.outcome == (
                "confirmed" if is_higher and known.pvalue < 0.05 else "refuted" if refuted else "open"
            )
            seen.add((found.outcome, bool(known.pvalue < 0.05)))
    assert ("open", True) in seen  # it would have been refuted alone


@pytest.mark.parametrize("than", ["large", LEVEL])
def test_what_refutes_alone_may_be_chance_among_ten(than: str | float) -> None:
    theirs = list(THEIRS) if than == "large" else [LEVEL] * 5
    ours = [each - 0.12 + noise for each, noise in zip(theirs, SPREAD, strict=True)]
    assert 0.005 < float(ttest_rel(ours, theirs).pvalue) < 0.05
    higher = {"expect": "higher", "than": than}
    for expect, margin in (("higher", 0.0), ("equal", 0.0), ("equal", 0.001)):
        wrong = {"expect": expect, "margin": margin, "than": than}
        assert [each.outcome for each in _findings(ours, theirs, wrong)] == ["refuted"]
        among = _findings(ours, theirs, wrong, *[{"expect": "lower", "than": than}] * 9)
        assert [each.outcome for each in among] == ["open", *["confirmed"] * 9]
        assert verdict(among) == NOT_DECIDED
    far = [each - 0.5 + noise for each, noise in zip(theirs, SPREAD, strict=True)]
    assert {each.outcome for each in _findings(far, theirs, *[higher] * 10)} == {"refuted"}


@pytest.mark.parametrize(
    ("count", "higher", "equal"), [(1, "open", "open"), (4, "open", "open"), (5, "confirmed", "refuted")]
)
def test_the_same_difference_in_five_pairs_needs_no_spread(count: int, higher: str, equal: str) -> None:
    theirs = [0.5, 0.25, 0.75, 0.125, 0.625][:count]
    ours = [each + 0.25 for each in theirs]
    expected = [{"expect": "higher"}, {"expect": "lower"}, {"expect": "equal"}, {"expect": "no different"}]
    findings = [_findings(ours, theirs, each)[0] for each in expected]
    lower, different = ("refuted", "refuted") if count == 5 else ("open", "open")
    assert [each.outcome for each in findings] == [higher, lower, equal, different]
    assert all(each.is_seen == (count == 5) for each in findings)
    assert f"is 0.2500 ({'one pair' if count == 1 else f'the same in each of {count} pairs'})" in findings[0].sentence


def test_pairs_that_are_the_same_to_the_last_bit_are_equal() -> None:
    for count, outcome in ((2, "open"), (5, "confirmed")):
        same = THEIRS[:count]
        assert _findings(same, same, {"expect": "equal"})[0].outcome == outcome
        assert _findings(same, same, {"expect": "higher"})[0].outcome == "open"
        (found,) = _findings(same, same, {"expect": "no different"})
        assert found.outcome == ("confirmed" if count == 5 else "open") and not found.is_seen
    assert _findings([0.5] * 5, THEIRS, {"expect": "equal", "than": 0.5})[0].outcome == "confirmed"


def test_four_pairs_are_too_few_to_say_that_there_is_no_difference() -> None:
    (found,) = _findings(*_shifted(0, count=4), {"expect": "no different"})
    assert found.outcome == "open"


def test_pairs_are_of_the_seeds_that_both_have() -> None:
    nan = float("nan")
    (found,) = _findings([1, nan, 3, 4, 5], [0, 1, 2, nan, 3], {"expect": "higher"})
    assert found.pairs == [0, 2, 4] and found.difference is not None
    assert found.difference.mean == pytest.approx((1 + 1 + 2) / 3)


def test_without_a_pair_nothing_is_decided() -> None:
    for than in ("large", 0.5):
        (found,) = _findings([0.5] * 5, THEIRS, {"metric": "val/loss", "expect": "higher", "than": than})
        assert (found.outcome, found.difference, found.is_seen, found.shown) == ("open", None, False, "-")
        assert "no pair of runs has val/loss of small" in found.sentence


def test_an_arm_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"large optimizer.lr=0.1 is no arm with its settings"):
        _findings([0.5] * 5, THEIRS, {"expect": "higher", "than": "large optimizer.lr=0.1"})


VERDICTS = [
    (["confirmed"], HOLDS),
    (["confirmed", "confirmed"], HOLDS),
    (["confirmed", "open"], NOT_DECIDED),
    (["open", "open"], NOT_DECIDED),
    (["confirmed", "refuted"], DOES_NOT_HOLD),
    (["open", "refuted"], DOES_NOT_HOLD),
    (["refuted"], DOES_NOT_HOLD),
    (["confirmed", "open", "refuted"], DOES_NOT_HOLD),
]
GIVES = {"confirmed": "higher", "refuted": "lower", "open": "equal"}


@pytest.mark.parametrize(("outcomes", "expected"), VERDICTS)
def test_the_claim_holds_where_all_is_confirmed_and_not_where_one_is_refuted(
    outcomes: list[str], expected: str
) -> None:
    margins = {"open": 1.0}  # the difference is about as large
    predictions = [{"expect": GIVES[each], "margin": margins.get(each, 0.0)} for each in outcomes]
    findings = _findings(*_shifted(1.0), *predictions)
    assert [each.outcome for each in findings] == outcomes
    assert verdict(findings) == expected


def test_a_sentence_says_what_was_seen_and_what_was_expected() -> None:
    ours, theirs = _shifted(1.0)
    (found,) = _findings(ours, theirs, {"expect": "higher", "margin": 0.5})
    assert found.sentence == (
        "test/accuracy of small less that of large is 1.0000 [0.9018, 1.0982] (p < 0.001), "
        "expected higher by 0.5 or more: confirmed"
    )
    (found,) = _findings([LEVEL + each for each in SPREAD], theirs, {"expect": "lower", "than": 0.25})
    assert found.sentence == (
        "test/accuracy of small is 0.5000 [0.4018, 0.5982] (p = 0.002), expected lower than 0.25: refuted"
    )
    (found,) = _findings(ours, theirs, {"expect": "equal", "margin": 1})
    assert found.sentence.endswith("expected equal within 1: not decided")


def _seen(draws: np.random.Generator, effect: float, count: int, rounds: int) -> int:
    """In how many of the rounds a difference is seen; effect in standard deviations of the differences."""
    seen = 0
    for _ in range(rounds):
        ours, theirs = draws.normal(0.5, 0.5**0.5, (2, count))
        (found,) = _findings((ours + effect).tolist(), theirs.tolist(), {"expect": "no different"})
        assert found.outcome == ("refuted" if found.is_seen else "confirmed")
        seen += found.is_seen
    return seen


def test_where_there_is_no_difference_one_in_twenty_is_seen_all_the_same() -> None:
    seen = _seen(np.random.default_rng(2), 0, count=6, rounds=2000)
    assert abs(seen - 100) < 4 * (2000 * 0.05 * 0.95) ** 0.5  # binomial, four deviations


def test_where_there_is_a_difference_it_is_seen_as_often_as_the_test_has_power() -> None:
    count, effect, rounds = 6, 1.0, 500
    quantile, shift = t.ppf(0.975, count - 1), effect * count**0.5
    power = float(nct.sf(quantile, count - 1, shift) + nct.cdf(-quantile, count - 1, shift))
    seen = _seen(np.random.default_rng(3), effect, count, rounds)
    assert 0.4 < power < 0.6 and abs(seen - rounds * power) < 4 * (rounds * power * (1 - power)) ** 0.5
