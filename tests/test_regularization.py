import numpy as np
import pytest
import torch
from torch import nn

from paribus.regularization import Regularization, standard


def _parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    found = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 3), (4,), (2, 3, 3, 3))]
    for parameter in found:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return found


def _gradient(parameters: list[nn.Parameter]) -> np.ndarray:
    return np.concatenate([parameter.grad.numpy().ravel() for parameter in parameters])


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.2), (0.1, 0.2)])
def test_penalties_are_sums_over_all_weights(l1: float, l2: float) -> None:
    weights = [weight for weight in _parameters() if weight.ndim > 1]
    values = np.concatenate([weight.detach().numpy().ravel() for weight in weights]).astype(np.float64)
    expected = {"l1_penalty": l1 * np.abs(values).sum(), "l2_penalty": l2 * (values**2).sum()}
    found = Regularization(l1, l2, None).penalties(weights)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {name: value for name, value in expected.items() if value}, rel=1e-5
    )


def test_gradients_of_the_penalties() -> None:
    """d l1 |w| = l1 sign(w), d l2 w^2 = 2 l2 w."""
    weight = nn.Parameter(torch.tensor([[2.0, -3.0]]))
    sum(Regularization(0.1, 0.2, None).penalties([weight]).values()).backward()
    torch.testing.assert_close(weight.grad, 0.1 * weight.detach().sign() + 0.4 * weight.detach())


@pytest.mark.parametrize("limit", [0.01, 1.0, 3.0])
def test_clip_scales_the_whole_gradient_to_the_limit_and_keeps_its_direction(limit: float) -> None:
    parameters = _parameters()
    before = _gradient(parameters)
    norm = Regularization(0, 0, limit).clip(parameters)
    after = _gradient(parameters)
    assert norm.item() == pytest.approx(np.linalg.norm(before), rel=1e-5)
    assert np.linalg.norm(after) <= limit
    assert np.linalg.norm(after) == pytest.approx(limit, rel=1e-3)
    np.testing.assert_allclose(after / np.linalg.norm(after), before / np.linalg.norm(before), atol=1e-6)


def test_clip_leaves_a_small_gradient_as_it_is() -> None:
    parameters = _parameters()
    before = _gradient(parameters)
    Regularization(0, 0, 1e6).clip(parameters)
    np.testing.assert_array_equal(_gradient(parameters), before)


def test_no_limit_does_nothing() -> None:
    parameters = _parameters()
    before = _gradient(parameters)
    assert Regularization(0, 0, None).clip(parameters) is None
    np.testing.assert_array_equal(_gradient(parameters), before)


def test_standard_hands_on_penalties_and_limit() -> None:
    built = standard(l1=0.1, l2=0.2, dropout=0.5, normalization="batch", label_smoothing=0.1, gradient_clip=3.0)
    assert built == Regularization(0.1, 0.2, 3.0)
