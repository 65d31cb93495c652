"""Stages: the parts of a model, from the input to the output. The last is its head, the output layer."""

from collections.abc import Iterator

from torch import nn


def head(model: nn.Module) -> nn.Module:
    """The output layer: the last one with weights, which have two dimensions or more; without any, the model."""
    layers = [layer for layer in model.modules() if any(weight.ndim > 1 for weight in layer.parameters(recurse=False))]
    return layers[-1] if layers else model


def stages(model: nn.Module) -> list[list[nn.Parameter]]:
    """All parameters, each once, in stages from the input to the output; the head is the last.

    A stage is a child of the model, or a child of its child `features` or, where it is wrapped, `model`. What has no
    weights but vectors, such as a normalization, belongs to the stage before it.
    """
    output = list(head(model).parameters())
    taken, found = set(output), list[list[nn.Parameter]]()
    for parameters in _pieces(model):
        new = [parameter for parameter in parameters if parameter not in taken]
        taken.update(new)
        if found and all(parameter.ndim <= 1 for parameter in new):
            found[-1].extend(new)
        elif new:
            found.append(new)
    return [*found, output]


def _pieces(model: nn.Module) -> Iterator[list[nn.Parameter]]:
    yield list(model.parameters(recurse=False))
    for name, child in model.named_children():
        if name not in ("features", "model"):
            yield list(child.parameters())
            continue
        yield list(child.parameters(recurse=False))
        for piece in child.children():
            yield list(piece.parameters())
