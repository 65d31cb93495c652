import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as F

from paribus.augmentation import draws, geometry

SHAPES = [(9, 3, 12, 18), (9, 1, 17, 9)]


def _images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize(("mode", "name"), [("zeros", "constant"), ("reflect", "reflect")])
def test_crop_is_torchvision_s_of_each_image(shape: tuple[int, ...], padding: int, mode: str, name: str) -> None:
    images, (height, width) = _images(*shape), shape[-2:]
    cropped = geometry.crop(padding=padding, padding_mode=mode)(images, Generator().manual_seed(2))
    corners = geometry._draw_corners(Generator().manual_seed(2), len(images), padding)
    for image, found, top, left in zip(images, cropped, *(each.tolist() for each in corners), strict=True):
        padded = F.pad(image, [padding], padding_mode=name)
        assert torch.equal(found, F.crop(padded, top, left, height, width))


def test_crops_start_anywhere_in_the_padding() -> None:
    top, left = geometry._draw_corners(Generator().manual_seed(3), 1_000, 4)
    assert set(top.tolist()) == set(left.tolist()) == set(range(9))
    assert len(set(zip(top.tolist(), left.tolist(), strict=True))) == 81  # each with each


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("step", "flipped"), [(geometry.flip, F.horizontal_flip), (geometry.vertical_flip, F.vertical_flip)]
)
def test_flips_are_torchvision_s_of_the_images_drawn(shape: tuple[int, ...], step: object, flipped: object) -> None:
    assert callable(step) and callable(flipped)
    images = _images(*shape)
    found = step(probability=0.5)(images, Generator().manual_seed(4))
    chosen = draws.happens(Generator().manual_seed(4), len(images), 0.5).tolist()
    assert True in chosen and False in chosen
    for image, one, is_chosen in zip(images, found, chosen, strict=True):
        assert torch.equal(one, flipped(image) if is_chosen else image)
    assert torch.equal(step(probability=0.0)(images, Generator()), images)
    assert torch.equal(step(probability=1.0)(images, Generator()), flipped(images))


@pytest.mark.parametrize("shape", [*SHAPES, (9, 3, 16, 16)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_rotation_is_torchvision_s_of_each_image(shape: tuple[int, ...], interpolation: str) -> None:
    images = _images(*shape)
    found = geometry.rotation(degrees=180, interpolation=interpolation)(images, Generator().manual_seed(5))
    angles = draws.uniform(Generator().manual_seed(5), (len(images),), (-180, 180)).tolist()
    mode = F.InterpolationMode(interpolation)
    for image, one, angle in zip(images, found, angles, strict=True):
        torch.testing.assert_close(one, F.rotate(image, angle, mode), atol=1e-5, rtol=0)


def test_right_angles_turn_squares_exactly() -> None:
    images = _images(4, 3, 16, 16)
    found = geometry._rotate(images, torch.tensor([0.0, 90.0, 180.0, -90.0]).double(), "nearest")
    for quarters, (image, one) in enumerate(zip(images, found, strict=True)):
        assert torch.equal(one, torch.rot90(image, quarters, dims=(-2, -1)))
