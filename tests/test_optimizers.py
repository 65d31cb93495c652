from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from paribus import optimizers
from paribus.errors import ConfigError

Make = Callable[[Iterable[nn.Parameter]], Optimizer]

# name -> (ours, torch's own with the same settings, unfused)
PAIRS: dict[str, tuple[Make, Make]] = {
    "sgd": (
        lambda p: optimizers.sgd(p, lr=0.1, momentum=0, nesterov=False, weight_decay=0),
        lambda p: SGD(p, lr=0.1, foreach=False),
    ),
    "momentum": (
        lambda p: optimizers.sgd(p, lr=0.05, momentum=0.9, nesterov=False, weight_decay=0.01),
        lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01, foreach=False),
    ),
    "nesterov": (
        lambda p: optimizers.sgd(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0),
        lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True, foreach=False),
    ),
    "adam": (
        lambda p: optimizers.adam(p, lr=0.1, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=0.01),
        lambda p: Adam(p, lr=0.1, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.01, foreach=False),
    ),
    "adamw": (
        lambda p: optimizers.adamw(p, lr=0.1, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=0.01),
        lambda p: AdamW(p, lr=0.1, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.01, foreach=False),
    ),
    "rmsprop": (
        lambda p: optimizers.rmsprop(p, lr=0.01, alpha=0.9, eps=1e-6, momentum=0.5, weight_decay=0.01),
        lambda p: RMSprop(p, lr=0.01, alpha=0.9, eps=1e-6, momentum=0.5, weight_decay=0.01, foreach=False),
    ),
}
DESCENTS: dict[str, Make] = {
    "sgd": lambda p: optimizers.sgd(p, lr=0.1, momentum=0, nesterov=False, weight_decay=0),
    "momentum": lambda p: optimizers.sgd(p, lr=0.05, momentum=0.8, nesterov=False, weight_decay=0),
    "nesterov": lambda p: optimizers.sgd(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0),
    "adam": lambda p: optimizers.adam(p, lr=0.05, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0),
    "adamw": lambda p: optimizers.adamw(p, lr=0.05, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0),
    "rmsprop": lambda p: optimizers.rmsprop(p, lr=1e-3, alpha=0.99, eps=1e-8, momentum=0.9, weight_decay=0),
}
MATRIX = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)  # positive definite
MINIMUM = torch.tensor([0.5, -0.25], dtype=torch.float64)


def _descend(make: Make, steps: int) -> Tensor:
    """(steps + 1, 2): the path down (x - m)' A (x - m) / 2."""
    x = nn.Parameter(torch.tensor([1.0, 1.0], dtype=torch.float64))
    optimizer, path = make([x]), [x.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        ((x - MINIMUM) @ MATRIX @ (x - MINIMUM) / 2).backward()
        optimizer.step()
        path.append(x.detach().clone())
    return torch.stack(path)


@pytest.mark.parametrize("name", PAIRS)
def test_each_step_is_the_one_of_torch_unfused(name: str) -> None:
    ours, reference = (_descend(make, 30) for make in PAIRS[name])
    torch.testing.assert_close(ours, reference, rtol=1e-10, atol=1e-12)
    assert not torch.equal(ours[0], ours[1])


@pytest.mark.parametrize("name", DESCENTS)
def test_each_reaches_the_minimum_of_a_convex_quadratic(name: str) -> None:
    torch.testing.assert_close(_descend(DESCENTS[name], 500)[-1], MINIMUM, rtol=0, atol=2e-3)


def test_the_first_step_of_sgd_and_adam_has_the_closed_form() -> None:
    start = torch.ones(2, dtype=torch.float64)
    gradient = MATRIX @ (start - MINIMUM)
    torch.testing.assert_close(_descend(DESCENTS["sgd"], 1)[1], start - 0.1 * gradient)
    torch.testing.assert_close(_descend(DESCENTS["adam"], 1)[1], start - 0.05 * gradient.sign(), atol=1e-8, rtol=0)


def test_weight_decay_is_decoupled_in_adamw_alone() -> None:
    """With a gradient of zero AdamW shrinks by 1 - lr * decay; Adam, whose decay is a gradient, steps by lr."""
    settings = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.5}
    ends = []
    for build in (optimizers.adamw, optimizers.adam):
        x = nn.Parameter(torch.tensor([4.0], dtype=torch.float64))
        x.grad = torch.zeros_like(x)
        build([x], **settings).step()
        ends.append(x.item())
    assert ends == pytest.approx([4 * (1 - 0.1 * 0.5), 4 - 0.1])


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.nesterov=true needs optimizer\.momentum above 0"):
        optimizers.sgd([nn.Parameter(torch.ones(1))], lr=0.1, momentum=0, nesterov=True, weight_decay=0)
