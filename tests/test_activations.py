import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import nn

from paribus import activations

SLOPE = 0.2

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "relu": activations.relu,
    "leaky_relu": lambda: activations.leaky_relu(slope=SLOPE),
    "tanh": activations.tanh,
    "sigmoid": activations.sigmoid,
}
FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(0, x),
    "leaky_relu": lambda x: np.where(x > 0, x, SLOPE * x),
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.where(x > 0, 1.0, 0.0),
    "leaky_relu": lambda x: np.where(x > 0, 1.0, SLOPE),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "sigmoid": lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
}


@pytest.mark.parametrize("name", BUILDERS)
def test_values_and_gradients_follow_the_formulas(name: str) -> None:
    x = np.linspace(-4, 4, 200)  # an even number of points: zero, where ReLU has a kink, is none of them
    inputs = torch.tensor(x, requires_grad=True)
    outputs = BUILDERS[name]()(inputs)
    outputs.sum().backward()
    np.testing.assert_allclose(outputs.detach().numpy(), FORMULAS[name](x), atol=1e-12)
    np.testing.assert_allclose(inputs.grad.numpy(), SLOPES[name](x), atol=1e-12)


@pytest.mark.parametrize("name", BUILDERS)
def test_gradcheck(name: str) -> None:
    inputs = torch.tensor([-3.0, -0.7, 0.4, 2.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(BUILDERS[name](), inputs)


@pytest.mark.parametrize("name", BUILDERS)
def test_each_call_gives_a_module_of_its_own(name: str) -> None:
    assert BUILDERS[name]() is not BUILDERS[name]()


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.2, 1.0])
def test_gain_of_leaky_relu_is_that_of_he_2015(slope: float) -> None:
    assert activations.gain(activations.leaky_relu(slope=slope)) == pytest.approx(math.sqrt(2 / (1 + slope**2)))


def test_gain_of_relu_is_the_root_of_two() -> None:
    assert activations.gain(activations.relu()) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_gain_is_the_integral_over_a_standard_normal(name: str) -> None:
    def integrand(z: float) -> float:
        return float(FORMULAS[name](np.float64(z))) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    second_moment, _ = quad(integrand, -10, 10)
    assert activations.gain(BUILDERS[name]()) == pytest.approx(second_moment**-0.5, rel=1e-6)


def test_gain_keeps_the_second_moment_from_layer_to_layer() -> None:
    """What it is for: E[(gain * f(z))^2] = 1."""
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    for build in BUILDERS.values():
        assert float((activations.gain(build()) * build()(z)).square().mean()) == pytest.approx(1, abs=0.02)
