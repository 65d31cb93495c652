from collections.abc import Sequence
from math import cos, pi

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from paribus import schedulers
from paribus.schedulers import Horizon, Schedule

LR = 0.4
HORIZON = Horizon(steps=40, epochs=8)


def _rates(schedule: Schedule, moves: int, figures: Sequence[float] = ()) -> list[float]:
    """The learning rate at the start and after each move, of the metric where there are figures."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = schedule.make(optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for move in range(moves):
        optimizer.step()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(figures[move])
        else:
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize(("interval", "total"), [("step", 40), ("epoch", 8)])
@pytest.mark.parametrize("final_fraction", [0.0, 0.1, 1.0])
def test_cosine_is_the_closed_form(interval: str, total: int, final_fraction: float) -> None:
    schedule = schedulers.cosine(HORIZON, interval=interval, final_fraction=final_fraction)
    rates = _rates(schedule, total)
    assert schedule.moved_by == interval
    assert rates[0] == pytest.approx(LR)
    assert rates[total // 2] == pytest.approx(LR * (1 + final_fraction) / 2)
    assert rates[total] == pytest.approx(LR * final_fraction)
    factors = [final_fraction + (1 - final_fraction) * (1 + cos(pi * t / total)) / 2 for t in range(total + 1)]
    assert rates == pytest.approx([LR * factor for factor in factors])


def test_cosine_stays_down_beyond_its_horizon() -> None:
    rates = _rates(schedulers.cosine(HORIZON, interval="epoch", final_fraction=0.1), 20)
    assert rates[8:] == pytest.approx([LR * 0.1] * 13)


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_step_is_the_closed_form(interval: str) -> None:
    schedule = schedulers.step(interval=interval, every=3, gamma=0.5)
    assert schedule.moved_by == interval
    assert _rates(schedule, 10) == pytest.approx([LR * 0.5 ** (time // 3) for time in range(11)])


PLATEAU = [
    # mode, the metric of each epoch, how often the rate had been halved after each (patience 1, min_delta 0.1)
    ("min", [1.0, 0.8, 0.6, 0.4], [0, 0, 0, 0]),
    ("min", [1.0, 1.0, 1.0, 1.0, 1.0], [0, 0, 1, 1, 2]),
    ("min", [1.0, 0.95, 0.8, 0.79, 0.78], [0, 0, 0, 0, 1]),
    ("min", [100.0, 99.8, 99.6, 99.4, 99.2], [0, 0, 0, 0, 0]),  # min_delta is a difference, not a share
    ("max", [0.5, 0.7, 0.7, 0.7, 0.9], [0, 0, 0, 1, 1]),
]


@pytest.mark.parametrize(("mode", "figures", "halved"), PLATEAU)
def test_plateau_halves_after_more_than_patience_epochs_without_improvement(
    mode: str, figures: list[float], halved: list[int]
) -> None:
    schedule = schedulers.plateau(mode, factor=0.5, patience=1, min_delta=0.1)
    assert schedule.moved_by == "metric"
    assert _rates(schedule, len(figures), figures)[1:] == pytest.approx([LR * 0.5**times for times in halved])


def test_none_is_no_schedule() -> None:
    assert schedulers.none() is None


def _resumed(schedule: Schedule, lr: float, state: dict[str, object]) -> tuple[SGD, LRScheduler | ReduceLROnPlateau]:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule.make(optimizer)
    scheduler.load_state_dict(state)
    return optimizer, scheduler


@pytest.mark.parametrize("lr", [LR, 3 * LR])
def test_a_resumed_schedule_follows_the_settings_of_now(lr: float) -> None:
    scheduler = schedulers.cosine(HORIZON, interval="epoch", final_fraction=0).make(SGD([torch.zeros(1)], lr=LR))
    for _ in range(6):
        scheduler.optimizer.step()
        scheduler.step()
    longer = schedulers.cosine(Horizon(steps=80, epochs=16), interval="epoch", final_fraction=0)
    optimizer, resumed = _resumed(longer, lr, scheduler.state_dict())
    rates = [optimizer.param_groups[0]["lr"]]
    optimizer.step()
    assert not isinstance(resumed, ReduceLROnPlateau)
    resumed.step()
    rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([lr * (1 + cos(pi * t / 16)) / 2 for t in (6, 7)])


def test_a_resumed_plateau_remembers_what_it_saw_and_takes_the_settings_of_now() -> None:
    settings = {"factor": 0.5, "patience": 1, "min_delta": 0.0}
    before = SGD([torch.zeros(1)], lr=LR)
    scheduler = schedulers.plateau("min", **settings).make(before)
    assert isinstance(scheduler, ReduceLROnPlateau)
    for _ in range(4):  # the best, one bad epoch, a second that halves, one bad epoch more
        scheduler.step(1.0)
    state = scheduler.state_dict()
    for patience, factor, lr, expected in ((1, 0.5, LR, LR / 4), (1, 0.1, LR, LR / 20), (9, 0.5, LR, LR / 2)):
        changed = schedulers.plateau("min", factor=factor, patience=patience, min_delta=0.0)
        optimizer, resumed = _resumed(changed, lr, state)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(LR / 2)
        assert isinstance(resumed, ReduceLROnPlateau)
        resumed.step(1.0)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
    optimizer, _ = _resumed(schedulers.plateau("min", **settings), 3 * LR, state)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(3 * LR)
