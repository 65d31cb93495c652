"""What all models from torchvision share."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from paribus import initializers
from paribus.data.spec import DataSpec
from paribus.errors import ConfigError
from paribus.models.efficientnet import efficientnet_b0
from paribus.models.images import image_shape
from paribus.models.mobilenet import mobilenet_v3_small
from paribus.models.resnet import resnet18, resnet50
from paribus.models.vgg import vgg11_bn

Build = Callable[..., nn.Module]


def _efficientnet(spec: DataSpec, outputs: int, stride: int = 1, dropout: float = 0.0) -> nn.Module:
    return efficientnet_b0(spec, outputs, dropout, stem_stride=stride, stochastic_depth=0.2, weights="none")


def _mobilenet(spec: DataSpec, outputs: int, stride: int = 1, dropout: float = 0.0) -> nn.Module:
    return mobilenet_v3_small(spec, outputs, dropout, stem_stride=stride, weights="none")


def _resnet18(spec: DataSpec, outputs: int, stride: int = 1) -> nn.Module:
    return resnet18(spec, outputs, stem_stride=stride, weights="none")


def _resnet50(spec: DataSpec, outputs: int, stride: int = 1) -> nn.Module:
    return resnet50(spec, outputs, stem_stride=stride, weights="none")


def _vgg(spec: DataSpec, outputs: int, dropout: float = 0.0) -> nn.Module:
    return vgg11_bn(spec, outputs, dropout, weights="none")


MODELS: dict[str, tuple[Build, int]] = {  # with the number of parameters that torchvision states for 1,000 classes
    "efficientnet_b0": (_efficientnet, 5_288_548),
    "mobilenet_v3_small": (_mobilenet, 2_542_856),
    "resnet18": (_resnet18, 11_689_512),
    "resnet50": (_resnet50, 25_557_032),
    "vgg11_bn": (_vgg, 132_868_840),
}
QUICK = ("efficientnet_b0", "mobilenet_v3_small", "resnet18")


def _shape(model: nn.Module, *inputs: int) -> torch.Size:
    """Of the outputs for inputs of that shape, without computing them."""
    outputs: Tensor = model.to("meta").eval()(torch.empty(*inputs, device="meta"))
    return outputs.shape


@pytest.mark.parametrize("name", MODELS)
def test_number_of_parameters_is_the_published_one(name: str) -> None:
    build, expected = MODELS[name]
    published = {} if name == "vgg11_bn" else {"stride": 2}
    model = build(DataSpec((3, 224, 224)), 1000, **published)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


@pytest.mark.parametrize("shape", [(1, 32, 40), (5, 33, 32)])
@pytest.mark.parametrize("name", MODELS)
def test_any_number_of_channels_and_outputs(name: str, shape: tuple[int, ...]) -> None:
    assert _shape(MODELS[name][0](DataSpec(shape), 5), 2, *shape) == (2, 5)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18"])
def test_every_weight_is_given_its_initial_value(name: str) -> None:
    """The builders leave memory as it lies: nothing of what is in it stays."""
    model = MODELS[name][0](DataSpec((3, 32, 32)), 5)
    for tensor in model.state_dict().values():
        tensor.fill_(54_321)
    rest = {"bias": 0.0, "forget_bias": 1.0, "recurrent": "orthogonal", "embedding_std": 1.0}
    initializers.initialize(model, initializers.lecun_normal, 0, **rest)
    assert all(bool((tensor.abs() < 100).all()) for tensor in model.state_dict().values())


@pytest.mark.parametrize(
    ("name", "layer", "sizes"),
    [("efficientnet_b0", "features.0", (32, 16)), ("mobilenet_v3_small", "features.0", (32, 16))]
    + [(name, "layer1", (32, 8)) for name in ("resnet18", "resnet50")],
)
def test_stem_stride_sets_the_size_of_the_first_map(name: str, layer: str, sizes: tuple[int, int]) -> None:
    for stride, size in zip((1, 2), sizes, strict=True):
        shapes: list[torch.Size] = []
        model = MODELS[name][0](DataSpec((3, 32, 32)), 5, stride)
        model.get_submodule(layer).register_forward_hook(lambda _, __, out, shapes=shapes: shapes.append(out.shape))
        _shape(model, 1, 3, 32, 32)
        assert shapes[0][2:] == (size, size)


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v3_small", "vgg11_bn"])
def test_dropout_is_the_one_chosen(name: str) -> None:
    model = MODELS[name][0](DataSpec((3, 32, 32)), 5, dropout=0.3)
    found = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)]
    assert found == [0.3] * (2 if name == "vgg11_bn" else 1)


@pytest.mark.parametrize("name", MODELS)
def test_rows_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"model {name} needs images, and the data gives \(4,\).*use model=mlp"):
        MODELS[name][0](DataSpec((4,)), 5)


@pytest.mark.parametrize("size", [(31, 40), (40, 31)])
def test_the_least_size_is_named(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=rf"vgg11_bn needs images of 32x32 pixels or more.*gives {size[0]}x{size[1]}"):
        _vgg(DataSpec((3, *size)), 5)


def test_the_shape_of_an_image() -> None:
    assert image_shape(DataSpec((3, 32, 40)), "cnn", 32) == (3, 32, 40)
