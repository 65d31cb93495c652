from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from torch import Tensor

from paribus import composition, config, losses, parts
from paribus.building import _build_loss
from paribus.data.spec import BinarySpec, ClassificationSpec, DataSpec, RegressionSpec
from paribus.errors import ConfigError
from paribus.losses import Loss

BINARY = BinarySpec((2,), ("no", "yes"))
THREE = ClassificationSpec((2,), ("a", "b", "c"))
REGRESSION = RegressionSpec((2,), "y", 0.0, 1.0)
FITTING = {
    "binary": (BINARY, {"cross_entropy", "binary_cross_entropy"}),
    "three classes": (THREE, {"cross_entropy"}),
    "regression": (REGRESSION, {"mse", "mae", "huber"}),
}
LOSSES: dict[str, Callable[[], Loss]] = {
    "cross_entropy": lambda: losses.cross_entropy(THREE, 0.1),
    "binary_cross_entropy": lambda: losses.binary_cross_entropy(BINARY, 0.1),
    "mse": lambda: losses.mse(REGRESSION),
    "mae": lambda: losses.mae(REGRESSION),
    "huber": lambda: losses.huber(REGRESSION, delta=0.7),
}


def _outputs(num_outputs: int) -> Tensor:
    return 3 * torch.randn(20, num_outputs, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _numbers() -> Tensor:
    return 3 * torch.randn(20, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_is_the_mean_negative_log_likelihood(smoothing: float) -> None:
    """Smoothed targets put 1 - s + s / K on the true class and s / K on each other."""
    outputs, targets = _outputs(3), torch.arange(20) % 3
    wanted = (1 - smoothing) * np.eye(3)[targets.numpy()] + smoothing / 3
    expected = -(wanted * log_softmax(outputs.numpy(), axis=1)).sum(1).mean()
    assert float(losses.cross_entropy(THREE, smoothing)(outputs, targets)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_binary_cross_entropy_is_that_of_the_second_class(smoothing: float) -> None:
    outputs, targets = _outputs(1), torch.arange(20) % 2
    positive, wanted = expit(outputs[:, 0].numpy()), targets.numpy() * (1 - smoothing) + smoothing / 2
    expected = -(wanted * np.log(positive) + (1 - wanted) * np.log(1 - positive)).mean()
    assert float(losses.binary_cross_entropy(BINARY, smoothing)(outputs, targets)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_one_logit_and_two_give_the_same_loss(smoothing: float) -> None:
    """A softmax over (0, z) is a sigmoid of z, smoothing included."""
    one, targets = _outputs(1), torch.arange(20) % 2
    two = torch.cat([torch.zeros_like(one), one], 1)
    binary = losses.binary_cross_entropy(BINARY, smoothing)(one, targets)
    torch.testing.assert_close(binary, losses.cross_entropy(BINARY, smoothing)(two, targets))


def test_regression_losses_follow_their_formulas() -> None:
    outputs, targets = _outputs(1), _numbers()
    error = np.abs((outputs[:, 0] - targets).numpy())
    huber = np.where(error <= 0.7, error**2 / 2, 0.7 * (error - 0.7 / 2))
    for name, expected in (("mse", error**2), ("mae", error), ("huber", huber)):
        assert float(LOSSES[name]()(outputs, targets)) == pytest.approx(expected.mean(), rel=1e-12), name


def test_huber_is_continuous_at_delta_with_its_slope() -> None:
    delta, tiny = 1.5, 1e-9
    loss = losses.huber(REGRESSION, delta=delta)
    errors = torch.tensor([delta - tiny, delta, delta + tiny], dtype=torch.float64, requires_grad=True)
    values = [loss(error.view(1, 1), torch.zeros(1, dtype=torch.float64)) for error in errors]
    slopes = torch.autograd.grad(torch.stack(values).sum(), errors)[0]
    assert [value.item() for value in values] == pytest.approx([delta**2 / 2] * 3, abs=1e-8)
    assert slopes.tolist() == pytest.approx([delta] * 3, abs=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name: str) -> None:
    loss = LOSSES[name]()
    targets = _numbers() if name in ("mse", "mae", "huber") else torch.arange(20) % (2 if "binary" in name else 3)
    outputs = _outputs(loss.num_outputs).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: loss(values, targets), outputs)


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_a_perfect_prediction_costs_nothing(name: str) -> None:
    assert LOSSES[name]()(_numbers()[:, None], _numbers()) == 0


@pytest.mark.parametrize(
    ("name", "size"), [("cross_entropy", 3), ("binary_cross_entropy", 1), ("mse", 1), ("mae", 1), ("huber", 1)]
)
def test_num_outputs(name: str, size: int) -> None:
    assert LOSSES[name]().num_outputs == size


def test_cross_entropy_of_two_classes_has_two_outputs() -> None:
    assert losses.cross_entropy(BINARY, 0).num_outputs == 2


@pytest.mark.parametrize("kind", FITTING)
def test_each_kind_of_data_fits_its_losses_and_no_other(kind: str) -> None:
    spec, expected = FITTING[kind]
    found = [parts.find("loss", name, None) for name in LOSSES]
    assert {part.name for part in found if part is not None and parts.accepts(part, "spec", spec)} == expected


@pytest.mark.parametrize(
    ("overrides", "spec", "kind", "fitting"),
    [
        (["data=iris", "loss=mse"], THREE, "classification", "cross_entropy"),
        (["data=iris", "loss=binary_cross_entropy"], THREE, "classification", "cross_entropy"),
        (["data=breast_cancer", "loss=mae"], BINARY, "binary", "binary_cross_entropy or cross_entropy"),
        (["data=diabetes", "loss=cross_entropy"], REGRESSION, "regression", "huber or mae or mse"),
    ],
)
def test_a_wrong_pairing_names_the_fitting_losses(
    overrides: list[str], spec: DataSpec, kind: str, fitting: str
) -> None:
    checked = config.check(composition.compose([*overrides, "model=mlp"]))
    data, loss = (word.partition("=")[2] for word in overrides)
    with pytest.raises(ConfigError) as error:
        _build_loss(checked, spec)
    text = str(error.value)
    assert text.startswith(f"loss={loss} does not fit data={data}, which is for {kind}")
    assert text.endswith(f"use loss={fitting}")


def test_label_smoothing_reaches_the_loss_from_the_config() -> None:
    checked = config.check(composition.compose(["regularization.label_smoothing=0.3"]))
    outputs, targets = _outputs(3), torch.arange(20) % 3
    assert _build_loss(checked, THREE)(outputs, targets) == losses.cross_entropy(THREE, 0.3)(outputs, targets)
