import numpy as np
import pytest
import torch
from drawn import NAMES, outputs, reliability
from matplotlib.axes import Axes
from sklearn.calibration import calibration_curve
from torch import Tensor
from torchmetrics.classification import BinaryCalibrationError, MulticlassCalibrationError

from paribus import figures


def _bars(axes: Axes, index: int) -> np.ndarray:
    """(K, 2): the left edges and the signed heights of one of the axes' sets of bars."""
    return np.array([(bar.get_x(), bar.get_height()) for bar in axes.containers[index]])


def _title_error(probabilities: Tensor, targets: Tensor, kind: str) -> float:
    title = figures.reliability(probabilities, targets, NAMES[kind]).get_suptitle()
    return float(title.splitlines()[0].split()[-1])


@pytest.mark.parametrize("sharpness", [0, 3, 12])
def test_the_error_in_the_title_is_that_of_the_metrics(sharpness: float) -> None:
    probabilities, targets = outputs(10, sharpness)
    expected = MulticlassCalibrationError(10, n_bins=figures.BINS)(probabilities, targets).item()
    assert _title_error(probabilities, targets, "ten") == pytest.approx(expected, abs=5.1e-5)
    probabilities, targets = outputs(2, sharpness)
    expected = BinaryCalibrationError(n_bins=figures.BINS)(probabilities[:, 1].contiguous(), targets).item()
    assert _title_error(probabilities, targets, "two") == pytest.approx(expected, abs=5.1e-5)


@pytest.mark.parametrize("kind", ["two", "ten"])
def test_the_gaps_weighted_by_examples_are_the_error(kind: str) -> None:
    probabilities, targets = outputs(len(NAMES[kind]), 3)
    upper, lower = figures.reliability(probabilities, targets, NAMES[kind]).axes
    gaps, counts = _bars(upper, 1)[:, 1], _bars(lower, 0)[:, 1]
    assert counts.sum() == len(targets)
    assert _title_error(probabilities, targets, kind) == pytest.approx(np.abs(gaps) @ counts / counts.sum(), abs=5.1e-5)


def test_the_bars_are_those_of_scikit_learn() -> None:
    probabilities, targets = outputs(2, 3)
    upper = figures.reliability(probabilities, targets, NAMES["two"]).axes[0]
    shares, means = calibration_curve(targets, probabilities[:, 1], n_bins=figures.BINS)
    np.testing.assert_allclose(_bars(upper, 0)[:, 1], shares)
    np.testing.assert_allclose(_bars(upper, 0)[:, 1] + _bars(upper, 1)[:, 1], means, rtol=1e-5)


def test_a_confidence_of_just_one_is_in_the_last_bin() -> None:
    probabilities = torch.tensor([[0.0, 1.0], [0.01, 0.99], [1.0, 0.0]])
    upper, lower = figures.reliability(probabilities, torch.tensor([1, 0, 0]), NAMES["two"]).axes
    np.testing.assert_allclose(_bars(lower, 0), [[0, 1], [14 / 15, 2]])
    np.testing.assert_allclose(_bars(upper, 0)[:, 1], [0, 0.5])


def test_the_words_fit_the_number_of_classes() -> None:
    two, ten = reliability("two").axes, reliability("ten").axes
    assert two[0].get_ylabel() == "share of benign" and two[1].get_xlabel() == "probability of benign"
    assert ten[0].get_ylabel() == "accuracy" and ten[1].get_xlabel() == "confidence in the class predicted"
