import io
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop
from torch.optim import Muon as TorchMuon

from paribus import optimizers
from paribus.errors import ConfigError

Parameters = Iterable[nn.Parameter]

BETAS = {"beta1": 0.8, "beta2": 0.99, "eps": 1e-6}
TORCH_BETAS = {"betas": (0.8, 0.99), "eps": 1e-6, "foreach": False}

# name -> builder, its settings, torch's own class with the same ones, in a plain loop; all with weight_decay
PAIRS: dict[str, tuple[Callable[..., Optimizer], dict[str, Any], Callable[..., Optimizer], dict[str, Any]]] = {
    "gd": (optimizers.gd, {"lr": 0.1}, SGD, {"lr": 0.1, "foreach": False}),
    "sgd": (
        optimizers.sgd,
        {"lr": 0.1, "momentum": 0.0, "nesterov": False},
        SGD,
        {"lr": 0.1, "foreach": False},
    ),
    "momentum": (
        optimizers.sgd,
        {"lr": 0.05, "momentum": 0.8, "nesterov": False},
        SGD,
        {"lr": 0.05, "momentum": 0.8, "foreach": False},
    ),
    "nesterov": (
        optimizers.sgd,
        {"lr": 0.05, "momentum": 0.8, "nesterov": True},
        SGD,
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "foreach": False},
    ),
    "adagrad": (
        optimizers.adagrad,
        {"lr": 0.5, "eps": 1e-6},
        Adagrad,
        {"lr": 0.5, "eps": 1e-6, "foreach": False},
    ),
    "adadelta": (
        optimizers.adadelta,
        {"lr": 1.0, "rho": 0.8, "eps": 1e-4},
        Adadelta,
        {"lr": 1.0, "rho": 0.8, "eps": 1e-4, "foreach": False},
    ),
    "rmsprop": (
        optimizers.rmsprop,
        {"lr": 1e-3, "alpha": 0.9, "eps": 1e-6, "momentum": 0.5},
        RMSprop,
        {"lr": 1e-3, "alpha": 0.9, "eps": 1e-6, "momentum": 0.5, "foreach": False},
    ),
    "adam": (optimizers.adam, {"lr": 0.02, **BETAS}, Adam, {"lr": 0.02, **TORCH_BETAS}),
    "adamw": (optimizers.adamw, {"lr": 0.02, **BETAS}, AdamW, {"lr": 0.02, **TORCH_BETAS}),
    "nadam": (optimizers.nadam, {"lr": 0.02, **BETAS}, NAdam, {"lr": 0.02, **TORCH_BETAS}),
    "radam": (optimizers.radam, {"lr": 0.02, **BETAS}, RAdam, {"lr": 0.02, **TORCH_BETAS}),
}


def _with_decay(build: Callable[..., Optimizer], settings: dict[str, Any], parameters: Parameters) -> Optimizer:
    return build(parameters, False, **settings, weight_decay=0.1)


MUON: dict[str, Any] = {"lr": 0.02, "momentum": 0.9, **BETAS}
LBFGS_SETTINGS: dict[str, Any] = {"lr": 1.0, "max_iter": 3, "history_size": 5}
OURS: dict[str, Callable[[Parameters], Optimizer]] = {
    **{name: partial(_with_decay, build, settings) for name, (build, settings, *_) in PAIRS.items()},
    "muon": partial(_with_decay, optimizers.muon, MUON),
    "lbfgs": lambda parameters: optimizers.lbfgs(parameters, **LBFGS_SETTINGS),
}


class Problem:
    """A small convex problem in float64: a linear layer of 3 -> 2 with a scale, fitted to a noiseless one."""

    def __init__(self) -> None:
        draws = torch.Generator().manual_seed(0)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=draws, dtype=torch.float64)

        self.inputs, self.best_weight, self.best_bias = normal(32, 3), normal(2, 3), normal(2)
        self.bias, self.weight = nn.Parameter(normal(2)), nn.Parameter(normal(2, 3))
        self.kernel = nn.Parameter(normal(2, 1, 1, 3))

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [self.bias, self.weight, self.kernel]

    def loss(self) -> Tensor:
        error = self.inputs @ (self.weight - self.best_weight).T + self.bias - self.best_bias
        return error.square().mean() + (self.kernel - 1).square().mean()

    def step(self, optimizer: Optimizer) -> None:
        def closure() -> float:
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            return loss.item()

        optimizer.step(closure)

    def run(self, optimizer: Optimizer, steps: int) -> list[Tensor]:
        for _ in range(steps):
            self.step(optimizer)
        return [parameter.detach().clone() for parameter in self.parameters]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("decay_all", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_twenty_steps_are_those_of_torch_in_a_plain_loop(name: str, decay_all: bool, weight_decay: float) -> None:
    build, settings, reference, torch_settings = PAIRS[name]
    ours, theirs, start = Problem(), Problem(), Problem()
    made = build(iter(ours.parameters), decay_all, **settings, weight_decay=weight_decay)
    groups = [
        {"params": [theirs.weight, theirs.kernel], "weight_decay": weight_decay},
        {"params": [theirs.bias], "weight_decay": weight_decay if decay_all else 0},
    ]
    ended, expected = ours.run(made, 20), theirs.run(reference(groups, **torch_settings), 20)
    torch.testing.assert_close(ended, expected, rtol=0, atol=1e-12)
    assert all((now - then).abs().max() > 1e-3 for now, then in zip(ended, start.parameters, strict=True))


def test_lbfgs_is_the_one_of_torch_with_a_line_search() -> None:
    ours, theirs = Problem(), Problem()
    ended = ours.run(OURS["lbfgs"](ours.parameters), 5)
    reference = LBFGS(theirs.parameters, lr=1, max_iter=3, history_size=5, line_search_fn="strong_wolfe")
    torch.testing.assert_close(ended, theirs.run(reference, 5), rtol=0, atol=1e-12)


# Steps to the optimum. Those of sign-like steps start with a higher rate that falls to zero.
STEPS = {"adagrad": 1000, "adadelta": 3000, "lbfgs": 10}
FALLING = {"rmsprop": 0.02, "adam": 0.1, "adamw": 0.1, "nadam": 0.1, "radam": 0.1, "muon": 0.1}


@pytest.mark.parametrize("name", OURS)
def test_each_reaches_the_optimum_of_a_convex_quadratic(name: str) -> None:
    problem, steps = Problem(), STEPS.get(name, 600)
    optimizer = OURS[name](problem.parameters)
    for group in optimizer.param_groups:
        group.update({"weight_decay": 0.0} if "weight_decay" in group else {})
    for step in range(steps):
        for group in optimizer.param_groups if name in FALLING else ():
            group["lr"] = FALLING[name] * (1 - step / steps)
        problem.step(optimizer)
    torch.testing.assert_close(problem.weight.data, problem.best_weight, rtol=0, atol=2e-3)
    torch.testing.assert_close(problem.bias.data, problem.best_bias, rtol=0, atol=2e-3)
    torch.testing.assert_close(problem.kernel.data, torch.ones_like(problem.kernel), rtol=0, atol=2e-3)


def _saved(optimizer: Optimizer) -> dict[str, Any]:
    """Its state as a checkpoint gives it back."""
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    state: dict[str, Any] = torch.load(file, weights_only=True)
    return state


def _continued(before: Problem) -> Problem:
    after = Problem()
    for new, old in zip(after.parameters, before.parameters, strict=True):
        new.data.copy_(old.data)
    return after


@pytest.mark.parametrize("default", [torch.float32, torch.float64])  # Lightning's, in which scalars are kept
@pytest.mark.parametrize("name", OURS)
def test_a_resumed_run_ends_at_the_same_bits(name: str, default: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_default_dtype", lambda: default)
    whole, first = Problem(), Problem()
    ended = whole.run(OURS[name](whole.parameters), 9)
    optimizer = OURS[name](first.parameters)
    first.run(optimizer, 4)
    second, forgetful = _continued(first), _continued(first)
    resumed = OURS[name](second.parameters)
    resumed.load_state_dict(_saved(optimizer))
    assert all(map(torch.equal, second.run(resumed, 5), ended))
    has_memory = name not in ("gd", "sgd")
    afresh = forgetful.run(OURS[name](forgetful.parameters), 5)
    assert all(map(torch.equal, afresh, ended)) is not has_memory


@pytest.mark.parametrize("name", ["adam", "adagrad", "rmsprop", "muon"])
def test_a_resume_takes_the_settings_of_now_and_other_groups(name: str) -> None:
    """From no decay, where all share a group, to decay on weights alone: as if the settings had changed in place."""
    build = optimizers.muon if name == "muon" else PAIRS[name][0]
    settings = {**(MUON if name == "muon" else PAIRS[name][1])}
    first, changed = Problem(), Problem()
    before = build(first.parameters, False, **settings, weight_decay=0.0)
    first.run(before, 4)
    in_place = build(changed.parameters, False, **settings, weight_decay=0.2)
    for group in in_place.param_groups:
        group["initial_decay"], group["weight_decay"] = group["weight_decay"], 0.0
    changed.run(in_place, 4)
    for group in in_place.param_groups:
        group["weight_decay"], group["lr"] = group["initial_decay"], 0.01
    second = _continued(first)
    resumed = build(second.parameters, False, **{**settings, "lr": 0.01}, weight_decay=0.2)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        resumed.load_state_dict(_saved(before))
    resumed.register_load_state_dict_pre_hook(optimizers.settings_of_now)
    resumed.load_state_dict(_saved(before))
    assert all(map(torch.equal, second.run(resumed, 4), changed.run(in_place, 4)))


@pytest.mark.parametrize("decay_all", [False, True])
@pytest.mark.parametrize("name", [*PAIRS, "muon"])
def test_biases_decay_only_where_all_do(name: str, decay_all: bool) -> None:
    """Where a gradient is zero nothing but decay moves a parameter, towards zero."""
    build, settings = (optimizers.muon, MUON) if name == "muon" else PAIRS[name][:2]
    problem = Problem()
    before = [parameter.detach().clone() for parameter in problem.parameters]
    optimizer = build(problem.parameters, decay_all, **{**settings, "lr": 1e-4}, weight_decay=0.1)
    for _ in range(3):
        for parameter in problem.parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    shrunk = [
        bool(((now.abs() < then.abs()) & (now.sign() == then.sign())).all())
        for now, then in zip(problem.parameters, before, strict=True)
    ]
    assert shrunk == [decay_all, True, True]
    assert decay_all or torch.equal(problem.bias, before[0])


def _groups_of(parameters: list[nn.Parameter], decay_all: bool, weight_decay: float) -> list[tuple[int, float]]:
    made = optimizers.adam(parameters, decay_all, lr=0.1, **BETAS, weight_decay=weight_decay)
    return [(len(group["params"]), group["weight_decay"]) for group in made.param_groups]


def test_there_are_no_more_groups_than_needed_and_none_is_empty() -> None:
    weight, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    assert _groups_of([bias, weight, nn.Parameter(torch.ones(()))], False, 0.1) == [(1, 0.1), (2, 0)]
    assert _groups_of([bias, weight], True, 0.1) == [(2, 0.1)]
    assert _groups_of([bias, weight], False, 0) == [(2, 0)]
    assert _groups_of([bias], False, 0.1) == [(1, 0)]
    assert _groups_of([weight], False, 0.1) == [(1, 0.1)]


def test_the_first_step_of_sgd_and_adam_has_the_closed_form() -> None:
    for build, settings in ((optimizers.sgd, PAIRS["sgd"][1]), (optimizers.adam, PAIRS["adam"][1])):
        problem, start = Problem(), Problem()
        problem.step(build(problem.parameters, False, **settings, weight_decay=0.0))
        assert problem.weight.grad is not None
        gradient = problem.weight.grad
        move = 0.1 * gradient if build is optimizers.sgd else 0.02 * gradient / (gradient.abs() + 1e-6)
        torch.testing.assert_close(problem.weight, start.weight - move)


def test_weight_decay_is_decoupled_in_adamw_alone() -> None:
    """With a gradient of zero AdamW shrinks by 1 - lr * decay; Adam, whose decay is a gradient, steps by lr."""
    settings = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.5}
    ends = []
    for build in (optimizers.adamw, optimizers.adam):
        x = nn.Parameter(torch.tensor([4.0], dtype=torch.float64))
        x.grad = torch.zeros_like(x)
        build([x], True, **settings).step()
        ends.append(x.item())
    assert ends == pytest.approx([4 * (1 - 0.1 * 0.5), 4 - 0.1])


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.nesterov=true needs optimizer\.momentum above 0"):
        optimizers.sgd([nn.Parameter(torch.ones(1))], False, lr=0.1, momentum=0, nesterov=True, weight_decay=0)


def test_muon_is_muon_for_matrices_and_adamw_for_the_rest() -> None:
    ours, theirs = Problem(), Problem()
    joint = OURS["muon"](ours.parameters)
    muon = TorchMuon(
        [theirs.weight], lr=0.02, weight_decay=0.1, momentum=0.9, nesterov=True, adjust_lr_fn="match_rms_adamw"
    )
    rest = [{"params": [theirs.kernel], "weight_decay": 0.1}, {"params": [theirs.bias], "weight_decay": 0.0}]
    adamw = AdamW(rest, lr=0.02, betas=(0.8, 0.99), eps=1e-6, fused=True)
    for step in range(20):
        for group in (*joint.param_groups, *muon.param_groups, *adamw.param_groups):
            group["lr"] = 0.02 / (1 + step)  # the joint groups are those that count
        ours.step(joint)
        muon.zero_grad()
        theirs.step(adamw)
        muon.step()
        assert all(map(torch.equal, ours.parameters, theirs.parameters))


@pytest.mark.parametrize("shape", [(64, 16), (16, 64), (32, 32)])
def test_muon_steps_along_a_nearly_orthogonal_matrix(shape: tuple[int, int]) -> None:
    """Newton-Schulz leaves singular values between about 0.7 and 1.2, whatever those of the gradient."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape) @ torch.diag(torch.linspace(0.5, 5, shape[1]))
    optimizers.muon([weight], False, **MUON, weight_decay=0.0).step()
    move = -weight.detach() / (0.02 * 0.2 * max(shape) ** 0.5)
    values = torch.linalg.svdvals(move)
    assert values.min() > 0.5 and values.max() < 1.35
    raw = torch.linalg.svdvals(weight.grad)
    assert raw.max() / raw.min() > 2.5
    left, _, right = torch.linalg.svd(weight.grad, full_matrices=False)
    assert torch.trace(left.T @ move @ right.T) / min(shape) > 0.7  # and in the gradient's own directions


def test_muon_takes_models_of_only_matrices_or_none() -> None:
    weight, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    for parameters in ([weight], [bias]):
        assert len(optimizers.muon(parameters, False, **MUON, weight_decay=0.1).param_groups) == 1


def test_the_joint_optimizer_runs_a_closure_once_and_returns_its_loss() -> None:
    problem, calls = Problem(), []

    def closure() -> float:
        calls.append(torch.is_grad_enabled())
        return 3.0

    assert OURS["muon"](problem.parameters).step(closure) == 3.0
    assert calls == [True]


def test_the_joint_optimizer_follows_its_groups_after_a_resume_too() -> None:
    problem = Problem()
    optimizer = OURS["muon"](problem.parameters)
    before = problem.run(optimizer, 1)
    optimizer.load_state_dict(_saved(optimizer))
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    assert all(map(torch.equal, problem.run(optimizer, 1), before))


@pytest.mark.parametrize("option", ["adamw", "momentum", "rmsprop"])
def test_a_state_saved_in_another_memory_layout_goes_on_alike(option: str) -> None:
    """As where a run of a GPU, with channels last, goes on on a CPU."""
    torch.manual_seed(0)
    weight, gradients = torch.randn(4, 3, 3, 3), torch.randn(6, 4, 3, 3, 3)

    def steps(weight: nn.Parameter, optimizer: Optimizer, some: Tensor) -> None:
        for gradient in some:
            weight.grad = torch.empty_like(weight).copy_(gradient)
            optimizer.step()

    def build(parameter: nn.Parameter) -> Optimizer:
        builder, settings, *_ = PAIRS[option]
        return builder([parameter], decay_all=False, weight_decay=0.1, **settings)

    whole = nn.Parameter(weight.clone())
    steps(whole, build(whole), gradients)
    first = nn.Parameter(weight.clone())
    saved = build(first)
    steps(first, saved, gradients[:3])
    second = nn.Parameter(first.detach().to(memory_format=torch.channels_last))
    resumed = build(second)
    resumed.register_load_state_dict_post_hook(optimizers.layout_of_now)
    resumed.load_state_dict(saved.state_dict())
    steps(second, resumed, gradients[3:])
    torch.testing.assert_close(second, whole, rtol=1e-6, atol=1e-7)
