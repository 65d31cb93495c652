"""Points and pictures made by a rule. Shapes: N examples, F features, S pixels a side."""

import torch
from torch import Tensor
from torch.nn import functional as F

from paribus.data.generated import generated, generator
from paribus.data.loader import Loading
from paribus.data.module import TensorData
from paribus.data.spec import RegressionSpec, classification_spec
from paribus.errors import ConfigError
from paribus.types import NonNegativeFloat, PositiveFloat, PositiveInt, Probability, SampleCount

CENTRES = (1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)  # round the square: of every second one the signs differ
CORNERS = "top left", "top right", "bottom left", "bottom right"


def xor(
    loading: Loading,
    *,
    noise: NonNegativeFloat,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
) -> TensorData:
    """Exclusive or: clouds around (+-1, +-1), and whether the signs of the centre differ (Minsky & Papert 1969).

    Inputs (N, 2), normal around the centres with deviation `noise`. Each centre comes as often as any other, as far as
    the size divides. A line can get at most 3/4 right.
    """
    sizes = {"train": train_size, "val": validation_size, "test": test_size}
    made = {name: _clouds(size, noise, generator(loading, name)) for name, size in sizes.items()}
    return generated(made, classification_spec((2,), ("equal", "different")), loading)


def outliers(
    loading: Loading,
    *,
    features: PositiveInt,
    noise: NonNegativeFloat,
    outlier_share: Probability,
    outlier_size: PositiveFloat,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
) -> TensorData:
    """A plane, and targets far above it: standard normal inputs (N, F), targets w.x + normal noise, w of length 1.

    A share of the training and validation targets is `outlier_size` too high, as from a broken sensor; the test's are
    not, so that its errors are against what is right. Other settings of the outliers leave all else as it was.
    """
    weights = F.normalize(torch.randn(features, generator=generator(loading, "weights")), dim=0)
    sizes = {"train": train_size, "val": validation_size, "test": test_size}
    made = {}
    for name, size in sizes.items():
        draws = generator(loading, name)
        inputs, targets = _on_plane(size, weights, noise, draws)
        wrong = _some(size, 0.0 if name == "test" else outlier_share, draws)
        made[name] = inputs, targets + outlier_size * wrong
    return generated(made, RegressionSpec((features,), "height", 0.0, 1.0), loading)


def corner_marks(
    loading: Loading,
    *,
    size: PositiveInt,
    strength: NonNegativeFloat,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
) -> TensorData:
    """Pictures (N, 1, S, S) of standard normal noise, with `strength` added to the pixel in one corner: the class.

    A convolution without padding sees that pixel in one window only. The best guess is the corner with the largest
    value; it is right with the integral of phi(z - strength) Phi(z)^3 over z. Classes are as even as the size allows.
    Raises ConfigError for pictures of one pixel.
    """
    if size == 1:
        raise ConfigError("data.size=1: all four corners are the same pixel; use 2 or more")
    sizes = {"train": train_size, "val": validation_size, "test": test_size}
    made = {name: _marked(count, size, strength, generator(loading, name)) for name, count in sizes.items()}
    return generated(made, classification_spec((1, size, size), CORNERS), loading)


def _clouds(size: int, noise: float, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    centres = torch.arange(size) % len(CENTRES)
    return torch.tensor(CENTRES)[centres] + noise * torch.randn(size, 2, generator=draws), centres % 2


def _on_plane(size: int, weights: Tensor, noise: float, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(size, len(weights), generator=draws)
    return inputs, (inputs * weights).sum(1) + noise * torch.randn(size, generator=draws)


def _some(size: int, share: float, draws: torch.Generator) -> Tensor:
    """(N,) with 1 at a share of the rows, drawn at random, else 0."""
    chosen = torch.randperm(size, generator=draws)[: round(share * size)]
    return torch.zeros(size).index_fill_(0, chosen, 1.0)


def _marked(count: int, size: int, strength: float, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    pictures = torch.randn(count, 1, size, size, generator=draws)
    corners = torch.arange(count) % len(CORNERS)
    rows, columns = corners // 2 * (size - 1), corners % 2 * (size - 1)
    pictures[torch.arange(count), 0, rows, columns] += strength
    return pictures, corners
