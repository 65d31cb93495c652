from collections import OrderedDict
from itertools import chain

import pytest
import torch
from torch import nn

from paribus.data.spec import DataSpec
from paribus.models.cnn import cnn
from paribus.models.efficientnet import efficientnet_b0
from paribus.models.mlp import mlp
from paribus.models.mobilenet import mobilenet_v3_small
from paribus.models.resnet import resnet18
from paribus.models.stages import head, stages
from paribus.models.vgg import vgg11_bn
from paribus.types import ConvolutionBlock

IMAGE = DataSpec((3, 32, 32))
BLOCK = ConvolutionBlock(channels=4, kernel=3, stride=1, padding=1, padding_mode="zeros", pooling="max")


def _cnn() -> nn.Module:
    settings = {"blocks": [BLOCK, BLOCK], "hidden_sizes": [6], "weights": "none"}
    return cnn(IMAGE, 5, nn.PReLU, "batch", 0.1, 0.0, **settings)


FEATURES = [f"features.{place}" for place in range(9)]
MODELS = {
    # model, the names of its stages by what each parameter's name opens with
    "cnn": (_cnn, [["block1"], ["block2"], ["dense1", "normalization1", "activation1"], ["output"]]),
    "mlp": (lambda: mlp(IMAGE, 5, nn.ReLU, "none", 0.0, hidden_sizes=[4]), [["dense1"], ["output"]]),
    "perceptron": (lambda: mlp(IMAGE, 5, nn.ReLU, "none", 0.0, hidden_sizes=[]), [["output"]]),
    "resnet18": (
        lambda: resnet18(IMAGE, 5, stem_stride=1, weights="none"),
        [["conv1", "bn1"], *([f"layer{number}"] for number in (1, 2, 3, 4)), ["fc"]],
    ),
    "efficientnet_b0": (
        lambda: efficientnet_b0(IMAGE, 5, 0.1, stem_stride=1, stochastic_depth=0.0, weights="none"),
        [*([name] for name in FEATURES), ["classifier.1"]],
    ),
    "mobilenet_v3_small": (
        lambda: mobilenet_v3_small(IMAGE, 5, 0.1, stem_stride=1, weights="none"),
        [*([f"features.{place}"] for place in range(13)), ["classifier.0"], ["classifier.3"]],
    ),
    "vgg11_bn": (
        lambda: vgg11_bn(IMAGE, 5, 0.1, weights="none"),
        [
            *([f"features.{place}", f"features.{place + 1}"] for place in (0, 4, 8, 11, 15, 18, 22, 25)),
            ["classifier.0", "classifier.3"],
            ["classifier.6"],
        ],
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_stages_stand_in_the_order_of_the_layers(name: str) -> None:
    build, expected = MODELS[name]
    model = build()
    names = {id(parameter): each for each, parameter in model.named_parameters()}
    found = [[names[id(parameter)] for parameter in stage] for stage in stages(model)]
    openings = [
        list(OrderedDict.fromkeys(opening for each in stage for opening in known if each.startswith(f"{opening}.")))
        for stage, known in zip(found, expected, strict=True)
    ]
    assert openings == expected
    assert sorted(chain.from_iterable(found)) == sorted(names.values())
    assert [id(parameter) for parameter in head(model).parameters()] == list(map(id, stages(model)[-1]))


class Tied(nn.Module):
    """The output layer shares the weights of the embedding; the model has a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(3))
        self.embedding = nn.Embedding(5, 3)
        self.norm = nn.LayerNorm(3)
        self.hidden = nn.Linear(3, 3)
        self.output = nn.Linear(3, 5)
        self.output.weight = self.embedding.weight


def test_a_shared_weight_counts_once_and_goes_with_the_head() -> None:
    model = Tied()
    names = {id(parameter): each for each, parameter in model.named_parameters()}
    found = [[names[id(parameter)] for parameter in stage] for stage in stages(model)]
    assert found == [
        ["start", "norm.weight", "norm.bias"],
        ["hidden.weight", "hidden.bias"],
        ["embedding.weight", "output.bias"],
    ]


def test_a_single_layer_is_its_head() -> None:
    layer = nn.Linear(2, 3)
    assert head(layer) is layer and stages(layer) == [[layer.weight, layer.bias]]
    scale = nn.BatchNorm1d(3)
    assert head(scale) is scale


def test_a_wrapped_model_has_its_own_stages_and_all_its_parameters() -> None:
    class Scaled(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(2, 3), nn.Linear(3, 4), nn.Linear(4, 1))
            self.gain = nn.Parameter(torch.ones(2, 2))

    bare = Scaled()
    wrapper = nn.Module()
    wrapper.add_module("model", bare)
    found = stages(wrapper)
    assert [len(stage) for stage in found] == [1, 2, 2, 2]
    assert {id(each) for stage in found for each in stage} == {id(each) for each in wrapper.parameters()}
