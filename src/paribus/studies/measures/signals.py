"""How signals and gradients pass through the layers of a network. Shapes: N rows, U units of a layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import log10

import torch
from torch import Tensor, nn

from paribus.studies.measured import Measured
from paribus.tasks.task import Task

SMALLEST = 1e-30  # what is smaller counts as this, so that its logarithm exists


def activations(run: Measured) -> dict[str, float]:
    """Root mean square of each hidden layer's activations before training, on a sample of the training rows.

    "1", "2" ... by layer; "decades": log10 of the last over the first (Glorot & Bengio 2010; He et al. 2015, sec. 2.2).
    """
    task = run.initial()
    sizes = [float(each.square().mean().sqrt()) for each in _hidden(task, run)]
    return {**_numbered(sizes), "decades": _decades(sizes[-1], sizes[0])}


def gradients(run: Measured) -> dict[str, float]:
    """Root mean square of the loss's gradient by each layer's weights before training, on a sample of training rows.

    "1", "2" ... by layer, the output layer last; "decades": log10 of the first over the last.
    """
    task = run.initial()
    inputs, targets = run.sample()
    task.eval()
    task.loss(*task.flat(task.predicted(inputs, targets), targets)).backward()
    weights = [weight.grad for weight in task.model.parameters() if weight.ndim > 1 and weight.grad is not None]
    sizes = [float(each.square().mean().sqrt()) for each in weights]
    return {**_numbered(sizes), "decades": _decades(sizes[0], sizes[-1])}


def dead_units(run: Measured) -> dict[str, float]:
    """After training, "share": of the hidden units, those with the same activation for every row of the sample.

    Nothing that reaches such a unit changes it, and no gradient passes it (Maas et al. 2013, sec. 2).
    """
    units = torch.cat([(each == each[:1]).all(0).flatten() for each in _hidden(run.last(), run)])
    return {"share": float(units.float().mean())}


def pixels(run: Measured) -> dict[str, float]:
    """ "border_to_middle": before training, the pull of a pixel of the outermost ring, relative to one further in.

    The pull is the root mean square of the outputs' gradient by the pixel, over a sample of the training rows.
    """
    inputs, targets = run.sample()
    task = run.initial()
    task.eval()
    inputs = inputs.clone().requires_grad_()
    outputs = task.predicted(inputs, targets)
    pulls = [torch.autograd.grad(each.sum(), inputs, retain_graph=True)[0] for each in outputs.unbind(1)]
    squares = torch.stack(pulls).square().mean((0, 1, 2))  # (H, W)
    is_border = torch.ones_like(squares, dtype=torch.bool)
    is_border[1:-1, 1:-1] = False
    return {"border_to_middle": float((squares[is_border].mean() / squares[~is_border].mean()).sqrt())}


def _hidden(task: Task, run: Measured) -> list[Tensor]:
    """What each activation gives for the sample, in the order of the layers: (N, U) or (N, C, H, W) each."""
    inputs, targets = run.sample()
    task.eval()
    with torch.no_grad(), _watched(task.model) as found:
        task.predicted(inputs, targets)
    return found


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[Tensor]]:
    """The outputs of the modules that are called activation, activation1 ..., as they come."""
    found: list[Tensor] = []
    layers = [layer for name, layer in model.named_modules() if name.rpartition(".")[2].startswith("activation")]
    hooks = [layer.register_forward_hook(lambda _layer, _inputs, output: found.append(output)) for layer in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _numbered(sizes: list[float]) -> dict[str, float]:
    return {str(number): size for number, size in enumerate(sizes, start=1)}


def _decades(ours: float, theirs: float) -> float:
    return log10(max(ours, SMALLEST)) - log10(max(theirs, SMALLEST))
