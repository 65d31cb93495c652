"""A model of one's own: logistic regression with products of features. Shapes: B batch, F features, R rank."""

from math import prod

from torch import Tensor, nn

from paribus.data.spec import DataSpec
from paribus.types import PositiveInt


class Quadratic(nn.Module):
    """(B, *input_shape) -> (B, num_outputs): W x + V (U x)^2, as in factorization machines (Rendle 2010, eq. 1)."""

    def __init__(self, num_features: int, num_outputs: int, rank: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, num_outputs)
        self.factors = nn.Linear(num_features, rank, bias=False)
        self.products = nn.Linear(rank, num_outputs, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, or values in standard units."""
        flat = inputs.flatten(1)
        outputs: Tensor = self.linear(flat) + self.products(self.factors(flat).square())
        return outputs


def quadratic(spec: DataSpec, num_outputs: int, *, rank: PositiveInt) -> nn.Module:
    """It asks for no activation, so that choosing one beside it is an error."""
    return Quadratic(prod(spec.input_shape), num_outputs, rank)
