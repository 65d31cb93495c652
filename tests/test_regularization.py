from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from conftest import NO_REGULARIZATION
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
    found = replace(NO_REGULARIZATION, l1=l1, l2=l2).penalties(weights)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {name: value for name, value in expected.items() if value}, rel=1e-5
    )


def test_gradients_of_the_penalties() -> None:
    """d l1 |w| = l1 sign(w), d l2 w^2 = 2 l2 w."""
    weight = nn.Parameter(torch.tensor([[2.0, -3.0]]))
    sum(replace(NO_REGULARIZATION, l1=0.1, l2=0.2).penalties([weight]).values()).backward()
    torch.testing.assert_close(weight.grad, 0.1 * weight.detach().sign() + 0.4 * weight.detach())


@pytest.mark.parametrize("limit", [0.01, 1.0, 3.0])
def test_clip_scales_the_whole_gradient_to_the_limit_and_keeps_its_direction(limit: float) -> None:
    parameters = _parameters()
    before = _gradient(parameters)
    norm = replace(NO_REGULARIZATION, gradient_clip=limit).change_gradients(parameters, 0)
    after = _gradient(parameters)
    assert norm.item() == pytest.approx(np.linalg.norm(before), rel=1e-5)
    assert np.linalg.norm(after) <= limit
    assert np.linalg.norm(after) == pytest.approx(limit, rel=1e-3)
    np.testing.assert_allclose(after / np.linalg.norm(after), before / np.linalg.norm(before), atol=1e-6)


def test_clip_leaves_a_small_gradient_as_it_is() -> None:
    parameters = _parameters()
    before = _gradient(parameters)
    replace(NO_REGULARIZATION, gradient_clip=1e6).change_gradients(parameters, 0)
    np.testing.assert_array_equal(_gradient(parameters), before)


def test_no_limit_does_nothing() -> None:
    parameters = _parameters()
    before = _gradient(parameters)
    assert NO_REGULARIZATION.change_gradients(parameters, 0) is None
    np.testing.assert_array_equal(_gradient(parameters), before)


def test_standard_hands_on_what_is_no_other_parts() -> None:
    own = {"l1": 0.1, "l2": 0.2, "max_norm": 3.0, "gradient_clip": 4.0, "gradient_clip_value": 5.0}
    noise = {"input_noise": 0.6, "gradient_noise": 0.7}
    handed = {"dropout": 0.5, "spatial_dropout": 0.1, "normalization": "batch", "label_smoothing": 0.1}
    built = standard(8, **own, **noise, **handed, decay_all=True)  # type: ignore[arg-type]
    assert built == Regularization(8, **own, **noise)


def test_values_are_clipped_one_by_one() -> None:
    parameters = _parameters()
    before = _gradient(parameters)
    replace(NO_REGULARIZATION, gradient_clip_value=0.5).change_gradients(parameters, 0)
    np.testing.assert_array_equal(_gradient(parameters), np.clip(before, -0.5, 0.5))
    assert (np.abs(before) > 0.5).any()


def test_max_norm_shrinks_each_unit_and_no_more_than_needed() -> None:
    for weight in (weight for weight in _parameters() if weight.ndim > 1):
        before = weight.detach().flatten(1).clone()
        limit = float(before.norm(dim=1).median())
        replace(NO_REGULARIZATION, max_norm=limit).limit([weight])
        after = weight.detach().flatten(1)
        expected = before * (limit / before.norm(dim=1, keepdim=True)).clamp(max=1)
        torch.testing.assert_close(after, expected)
        assert not torch.equal(before, after)


def test_noise_has_its_deviation_and_a_stream_of_its_own() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    chosen, inputs = replace(NO_REGULARIZATION, input_noise=0.3), torch.ones(200, 500)
    noise = chosen.noisy(inputs, 7, 0) - inputs
    assert noise.mean().item() == pytest.approx(0, abs=0.005)
    assert noise.std().item() == pytest.approx(0.3, rel=0.01)
    assert torch.equal(noise, chosen.noisy(inputs, 7, 0) - inputs)  # a resumed run repeats it
    for other in (chosen.noisy(inputs, 8, 0), chosen.noisy(inputs, 7, 1), replace(chosen, seed=1).noisy(inputs, 7, 0)):
        assert not torch.equal(noise, other - inputs)
    assert torch.equal(torch.get_rng_state(), before)
    assert NO_REGULARIZATION.noisy(inputs, 7, 0) is inputs


def test_gradient_noise_is_added_to_every_gradient() -> None:
    noisy, plain = nn.Parameter(torch.zeros(300, 300)), nn.Parameter(torch.zeros(300, 300))
    for weight in (noisy, plain):
        weight.grad = torch.full((300, 300), 2.0)
    replace(NO_REGULARIZATION, gradient_noise=0.1).change_gradients([noisy, plain], 0)
    for weight in (noisy, plain):
        assert weight.grad.mean().item() == pytest.approx(2, abs=0.002)
        assert weight.grad.std().item() == pytest.approx(0.1, rel=0.02)
    assert not torch.equal(noisy.grad, plain.grad)
