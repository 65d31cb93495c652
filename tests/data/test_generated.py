import pytest
import torch

from paribus.data.generated import adding_problem, sine_waves
from paribus.data.loader import Fold, Loading
from paribus.data.spec import ForecastSpec
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


@pytest.mark.parametrize("build", [adding_problem, sine_waves])
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
