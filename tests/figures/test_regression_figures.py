import pytest
import torch
from drawn import regression
from sklearn.metrics import r2_score, root_mean_squared_error

from paribus import figures


@pytest.mark.parametrize("count", [50, 5000])
def test_regression_shows_every_example_and_the_errors(count: int) -> None:
    predicted, targets = regression(count)
    axes = figures.predicted_against_true(predicted, targets, "y").axes[0]
    r2, rmse = (line.split()[1] for line in axes.get_legend().get_title().get_text().splitlines())
    assert float(r2) == pytest.approx(r2_score(targets, predicted), abs=6e-4)
    assert float(rmse) == pytest.approx(root_mean_squared_error(targets, predicted), rel=6e-4)
    (drawn,) = axes.collections
    assert (drawn.get_array().sum() if count > 1000 else len(drawn.get_offsets())) == count
    assert axes.get_xlim() == axes.get_ylim()


@pytest.mark.parametrize("count", [1, 5, 2000])
def test_regression_on_a_constant_can_be_drawn(count: int) -> None:
    figure = figures.predicted_against_true(torch.full((count,), 3.0), torch.full((count,), 3.0), "y")
    assert figures.pixels(figure).std() > 1
    assert figure.axes[0].get_legend().get_title().get_text() == "RMSE 0"
