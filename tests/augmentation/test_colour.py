import math

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as F

from paribus.augmentation import colour, draws, operations

CLOSE = {"atol": 2e-6, "rtol": 0.0}


def _images(channels: int = 3) -> Tensor:
    """Noise, bytes, few levels with many ties, and flat colours: black, white, grey and red."""
    generator = Generator().manual_seed(1)
    noise = torch.rand(4, channels, 9, 14, generator=generator)
    return torch.cat(
        (
            noise,
            (noise * 255).round() / 255,
            (noise * 3).round() / 3,
            torch.zeros_like(noise[:1]),
            torch.ones_like(noise[:1]),
            torch.full_like(noise[:1], 0.3),
            torch.tensor([1.0, 0.0, 0.0])[:channels].view(1, -1, 1, 1).expand(1, -1, 9, 14),
        )
    )


PAIRS = {
    "brightness": (operations.brightness, F.adjust_brightness),
    "contrast": (operations.contrast, F.adjust_contrast),
    "saturation": (operations.saturation, F.adjust_saturation),
    "sharpness": (operations.sharpness, F.adjust_sharpness),
    "hue": (operations.hue, F.adjust_hue),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_change_is_torchvision_s_of_each_image(name: str, channels: int) -> None:
    images, (ours, theirs) = _images(channels), PAIRS[name]
    bounds = (-0.5, 0.5) if name == "hue" else (0, 2)
    amounts = draws.uniform(Generator().manual_seed(2), (len(images),), bounds)
    for image, one, amount in zip(images, ours(images, amounts), amounts.tolist(), strict=True):
        torch.testing.assert_close(one, theirs(image, amount), **CLOSE)


@pytest.mark.parametrize("name", PAIRS)
def test_no_change_is_the_image_itself(name: str) -> None:
    images = _images()
    nothing = torch.zeros(len(images)) if name == "hue" else torch.ones(len(images))
    torch.testing.assert_close(PAIRS[name][0](images, nothing), images, **CLOSE)


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_is_torchvision_s_in_the_order_drawn(channels: int) -> None:
    images = _images(channels)
    jitter = colour.colour_jitter(brightness=0.4, contrast=0.5, saturation=1.5, hue=0.2)
    found = jitter(images, Generator().manual_seed(3))
    bounds = {"brightness": (0.6, 1.4), "contrast": (0.5, 1.5), "saturation": (0.0, 2.5), "hue": (-0.2, 0.2)}
    order, parameters = colour._draw_jitter(Generator().manual_seed(3), len(images), bounds)
    names = list(bounds)
    for row, image in enumerate(images):
        for place in order[row].tolist():
            image = PAIRS[names[place]][1](image, float(parameters[names[place]][row]))
        torch.testing.assert_close(found[row], image, atol=1e-5, rtol=0)


def test_jitter_draws_every_order_and_the_whole_of_each_range() -> None:
    bounds = {"brightness": (0.6, 1.4), "contrast": (0.0, 3.0), "hue": (-0.5, 0.5)}
    order, parameters = colour._draw_jitter(Generator().manual_seed(4), 12_000, bounds)
    kinds, times = torch.unique(order, dim=0, return_counts=True)
    assert len(kinds) == 6 and ((times - 2_000).abs() < 5 * math.sqrt(2_000)).all()
    for name, (low, high) in bounds.items():
        width, drawn = high - low, parameters[name]
        assert low <= drawn.min() < low + 0.01 * width and high - 0.01 * width < drawn.max() <= high
        assert abs(drawn.mean() - (low + high) / 2) < 5 * width / math.sqrt(12 * 12_000)


def test_jitter_without_strength_is_nothing() -> None:
    images = _images()
    still = colour.colour_jitter(brightness=0, contrast=0, saturation=0, hue=0)
    assert torch.equal(still(images, Generator().manual_seed(5)), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_grayscale_is_torchvision_s_of_the_images_drawn(channels: int) -> None:
    images = _images(channels)
    found = colour.grayscale(probability=0.5)(images, Generator().manual_seed(6))
    chosen = draws.happens(Generator().manual_seed(6), len(images), 0.5).tolist()
    assert True in chosen and False in chosen
    for image, one, is_chosen in zip(images, found, chosen, strict=True):
        expected = F.rgb_to_grayscale(image, num_output_channels=channels) if is_chosen else image
        torch.testing.assert_close(one, expected, **CLOSE)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kernel_size", [1, 3, 9])
def test_blur_is_torchvision_s_of_each_image(channels: int, kernel_size: int) -> None:
    images = _images(channels)
    found = colour.blur(kernel_size=kernel_size, sigma=[0.1, 2.0])(images, Generator().manual_seed(7))
    sigmas = draws.uniform(Generator().manual_seed(7), (len(images),), (0.1, 2.0)).tolist()
    for image, one, sigma in zip(images, found, sigmas, strict=True):
        torch.testing.assert_close(one, F.gaussian_blur(image, [kernel_size] * 2, [sigma, sigma]), **CLOSE)
