"""A loss of one's own."""

from torch import Tensor

from paribus.data.spec import RegressionSpec
from paribus.losses import Loss
from paribus.types import PositiveFloat


def lopsided_mse(spec: RegressionSpec, *, factor: PositiveFloat) -> Loss:
    """Squared error, `factor` times where the output is too low."""

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        errors = outputs.squeeze(1) - targets
        return ((errors < 0) * (factor - 1) + 1).mul(errors.square()).mean()

    return Loss(1, function)
