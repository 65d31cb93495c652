"""Every pair of choices trains for two steps with a finite loss, or is refused with one line."""

import inspect
import itertools
from math import isfinite

import pytest
import torch

from paribus import composition, config, parts
from paribus.building import build_data, build_task
from paribus.data.module import TensorData
from paribus.data.spec import BinarySpec, ClassificationSpec, DataSpec, RegressionSpec
from paribus.errors import ConfigError
from paribus.experiment import prepare_torch
from paribus.tasks.task import Task

REGULARIZATIONS = (
    "l1=0.01",
    "l2=0.01",
    "max_norm=1",
    "dropout=0.3",
    "spatial_dropout=0.3",
    "normalization=batch",
    "normalization=layer",
    "normalization=group",
    "normalization=instance",
    "label_smoothing=0.1",
    "gradient_clip=1",
    "gradient_clip_value=1",
    "input_noise=0.1",
    "gradient_noise=0.1",
)
# Small data of each kind, on which each loss finds one that it is for.
DATA = {ClassificationSpec: "digits", BinarySpec: "breast_cancer", RegressionSpec: "diabetes"}
PLAIN = ("experiment=null", "trainer=cpu", "logger=none", "data.batch_size=64", "trainer.max_epochs=30")
Choices = dict[str, str]  # factor -> what is typed
Pair = tuple[tuple[str, str], tuple[str, str]]


def _fitting(kind: type[DataSpec]) -> list[str]:
    """Losses for a kind of data; of those for two classes only what is not the same for three."""
    takes = {
        option: inspect.signature(part.load(), eval_str=True).parameters["spec"].annotation
        for option, part in parts.by_option("loss", None).items()
    }
    if kind is BinarySpec:
        return [option for option, spec in takes.items() if spec is BinarySpec or "hinge" in option]
    return [option for option, spec in takes.items() if issubclass(kind, spec)]


def _options(group: str) -> list[str]:
    return [f"{group}={name}" for name in parts.options(group, None)]


def _factors() -> dict[str, list[str]]:
    found = {group: _options(group) for group in ("activation", "optimizer", "scheduler", "initializer")}
    found["model"] = ["model=mlp", "model=digits_cnn"]
    found["regularization"] = ["", *(f"regularization.{setting}" for setting in REGULARIZATIONS)]
    found["loss"] = [f"data={data} loss={option}" for kind, data in DATA.items() for option in _fitting(kind)]
    return found


def _pairs(choices: Choices) -> set[Pair]:
    return set(itertools.combinations(sorted(choices.items()), 2))


def _fill(pair: Pair, factors: dict[str, list[str]], missing: set[Pair], refused: set[Pair]) -> Choices | None:
    """A choice for each factor, around one pair: each the one that adds the most missing pairs, and none refused.

    None where no model goes with both.
    """
    chosen = dict(pair)
    for name in sorted(set(factors) - set(chosen), key=lambda name: (name != "model", -len(factors[name]))):
        new = {option: _pairs({**chosen, name: option}) - _pairs(chosen) for option in factors[name]}
        fitting = [option for option in factors[name] if not new[option] & refused]
        if not fitting:
            assert name == "model", f"no {name} goes with {chosen}"
            return None
        chosen[name] = max(fitting, key=lambda option, new=new: len(new[option] & missing))  # type: ignore[misc]
    return chosen


def _typed(choices: Choices) -> list[str]:
    loss = choices.get("loss", "data=digits loss=cross_entropy")
    model = "model=digits_cnn" if "data=digits" in loss else "model=mlp"
    words = " ".join({"loss": loss, "model": model, **choices}.values()).split()
    return [*PLAIN, *words, *(["scheduler.milestones=[2,4]"] if "scheduler=multistep" in words else [])]


_DATA: dict[str, TensorData] = {}


def _task(choices: Choices) -> tuple[Task, TensorData]:
    checked = config.check(composition.compose(_typed(choices)))
    if checked.notes:
        raise ConfigError(checked.notes[0])
    prepare_torch(checked)
    key = f"{checked['data'].part.name} {checked['optimizer'].part.name == 'gd'}"
    if key not in _DATA:
        _DATA[key] = build_data(checked)
    return build_task(checked, _DATA[key]), _DATA[key]


def _train_two_steps(task: Task, data: TensorData) -> list[float]:
    optimizer = task.make_optimizer(task.model.parameters())
    schedule = task._schedule.make(optimizer) if task._schedule else None
    losses: list[float] = []
    batches = data.train_dataloader().batches()
    for step, (inputs, targets) in enumerate(itertools.islice(batches, 2)):

        def closure(inputs: torch.Tensor = inputs, targets: torch.Tensor = targets, step: int = step) -> torch.Tensor:
            optimizer.zero_grad()
            outputs = task(task._regularization.noisy(inputs, step, 0))
            penalties = task._regularization.penalties(task._weights).values()
            loss = task.loss(outputs, targets) + sum(penalties, torch.zeros(()))
            loss.backward()
            task._regularization.change_gradients(list(task.model.parameters()), step)
            losses.append(float(loss.detach()))
            return loss

        optimizer.step(closure)
        task._regularization.limit(task._weights)
        if schedule is not None and task._schedule is not None and task._schedule.moved_by == "step":
            schedule.step()
    assert all(bool(weight.isfinite().all()) for weight in task.model.parameters())
    return losses


def _refused_in(choices: Choices, trained: set[Pair]) -> Pair | None:
    """A pair that is refused by itself, with one line."""
    for pair in sorted(_pairs(choices) - trained, reverse=True):
        try:
            _task(dict(pair))
        except ConfigError as error:
            assert len(str(error).splitlines()) == 1
            return pair
    return None


def test_every_pair_of_choices_trains_or_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    factors = _factors()
    trained, refused, runs = set[Pair](), set[Pair](), 0
    missing = {
        pair
        for one, other in itertools.combinations(sorted(factors), 2)
        for pair in itertools.product(*([(name, option) for option in factors[name]] for name in (one, other)))
    }
    total = len(missing)
    while missing:
        pair = min(missing)
        choices = _fill(pair, factors, missing, refused)
        if choices is None:
            refused.add(pair)
            missing.remove(pair)
            continue
        try:
            task, data = _task(choices)
        except ConfigError as error:
            refused_pair = _refused_in(choices, trained)
            assert refused_pair, f"no two of {choices} are to blame: {error}"
            refused.add(refused_pair)
            missing.remove(refused_pair)
            continue
        losses = _train_two_steps(task, data)
        assert all(isfinite(loss) for loss in losses), (choices, losses)
        trained |= _pairs(choices)
        missing -= trained
        runs += 1
    with capsys.disabled():
        print(f"\n{len(trained)} pairs of choices trained in {runs} runs; {len(refused)} pairs refused")
    assert len(trained) + len(refused) == total and not trained & refused
