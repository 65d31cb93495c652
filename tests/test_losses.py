import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax
from scipy.stats import entropy
from sklearn.metrics import hinge_loss, log_loss, mean_pinball_loss
from torch import Tensor
from torch.nn import functional as F

from paribus import composition, config, losses, parts
from paribus.building import build_loss
from paribus.data.spec import BinarySpec, ClassificationSpec, DataSpec, RegressionSpec
from paribus.errors import ConfigError
from paribus.losses import Loss

BINARY = BinarySpec((2,), ("no", "yes"))
THREE = ClassificationSpec((2,), ("a", "b", "c"))
REGRESSION = RegressionSpec((2,), "y", 0.0, 1.0)
WEIGHTS = [0.5, 2.0, 3.5]
CLASSIFICATION = (
    "cosine_similarity", "cross_entropy", "dice", "focal", "hinge", "kl_divergence", "nll", "soft_cross_entropy",
    "squared_hinge",
)  # fmt: skip
OF_NUMBERS = ("huber", "log_cosh", "mae", "mse", "pseudo_huber", "quantile", "smooth_l1")
FITTING = {
    "binary": (BINARY, {*CLASSIFICATION, "binary_cross_entropy"}),
    "three classes": (THREE, {*CLASSIFICATION}),
    "regression": (REGRESSION, {*OF_NUMBERS}),
}
LOSSES: dict[str, Callable[[], Loss]] = {
    "cross_entropy": lambda: losses.cross_entropy(THREE, 0.1, class_weights=WEIGHTS),
    "soft_cross_entropy": lambda: losses.soft_cross_entropy(THREE, 0.1),
    "kl_divergence": lambda: losses.kl_divergence(THREE, 0.1),
    "nll": lambda: losses.nll(THREE),
    "binary_cross_entropy": lambda: losses.binary_cross_entropy(BINARY, 0.1, positive_weight=2.5),
    "focal": lambda: losses.focal(THREE, gamma=1.5, class_weights=WEIGHTS),
    "hinge": lambda: losses.hinge(THREE, margin=0.8),
    "squared_hinge": lambda: losses.squared_hinge(THREE, margin=0.8),
    "dice": lambda: losses.dice(THREE, eps=1e-6),
    "cosine_similarity": lambda: losses.cosine_similarity(THREE),
    "mse": lambda: losses.mse(REGRESSION),
    "mae": lambda: losses.mae(REGRESSION),
    "huber": lambda: losses.huber(REGRESSION, delta=0.7),
    "smooth_l1": lambda: losses.smooth_l1(REGRESSION, beta=0.7),
    "pseudo_huber": lambda: losses.pseudo_huber(REGRESSION, delta=0.7),
    "log_cosh": lambda: losses.log_cosh(REGRESSION),
    "quantile": lambda: losses.quantile(REGRESSION, quantile=0.8),
}
TWO_CLASS_HINGES: dict[str, Callable[[], Loss]] = {
    "hinge": lambda: losses.hinge(BINARY, margin=0.8),
    "squared_hinge": lambda: losses.squared_hinge(BINARY, margin=0.8),
}


def _outputs(num_outputs: int) -> Tensor:
    return 3 * torch.randn(20, num_outputs, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _numbers() -> Tensor:
    return 3 * torch.randn(20, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def _targets(name: str, num_classes: int = 3) -> Tensor:
    return _numbers() if name in OF_NUMBERS else torch.arange(20) % (2 if "binary" in name else num_classes)


def _shares() -> Tensor:
    """Random probabilities (20, 3)."""
    return torch.rand(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).softmax(1)


def test_every_shipped_loss_is_tested() -> None:
    assert {part.name for part in parts.by_option("loss", None).values()} == set(LOSSES)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_is_the_mean_negative_log_likelihood(smoothing: float) -> None:
    """Smoothed targets put 1 - s + s / K on the true class and s / K on each other."""
    outputs, targets = _outputs(3), torch.arange(20) % 3
    wanted = (1 - smoothing) * np.eye(3)[targets.numpy()] + smoothing / 3
    expected = -(wanted * log_softmax(outputs.numpy(), axis=1)).sum(1).mean()
    assert float(losses.cross_entropy(THREE, smoothing, class_weights=None)(outputs, targets)) == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_binary_cross_entropy_is_that_of_the_second_class(smoothing: float) -> None:
    outputs, targets = _outputs(1), torch.arange(20) % 2
    positive, wanted = expit(outputs[:, 0].numpy()), targets.numpy() * (1 - smoothing) + smoothing / 2
    expected = -(wanted * np.log(positive) + (1 - wanted) * np.log(1 - positive)).mean()
    loss = losses.binary_cross_entropy(BINARY, smoothing, positive_weight=1.0)
    assert float(loss(outputs, targets)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [0.3, 1.0, 4.0])
def test_positive_weight_is_that_of_the_second_classs_term(weight: float, smoothing: float) -> None:
    outputs, targets = _outputs(1), torch.arange(20) % 2
    positive, wanted = expit(outputs[:, 0].numpy()), targets.numpy() * (1 - smoothing) + smoothing / 2
    expected = -(weight * wanted * np.log(positive) + (1 - wanted) * np.log(1 - positive)).mean()
    loss = losses.binary_cross_entropy(BINARY, smoothing, positive_weight=weight)
    assert float(loss(outputs, targets)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_one_logit_and_two_give_the_same_loss(smoothing: float) -> None:
    """A softmax over (0, z) is a sigmoid of z, smoothing included."""
    one, targets = _outputs(1), torch.arange(20) % 2
    two = torch.cat([torch.zeros_like(one), one], 1)
    binary = losses.binary_cross_entropy(BINARY, smoothing, positive_weight=1.0)(one, targets)
    torch.testing.assert_close(binary, losses.cross_entropy(BINARY, smoothing, class_weights=None)(two, targets))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weighted_cross_entropy_is_torchs(smoothing: float) -> None:
    outputs, targets = _outputs(3), torch.arange(20) % 3
    expected = F.cross_entropy(outputs, targets, torch.tensor(WEIGHTS).double(), label_smoothing=smoothing)
    torch.testing.assert_close(
        losses.cross_entropy(THREE, smoothing, class_weights=WEIGHTS)(outputs, targets), expected
    )


def test_weighted_cross_entropy_is_that_of_scikit_learn() -> None:
    outputs, targets = _outputs(3), torch.arange(20) % 3
    expected = log_loss(targets, softmax(outputs.numpy(), axis=1), sample_weight=np.array(WEIGHTS)[targets.numpy()])
    loss = losses.cross_entropy(THREE, 0.0, class_weights=WEIGHTS)
    assert float(loss(outputs, targets)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_a_weight_of_two_counts_an_example_twice(name: str) -> None:
    outputs, targets = _outputs(3), torch.arange(20) % 3
    repeated = torch.cat([torch.arange(20), torch.nonzero(targets == 1).squeeze(1)])
    build: dict[str, Callable[[list[float] | None], Loss]] = {
        "cross_entropy": lambda weights: losses.cross_entropy(THREE, 0.0, class_weights=weights),
        "focal": lambda weights: losses.focal(THREE, gamma=2.0, class_weights=weights),
    }
    twice = build[name](None)(outputs[repeated], targets[repeated])
    torch.testing.assert_close(build[name]([1.0, 2.0, 1.0])(outputs, targets), twice)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_of_classes_without_weight_teaches_nothing_that_is_not_finite(smoothing: float) -> None:
    outputs, targets = _outputs(3).requires_grad_(), torch.zeros(20, dtype=torch.long)
    weights = [0.0, 1.0, 1.0]
    for loss in (
        losses.cross_entropy(THREE, smoothing, class_weights=weights),
        losses.focal(THREE, gamma=2.0, class_weights=weights),
    ):
        (gradient,) = torch.autograd.grad(loss(outputs, targets), outputs)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("spec", "weights", "told"),
    [
        (THREE, [1.0, 2.0], "loss.class_weights=[1.0, 2.0] has 2 numbers for 3 classes; give one number a class"),
        (BINARY, [1.0, 2.0, 3.0], "loss.class_weights=[1.0, 2.0, 3.0] has 3 numbers for 2 classes"),
        (THREE, [], "loss.class_weights=[] has 0 numbers for 3 classes"),
        (THREE, [0.0, 0.0, 0.0], "loss.class_weights=[0.0, 0.0, 0.0] has 3 numbers for 3 classes"),
    ],
)
def test_class_weights_that_do_not_fit_are_an_error(spec: ClassificationSpec, weights: list[float], told: str) -> None:
    for build in (
        lambda: losses.cross_entropy(spec, 0.0, class_weights=weights),
        lambda: losses.focal(spec, gamma=2.0, class_weights=weights),
    ):
        with pytest.raises(ConfigError) as error:
            build()
        assert str(error.value).startswith(told)


def test_class_weights_reach_the_loss_from_the_config() -> None:
    checked = config.check(composition.compose(["loss.class_weights=[0.5,2,3.5]"]))
    outputs, targets = _outputs(3), torch.arange(20) % 3
    assert build_loss(checked, THREE)(outputs, targets) == losses.cross_entropy(THREE, 0, class_weights=WEIGHTS)(
        outputs, targets
    )
    with pytest.raises(ConfigError, match=r"loss\.class_weights"):
        config.check(composition.compose(["loss.class_weights=[1,-1,1]"]))


def test_softmax_of_the_outputs_sums_to_one_and_is_what_the_losses_see() -> None:
    """Outputs are logits: shifting all of an example's by one number changes no loss of softmax."""
    outputs, targets = _outputs(3), torch.arange(20) % 3
    torch.testing.assert_close(outputs.softmax(1).sum(1), torch.ones(20, dtype=torch.float64))
    shift = _numbers()[:, None]
    for name in ("cross_entropy", "soft_cross_entropy", "kl_divergence", "nll", "focal", "dice"):
        torch.testing.assert_close(LOSSES[name]()(outputs + shift, targets), LOSSES[name]()(outputs, targets))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_soft_cross_entropy_follows_its_formula(smoothing: float) -> None:
    outputs, shares = _outputs(3), _shares()
    wanted = (1 - smoothing) * shares.numpy() + smoothing / 3
    expected = -(wanted * log_softmax(outputs.numpy(), axis=1)).sum(1).mean()
    assert float(losses.soft_cross_entropy(THREE, smoothing)(outputs, shares)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_kl_divergence_is_the_relative_entropy(smoothing: float) -> None:
    outputs, shares = _outputs(3), _shares()
    wanted = (1 - smoothing) * shares.numpy() + smoothing / 3
    expected = entropy(wanted, softmax(outputs.numpy(), axis=1), axis=1).mean()
    assert float(losses.kl_divergence(THREE, smoothing)(outputs, shares)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("spec", [BINARY, THREE])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_kl_divergence_is_cross_entropy_less_the_entropy_of_the_target(
    spec: ClassificationSpec, smoothing: float
) -> None:
    classes = spec.num_classes
    outputs, targets = _outputs(classes), torch.arange(20) % classes
    smooth = (1 - smoothing) * np.eye(classes)[0] + smoothing / classes
    expected = losses.cross_entropy(spec, smoothing, class_weights=None)(outputs, targets) - entropy(smooth)
    torch.testing.assert_close(losses.kl_divergence(spec, smoothing)(outputs, targets), expected)


def test_kl_divergence_is_zero_where_the_outputs_give_the_target() -> None:
    assert losses.kl_divergence(THREE, 0.0)(_shares().log(), _shares()).item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("name", ["soft_cross_entropy", "kl_divergence", "dice", "cosine_similarity"])
def test_class_indices_and_one_hot_targets_give_the_same_loss(name: str) -> None:
    loss, outputs, targets = LOSSES[name](), _outputs(3), torch.arange(20) % 3
    for one_hot in (torch.eye(3)[targets], F.one_hot(targets)):
        torch.testing.assert_close(loss(outputs, one_hot), loss(outputs, targets))


def test_nll_and_soft_cross_entropy_are_cross_entropy() -> None:
    outputs, targets = _outputs(3), torch.arange(20) % 3
    expected = losses.cross_entropy(THREE, 0.0, class_weights=None)(outputs, targets)
    torch.testing.assert_close(losses.nll(THREE)(outputs, targets), expected)
    torch.testing.assert_close(losses.soft_cross_entropy(THREE, 0.0)(outputs, targets), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_focal_follows_its_formula(gamma: float, weights: list[float] | None) -> None:
    outputs, targets = _outputs(3), torch.arange(20) % 3
    p = softmax(outputs.numpy(), axis=1)[np.arange(20), targets.numpy()]
    expected = np.average(-((1 - p) ** gamma) * np.log(p), weights=np.array(weights or [1.0] * 3)[targets.numpy()])
    loss = losses.focal(THREE, gamma=gamma, class_weights=weights)
    assert float(loss(outputs, targets)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_focal_without_gamma_is_cross_entropy(weights: list[float] | None) -> None:
    outputs, targets = _outputs(3), torch.arange(20) % 3
    expected = losses.cross_entropy(THREE, 0.0, class_weights=weights)(outputs, targets)
    torch.testing.assert_close(losses.focal(THREE, gamma=0.0, class_weights=weights)(outputs, targets), expected)


@pytest.mark.parametrize(("name", "power"), [("hinge", 1), ("squared_hinge", 2)])
def test_hinge_of_two_classes_has_one_output(name: str, power: int) -> None:
    loss, outputs, targets = TWO_CLASS_HINGES[name](), _outputs(1), torch.arange(20) % 2
    expected = np.maximum(0, 0.8 - np.where(targets == 1, 1, -1) * outputs[:, 0].numpy()) ** power
    assert loss.num_outputs == 1
    assert float(loss(outputs, targets)) == pytest.approx(expected.mean(), rel=1e-12)


def test_hinge_of_two_classes_is_that_of_scikit_learn() -> None:
    outputs, targets = _outputs(1), torch.arange(20) % 2
    expected = hinge_loss(targets, outputs[:, 0])
    assert float(losses.hinge(BINARY, margin=1.0)(outputs, targets)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "power"), [("hinge", 1), ("squared_hinge", 2)])
def test_hinge_of_more_classes_sums_over_the_wrong_ones(name: str, power: int) -> None:
    outputs, targets = _outputs(3), torch.arange(20) % 3
    right = np.take_along_axis(outputs.numpy(), targets.numpy()[:, None], axis=1)
    terms = np.where(np.eye(3)[targets.numpy()] == 1, 0, np.maximum(0, 0.8 - right + outputs.numpy()) ** power)
    assert float(LOSSES[name]()(outputs, targets)) == pytest.approx((terms.sum(1) / 3).mean(), rel=1e-12)


@pytest.mark.parametrize("num_present", [1, 2, 3])
def test_dice_is_the_mean_over_the_classes_present(num_present: int) -> None:
    outputs, targets = _outputs(3), torch.arange(20) % num_present
    p, t, eps = softmax(outputs.numpy(), axis=1), np.eye(3)[targets.numpy()], 0.3
    each = [
        (2 * p[:, c] @ t[:, c] + eps) / (p[:, c] @ p[:, c] + t[:, c] @ t[:, c] + eps)
        for c in range(num_present)
    ]  # fmt: skip
    assert float(losses.dice(THREE, eps=eps)(outputs, targets)) == pytest.approx(1 - np.mean(each), rel=1e-12)


def test_dice_is_zero_where_all_is_right_and_near_one_where_all_is_wrong() -> None:
    targets = torch.arange(20) % 3
    right = 100 * torch.eye(3, dtype=torch.float64)[targets]
    for eps in (0.0, 1e-6):
        assert losses.dice(THREE, eps=eps)(right, targets).item() == pytest.approx(0, abs=1e-12)
        assert losses.dice(THREE, eps=eps)(right.roll(1, 1), targets).item() == pytest.approx(1, abs=1e-6)


def test_cosine_similarity_follows_its_formula() -> None:
    outputs, targets = _outputs(3), torch.arange(20) % 3
    x = outputs.numpy()
    expected = (1 - x[np.arange(20), targets.numpy()] / np.linalg.norm(x, axis=1)).mean()
    assert float(losses.cosine_similarity(THREE)(outputs, targets)) == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(LOSSES["cosine_similarity"]()(7 * outputs, targets).item(), expected)


def test_regression_losses_follow_their_formulas() -> None:
    outputs, targets = _outputs(1), _numbers()
    error = np.abs((outputs[:, 0] - targets).numpy())
    huber = np.where(error <= 0.7, error**2 / 2, 0.7 * (error - 0.7 / 2))
    pseudo = 0.7**2 * (np.sqrt(1 + (error / 0.7) ** 2) - 1)
    expectations = {
        "mse": error**2, "mae": error, "huber": huber, "smooth_l1": huber / 0.7, "pseudo_huber": pseudo,
        "log_cosh": np.log(np.cosh(error)),
    }  # fmt: skip
    for name, expected in expectations.items():
        assert float(LOSSES[name]()(outputs, targets)) == pytest.approx(expected.mean(), rel=1e-12), name


def test_huber_is_continuous_at_delta_with_its_slope() -> None:
    delta, tiny = 1.5, 1e-9
    loss = losses.huber(REGRESSION, delta=delta)
    errors = torch.tensor([delta - tiny, delta, delta + tiny], dtype=torch.float64, requires_grad=True)
    values = [loss(error.view(1, 1), torch.zeros(1, dtype=torch.float64)) for error in errors]
    slopes = torch.autograd.grad(torch.stack(values).sum(), errors)[0]
    assert [value.item() for value in values] == pytest.approx([delta**2 / 2] * 3, abs=1e-8)
    assert slopes.tolist() == pytest.approx([delta] * 3, abs=1e-8)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_quantile_is_the_pinball_loss_of_scikit_learn(fraction: float) -> None:
    outputs, targets = _outputs(1), _numbers()
    expected = mean_pinball_loss(targets, outputs[:, 0], alpha=fraction)
    loss = losses.quantile(REGRESSION, quantile=fraction)
    assert float(loss(outputs, targets)) == pytest.approx(expected, rel=1e-12)


def test_quantile_is_least_at_the_quantile() -> None:
    targets, loss = torch.arange(1.0, 101), losses.quantile(REGRESSION, quantile=0.9)
    means = [float(loss(torch.full((100, 1), guess), targets)) for guess in range(1, 101)]
    assert int(np.argmin(means)) + 1 in (90, 91)


@pytest.mark.parametrize(
    ("name", "limit", "slope"), [("pseudo_huber", 0.7 * (1e4 - 0.7), 0.7), ("log_cosh", 1e4 - math.log(2), 1.0)]
)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_smooth_losses_of_a_huge_error_are_their_asymptotes(
    name: str, limit: float, slope: float, sign: int, dtype: torch.dtype
) -> None:
    outputs = torch.tensor([[sign * 1e4]], dtype=dtype, requires_grad=True)
    loss = LOSSES[name]()(outputs, torch.zeros(1, dtype=dtype))
    loss.backward()
    assert loss.item() == pytest.approx(limit, rel=1e-6)
    assert outputs.grad is not None
    assert outputs.grad.item() == pytest.approx(sign * slope, rel=1e-6)


@pytest.mark.parametrize("name", ["pseudo_huber", "log_cosh"])
def test_smooth_losses_of_a_small_error_keep_their_digits_in_float32(name: str) -> None:
    """Both are error^2 / 2 there; as differences of numbers near 1 they would be noise."""
    loss = LOSSES[name]()(torch.tensor([[1e-4]]), torch.zeros(1))
    assert loss.item() == pytest.approx(5e-9, rel=1e-2)


def test_targets_of_another_shape_are_not_broadcast() -> None:
    for name in ("pseudo_huber", "log_cosh", "quantile"):
        with pytest.raises(AssertionError):
            LOSSES[name]()(_outputs(1), _numbers()[:, None])


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name: str) -> None:
    loss, targets = LOSSES[name](), _targets(name)
    outputs = _outputs(loss.num_outputs).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: loss(values, targets), outputs)


@pytest.mark.parametrize("name", TWO_CLASS_HINGES)
def test_gradcheck_of_two_class_hinges(name: str) -> None:
    targets = torch.arange(20) % 2
    assert torch.autograd.gradcheck(
        lambda values: TWO_CLASS_HINGES[name]()(values, targets), _outputs(1).requires_grad_()
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_outputs_give_a_finite_loss_with_finite_gradients(name: str, dtype: torch.dtype) -> None:
    _check_huge(LOSSES[name](), _targets(name), dtype)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.5, 1.0, 2.0, 5.0])
def test_focal_is_finite_for_every_gamma(gamma: float) -> None:
    """Where the right class has all the probability, (1 - p)^gamma has an infinite slope for a gamma below 1."""
    _check_huge(losses.focal(THREE, gamma=gamma, class_weights=None), _targets("focal"), torch.float32)


@pytest.mark.parametrize("name", TWO_CLASS_HINGES)
def test_huge_outputs_of_two_class_hinges(name: str) -> None:
    _check_huge(TWO_CLASS_HINGES[name](), _targets(name, 2), torch.float32)


def _check_huge(loss: Loss, targets: Tensor, dtype: torch.dtype) -> None:
    """Outputs of 1e4 for one class and -1e4 for the others, right ones and wrong ones among them."""
    outputs = torch.full((20, loss.num_outputs), -1e4, dtype=dtype)
    outputs[torch.arange(20), torch.arange(20) // 4 % loss.num_outputs] = 1e4
    outputs.requires_grad_()
    value = loss(outputs, targets.to(dtype) if targets.is_floating_point() else targets)
    value.backward()
    assert value.dtype == dtype
    assert value.isfinite() and outputs.grad is not None and outputs.grad.isfinite().all()


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_a_permuted_batch_costs_the_same(name: str) -> None:
    loss, outputs, targets = LOSSES[name](), _outputs(3), _targets(name)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(loss(outputs[order], targets[order]), loss(outputs, targets))


@pytest.mark.parametrize("name", LOSSES)
def test_one_gradient_step_lowers_the_loss(name: str) -> None:
    loss, targets = LOSSES[name](), _targets(name)
    outputs = _outputs(loss.num_outputs).requires_grad_()
    before = loss(outputs, targets)
    (gradient,) = torch.autograd.grad(before, outputs)
    assert loss(outputs - 0.01 * gradient, targets) < before


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_a_perfect_prediction_costs_nothing(name: str) -> None:
    assert LOSSES[name]()(_numbers()[:, None], _numbers()) == 0


@pytest.mark.parametrize("name", LOSSES)
def test_num_outputs(name: str) -> None:
    assert LOSSES[name]().num_outputs == (3 if name in CLASSIFICATION else 1)


def test_cross_entropy_of_two_classes_has_two_outputs() -> None:
    assert losses.cross_entropy(BINARY, 0, class_weights=None).num_outputs == 2


@pytest.mark.parametrize("kind", FITTING)
def test_each_kind_of_data_fits_its_losses_and_no_other(kind: str) -> None:
    spec, expected = FITTING[kind]
    found = [parts.find("loss", name, None) for name in LOSSES]
    assert {part.name for part in found if part is not None and parts.accepts(part, "spec", spec)} == expected


@pytest.mark.parametrize(
    ("overrides", "spec", "kind", "fitting"),
    [
        (["data=iris", "loss=mse"], THREE, "classification", CLASSIFICATION),
        (["data=iris", "loss=binary_cross_entropy"], THREE, "classification", CLASSIFICATION),
        (["data=breast_cancer", "loss=mae"], BINARY, "binary", ("binary_cross_entropy", *CLASSIFICATION)),
        (["data=diabetes", "loss=cross_entropy"], REGRESSION, "regression", OF_NUMBERS),
    ],
)
def test_a_wrong_pairing_names_the_fitting_losses(
    overrides: list[str], spec: DataSpec, kind: str, fitting: tuple[str, ...]
) -> None:
    checked = config.check(composition.compose([*overrides, "model=mlp"]))
    data, loss = (word.partition("=")[2] for word in overrides)
    with pytest.raises(ConfigError) as error:
        build_loss(checked, spec)
    text = str(error.value)
    assert text.startswith(f"loss={loss} does not fit data={data}, which is for {kind}")
    assert text.endswith(f"use loss={' or '.join(fitting)}")


def test_label_smoothing_reaches_the_loss_from_the_config() -> None:
    checked = config.check(composition.compose(["regularization.label_smoothing=0.3"]))
    outputs, targets = _outputs(3), torch.arange(20) % 3
    assert build_loss(checked, THREE)(outputs, targets) == losses.cross_entropy(THREE, 0.3, class_weights=None)(
        outputs, targets
    )
