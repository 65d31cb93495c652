import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms import v2

from paribus.augmentation import policies
from paribus.errors import ConfigError

HEIGHT, WIDTH, BINS = 14, 22, 31
PAIRS = {
    "rand_augment": (policies._RAND, v2.RandAugment),
    "trivial_augment": (policies._TRIVIAL, v2.TrivialAugmentWide),
}


def _image(channels: int) -> Tensor:
    """A photograph's kind of values: bytes, smooth, with a white corner."""
    rows, columns = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)
    waves = torch.stack([(rows * (0.3 + place) + columns * 0.4).sin() for place in range(channels)])
    noise = torch.rand(channels, HEIGHT, WIDTH, generator=Generator().manual_seed(1))
    image = ((0.4 * waves + 0.5 + 0.2 * noise).clamp(0, 1) * 255).round() / 255
    image[:, :3, :3] = 1.0
    return image


def _names(transform: Any) -> list[str]:
    return list(transform._AUGMENTATION_SPACE)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("bins", [2, 31])
def test_operations_magnitudes_and_signs_are_torchvision_s(name: str, bins: int) -> None:
    ranges, transform = PAIRS[name]
    table = policies._magnitudes(ranges, bins, HEIGHT, WIDTH)
    space = transform._AUGMENTATION_SPACE
    assert [each.replace("_", "") for each in policies._OPERATIONS] == [each.lower() for each in space]
    for row, is_signed, (magnitudes, has_sign) in zip(table, policies._SIGNED.tolist(), space.values(), strict=True):
        theirs = magnitudes(bins, HEIGHT, WIDTH)
        assert row.tolist() == (theirs.tolist() if theirs is not None else [0.0] * bins)
        assert is_signed == has_sign


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_of_every_bin_and_sign_is_torchvision_s(name: str, channels: int) -> None:
    ranges, transform = PAIRS[name]
    table, image, reference = policies._magnitudes(ranges, BINS, HEIGHT, WIDTH), _image(channels), transform()
    cases = [
        (place, sign * magnitude)
        for place, row in enumerate(table)
        for magnitude in row.tolist()
        for sign in ((1, -1) if policies._SIGNED[place] else (1,))
    ]
    operation, magnitude = torch.tensor([place for place, _ in cases]), torch.tensor([size for _, size in cases])
    found = policies._apply(image.expand(len(cases), -1, -1, -1), operation, magnitude.double())
    for one, (place, size) in zip(found, cases, strict=True):
        expected = reference._apply_image_or_video_transform(
            image, _names(transform)[place], size, interpolation=v2.InterpolationMode.NEAREST, fill={torch.Tensor: None}
        )
        torch.testing.assert_close(one, expected, atol=2e-6, rtol=0, msg=f"{policies._OPERATIONS[place]} {size}")


def test_rand_augment_draws_each_operation_anew_at_one_magnitude() -> None:
    images = _image(3).expand(40, -1, -1, -1)
    step = policies.rand_augment(num_operations=3, magnitude=9, num_magnitude_bins=BINS)
    generator, table = Generator().manual_seed(2), policies._magnitudes(policies._RAND, BINS, HEIGHT, WIDTH)
    expected, seen = images, []
    for _ in range(3):
        operation, magnitude = policies._draw(generator, table, torch.full((40,), 9))
        assert torch.equal(magnitude.abs(), table[operation, 9].abs())
        expected = policies._apply(expected, operation, magnitude)
        seen.append(operation)
    assert torch.equal(step(images, Generator().manual_seed(2)), expected)
    assert not torch.equal(seen[0], seen[1])


def test_trivial_augment_is_one_operation_at_a_magnitude_drawn() -> None:
    images = _image(3).expand(40, -1, -1, -1)
    generator, table = Generator().manual_seed(3), policies._magnitudes(policies._TRIVIAL, BINS, HEIGHT, WIDTH)
    bins = (torch.rand(40, generator=generator, dtype=torch.float64) * BINS).long()
    expected = policies._apply(images, *policies._draw(generator, table, bins))
    step = policies.trivial_augment(num_magnitude_bins=BINS)
    assert torch.equal(step(images, Generator().manual_seed(3)), expected)


def test_operations_are_as_likely_and_signs_too() -> None:
    count = 28_000
    table = policies._magnitudes(policies._RAND, BINS, HEIGHT, WIDTH)
    operation, magnitude = policies._draw(Generator().manual_seed(4), table, torch.full((count,), 9))
    times = operation.bincount()
    assert len(times) == 14 and ((times - count / 14).abs() < 5 * math.sqrt(count / 14)).all()
    for place, is_signed in enumerate(policies._SIGNED.tolist()):
        negative = (magnitude[operation == place] < 0).double().mean()
        assert abs(negative - (0.5 if is_signed else 0)) < 5 * 0.5 / math.sqrt(count / 14)


def test_a_magnitude_beyond_the_bins_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^augmentation.rand_augment.magnitude=31 must be below .*_bins=31"):
        policies.rand_augment(num_operations=2, magnitude=31, num_magnitude_bins=31)
