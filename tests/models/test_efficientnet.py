import torch
from torch import Tensor, nn

from paribus.data.spec import DataSpec
from paribus.models.efficientnet import efficientnet_b0
from paribus.torchvision_ops import torchvision

# Tan & Le 2019, table 1: operator, resolution of the inputs, channels of the outputs, layers.
TABLE_1 = [
    ("Conv3x3", 224, 32, 1),
    ("MBConv1, k3x3", 112, 16, 1),
    ("MBConv6, k3x3", 112, 24, 2),
    ("MBConv6, k5x5", 56, 40, 2),
    ("MBConv6, k3x3", 28, 80, 3),
    ("MBConv6, k5x5", 14, 112, 3),
    ("MBConv6, k5x5", 14, 192, 4),
    ("MBConv6, k3x3", 7, 320, 1),
    ("Conv1x1", 7, 1280, 1),
]


def _model(num_outputs: int = 1000, stochastic_depth: float = 0.2) -> nn.Module:
    settings = {"stem_stride": 2, "stochastic_depth": stochastic_depth, "weights": "none"}
    return efficientnet_b0(DataSpec((3, 224, 224)), num_outputs, 0.2, **settings)


def _operator(layer: nn.Module) -> str:
    """MBConv6, k5x5: a block whose depthwise kernel is 5x5, on 6 times the channels that come in."""
    convolutions = [each for each in layer.modules() if isinstance(each, nn.Conv2d)]
    depthwise = [each for each in convolutions if each.groups > 1]
    if not depthwise:
        height, width = convolutions[0].kernel_size
        return f"Conv{height}x{width}"
    height, width = depthwise[0].kernel_size
    return f"MBConv{depthwise[0].in_channels // convolutions[0].in_channels}, k{height}x{width}"


def test_stages_are_those_of_the_paper() -> None:
    model, rows = _model().to("meta").eval(), list[tuple[str, int, int, int]]()

    def note(stage: nn.Module, inputs: tuple[Tensor], outputs: Tensor) -> None:
        layers = list(stage) if isinstance(stage[0], torchvision.models.efficientnet.MBConv) else [stage]
        (operator,) = {_operator(layer) for layer in layers}
        rows.append((operator, inputs[0].shape[-1], outputs.shape[1], len(layers)))

    for stage in model.get_submodule("features").children():
        stage.register_forward_hook(note)
    assert model(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)
    assert rows == TABLE_1


def test_stochastic_depth_rises_with_the_depth() -> None:
    found = [each.p for each in _model(5, 0.32).modules() if isinstance(each, torchvision.ops.StochasticDepth)]
    torch.testing.assert_close(found, [0.32 * block / 16 for block in range(16)])
