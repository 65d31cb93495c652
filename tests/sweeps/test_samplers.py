"""What samplers draw, and what they refuse."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest
from searches import LOG, SQUARE, choice, in_memory, search

from paribus.errors import ConfigError
from paribus.sweeps import samplers
from paribus.sweeps.space import Dimension
from paribus.sweeps.study import Search

__all__ = ["in_memory"]  # a fixture


def minimized(found: Search, function: Callable[..., float], trials: int) -> list[float]:
    figures = []
    for _ in range(trials):
        proposal = found.ask()
        figures.append(function(**proposal.values))
        found.tell(proposal.trial, "done", figures[-1:])
    return figures


def bowl(x: float, y: float) -> float:
    return (x - 1) ** 2 + (y + 2) ** 2


@pytest.mark.usefixtures("in_memory")
def test_random_draws_are_uniform_on_the_scale_asked_for(tmp_path: Path) -> None:
    found = search(tmp_path, (LOG, Dimension("width", (), 0.0, 1.0)), choice("sampler", "random"))
    drawn = [found.ask().values for _ in range(100)]
    assert kstest([(np.log10(each["lr"]) + 5) / 4 for each in drawn], "uniform").pvalue > 0.01
    assert kstest([each["width"] for each in drawn], "uniform").pvalue > 0.01
    assert abs(np.corrcoef([np.log(each["lr"]) for each in drawn], [each["width"] for each in drawn])[0, 1]) < 0.25


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize(
    ("name", "trials", "settings"),
    [
        ("tpe", 40, {}),
        ("tpe", 40, {"multivariate": False}),
        ("cmaes", 60, {}),
        ("gp", 12, {"startup_trials": 4}),
    ],
)
def test_they_find_the_bottom_of_a_bowl(tmp_path: Path, name: str, trials: int, settings: dict[str, object]) -> None:
    drawn = minimized(search(tmp_path / "random", SQUARE, choice("sampler", "random")), bowl, trials)
    found = minimized(search(tmp_path, SQUARE, choice("sampler", name, **settings)), bowl, trials)
    assert min(found) < 0.3
    assert sorted(found)[4] < sorted(drawn)[4]


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize("population", [None, 4])
@pytest.mark.parametrize("count", [1, 2])
def test_cmaes_moves_by_generations_in_one_dimension_too(tmp_path: Path, count: int, population: int | None) -> None:
    sampler = choice("sampler", "cmaes", population=population)
    found = search(tmp_path, SQUARE[:count], sampler)
    figures = minimized(found, lambda x, y=-2.0: bowl(x, y), 24)
    size = population or 4 + int(3 * np.log(count))
    assert np.median(figures[-size:]) < np.median(figures[:size])


def test_cmaes_refuses_what_it_cannot_do() -> None:
    settings = {"trials": 5, "storage": None, "population": None}
    with pytest.raises(ConfigError, match=r"goes by one metric, and sweep\.metric has 2; use sampler=tpe"):
        samplers.cmaes(0, {"x": object()}, ["min", "max"], **settings)  # type: ignore[arg-type,dict-item]
    with pytest.raises(ConfigError, match="moves in intervals, and none varies in all runs"):
        samplers.cmaes(0, {}, ["min"], **settings)  # type: ignore[arg-type]


def test_a_grid_has_no_sampler() -> None:
    assert choice("sampler", "grid").build(seed=0) is None
