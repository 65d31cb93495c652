from collections.abc import Callable

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from paribus import activations, parts
from paribus.data.spec import DataSpec
from paribus.errors import ConfigError
from paribus.models.cnn import cnn
from paribus.models.layers import groups
from paribus.types import ConvolutionBlock

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": activations.relu,
    "leaky_relu": lambda: activations.leaky_relu(slope=0.1),
    "tanh": activations.tanh,
    "sigmoid": activations.sigmoid,
}


def _block(channels: int = 1, **settings: object) -> ConvolutionBlock:
    plain = {"kernel": 3, "stride": 1, "padding": 0, "padding_mode": "zeros", "pooling": "none"}
    return ConvolutionBlock.model_validate({"channels": channels, **plain, **settings})


def _cnn(
    blocks: list[ConvolutionBlock],
    shape: tuple[int, ...] = (1, 6, 6),
    activation: Callable[[], nn.Module] = nn.Identity,
    normalization: str = "none",
    dropout: float = 0.0,
    spatial_dropout: float = 0.0,
) -> nn.Module:
    torch.manual_seed(0)
    spec = DataSpec(shape)
    settings = {"blocks": blocks, "hidden_sizes": [5], "weights": "none"}
    return cnn(spec, 3, activation, normalization, dropout, spatial_dropout, **settings)


def _feature_map(model: nn.Module, inputs: Tensor, name: str = "block1") -> Tensor:
    """What the named layer gives."""
    maps: list[Tensor] = []
    handle = model.get_submodule(name).register_forward_hook(lambda _module, _inputs, outputs: maps.append(outputs))
    model(inputs)
    handle.remove()
    return maps[0].detach()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", ["none", "batch", "layer", "group", "instance"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_gives_a_row_of_outputs_an_example(activation: str, normalization: str, dropout: float) -> None:
    blocks = [_block(4, pooling="max", padding=1), _block(3, kernel=2, stride=2)]
    outputs = _cnn(blocks, (2, 8, 10), ACTIVATIONS[activation], normalization, dropout)(torch.randn(7, 2, 8, 10))
    assert outputs.shape == (7, 3)
    assert outputs.isfinite().all()


SIZES = [
    # settings of the block, size of the map that a 6x6 image gives
    ({}, 4),
    ({"padding": 1}, 6),
    ({"padding": 1, "padding_mode": "replicate"}, 6),
    ({"kernel": 2, "stride": 2}, 3),
    ({"kernel": 3, "stride": 2}, 2),  # (6 - 3) // 2 + 1
    ({"pooling": "max"}, 2),
    ({"kernel": 2, "pooling": "avg"}, 2),  # 5 // 2: the last row and column are left over
    ({"kernel": 6}, 1),
]


@pytest.mark.parametrize(("settings", "size"), SIZES)
def test_size_of_the_feature_map(settings: dict[str, object], size: int) -> None:
    model = _cnn([_block(2, **settings)])
    assert _feature_map(model, torch.randn(5, 1, 6, 6)).shape == (5, 2, size, size)


def test_sizes_through_several_blocks() -> None:
    model = _cnn([_block(4, padding=1, pooling="max"), _block(8), _block(2, kernel=2)], (3, 12, 10))
    maps = [_feature_map(model, torch.randn(5, 3, 12, 10), f"block{number}").shape[1:] for number in (1, 2, 3)]
    assert maps == [(4, 6, 5), (8, 4, 3), (2, 3, 2)]


def test_a_convolution_is_the_sum_over_its_window() -> None:
    model, image = _cnn([_block()]), np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
    weight, bias = (parameter.detach().numpy() for parameter in model.get_submodule("block1.convolution").parameters())
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    expected = (windows * weight[0, 0]).sum((2, 3)) + bias[0]
    np.testing.assert_allclose(_feature_map(model, torch.tensor(image)[None, None])[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize(("pooling", "reduce"), [("max", np.max), ("avg", np.mean), ("min", np.min)])
def test_pooling_reduces_each_window(pooling: str, reduce: Callable[..., np.ndarray]) -> None:
    model, images = _cnn([_block(pooling=pooling)], (1, 8, 8)), torch.randn(3, 1, 8, 8)
    maps = _feature_map(model, images, "block1.activation").numpy()
    expected = reduce(maps.reshape(3, 1, 3, 2, 3, 2), axis=(3, 5))
    np.testing.assert_allclose(_feature_map(model, images), expected, atol=1e-6)


@pytest.mark.parametrize(("padding_mode", "distinct"), [("replicate", [18.0]), ("zeros", [8.0, 12.0, 18.0])])
def test_a_constant_image_shows_what_the_padding_holds(padding_mode: str, distinct: list[float]) -> None:
    """A kernel of nine ones over an image of twos: 18, but where zeros were padded 12 at edges and 8 in corners."""
    model = _cnn([_block(padding=1, padding_mode=padding_mode)])
    convolution = model.get_submodule("block1.convolution")
    nn.init.ones_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    assert _feature_map(model, torch.full((1, 1, 6, 6), 2.0)).unique().tolist() == distinct


def test_number_of_parameters() -> None:
    """(k k C_in + 1) C_out for each block, a scale and a shift for each normalized channel, and the dense layers."""
    model = _cnn([_block(4, padding=1, pooling="max"), _block(2)], (3, 8, 8), normalization="layer")
    expected = (9 * 3 + 1) * 4 + 2 * 4 + (9 * 4 + 1) * 2 + 2 * 2  # maps of 4x4, then of 2x2
    expected += (2 * 2 * 2 + 1) * 5 + 2 * 5 + (5 + 1) * 3
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_layer_normalization_is_over_all_channels_of_an_example() -> None:
    model, images = _cnn([_block(4)], normalization="layer"), 5 + 3 * torch.randn(7, 1, 6, 6)
    before, after = (
        _feature_map(model, images, f"block1.{name}").flatten(1) for name in ("convolution", "normalization")
    )
    expected = (before - before.mean(1, keepdim=True)) / before.std(1, correction=0, keepdim=True)
    torch.testing.assert_close(after, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_a_permuted_batch_gives_permuted_outputs(normalization: str) -> None:
    model = _cnn([_block(4, pooling="max")], activation=nn.Tanh, normalization=normalization, dropout=0.5).eval()
    inputs, order = torch.randn(9, 1, 6, 6), torch.randperm(9)
    torch.testing.assert_close(model(inputs[order]), model(inputs)[order])


def test_without_blocks_it_is_an_mlp_over_the_pixels() -> None:
    assert _cnn([])(torch.randn(7, 1, 6, 6)).shape == (7, 3)


def test_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model cnn needs images.*\(4,\).*use model=mlp"):
        _cnn([_block()], (4,))


@pytest.mark.parametrize(
    ("blocks", "guilty"),
    [
        ([_block(kernel=7)], 0),
        ([_block(kernel=6, pooling="max")], 0),
        ([_block(pooling="max"), _block()], 1),
        ([_block(pooling="max"), _block(kernel=1, pooling="max"), _block(kernel=2)], 2),
    ],
)
def test_blocks_that_leave_nothing_are_named(blocks: list[ConvolutionBlock], guilty: int) -> None:
    with pytest.raises(ConfigError, match=rf"model\.blocks\[{guilty}\] leaves nothing of an image of 6x6"):
        _cnn(blocks)


def test_spatial_dropout_silences_whole_channels() -> None:
    model = _cnn([_block(400)], spatial_dropout=0.3)
    channels = _feature_map(model, torch.randn(5, 1, 6, 6)).flatten(2)
    silent = (channels == 0).all(2)
    assert torch.equal(silent, (channels == 0).any(2))
    assert silent.float().mean().item() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(("normalization", "groups"), [("group", 4), ("instance", 8)])
def test_normalization_by_groups_of_channels(normalization: str, groups: int) -> None:
    maps = _feature_map(_cnn([_block(8)], normalization=normalization), 5 + 3 * torch.randn(7, 1, 6, 6))
    each = maps.reshape(7, groups, -1)
    torch.testing.assert_close(each.mean(2), torch.zeros(7, groups), atol=1e-5, rtol=0)
    torch.testing.assert_close(each.std(2, correction=0), torch.ones(7, groups), atol=1e-2, rtol=0)


@pytest.mark.parametrize(("size", "expected"), [(64, 32), (8, 4), (10, 5), (7, 1), (1, 1), (96, 32), (2, 1)])
def test_groups_divide_the_channels(size: int, expected: int) -> None:
    assert groups(size) == expected


def test_instance_normalization_needs_more_than_a_pixel() -> None:
    with pytest.raises(ConfigError, match=r"model.blocks\[0\] leaves one pixel"):
        _cnn([_block(kernel=6)], normalization="instance")


def _layout(image: Tensor, num_outputs: int) -> tuple[nn.Module, list[tuple[int, ...]]]:
    """LeNet-5 as configs/model/lenet5.yaml has it, and the shapes of its layers' outputs for an image."""
    part = parts.by_option("model", None)["lenet5"]
    settings = OmegaConf.to_container(OmegaConf.load(parts.options("model", None)["lenet5"]))
    assert isinstance(settings, dict) and part.name == "cnn"
    blocks = [ConvolutionBlock.model_validate(block) for block in settings["blocks"]]
    rest = {"hidden_sizes": settings["hidden_sizes"], "weights": settings["weights"]}
    model = cnn(DataSpec(tuple(image.shape)), num_outputs, nn.Tanh, "none", 0.0, 0.0, blocks=blocks, **rest)
    names = ("block1.convolution", "block1", "block2.convolution", "block2", "dense1", "dense2", "output")
    return model, [tuple(_feature_map(model, image[None], name).shape[1:]) for name in names]


def test_lenet5_has_the_maps_of_its_paper() -> None:
    """LeCun et al. 1998, fig. 2: C1, S2, C3, S4, C5, F6, output; each map of C3 sees all 6 of S2 here."""
    model, shapes = _layout(torch.randn(1, 28, 28), 10)
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,)]
    expected = 6 * 26 + 16 * (6 * 25 + 1) + 120 * (16 * 25 + 1) + 84 * 121 + 10 * 85
    assert sum(parameter.numel() for parameter in model.parameters()) == expected == 61_706
