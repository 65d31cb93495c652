import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from paribus.augmentation import boxes

SHAPES = [(16, 3, 12, 18), (16, 1, 17, 9), (16, 3, 16, 16)]
SCALE, RATIO = [0.08, 1.0], [0.5, 1.2]  # ratios that tell width / height from height / width
HOLE_SCALE, HOLE_RATIO = [0.02, 0.33], [0.3, 1.5]


def _images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(1))


def _each(found: boxes._Boxes) -> list[tuple[int, int, int, int]]:
    columns = (found.top, found.left, found.height, found.width)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_resized_crop_is_torchvision_s_of_each_image(shape: tuple[int, ...]) -> None:
    images = _images(*shape)
    found = boxes.resized_crop(scale=SCALE, ratio=RATIO)(images, Generator().manual_seed(2))
    drawn = _each(boxes._draw_crops(Generator().manual_seed(2), images, SCALE, RATIO))
    for image, one, box in zip(images, found, drawn, strict=True):
        expected = F.resized_crop(image, *box, size=list(shape[-2:]), antialias=True)
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=0)


def test_the_whole_image_is_the_image() -> None:
    images = _images(3, 3, 12, 12)
    whole = boxes.resized_crop(scale=[1.0, 1.0], ratio=[1.0, 1.0])(images, Generator().manual_seed(3))
    torch.testing.assert_close(whole, images, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_erasing_is_torchvision_s_of_each_image(shape: tuple[int, ...]) -> None:
    images = _images(*shape)
    settings = {"probability": 0.6, "scale": HOLE_SCALE, "ratio": HOLE_RATIO}
    found = boxes.erasing(**settings)(images, Generator().manual_seed(4))
    drawn = _each(boxes._draw_holes(Generator().manual_seed(4), images, **settings))
    assert 0 < sum(height > 0 for _, _, height, _ in drawn) < len(images)
    for image, one, (top, left, height, width) in zip(images, found, drawn, strict=True):
        assert torch.equal(one, F.erase(image, top, left, height, width, torch.zeros(1, 1, 1)))


def test_erasing_is_as_frequent_as_asked_and_leaves_boxes_that_do_not_fit() -> None:
    images = torch.ones(20_000, 1, 32, 32)
    drawn = boxes._draw_holes(Generator().manual_seed(5), images, 0.25, HOLE_SCALE, HOLE_RATIO)
    assert abs((drawn.height > 0).double().mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 20_000)
    never = boxes._draw_holes(Generator().manual_seed(5), images[:100], 1.0, [1.0, 1.0], [1.0, 1.0])
    assert never.height.sum() == never.width.sum() == 0  # as large as the image is too large


def _torchvision_s(transform: Any, keys: str, image: Tensor, count: int) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(6)
        found = [transform.make_params([image]) for _ in range(count)]
    return torch.tensor([[each[key] for key in keys.split()] for each in found]).double()


@pytest.mark.parametrize(("height", "width"), [(24, 24), (16, 40)])
def test_boxes_are_spread_as_torchvision_s(height: int, width: int) -> None:
    images = torch.ones(20_000, 1, height, width)
    crops = boxes._draw_crops(Generator().manual_seed(7), images, SCALE, RATIO)
    holes = boxes._draw_holes(Generator().manual_seed(7), images, 1.0, HOLE_SCALE, HOLE_RATIO)
    crop, hole = (
        v2.RandomResizedCrop((height, width), tuple(SCALE), tuple(RATIO)),
        v2.RandomErasing(1.0, HOLE_SCALE, HOLE_RATIO),
    )
    for ours, transform, keys in ((crops, crop, "top left height width"), (holes, hole, "i j h w")):
        mine = torch.tensor(_each(ours)).double()
        theirs = _torchvision_s(transform, keys, images[0], 1_500)
        for moment in (1, 2):
            difference = (mine**moment).mean(0) - (theirs**moment).mean(0)
            error = (theirs**moment).std(0) * math.sqrt(1 / len(theirs) + 1 / len(mine))
            assert (difference.abs() <= 5 * error).all()


@pytest.mark.parametrize(
    ("height", "width", "ratio"), [(10, 40, [0.1, 0.2]), (40, 10, [0.1, 0.2]), (40, 10, [2.0, 3.0])]
)
def test_where_no_draw_fits_the_largest_central_box_is_cut(height: int, width: int, ratio: list[float]) -> None:
    images = torch.ones(50, 3, height, width)
    drawn = set(_each(boxes._draw_crops(Generator().manual_seed(8), images, [0.99, 1.0], ratio)))
    transform = v2.RandomResizedCrop((height, width), (0.99, 1.0), tuple(ratio))
    assert {tuple(box) for box in _torchvision_s(transform, "top left height width", images[0], 3).tolist()} == drawn
    assert len(drawn) == 1
