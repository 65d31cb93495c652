"""Measures against closed forms, on planted networks and on real runs as small as can be."""

import json
from collections.abc import Callable, Iterator
from math import log10
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from planted import study
from torch import Tensor, nn
from torch.nn import functional as F

from conftest import equal, weights
from paribus import parts
from paribus.cli import main
from paribus.composition import compose
from paribus.config import check
from paribus.errors import ConfigError
from paribus.runs import read
from paribus.studies.measured import SAMPLE, Measured
from paribus.studies.measures import fits, progress, signals
from paribus.studies.measuring import NotMeasurable, measures
from paribus.tasks.task import Task

PLAIN = ("experiment=null", "model=mlp", "logger=none", "figures=false", "trainer=cpu", "trainer.max_epochs=1")
IRIS = (*PLAIN, "data=iris")  # 105 training rows of 4 features in 3 classes
STILL = ("optimizer=sgd", "optimizer.lr=1e-30", "initializer.bias=0.5")  # steps too small to change any weight

Plant = Callable[..., Measured]


def _measured(folder: Path, *overrides: str) -> Measured:
    """A run that has its config and nothing else."""
    folder.mkdir()
    (folder / "config.yaml").write_text(check(compose(overrides)).text)
    return Measured(read(folder), None)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """A run whose network has the weights and biases given at its start and at its end."""

    def plant(layers: dict[str, tuple[Any, Any]], *overrides: str) -> Measured:
        found = _measured(tmp_path / "run", *IRIS, *overrides)
        task = found.initial()
        for name, (weight, bias) in layers.items():
            layer = task.model.get_submodule(name)
            assert isinstance(layer, nn.Linear)
            nn.init.constant_(layer.bias, 0).data += torch.as_tensor(bias)
            layer.weight.data = torch.as_tensor(weight).expand(layer.weight.shape).clone()
        monkeypatch.setattr(found, "initial", lambda: task)
        monkeypatch.setattr(found, "last", lambda: task)
        return found

    return plant


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """The folder of a real run of one epoch, made once."""
    made: dict[tuple[str, ...], Path] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("trained"))

        def train(*overrides: str) -> Path:
            if overrides not in made:
                assert main(["train", *overrides]) == 0
                made[overrides] = max(
                    Path("outputs/runs").absolute().glob("*/*"), key=lambda each: each.stat().st_ctime
                )
            return made[overrides]

        yield train


# The run that measures see.


@pytest.mark.parametrize("seed", [0, 7])
def test_the_rebuilt_initial_weights_are_those_that_the_run_began_with(trained: Any, seed: int) -> None:
    folder = trained(*IRIS, *STILL, "initializer=he_normal", "regularization.dropout=0.5", f"seed={seed}")
    run = Measured(read(folder), None)
    assert equal(run.initial().state_dict(), weights(folder))
    assert equal(run.last().state_dict(), weights(folder))
    assert not equal(run.initial().state_dict(), weights(trained(*IRIS, "optimizer.lr=0.1")))


def test_the_last_weights_are_those_of_the_last_epoch(trained: Any) -> None:
    folder = trained(*IRIS, "optimizer.lr=0.1")
    run = Measured(read(folder), None)
    assert equal(run.last().state_dict(), weights(folder)) and not equal(run.initial().state_dict(), weights(folder))


def test_batches_are_those_of_each_stage_and_a_sample_is_of_training_rows(tmp_path: Path) -> None:
    run = _measured(tmp_path / "iris", *IRIS)
    counts = {stage: sum(len(targets) for _, targets in run.batches(stage)) for stage in ("train", "val", "test")}
    assert counts == {"train": 105, "val": 15, "test": 30}
    inputs, targets = run.sample()
    assert inputs.shape == (105, 4) and targets.shape == (105,)
    rows = torch.cat([inputs for inputs, _ in run.batches("train")])
    assert torch.equal(inputs, rows)
    inputs, targets = _measured(tmp_path / "digits", *PLAIN, "data=digits").sample()
    assert len(inputs) == len(targets) == SAMPLE
    steps = list(_measured(tmp_path / "steps", *IRIS, "trainer.accumulate_grad_batches=3").steps())
    assert [[len(targets) for _, targets in step] for step in steps] == [[16, 16, 16], [16, 16, 16], [9]]


# Signals and gradients.


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.1])
def test_activations_of_a_linear_stack_change_by_the_factor_of_each_layer(planted: Plant, factor: float) -> None:
    same = (factor * torch.eye(4), 0.0)
    layers = {f"dense{number}": same for number in (1, 2, 3)}
    run = planted(layers, "model.hidden_sizes=[4,4,4]", "activation=linear")
    size = float(run.sample()[0].square().mean().sqrt())
    found = signals.activations(run)
    assert found.keys() == {"1", "2", "3", "decades"}
    assert [found[name] for name in "123"] == pytest.approx([size * factor**number for number in (1, 2, 3)])
    assert found["decades"] == pytest.approx(2 * log10(factor), abs=1e-6)


def test_activations_are_measured_behind_the_activation(planted: Plant) -> None:
    run = planted({"dense1": (torch.eye(4), 0.0)}, "model.hidden_sizes=[4]", "activation=relu")
    inputs = run.sample()[0]
    assert signals.activations(run) == pytest.approx(
        {"1": float(inputs.clamp(min=0).square().mean().sqrt()), "decades": 0.0}
    )


def test_gradients_of_two_layers_are_those_of_the_chain_rule(planted: Plant) -> None:
    """With h = V x and p = softmax(W h): dL/dW = (p - y)^T h / N and dL/dV = W^T (p - y)^T x / N."""
    draws = torch.Generator().manual_seed(0)
    first, second = torch.randn(5, 4, generator=draws), torch.randn(3, 5, generator=draws)
    run = planted({"dense1": (first, 0.0), "output": (second, 0.0)}, "model.hidden_sizes=[5]", "activation=linear")
    inputs, targets = run.sample()
    hidden = inputs @ first.T
    wrong = (hidden @ second.T).softmax(1) - F.one_hot(targets, 3)
    sizes = [_rms(second.T @ wrong.T @ inputs / 105), _rms(wrong.T @ hidden / 105)]
    found = signals.gradients(run)
    assert found == pytest.approx({"1": sizes[0], "2": sizes[1], "decades": log10(sizes[0] / sizes[1])}, rel=1e-4)


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def test_a_gradient_of_zero_has_decades_too(planted: Plant) -> None:
    zeros = {"dense1": (0.0, 0.0), "output": (0.0, 0.0)}
    found = signals.gradients(planted(zeros, "model.hidden_sizes=[5]", "activation=relu"))
    assert found == {"1": 0, "2": 0, "decades": 0}


@pytest.mark.parametrize(
    ("activation", "biases", "share"),
    [
        ("relu", [-1000.0] * 5, 1.0),
        ("relu", [-1000.0, 10.0, -1000.0, 10.0, 10.0], 0.4),
        ("leaky_relu", [-1000.0] * 5, 0.0),
        ("sigmoid", [-1000.0] * 5, 1.0),
    ],
)
def test_units_are_dead_where_no_row_moves_them(
    planted: Plant, activation: str, biases: list[float], share: float
) -> None:
    run = planted({"dense1": (torch.ones(5, 4), biases)}, "model.hidden_sizes=[5]", f"activation={activation}")
    assert signals.dead_units(run) == pytest.approx({"share": share})


def test_dead_units_are_counted_over_all_hidden_layers(planted: Plant) -> None:
    layers = {"dense1": (torch.eye(4), 10.0), "dense2": (torch.ones(1, 4), -1000.0)}
    run = planted(layers, "model.hidden_sizes=[4,1]", "activation=relu")
    assert signals.dead_units(run) == pytest.approx({"share": 1 / 5})


def test_pixels_of_a_linear_map_pull_as_its_weights(planted: Plant) -> None:
    plane = torch.full((8, 8), 2.0)
    plane[1:-1, 1:-1] = 0.5
    signs = torch.tensor([[1.0], [-1.0]] * 5)
    run = planted({"output": (signs * plane.flatten(), 0.0)}, "data=digits", "model.hidden_sizes=[]")
    assert signals.pixels(run) == pytest.approx({"border_to_middle": 4.0})


# What was learned.


@pytest.mark.parametrize("stage", ["train", "test"])
def test_the_fit_is_that_of_all_rows_at_once_without_dropout(trained: Any, stage: str) -> None:
    folder = trained(*IRIS, "optimizer.lr=0.1", "model.hidden_sizes=[8]", "regularization.dropout=0.5")
    run, saved = Measured(read(folder), None), weights(folder)
    inputs, targets = (torch.cat(each) for each in zip(*run.batches(stage), strict=True))
    hidden = F.relu(inputs @ saved["model.dense1.weight"].T + saved["model.dense1.bias"])
    logits = hidden @ saved["model.output.weight"].T + saved["model.output.bias"]
    found = fits.gap(run)
    assert found[f"{stage}_loss"] == pytest.approx(float(F.cross_entropy(logits, targets)), rel=1e-5)
    assert found[f"{stage}_accuracy"] == pytest.approx(float((logits.argmax(1) == targets).float().mean()))
    assert found["loss"] == found["test_loss"] - found["train_loss"]
    assert found["accuracy"] == found["train_accuracy"] - found["test_accuracy"]


@pytest.mark.parametrize("data", ["iris", "breast_cancer", "diabetes"])
def test_the_fit_on_test_rows_is_what_the_run_measured_itself(trained: Any, data: str) -> None:
    loss = {"iris": "cross_entropy", "breast_cancer": "binary_cross_entropy", "diabetes": "mse"}[data]
    folder = trained(*PLAIN, f"data={data}", f"loss={loss}")
    stored = json.loads((folder / "metrics.json").read_text())
    found = fits.gap(Measured(read(folder), None))
    assert found["test_loss"] == pytest.approx(stored["test/loss"], rel=1e-5)
    assert ("accuracy" in found) == (data == "iris")
    if data == "iris":
        assert found["test_accuracy"] == pytest.approx(stored["test/accuracy"])


def test_weights_near_zero_are_counted_without_biases(planted: Plant) -> None:
    first = torch.tensor([[0.05, -0.05, 0.1, -0.1], [0.0, 0.2, -0.2, 3.0]])
    layers = {"dense1": (first, 0.0), "output": (torch.ones(3, 2), 0.0)}
    run = planted(layers, "model.hidden_sizes=[2]")
    assert fits.weights(run, below=0.1) == pytest.approx({"near_zero": 3 / 14})
    assert fits.weights(run, below=10.0) == {"near_zero": 1.0}


# How training went.

ROWS = [
    {"epoch": 1.0, "step": 7.0, "train/loss": 3.0, "val/accuracy": 0.4},
    {"epoch": 2.0, "step": 14.0, "train/loss": 1.0, "val/accuracy": 0.8},
    {"epoch": 3.0, "step": 21.0, "train/loss": 2.0, "val/accuracy": 0.7},
]


def _with_rows(rows: list[dict[str, float]]) -> Any:
    return SimpleNamespace(rows=rows)


@pytest.mark.parametrize(
    ("metric", "value", "epochs"),
    [
        ("train/loss", 3.0, 1),
        ("train/loss", 2.5, 2),
        ("train/loss", 0.9, 4),
        ("val/accuracy", 0.4, 1),
        ("val/accuracy", 0.75, 2),
        ("val/accuracy", 0.9, 4),
    ],
)
def test_reaching_counts_up_to_the_first_epoch_that_is_as_good(metric: str, value: float, epochs: int) -> None:
    assert progress.reaching(_with_rows(ROWS), metric=metric, value=value) == {"epochs": epochs, "steps": 7 * epochs}


def test_the_last_epoch_is_not_the_best() -> None:
    found = progress.last_epoch(_with_rows(ROWS), metrics=["train/loss", "val/accuracy"])
    assert found == {"train/loss": 2.0, "val/accuracy": 0.7}


def test_a_run_without_an_epoch_has_no_progress() -> None:
    with pytest.raises(NotMeasurable):
        progress.last_epoch(_with_rows([]), metrics=["train/loss"])
    with pytest.raises(NotMeasurable):
        progress.reaching(_with_rows([]), metric="train/loss", value=1.0)


@pytest.mark.parametrize(
    "whole", [("data.batch_size=105",), ("data.batch_size=35", "trainer.accumulate_grad_batches=3"), ("optimizer=gd",)]
)
def test_the_gradient_of_a_step_of_all_rows_has_no_noise(tmp_path: Path, whole: tuple[str, ...]) -> None:
    run = _measured(tmp_path / "run", *IRIS, *whole)
    assert progress.gradient_noise(run, steps=1) == pytest.approx({"relative": 0.0}, abs=1e-5)


@pytest.mark.parametrize(("steps", "counted"), [(2, 2), (99, 7)])
def test_gradient_noise_is_the_distance_of_steps_from_the_gradient_of_all_rows(
    tmp_path: Path, steps: int, counted: int
) -> None:
    run = _measured(tmp_path / "run", *IRIS)
    task, batches = run.initial(), list(run.batches("train"))
    assert [len(targets) for _, targets in batches] == [16] * 6 + [9]
    whole = _gradient(task, *(torch.cat(each) for each in zip(*batches, strict=True)))
    squares = [(_gradient(task, *batch) - whole).square().sum() for batch in batches[:counted]]
    known = float(torch.stack(squares).mean().sqrt() / whole.norm())
    assert progress.gradient_noise(run, steps=steps) == pytest.approx({"relative": known}, rel=1e-4)
    assert known > 0.1


def _gradient(task: Task, inputs: Tensor, targets: Tensor) -> Tensor:
    found = torch.autograd.grad(F.cross_entropy(task.model(inputs), targets), list(task.model.parameters()))
    return torch.cat([each.flatten() for each in found])


# Measures as parts.


@pytest.mark.parametrize("name", parts.functions("measure", None))
def test_a_measure_reads_a_run_and_says_what_it_gives(name: str) -> None:
    part = parts.function("measure", name, None)
    assert part is not None and dict(part.consumes) == {"run": "Measured"}
    assert (part.load().__doc__ or "").strip()


def test_measures_are_functions_that_no_yaml_names() -> None:
    known = parts.functions("measure", None)
    assert {"activations", "dead_units", "gap", "gradient_noise", "reaching"} <= set(known) and known == sorted(known)
    assert not any(name.startswith("_") for name in known)
    assert parts.find("measure", "gap", None) is None  # there is no YAML of it
    for name in ("_fit", "no_such", "Measured", "SMALLEST"):
        assert parts.function("measure", name, None) is None


def test_measures_of_ones_own_stand_beside_those_shipped(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    own = tmp_path / "studies" / "measures.py"
    own.write_text("def mine(run):\n    pass\n\n\ndef _not(run):\n    pass\n\n\nclass No:\n    pass\n")
    assert parts.functions("measure", tmp_path) == sorted([*parts.functions("measure", None), "mine"])
    found = parts.function("measure", "mine", tmp_path)
    assert found is not None and found.file == own and found.settings == {}
    assert parts.function("measure", "gap", tmp_path) == parts.function("measure", "gap", None)


def test_a_measure_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "measures.py").write_text("def gap(run):\n    pass\n")
    with pytest.raises(ConfigError, match=r"measure gap is defined twice, in .*fits\.py and .*measures\.py; rename"):
        parts.function("measure", "gap", tmp_path)


WRONG = [
    ({"gradient": {}}, "study mine: gradient is no measure; did you mean gradient"),
    ({"zebra": {}}, "study mine: zebra is no measure; choices: activations, "),
    ({"weights": {"blow": 0.1}}, "measures.weights.blow is not a setting of weights; did you mean below?"),
    ({"gap": {"below": 0.1}}, "measures.gap.below is not a setting of gap; it has: none"),
    ({"weights": {}}, "measures.weights.below is missing: give a number above 0"),
    ({"weights": {"below": 0}}, "measures.weights.below=0 must be a number above 0"),
    ({"reaching": {"metric": "val/loss", "value": "low"}}, "measures.reaching.value=low must be a number"),
]


@pytest.mark.parametrize(("asked", "said"), WRONG)
def test_a_wrong_measure_is_one_readable_error(asked: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        measures(study(measures=asked), None)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_figures_of_a_measure_bear_its_name(tmp_path: Path) -> None:
    run = _measured(tmp_path / "run", *IRIS, "model.hidden_sizes=[4,4]")
    (chosen,) = measures(study(measures={"activations": {}}), None)
    assert chosen.of(run).keys() == {"activations/1", "activations/2", "activations/decades"}


def test_a_run_that_diverged_before_its_first_epoch_ended_has_no_figures_of_its_end(tmp_path: Path) -> None:
    run = _measured(tmp_path / "run", *IRIS)
    asked = {"gap": {}, "dead_units": {}, "last_epoch": {"metrics": ["train/loss"]}, "gradients": {}}
    found = {each.part.name: each.of(run) for each in measures(study(measures=asked), None)}
    assert found["gap"] == found["dead_units"] == found["last_epoch"] == {} and found["gradients"]
