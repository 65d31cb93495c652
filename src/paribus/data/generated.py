"""Sequences made by a rule, for what is known of them in theory. Shapes: N examples, T steps."""

import torch
from torch import Tensor

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.spec import Column, DataSpec, ForecastSpec, RegressionSpec
from paribus.data.splitting import share
from paribus.errors import ConfigError
from paribus.seeding import derive
from paribus.types import SampleCount, SequenceLength

FREQUENCIES = 1.0, 4.0  # of sine waves: whole periods in a sequence


def adding_problem(
    loading: Loading,
    *,
    length: SequenceLength,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
) -> TensorData:
    """The sum of two marked numbers among many: how far back a network remembers (Hochreiter & Schmidhuber 1997, 5.4).

    Inputs (N, T, 2): a number from 0 to 1, and 1 at two steps, one in each half, else 0. As in Le et al. 2015 all
    sequences are of one length, and the target is the sum itself. Guessing its mean, 1, has a squared error of 1/6.
    """
    sizes = {"train": train_size, "val": validation_size, "test": test_size}
    made = {name: _sums(size, length, _generator(loading, name)) for name, size in sizes.items()}
    return _generated(made, RegressionSpec((length, 2), "sum", 0.0, 1.0), loading)


def sine_waves(
    loading: Loading,
    *,
    length: SequenceLength,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
) -> TensorData:
    """A wave drawn from three numbers, one vector to many steps: (N, 3) amplitude, frequency and phase -> (N, T, 1)."""
    sizes = {"train": train_size, "val": validation_size, "test": test_size}
    made = {name: _waves(size, length, _generator(loading, name)) for name, size in sizes.items()}
    change = float(made["train"][1].diff(dim=1).abs().mean())
    spec = ForecastSpec((3,), (Column("height", 0.0, 1.0, None, change),), length, 0, in_standard_units=False)
    return _generated(made, spec, loading)


def _generator(loading: Loading, split: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive(loading.seed, "generated", split))


def _sums(size: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    numbers = torch.rand(size, length, generator=generator)
    half = length // 2
    places = torch.stack(
        [
            torch.randint(0, half, (size,), generator=generator),
            torch.randint(half, length, (size,), generator=generator),
        ],
        1,
    )
    marks = torch.zeros(size, length).scatter_(1, places, 1.0)
    return torch.stack([numbers, marks], 2), numbers.gather(1, places).sum(1)


def _waves(size: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    amplitude, share, phase = torch.rand(3, size, generator=generator)
    low, high = FREQUENCIES
    frequency = low + (high - low) * share
    steps = torch.arange(length) / length
    angles = 2 * torch.pi * (frequency[:, None] * steps + phase[:, None])
    return torch.stack([amplitude, frequency, phase], 1), (amplitude[:, None] * angles.sin())[..., None]


def _generated(made: dict[str, tuple[Tensor, Tensor]], spec: DataSpec, loading: Loading) -> TensorData:
    if loading.fold is not None:
        raise ConfigError(f"cross_validation={loading.fold.count}: generated data has no rows to share out among folds")
    splits = {name: Split(*tensors) for name, tensors in made.items()}
    rows = share(None, torch.arange(len(splits["train"])), loading)
    splits["train"] = Split(splits["train"].inputs[rows], splits["train"].targets[rows])
    return TensorData(splits, spec, loading, scaling_kind="none")
