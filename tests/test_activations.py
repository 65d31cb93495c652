import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import erf, expit
from scipy.stats import norm
from torch import nn

from paribus import activations, parts

SLOPE = 0.2
ALPHA = 1.3
SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017

Formula = Callable[[np.ndarray], np.ndarray]

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "linear": activations.linear,
    "step": activations.step,
    "relu": activations.relu,
    "leaky_relu": lambda: activations.leaky_relu(slope=SLOPE),
    "prelu": lambda: activations.prelu(slope=SLOPE),
    "elu": lambda: activations.elu(alpha=ALPHA),
    "selu": activations.selu,
    "gelu": activations.gelu,
    "swish": activations.swish,
    "softplus": activations.softplus,
    "tanh": activations.tanh,
    "sigmoid": activations.sigmoid,
}
FORMULAS: dict[str, Formula] = {
    "linear": lambda x: x,
    "step": lambda x: np.where(x >= 0, 1.0, 0.0),
    "relu": lambda x: np.maximum(0, x),
    "leaky_relu": lambda x: np.where(x > 0, x, SLOPE * x),
    "prelu": lambda x: np.where(x > 0, x, SLOPE * x),
    "elu": lambda x: np.where(x > 0, x, ALPHA * (np.exp(x) - 1)),
    "selu": lambda x: SCALE * np.where(x > 0, x, SELU_ALPHA * (np.exp(x) - 1)),
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "swish": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
SLOPES: dict[str, Formula] = {
    "linear": np.ones_like,
    "step": lambda x: np.where(np.abs(x) <= 1, 1.0, 0.0),  # straight through
    "relu": lambda x: np.where(x > 0, 1.0, 0.0),
    "leaky_relu": lambda x: np.where(x > 0, 1.0, SLOPE),
    "prelu": lambda x: np.where(x > 0, 1.0, SLOPE),
    "elu": lambda x: np.where(x > 0, 1.0, ALPHA * np.exp(x)),
    "selu": lambda x: SCALE * np.where(x > 0, 1.0, SELU_ALPHA * np.exp(x)),
    "gelu": lambda x: norm.cdf(x) + x * norm.pdf(x),
    "swish": lambda x: expit(x) * (1 + x * (1 - expit(x))),
    "softplus": lambda x: expit(x),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "sigmoid": lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
}


def test_every_shipped_activation_is_tested() -> None:
    assert {part.name for part in parts.by_option("activation", None).values()} == set(BUILDERS)


@pytest.mark.parametrize("name", BUILDERS)
def test_values_and_gradients_follow_the_formulas(name: str) -> None:
    x = np.linspace(-4, 4, 200)  # an even number of points: zero, where ReLU has a kink, is none of them
    inputs = torch.tensor(x, requires_grad=True)
    outputs = BUILDERS[name]().double()(inputs)
    outputs.sum().backward()
    np.testing.assert_allclose(outputs.detach().numpy(), FORMULAS[name](x), atol=1e-8 if name == "prelu" else 1e-12)
    np.testing.assert_allclose(inputs.grad.numpy(), SLOPES[name](x), atol=1e-8 if name == "prelu" else 1e-12)


@pytest.mark.parametrize("name", sorted({*BUILDERS} - {"step"}))  # whose gradient is not its slope
def test_gradcheck(name: str) -> None:
    inputs = torch.tensor([-3.0, -0.7, 0.4, 2.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(BUILDERS[name]().double(), inputs)


@pytest.mark.parametrize("name", BUILDERS)
def test_each_call_gives_a_module_of_its_own(name: str) -> None:
    assert BUILDERS[name]() is not BUILDERS[name]()


@pytest.mark.parametrize("name", BUILDERS)
def test_huge_inputs_give_finite_values_and_gradients(name: str) -> None:
    inputs = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
    outputs = BUILDERS[name]()(inputs)
    outputs.sum().backward()
    assert outputs.isfinite().all() and inputs.grad.isfinite().all()


def test_values_worked_by_hand() -> None:
    sigmoid = activations.sigmoid()(torch.tensor([-5.0, 0.0, 5.0]))
    assert [round(value, 4) for value in sigmoid.tolist()] == [0.0067, 0.5, 0.9933]
    assert activations.softplus()(torch.tensor(0.0)).item() == pytest.approx(math.log(2))
    assert activations.gelu()(torch.tensor(1.0)).item() == pytest.approx(0.8413447, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_step_is_one_from_zero_on_and_keeps_shape_and_type(dtype: torch.dtype) -> None:
    outputs = activations.step()(torch.tensor([[-2.0, -1e-30], [0.0, 3.0]], dtype=dtype))
    assert outputs.dtype == dtype
    assert outputs.tolist() == [[0, 0], [1, 1]]


def test_gradient_of_step_passes_up_to_one_and_not_beyond() -> None:
    inputs = torch.tensor([-1.001, -1.0, -0.3, 0.0, 1.0, 1.001], requires_grad=True)
    activations.step()(inputs).backward(torch.tensor([1.0, 2.0, -3.0, 4.0, 5.0, 6.0]))
    assert inputs.grad is not None
    assert inputs.grad.tolist() == [0, 2, -3, 4, 5, 0]


def test_step_learns_the_logical_or() -> None:
    inputs = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    wanted = torch.tensor([[0.0], [1], [1], [1]])
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, -0.4)
    nn.init.constant_(layer.bias, 0.2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        (activations.step()(layer(inputs)) - wanted).square().sum().backward()
        optimizer.step()
    assert activations.step()(layer(inputs)).tolist() == wanted.tolist()


def test_prelu_learns_its_slope_from_the_setting_on() -> None:
    module = activations.prelu(slope=0.3)
    (slope,) = module.parameters()
    assert slope.item() == pytest.approx(0.3)
    module(torch.tensor([-2.0, -1.0, 5.0])).sum().backward()
    assert slope.grad is not None
    assert slope.grad.item() == -3  # the sum of what lies below zero


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.2, 1.0])
@pytest.mark.parametrize("build", [activations.leaky_relu, activations.prelu])
def test_gain_of_leaky_relu_is_that_of_he_2015(build: Callable[..., nn.Module], slope: float) -> None:
    assert activations.gain(build(slope=slope)) == pytest.approx(math.sqrt(2 / (1 + slope**2)))


@pytest.mark.parametrize(
    ("name", "expected"), [("linear", 1), ("relu", math.sqrt(2)), ("step", math.sqrt(2)), ("selu", 1)]
)
def test_gain_in_closed_form(name: str, expected: float) -> None:
    """SELU's is what its two constants were made for."""
    assert activations.gain(BUILDERS[name]()) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("name", BUILDERS)
def test_gain_is_the_integral_over_a_standard_normal(name: str) -> None:
    def integrand(z: float) -> float:
        return float(FORMULAS[name](np.float64(z))) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    second_moment, _ = quad(integrand, -10, 10, points=[0])
    assert activations.gain(BUILDERS[name]()) == pytest.approx(second_moment**-0.5, rel=1e-6)


@pytest.mark.parametrize("name", BUILDERS)
def test_gain_keeps_the_second_moment_from_layer_to_layer(name: str) -> None:
    """What it is for: E[(gain * f(z))^2] = 1."""
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    scaled = activations.gain(BUILDERS[name]()) * BUILDERS[name]()(z)
    assert float(scaled.detach().square().mean()) == pytest.approx(1, abs=0.02)
