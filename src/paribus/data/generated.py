"""Sequences made by a rule, for what is known of them in theory. Shapes: N examples, T steps."""

import torch
from torch import Tensor
from torch.nn import functional as F

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.spec import ClassificationSpec, Column, DataSpec, ForecastSpec, RegressionSpec, classification_spec
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
    made = {name: _sums(size, length, generator(loading, name)) for name, size in sizes.items()}
    return generated(made, RegressionSpec((length, 2), "sum", 0.0, 1.0), loading)


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
    made = {name: _waves(size, length, generator(loading, name)) for name, size in sizes.items()}
    change = float(made["train"][1].diff(dim=1).abs().mean())
    spec = ForecastSpec((3,), (Column("height", 0.0, 1.0, None, change),), length, 0, in_standard_units=False)
    return generated(made, spec, loading)


def neighbours(
    loading: Loading,
    *,
    length: SequenceLength,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
) -> TensorData:
    """Whether a number, the one before and the one after sum to more than 0, at each step: (N, T, 1) -> (N, T).

    The numbers are standard normal, and 0 beyond the ends. What reads from the left alone lacks one of the three: its
    best guess, the sign of the other two, is right with 1/2 + arcsin(sqrt(2/3)) / pi = 0.804 (two normal variables have
    the same sign with 1/2 + arcsin(correlation) / pi), with 3/4 at the first step, and always at the last.
    """
    sizes = {"train": train_size, "val": validation_size, "test": test_size}
    made = {name: _signs_of_sums(size, length, generator(loading, name)) for name, size in sizes.items()}
    return generated(made, classification_spec((length, 1), ("negative", "positive"), is_aligned=True), loading)


def generator(loading: Loading, name: str) -> torch.Generator:
    """The random numbers of one split, or of what else bears a name."""
    return torch.Generator().manual_seed(derive(loading.seed, "generated", name))


def generated(made: dict[str, tuple[Tensor, Tensor]], spec: DataSpec, loading: Loading) -> TensorData:
    """Inputs and targets of "train", "val" and "test" as they are, but for the share of training rows that is left out.

    Raises ConfigError for folds.
    """
    if loading.fold is not None:
        raise ConfigError(f"cross_validation={loading.fold.count}: generated data has no rows to share out among folds")
    splits = {name: Split(*tensors) for name, tensors in made.items()}
    has_classes = isinstance(spec, ClassificationSpec) and not spec.is_aligned
    labels = splits["train"].targets if has_classes else None
    rows = share(labels, torch.arange(len(splits["train"])), loading)
    splits["train"] = Split(splits["train"].inputs[rows], splits["train"].targets[rows])
    return TensorData(splits, spec, loading, scaling_kind="none")


def _sums(size: int, length: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    numbers = torch.rand(size, length, generator=draws)
    half = length // 2
    places = torch.stack(
        [
            torch.randint(0, half, (size,), generator=draws),
            torch.randint(half, length, (size,), generator=draws),
        ],
        1,
    )
    marks = torch.zeros(size, length).scatter_(1, places, 1.0)
    return torch.stack([numbers, marks], 2), numbers.gather(1, places).sum(1)


def _waves(size: int, length: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    amplitude, share, phase = torch.rand(3, size, generator=draws)
    low, high = FREQUENCIES
    frequency = low + (high - low) * share
    steps = torch.arange(length) / length
    angles = 2 * torch.pi * (frequency[:, None] * steps + phase[:, None])
    return torch.stack([amplitude, frequency, phase], 1), (amplitude[:, None] * angles.sin())[..., None]


def _signs_of_sums(size: int, length: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    numbers = torch.randn(size, length, generator=draws)
    before, after = F.pad(numbers, (1, 0))[:, :-1], F.pad(numbers, (0, 1))[:, 1:]
    return numbers[..., None], (before + numbers + after > 0).long()
