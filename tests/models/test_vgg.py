import pytest
import torch
from torch import nn

from paribus.data.spec import DataSpec
from paribus.models.vgg import Averaging, vgg11_bn


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 6), (8, 13), (14, 7)])
def test_averaging_is_adaptive_average_pooling(height: int, width: int) -> None:
    maps = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    ours, theirs = (pooling(maps) for pooling in (Averaging(height, width, 7).double(), nn.AdaptiveAvgPool2d(7)))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad((each * weights).sum(), maps)[0] for each in (ours, theirs)))


@pytest.mark.parametrize(("shape", "kind"), [((1, 32, 64), Averaging), ((3, 224, 224), nn.Identity)])
def test_dense_layers_see_maps_of_7x7(shape: tuple[int, ...], kind: type[nn.Module]) -> None:
    model = vgg11_bn(DataSpec(shape), 5, 0.0, weights="none")
    features, pooling = model.get_submodule("features").eval(), model.get_submodule("avgpool")
    assert isinstance(pooling, kind)
    assert pooling(features(torch.zeros(1, *shape))).shape == (1, 512, 7, 7)
