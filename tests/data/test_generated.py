"""Sequences made by a rule: what is known of them holds."""

from math import asin, pi

import pytest
import torch

from conftest import Run
from paribus.data.generated import adding_problem, neighbours, sine_waves
from paribus.data.loader import Fold, Loading
from paribus.data.spec import BinarySpec, ForecastSpec
from paribus.errors import ConfigError

LOADING = Loading(seed=0, batch_size=10, steps_per_execution=1)
SIZES = {"train_size": 5000, "validation_size": 20, "test_size": 30}


def test_the_two_marked_numbers_add_up_to_the_target() -> None:
    split = adding_problem(LOADING, length=11, **SIZES).raw("train")
    numbers, marks = split.inputs.unbind(2)
    assert split.inputs.shape == (5000, 11, 2) and set(marks.unique().tolist()) == {0.0, 1.0}
    assert (marks[:, :5].sum(1) == 1).all() and (marks[:, 5:].sum(1) == 1).all()  # one in each half
    assert (marks.sum(0) > 0).all()  # and at every step of it
    torch.testing.assert_close((numbers * marks).sum(1), split.targets)
    assert numbers.min() >= 0 and numbers.max() < 1
    error = (split.targets - 1).square()
    assert error.mean().item() == pytest.approx(1 / 6, abs=5 * error.std().item() / 5000**0.5)


def test_a_wave_follows_from_its_three_numbers() -> None:
    data = sine_waves(LOADING, length=8, **SIZES)
    split, spec = data.raw("test"), data.spec
    assert isinstance(spec, ForecastSpec) and spec.target_shape == (8, 1) and spec.num_values == 8
    for (amplitude, frequency, phase), wave in zip(split.inputs.double(), split.targets.double(), strict=True):
        steps = torch.arange(8, dtype=torch.float64) / 8
        expected = amplitude * torch.sin(2 * torch.pi * (frequency * steps + phase))
        torch.testing.assert_close(wave[:, 0], expected, atol=1e-5, rtol=0)
        assert 1 <= frequency <= 4


def test_a_step_is_positive_where_it_and_its_neighbours_sum_to_more_than_nothing() -> None:
    data = neighbours(LOADING, length=5, **SIZES)
    split, spec = data.raw("val"), data.spec
    assert isinstance(spec, BinarySpec) and spec.is_aligned and spec.class_names == ("negative", "positive")
    assert split.inputs.shape == (20, 5, 1) and split.targets.shape == (20, 5)
    for numbers, found in zip(split.inputs[..., 0].tolist(), split.targets.tolist(), strict=True):
        assert found == [int(sum(numbers[max(0, step - 1) : step + 2]) > 0) for step in range(5)]


def test_reading_from_the_left_alone_is_right_as_often_as_theory_says() -> None:
    """Two normal sums have the same sign with 1/2 + arcsin(correlation) / pi; what is not yet read adds nothing."""
    split = neighbours(LOADING, length=12, **{**SIZES, "train_size": 20_000}).raw("train")
    numbers, targets = split.inputs[..., 0], split.targets
    assert numbers.mean().item() == pytest.approx(0, abs=5 / numbers.numel() ** 0.5)
    assert numbers.std().item() == pytest.approx(1, rel=5 / (2 * numbers.numel()) ** 0.5)
    guesses = numbers.clone()
    guesses[:, 1:] += numbers[:, :-1]
    right = ((guesses > 0).long() == targets).double().mean(0)  # of each step
    within = 0.5 + asin((2 / 3) ** 0.5) / pi
    assert within == pytest.approx(0.804, abs=5e-4)
    assert right[0].item() == pytest.approx(0.5 + asin(0.5**0.5) / pi, abs=5 * 0.5 / 20_000**0.5)
    for share in right[1:-1].tolist():
        assert share == pytest.approx(within, abs=5 * 0.4 / 20_000**0.5)
    assert right[-1] == 1  # there is nothing after it


@pytest.mark.parametrize("direction", ["false", "true"])
def test_a_recurrent_network_tags_neighbours(paribus: Run, direction: str) -> None:
    plain = ("experiment=null", "data=neighbours", "logger=none", "figures=false", "trainer=cpu")
    model = ("model=lstm", "model.hidden_size=16", f"model.is_bidirectional={direction}")
    code, out, err = paribus("check", *plain, *model)
    assert (code, err) == (0, "") and "train 1000, val 200, test 500" in out
    code, _, err = paribus("train", *plain, *model, "trainer.max_epochs=1")
    assert (code, err) == (0, "")


@pytest.mark.parametrize("build", [adding_problem, neighbours, sine_waves])
def test_generated_data_follows_from_the_seed(build: object) -> None:
    assert callable(build)
    first, again = build(LOADING, length=6, **SIZES), build(LOADING, length=6, **SIZES)
    other = build(Loading(1, 10, 1), length=6, **SIZES)
    assert first.fingerprint == again.fingerprint
    assert all(first.fingerprint[name] != other.fingerprint[name] for name in ("train", "val", "test"))
    alike = build(LOADING, length=6, train_size=20, validation_size=20, test_size=20)
    assert not torch.equal(alike.raw("val").inputs, alike.raw("test").inputs)  # no split is part of another
    half = build(Loading(0, 10, 1, train_fraction=0.5), length=6, **SIZES)
    assert half.num_rows("train") == 2500 and half.fingerprint["test"] == first.fingerprint["test"]
    with pytest.raises(ConfigError, match="cross_validation=3: generated data has no rows"):
        build(Loading(0, 10, 1, fold=Fold(1, 3)), length=6, **SIZES)
