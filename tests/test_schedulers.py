from collections.abc import Callable, Sequence
from math import cos, pi, sqrt
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    StepLR,
)

from paribus import schedulers
from paribus.errors import ConfigError
from paribus.schedulers import Horizon, Schedule

LR = 0.4
HORIZON = Horizon(steps=40, epochs=8)
TOTAL = {"step": 40, "epoch": 8}

# name -> builder, settings, the closed form of time and length
FORMS: dict[str, tuple[Callable[..., Schedule], dict[str, Any], Callable[[int, int], float]]] = {
    "constant": (schedulers.constant, {}, lambda t, total: 1),
    "step": (schedulers.step, {"every": 3, "gamma": 0.5}, lambda t, total: 0.5 ** (t // 3)),
    "multistep": (
        schedulers.multistep,
        {"milestones": [2, 3, 6], "gamma": 0.1},
        lambda t, total: 1 if t < 2 else 0.1 if t < 3 else 0.01 if t < 6 else 0.001,
    ),
    "exponential": (schedulers.exponential, {"gamma": 0.9}, lambda t, total: 0.9**t),
    "cosine": (schedulers.cosine, {"final_fraction": 0.1}, lambda t, total: 0.1 + 0.9 * (1 + cos(pi * t / total)) / 2),
    "cosine to nothing": (schedulers.cosine, {"final_fraction": 0.0}, lambda t, total: (1 + cos(pi * t / total)) / 2),
    "linear": (schedulers.linear, {"final_fraction": 0.2}, lambda t, total: 1 - 0.8 * t / total),
    "polynomial": (
        schedulers.polynomial,
        {"power": 3.0, "final_fraction": 0.1},
        lambda t, total: 0.1 + 0.9 * (1 - t / total) ** 3,
    ),
    "one_cycle": (
        schedulers.one_cycle,
        {"start_fraction": 0.04, "peak_share": 0.25, "final_fraction": 0.01},
        lambda t, total: (
            0.04 + 0.96 * (1 - cos(pi * 4 * t / total)) / 2
            if 4 * t < total
            else 0.01 + 0.99 * (1 + cos(pi * (4 * t - total) / (3 * total))) / 2
        ),
    ),
}


def _named(name: str) -> tuple[Callable[..., Schedule], dict[str, Any]]:
    return (schedulers.inverse_sqrt, {}) if name == "inverse_sqrt" else FORMS[name][:2]


def _rates(schedule: Schedule, moves: int, figures: Sequence[float] = ()) -> list[float]:
    """The learning rate at the start and after each move, of the metric where there are figures."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    return _moved(optimizer, schedule.make(optimizer), moves, figures)


def _moved(optimizer: SGD, scheduler: Any, moves: int, figures: Sequence[float] = ()) -> list[float]:
    rates = [optimizer.param_groups[0]["lr"]]
    for move in range(moves):
        optimizer.step()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(figures[move])
        else:
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("name", FORMS)
def test_each_is_the_closed_form(name: str, interval: str) -> None:
    build, settings, factor = FORMS[name]
    schedule, total = build(HORIZON, interval=interval, warmup=0, **settings), TOTAL[interval]
    assert schedule.moved_by == interval
    assert _rates(schedule, total) == pytest.approx([LR * factor(t, total) for t in range(total + 1)])


@pytest.mark.parametrize(("interval", "warmup"), [("step", 5), ("epoch", 4), ("step", 1)])
@pytest.mark.parametrize("name", FORMS)
def test_each_begins_anew_after_a_linear_warm_up(name: str, interval: str, warmup: int) -> None:
    build, settings, factor = FORMS[name]
    total = TOTAL[interval]
    rates = _rates(build(HORIZON, interval=interval, warmup=warmup, **settings), total)
    assert rates[:warmup] == pytest.approx([LR * (t + 1) / (warmup + 1) for t in range(warmup)])
    assert rates[warmup:] == pytest.approx([LR * factor(t, total - warmup) for t in range(total - warmup + 1)])
    if name != "one_cycle":  # which begins low by itself
        assert rates[warmup] == LR and rates[warmup] - rates[warmup - 1] == pytest.approx(rates[0])


@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_inverse_sqrt_is_that_of_the_paper_scaled_to_its_peak(warmup: int) -> None:
    rates = _rates(schedulers.inverse_sqrt(HORIZON, interval="step", warmup=warmup), 40)
    steps = warmup + 1  # the paper counts from 1

    def paper(step: int) -> float:
        return min(1 / sqrt(step), step / sqrt(steps**3))

    assert rates == pytest.approx([LR * paper(t + 1) / paper(steps) for t in range(41)])
    assert max(rates) == rates[warmup] == LR
    assert rates[4 * steps - 1] == pytest.approx(LR / 2)
    assert rates[40] == pytest.approx(LR * sqrt(steps / 41))


TORCH: dict[str, Callable[[SGD], LRScheduler]] = {
    "step": lambda optimizer: StepLR(optimizer, 3, 0.5),
    "multistep": lambda optimizer: MultiStepLR(optimizer, [2, 3, 6], 0.1),
    "exponential": lambda optimizer: ExponentialLR(optimizer, 0.9),
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, 40, 0.1 * LR),
    "cosine to nothing": lambda optimizer: CosineAnnealingLR(optimizer, 40),
    "linear": lambda optimizer: LinearLR(optimizer, 1, 0.2, 40),
    # torch counts steps, 41 of them, and puts the peak at pct_start * 41 - 1; lr is LR at the peak, 0.04 LR at first
    "one_cycle": lambda optimizer: OneCycleLR(
        optimizer, LR, 41, pct_start=11 / 41, div_factor=25, final_div_factor=4, cycle_momentum=False
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_each_is_the_one_of_torch(name: str) -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    expected = _moved(optimizer, TORCH[name](optimizer), 40)
    build, settings, _ = FORMS[name]
    assert _rates(build(HORIZON, interval="step", warmup=0, **settings), 40) == pytest.approx(expected, rel=1e-9)


def test_polynomial_is_the_one_of_torch() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    expected = _moved(optimizer, PolynomialLR(optimizer, 40, 1.5), 45)
    ours = schedulers.polynomial(HORIZON, interval="step", warmup=0, power=1.5, final_fraction=0.0)
    assert _rates(ours, 45) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("name", ["cosine", "linear", "polynomial", "one_cycle"])
def test_what_ends_with_the_run_stays_there_beyond_it(name: str, warmup: int) -> None:
    build, settings, _ = FORMS[name]
    rates = _rates(build(HORIZON, interval="epoch", warmup=warmup, **settings), 20)
    assert rates[8:] == pytest.approx([LR * settings["final_fraction"]] * 13)
    assert rates[7] > 1.001 * rates[8]


PLATEAU_SETTINGS: dict[str, Any] = {"factor": 0.5, "patience": 1, "min_delta": 0.1}
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
    schedule = schedulers.plateau(mode, HORIZON, warmup=0, **PLATEAU_SETTINGS)
    assert schedule.moved_by == "metric"
    assert _rates(schedule, len(figures), figures)[1:] == pytest.approx([LR * 0.5**times for times in halved])


@pytest.mark.parametrize(("mode", "figures", "halved"), PLATEAU)
def test_plateau_does_not_count_the_figures_of_its_warm_up(mode: str, figures: list[float], halved: list[int]) -> None:
    schedule = schedulers.plateau(mode, HORIZON, warmup=3, **PLATEAU_SETTINGS)
    seen = [-100.0 if mode == "min" else 100.0] * 3 + figures  # the best of all would be in the warm-up
    rates = _rates(schedule, len(seen), seen)
    assert rates[:4] == pytest.approx([LR / 4, LR / 2, LR * 3 / 4, LR])
    assert rates[4:] == pytest.approx([LR * 0.5**times for times in halved])


def test_plateau_lowers_the_lowest_rate() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1e-9)
    scheduler = schedulers.plateau("min", HORIZON, warmup=0, **PLATEAU_SETTINGS).make(optimizer)
    assert _moved(optimizer, scheduler, 3, [1.0] * 3)[-1] == pytest.approx(5e-10)


def test_none_is_no_schedule() -> None:
    assert schedulers.none() is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(("interval", "warmup", "length"), [("step", 40, "40 steps"), ("epoch", 9, "8 epochs")])
@pytest.mark.parametrize("name", [*FORMS, "inverse_sqrt"])
def test_a_warm_up_is_shorter_than_the_run(name: str, interval: str, warmup: int, length: str) -> None:
    build, settings = _named(name)
    with pytest.raises(ConfigError, match=rf"scheduler\.warmup={warmup} must be below .* {length}; lower it"):
        build(HORIZON, interval=interval, warmup=warmup, **settings)
    build(HORIZON, interval=interval, warmup=TOTAL[interval] - 1, **settings)


def test_the_warm_up_of_plateau_is_shorter_than_the_run() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.warmup=1 must be below .* 1 epoch; lower it"):
        schedulers.plateau("min", Horizon(steps=40, epochs=1), warmup=1, **PLATEAU_SETTINGS)


@pytest.mark.parametrize("milestones", [[3, 2], [2, 2], [1, 5, 4]])
def test_milestones_ascend(milestones: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.milestones=\[\d, \d.*\] must ascend"):
        schedulers.multistep(HORIZON, interval="epoch", warmup=0, milestones=milestones, gamma=0.1)


def _resumed(schedule: Schedule, lr: float, state: dict[str, object]) -> tuple[SGD, LRScheduler | ReduceLROnPlateau]:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule.make(optimizer)
    scheduler.load_state_dict(state)
    return optimizer, scheduler


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("before", [2, 5])
@pytest.mark.parametrize("name", [*FORMS, "inverse_sqrt"])
def test_a_resumed_schedule_goes_on_with_the_same_rates(name: str, before: int, warmup: int) -> None:
    build, settings = _named(name)
    schedule = build(HORIZON, interval="epoch", warmup=warmup, **settings)
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = schedule.make(optimizer)
    _moved(optimizer, scheduler, before)
    assert scheduler.state_dict() == {"last_epoch": before}
    resumed = _moved(*_resumed(schedule, LR, scheduler.state_dict()), 8 - before)
    assert resumed == _rates(schedule, 8)[before:]


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("before", [1, 3, 6])
def test_a_resumed_plateau_goes_on_with_the_same_rates(before: int, warmup: int) -> None:
    schedule = schedulers.plateau("min", HORIZON, warmup=warmup, **PLATEAU_SETTINGS)
    figures = [1.0, 0.5, 0.5, 0.2, 0.2, 0.15, 0.2, 0.2, 0.2, 0.2]
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = schedule.make(optimizer)
    _moved(optimizer, scheduler, before, figures)
    resumed = _moved(*_resumed(schedule, LR, scheduler.state_dict()), 10 - before, figures[before:])
    whole = _rates(schedule, 10, figures)
    assert resumed == whole[before:]
    assert whole[-1] < LR


@pytest.mark.parametrize("lr", [LR, 3 * LR])
def test_a_resumed_schedule_follows_the_settings_of_now(lr: float) -> None:
    short = schedulers.cosine(HORIZON, interval="epoch", warmup=0, final_fraction=0)
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = short.make(optimizer)
    _moved(optimizer, scheduler, 6)
    longer = schedulers.cosine(Horizon(steps=80, epochs=16), interval="epoch", warmup=0, final_fraction=0)
    rates = _moved(*_resumed(longer, lr, scheduler.state_dict()), 1)
    assert rates == pytest.approx([lr * (1 + cos(pi * t / 16)) / 2 for t in (6, 7)])


def _plateau_state(warmup: int, epochs: int) -> dict[str, object]:
    """After so many epochs of the same figure."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = schedulers.plateau("min", HORIZON, warmup=warmup, **PLATEAU_SETTINGS).make(optimizer)
    _moved(optimizer, scheduler, epochs, [1.0] * epochs)
    return scheduler.state_dict()


def test_a_resumed_plateau_remembers_what_it_saw_and_takes_the_settings_of_now() -> None:
    state = _plateau_state(warmup=0, epochs=4)  # the best, one bad epoch, a second that halves, one bad epoch more
    for patience, factor, expected in ((1, 0.5, LR / 4), (1, 0.1, LR / 20), (9, 0.5, LR / 2)):
        changed = schedulers.plateau("min", HORIZON, warmup=0, factor=factor, patience=patience, min_delta=0.0)
        rates = _moved(*_resumed(changed, LR, state), 1, [1.0])
        assert rates == pytest.approx([LR / 2, expected])
    same = schedulers.plateau("min", HORIZON, warmup=0, **PLATEAU_SETTINGS)
    assert _moved(*_resumed(same, 3 * LR, state), 0) == pytest.approx([3 * LR])


def test_a_resumed_plateau_takes_the_warm_up_of_now() -> None:
    def first_rates(state: dict[str, object], warmup: int, lr: float = LR) -> list[float]:
        schedule = schedulers.plateau("min", HORIZON, warmup=warmup, **PLATEAU_SETTINGS)
        return _moved(*_resumed(schedule, lr, state), 2, [0.0, 0.0])

    in_warm_up = _plateau_state(warmup=5, epochs=2)
    assert first_rates(in_warm_up, 5) == pytest.approx([LR * share / 6 for share in (3, 4, 5)])
    assert first_rates(in_warm_up, 3) == pytest.approx([LR * 3 / 4, LR, LR])
    assert first_rates(in_warm_up, 0) == pytest.approx([LR, LR, LR])
    assert first_rates(in_warm_up, 5, lr=2 * LR) == pytest.approx([2 * LR * share / 6 for share in (3, 4, 5)])
    halved = _plateau_state(warmup=0, epochs=3)
    assert first_rates(halved, 5) == pytest.approx([LR / 2 * share / 6 for share in (4, 5, 6)])
