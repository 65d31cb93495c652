"""Each optimizer's step against torch's own class with the same settings."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn, optim

from benchmarks.measuring import Row, Settings, in_turns
from paribus import composition, config

SIZES = (784, 256, 256, 10)
STEPS = {"lbfgs": 10, "muon": 3}  # whose steps take long
MOST_STEPS = 1000
LIMIT = 1.1
Values = Mapping[str, Any]
Parameters = list[nn.Parameter]


def _betas(values: Values) -> dict[str, Any]:
    return {"lr": values["lr"], "betas": (values["beta1"], values["beta2"]), **_picked(values, "eps", "weight_decay")}


def _picked(values: Values, *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _sgd(parameters: Parameters, values: Values) -> optim.Optimizer:
    return optim.SGD(parameters, **values)


# torch's class as it is when nothing but the settings is given.
TORCH: dict[str, Callable[[Parameters, Values], Any]] = {
    "gd": _sgd,
    "sgd": _sgd,
    "momentum": _sgd,
    "nesterov": _sgd,
    "adagrad": lambda weights, values: optim.Adagrad(weights, **values),
    "adadelta": lambda weights, values: optim.Adadelta(weights, **values),
    "rmsprop": lambda weights, values: optim.RMSprop(weights, **values),
    "adam": lambda weights, values: optim.Adam(weights, **_betas(values)),
    "adamw": lambda weights, values: optim.AdamW(weights, **_betas(values)),
    "nadam": lambda weights, values: optim.NAdam(weights, **_betas(values)),
    "radam": lambda weights, values: optim.RAdam(weights, **_betas(values)),
    "lbfgs": lambda weights, values: optim.LBFGS(weights, line_search_fn="strong_wolfe", **values),
    "muon": lambda weights, values: _Both(weights, values),
}


class _Both:
    """torch's Muon for matrices and its AdamW for the rest, one after the other."""

    def __init__(self, weights: Parameters, values: Values) -> None:
        muon = _picked(values, "lr", "momentum", "weight_decay")
        matrices, others = (
            [weight for weight in weights if (weight.ndim == 2) is is_matrix] for is_matrix in (True, False)
        )
        self._muon = optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **muon)
        self._adamw = optim.AdamW(others, **_betas(values))

    def step(self, closure: None) -> None:
        self._muon.step()
        self._adamw.step()


def benchmark(settings: Settings) -> list[Row]:
    """Seconds of many optimizer steps.

    1,000 steps (10 of L-BFGS, with the evaluations of its line search, and 3 of Muon) on the weights of an MLP
    784-256-256-10 with gradients that stay, with the settings of each YAML file, against torch's class with the same
    settings and nothing else chosen. Paribus chooses fused or foreach kernels where they are quicker. Muon is compared
    with torch's Muon and AdamW, one after the other; on CPUs without bfloat16 arithmetic both are slow.
    """
    measures = {}
    for name in TORCH:
        choice = config.check(composition.compose(["experiment=null", f"optimizer={name}"]))["optimizer"]
        measures[f"`optimizer={name}`"] = partial(_seconds, name, partial(_ours, choice))
        measures[_of_torch(name)] = partial(_seconds, name, partial(_theirs, name, choice))
    found = in_turns(measures, settings.rounds)
    rows = []
    for name in TORCH:
        rows += [found.row(_of_torch(name)), found.row(f"`optimizer={name}`", _of_torch(name), LIMIT)]
    return rows


def _ours(choice: config.Choice, weights: Parameters) -> Any:
    return choice.build(parameters=weights, decay_all=False)


def _theirs(name: str, choice: config.Choice, weights: Parameters) -> Any:
    return TORCH[name](weights, choice.settings)


def _of_torch(name: str) -> str:
    return f"torch's {name}"


def _seconds(name: str, make: Callable[[Parameters], Any]) -> float:
    torch.manual_seed(0)
    layers = [nn.Linear(inputs, outputs) for inputs, outputs in pairwise(SIZES)]
    weights = [weight for layer in layers for weight in layer.parameters()]
    curvatures = [torch.linspace(1, 100, weight.numel()).view_as(weight) for weight in weights]
    for weight in weights:
        weight.grad = 0.01 * torch.randn_like(weight)
    optimizer = make(weights)

    def closure() -> torch.Tensor:  # a narrow bowl for the line search
        values = [weight.detach() for weight in weights]
        for weight, value, curvature in zip(weights, values, curvatures, strict=True):
            weight.grad = curvature * value
        return torch.stack([(c * value.square()).sum() / 2 for c, value in zip(curvatures, values, strict=True)]).sum()

    chosen = closure if name == "lbfgs" else None
    steps = STEPS.get(name, MOST_STEPS)
    for _ in range(steps // 10):
        optimizer.step(chosen)
    started = time.perf_counter()
    for _ in range(steps):
        optimizer.step(chosen)
    return time.perf_counter() - started
