import json

import numpy as np
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from paribus.data import scaling
from paribus.data.scaling import Scaler
from paribus.errors import ConfigError
from paribus.torchvision_ops import torchvision

RNG = np.random.default_rng(0)
ROWS = (RNG.standard_normal((50, 4)) * [1, 10, 0.01, 300] + [0, -5, 2, 1000]).astype(np.float32)
OTHER = (RNG.standard_normal((20, 4)) * 100).astype(np.float32)
IMAGES = torch.tensor(RNG.integers(0, 256, (30, 3, 4, 5)), dtype=torch.uint8)


@pytest.mark.parametrize(("kind", "reference"), [("standard", StandardScaler()), ("min_max", MinMaxScaler())])
def test_rows_are_scaled_as_scikit_learn_does(kind: str, reference: StandardScaler | MinMaxScaler) -> None:
    reference.fit(ROWS.astype(np.float64))
    scaler = scaling.fit(kind, torch.tensor(ROWS), None)
    for rows in (ROWS, OTHER):  # what was not fitted on, too
        expected = reference.transform(rows.astype(np.float64))
        np.testing.assert_allclose(scaler(torch.tensor(rows)), expected, rtol=1e-4, atol=1e-4)


def test_standard_gives_each_channel_of_images_mean_zero_and_deviation_one() -> None:
    scaled = scaling.fit("standard", IMAGES, 255)(IMAGES)
    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_min_max_scales_images_over_the_range_of_their_type() -> None:
    """Whatever the brightest training pixel is: half of the images here stay below 128."""
    dark = IMAGES // 2
    torch.testing.assert_close(scaling.fit("min_max", dark, 255)(dark), dark.float() / 255)


def test_none_changes_the_type_alone() -> None:
    assert torch.equal(scaling.fit("none", IMAGES, 255)(IMAGES), IMAGES.float())
    assert torch.equal(scaling.fit("none", torch.tensor(ROWS), None)(torch.tensor(ROWS)), torch.tensor(ROWS))


@pytest.mark.parametrize("kind", ["standard", "min_max"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3])
def test_a_constant_feature_is_only_shifted(kind: str, value: float) -> None:
    train = torch.tensor(ROWS)
    train[:, 2] = value
    scaler = scaling.fit(kind, train, None)
    assert not scaler(train)[:, 2].any()
    other = train.clone()
    other[:, 2] += 1
    torch.testing.assert_close(scaler(other)[:, 2], torch.ones(50), atol=1e-6, rtol=0)


def test_inputs_are_left_as_they_were() -> None:
    rows = torch.tensor(ROWS)
    scaling.fit("standard", rows, None)(rows)
    assert torch.equal(rows, torch.tensor(ROWS))


@pytest.mark.parametrize("kind", ["standard", "min_max", "none"])
def test_the_state_is_plain_data_that_gives_the_same_scaler(kind: str) -> None:
    scaler = scaling.fit(kind, torch.tensor(ROWS), None)
    state = json.loads(json.dumps(scaler.state_dict()))
    assert state == scaler.state_dict()
    assert torch.equal(Scaler(**state)(torch.tensor(OTHER)), scaler(torch.tensor(OTHER)))


def test_bytes_are_counted_as_numbers_are_measured_and_only_the_rows_asked_for() -> None:
    rows = torch.arange(0, 30, 2)
    counted = scaling.fit("standard", IMAGES, 255, rows)
    measured = scaling.fit("standard", IMAGES[rows].double(), 255)
    np.testing.assert_allclose(counted.shift, measured.shift, rtol=1e-6)
    np.testing.assert_allclose(counted.scale, measured.scale, rtol=1e-6)
    low_high = scaling.fit("min_max", IMAGES, None, rows)
    assert low_high.shift == IMAGES[rows].amin((0, 2, 3)).tolist()


def test_imagenet_is_the_scaling_of_torchvisions_published_weights() -> None:
    preset = torchvision.transforms._presets.ImageClassification(crop_size=4, resize_size=4)
    expected = (IMAGES.double() / 255 - torch.tensor(preset.mean).view(3, 1, 1)) / torch.tensor(preset.std).view(
        3, 1, 1
    )
    torch.testing.assert_close(scaling.fit("imagenet", IMAGES, 255)(IMAGES).double(), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ConfigError, match="imagenet is for images of three channels"):
        scaling.fit("imagenet", IMAGES[:, :1], 255)


def test_a_scaler_for_values_that_were_divided_by_their_range() -> None:
    scaler = scaling.fit("standard", IMAGES, 255)
    torch.testing.assert_close(scaler.for_range(255)(IMAGES / 255), scaler(IMAGES))
