"""What every shipped step promises, with the settings of its YAML."""

import math
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Generator, Tensor

from paribus import parts
from paribus.augmentation import Mixing, draws
from paribus.errors import ConfigError

STEPS = sorted(set(parts.options("augmentation", None)) - {"none"})
SHAPES = [(8, 3, 12, 18), (8, 1, 12, 18), (8, 3, 17, 9), (1, 3, 12, 12)]


def _settings(option: str) -> dict[str, Any]:
    values = OmegaConf.to_container(OmegaConf.load(parts.options("augmentation", None)[option]))
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _step(option: str, **changes: Any) -> Any:
    settings = {**_settings(option), **changes}
    part = parts.find("augmentation", settings.pop("name"), None)
    assert part is not None
    return part.build({}, settings)


def _augmented(step: Any, inputs: Tensor, seed: int) -> Tensor:
    found = step(inputs, Generator().manual_seed(seed))
    return found[0] if isinstance(step, Mixing) else found


def _images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(1))


def test_none_does_nothing() -> None:
    assert _step("none") is None


@pytest.mark.parametrize("option", STEPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_type_and_range_stay_and_the_input_too(option: str, dtype: torch.dtype) -> None:
    step = _step(option)
    for shape in SHAPES:
        images = _images(*shape).to(dtype)
        before = images.clone()
        augmented = _augmented(step, images, 2)
        assert torch.equal(images, before)
        assert augmented.shape == images.shape and augmented.dtype == dtype and augmented.device == images.device
        assert augmented.data_ptr() != images.data_ptr()
        assert augmented.min() >= 0 and augmented.max() <= 1


@pytest.mark.parametrize("option", STEPS)
def test_the_generator_alone_decides(option: str) -> None:
    step, images = _step(option), _images(16, 3, 12, 18)
    first = _augmented(step, images, 3)
    torch.rand(7)
    before = torch.get_rng_state()
    assert torch.equal(_augmented(step, images, 3), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(_augmented(step, images, 4), first)
    generator = Generator().manual_seed(3)
    step(images, generator)
    second = step(images, generator)
    assert not torch.equal(second[0] if isinstance(step, Mixing) else second, first)


@pytest.mark.parametrize("option", sorted(set(STEPS) - {"mixup", "cutmix"}))
def test_images_of_one_batch_are_changed_in_ways_of_their_own(option: str) -> None:
    step, image = _step(option), _images(1, 3, 12, 18)
    augmented = _augmented(step, image.expand(64, -1, -1, -1), 5)
    kinds = len(torch.unique(augmented.flatten(1), dim=0))
    assert kinds == 2 if option in ("flip", "vertical_flip", "grayscale") else kinds > 10


@pytest.mark.parametrize("option", STEPS)
def test_precision_is_full_where_training_is_mixed(option: str) -> None:
    step, images = _step(option), _images(64, 3, 12, 18)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = _augmented(step, images, 6)
    assert torch.equal(mixed, _augmented(step, images, 6))


@pytest.mark.parametrize(
    ("option", "changes", "shape", "message"),
    [
        ("crop", {"padding": 12}, (2, 3, 12, 18), r"^augmentation.crop.padding=12 .* 12 x 18 pixels; use 11 or less"),
        ("blur", {"kernel_size": 25}, (2, 3, 12, 18), r"^augmentation.blur.kernel_size=25 .* use 23 or less"),
        ("colour_jitter", {}, (2, 4, 12, 18), r"^augmentation.colour_jitter knows images of 1 or 3 channels"),
        ("grayscale", {}, (2, 4, 12, 18), r"^augmentation.grayscale .* this data has 4; leave it out$"),
        ("rand_augment", {}, (2, 2, 12, 18), r"^augmentation.rand_augment .* this data has 2; leave it out$"),
        ("trivial_augment", {}, (2, 2, 12, 18), r"^augmentation.trivial_augment .* this data has 2; leave it out$"),
    ],
)
def test_data_that_does_not_fit_is_one_line(
    option: str, changes: dict[str, Any], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        _augmented(_step(option, **changes), _images(*shape), 7)


@pytest.mark.parametrize(("option", "changes"), [("crop", {"padding": 11}), ("blur", {"kernel_size": 23})])
def test_the_largest_that_fits_fits(option: str, changes: dict[str, Any]) -> None:
    _augmented(_step(option, **changes), _images(2, 3, 12, 18), 7)


def test_uniform_draws_fill_their_range_evenly() -> None:
    values = draws.uniform(Generator().manual_seed(8), (20_000,), (-2, 3))
    assert values.dtype == torch.float64 and values.min() >= -2 and values.max() <= 3
    counts = torch.histc(values, bins=10, min=-2, max=3)
    assert ((counts - 2_000).abs() < 5 * math.sqrt(2_000)).all()


def test_whole_draws_are_even_and_below_their_count() -> None:
    counts = torch.tensor([1, 2, 9]).repeat(20_000, 1)
    values = draws.below(Generator().manual_seed(9), counts)
    assert values.dtype == torch.int64
    for column, count in enumerate((1, 2, 9)):
        times = values[:, column].bincount()
        assert len(times) == count and ((times - 20_000 / count).abs() < 5 * math.sqrt(20_000 / count)).all()


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_what_happens_happens_as_often_as_it_should(probability: float) -> None:
    share = draws.happens(Generator().manual_seed(10), 20_000, probability).double().mean()
    assert abs(share - probability) <= 5 * math.sqrt(probability * (1 - probability) / 20_000)
