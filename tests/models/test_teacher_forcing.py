import math

import pytest

from paribus.errors import ConfigError
from paribus.models.teacher_forcing import STEEPNESS, TeacherForcing


@pytest.mark.parametrize("schedule", ["linear", "exponential", "inverse_sigmoid"])
@pytest.mark.parametrize(("first", "last"), [(1.0, 0.2), (0.3, 0.9), (0.7, 0.7)])
def test_it_goes_one_way_from_the_first_share_to_the_last(schedule: str, first: float, last: float) -> None:
    shares = [TeacherForcing(schedule, first, last).share(step / 20) for step in range(21)]
    assert shares[0] == first and shares[-1] == pytest.approx(last, abs=1e-15)
    assert shares == pytest.approx(sorted(shares, reverse=first > last), abs=1e-15)


def test_always_true_tokens_is_exactly_always() -> None:
    """Or the model would go step by step, for a share of 0.9999999."""
    for schedule in ("linear", "exponential", "inverse_sigmoid"):
        forcing = TeacherForcing(schedule, 1.0, 1.0)
        assert all(forcing.share(step / 97) == 1 for step in range(98))


def test_linear_is_a_straight_line() -> None:
    assert TeacherForcing("linear", 1.0, 0.0).share(0.3) == pytest.approx(0.7)


def test_exponential_falls_by_the_same_factor() -> None:
    forcing = TeacherForcing("exponential", 0.8, 0.2)
    assert forcing.share(0.5) == pytest.approx(0.4)  # the geometric mean
    assert forcing.share(0.3) / forcing.share(0.2) == pytest.approx(forcing.share(0.9) / forcing.share(0.8))


def test_inverse_sigmoid_is_that_of_bengio_et_al_stretched() -> None:
    k, forcing = STEEPNESS, TeacherForcing("inverse_sigmoid", 1.0, 0.0)
    steps = 2 * k * math.log(k)  # of the whole training

    def paper(i: float) -> float:
        return k / (k + math.exp(i / k))

    assert forcing.share(0.5) == pytest.approx(0.5)
    for progress in (0.1, 0.37, 0.8):
        stretched = (paper(progress * steps) - paper(steps)) / (paper(0) - paper(steps))
        assert forcing.share(progress) == pytest.approx(stretched)
        assert forcing.share(progress) == pytest.approx(paper(progress * steps), abs=0.01)


@pytest.mark.parametrize(("first", "last", "key"), [(0.0, 0.5, "teacher_forcing="), (1.0, 0.0, "teacher_forcing_end=")])
def test_an_exponential_one_cannot_reach_zero(first: float, last: float, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{key}0"):
        TeacherForcing("exponential", first, last)
