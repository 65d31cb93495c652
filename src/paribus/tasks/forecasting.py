"""Forecasting. Shapes: B batch, N examples, H horizon (or steps, where each has a target), K columns."""

from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics import MeanSquaredError, MetricCollection

from paribus.data.module import TensorData
from paribus.data.spec import ForecastSpec
from paribus.tasks.task import Task


class Forecasting(Task):
    """Errors of forecasts, beside those of forecasts that need no learning."""

    spec: ForecastSpec

    def flat(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """outputs (B, H * K) or (B, H, K), targets (B, H, K) -> (B * H * K, 1), (B * H * K,)."""
        return outputs.reshape(-1, self.loss.num_outputs), targets.reshape(-1)

    def metrics(self, stage: str) -> MetricCollection:
        """The same for every stage."""
        return MetricCollection({"mse": MeanSquaredError()})

    def readable(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """-> both (N, H, K)."""
        return outputs.view(-1, *self.spec.target_shape), targets.view(-1, *self.spec.target_shape)

    def figures(self, run: str, data: TensorData) -> dict[str, Figure]:
        """None yet."""
        return {}
