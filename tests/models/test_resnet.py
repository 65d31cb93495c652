import pytest
from torch import nn

from paribus.data.spec import DataSpec
from paribus.models.resnet import resnet18, resnet50


@pytest.mark.parametrize(("build", "blocks"), [(resnet18, [2, 2, 2, 2]), (resnet50, [3, 4, 6, 3])])
@pytest.mark.parametrize(("stem_stride", "kernel", "pooling"), [(2, 7, nn.MaxPool2d), (1, 3, nn.Identity)])
def test_layout_is_that_of_the_paper(
    build: object, blocks: list[int], stem_stride: int, kernel: int, pooling: type[nn.Module]
) -> None:
    """He et al. 2016, table 1; with stride 1 the stem of section 4.2."""
    model = build(DataSpec((1, 32, 32)), 5, stem_stride=stem_stride, weights="none")
    assert [len(model.get_submodule(f"layer{number}")) for number in (1, 2, 3, 4)] == blocks
    assert (model.conv1.kernel_size, model.conv1.stride) == ((kernel, kernel), (stem_stride, stem_stride))
    assert isinstance(model.maxpool, pooling)
