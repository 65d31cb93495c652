"""Regression. Shapes: B batch. Metrics and figures are in the target's own units, losses in standard units."""

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection, R2Score

from paribus import figures
from paribus.data.module import TensorData
from paribus.data.spec import RegressionSpec
from paribus.tasks.task import Task


class Regression(Task):
    """MSE, RMSE, MAE and R2."""

    spec: RegressionSpec

    def metrics(self, stage: str) -> MetricCollection:
        """The same for every stage."""
        return MetricCollection(
            {
                "mse": MeanSquaredError(),
                "rmse": MeanSquaredError(squared=False),
                "mae": MeanAbsoluteError(),
                "r2": R2Score(),
            },
            compute_groups=False,
        ).set_dtype(torch.float64)  # sums of squares far from zero lose all their digits in float32

    def readable(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """outputs (B, 1), targets (B,) in standard units -> both (B,) in the target's own units."""
        scale, mean = self.spec.target_scale, self.spec.target_mean
        return outputs.squeeze(1).double() * scale + mean, targets.double() * scale + mean

    def figures(self, run: str, data: TensorData) -> dict[str, Figure]:
        """Predicted against true."""
        drawn = figures.predicted_against_true(*self.test_results(), self.spec.target_name, run=run)
        return {"predicted_against_true": drawn}
