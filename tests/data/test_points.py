"""Points and pictures made by a rule: what is known of them holds."""

from collections.abc import Callable
from functools import partial
from math import pi

import pytest
import torch
from torch import Tensor

from conftest import Run
from paribus.data.loader import Fold, Loading
from paribus.data.module import TensorData
from paribus.data.points import corner_marks, outliers, xor
from paribus.data.spec import BinarySpec, ClassificationSpec, RegressionSpec
from paribus.errors import ConfigError

LOADING = Loading(seed=0, batch_size=10, steps_per_execution=1)
SIZES = {"train_size": 500, "validation_size": 200, "test_size": 1000}
BUILDERS = {
    "xor": partial(xor, noise=0.2),
    "outliers": partial(outliers, features=10, noise=0.1, outlier_share=0.1, outlier_size=20.0),
    "corner_marks": partial(corner_marks, size=12, strength=2.0),
}
SPLITS = ("train", "val", "test")


def _outliers(loading: Loading = LOADING, **changes: float) -> TensorData:
    settings = {"features": 10, "noise": 0.1, "outlier_share": 0.1, "outlier_size": 20.0, **changes}
    return outliers(loading, **settings, **SIZES)  # type: ignore[arg-type]


def _fitted(inputs: Tensor, targets: Tensor) -> Tensor:
    """Least squares in double precision: inputs (N, F), targets (N,) -> (F + 1,), the constant last."""
    columns = torch.cat([inputs, torch.ones(len(inputs), 1)], 1).double()
    return torch.linalg.lstsq(columns, targets.double()[:, None]).solution[:, 0]


def test_the_class_of_a_cloud_is_whether_its_signs_differ() -> None:
    data = xor(LOADING, noise=0.0, train_size=10, validation_size=8, test_size=7)
    assert isinstance(data.spec, BinarySpec) and data.spec.class_names == ("equal", "different")
    for name, counts in (("train", [2, 2, 3, 3]), ("val", [2, 2, 2, 2]), ("test", [1, 2, 2, 2])):
        split = data.raw(name)
        assert (split.inputs.prod(1) < 0).long().equal(split.targets)
        assert sorted(split.inputs.unique(dim=0, return_counts=True)[1].tolist()) == counts
        assert (split.inputs.abs() == 1).all()


def test_clouds_have_the_deviation_that_is_asked_for() -> None:
    sharp, blurred = (xor(LOADING, noise=noise, **SIZES).raw("test") for noise in (0.0, 0.2))
    error = blurred.inputs - sharp.inputs
    assert sharp.targets.equal(blurred.targets)
    assert error.std().item() == pytest.approx(0.2, rel=5 / 4000**0.5)
    assert error.mean().item() == pytest.approx(0, abs=5 * 0.2 / 2000**0.5)


def test_no_line_gets_more_than_three_quarters_of_xor_right() -> None:
    """Every direction of a fine grid, cut between any two points, and either side taken for the class."""
    split = xor(LOADING, noise=0.2, **SIZES).raw("test")
    angles = torch.arange(360) * pi / 360
    heights = split.inputs @ torch.stack([angles.cos(), angles.sin()])
    signs = 2.0 * split.targets[heights.argsort(0)] - 1  # (N, 360), in the order in which a moving line meets them
    right_below = (signs.cumsum(0) - signs.sum(0) / 2) / len(signs) + 0.5
    assert max(right_below.max().item(), 1 - right_below.min().item()) == 0.75


def test_clean_targets_are_a_plane_whose_slope_has_length_one() -> None:
    clean = _outliers(noise=0.0, outlier_share=0.0)
    assert clean.spec == RegressionSpec((10,), "height", 0.0, 1.0)
    slopes = [_fitted(clean.raw(name).inputs, clean.raw(name).targets) for name in SPLITS]
    for slope in slopes:
        assert slope[:-1].norm().item() == pytest.approx(1, abs=1e-5) and abs(slope[-1].item()) < 1e-5
        torch.testing.assert_close(slope, slopes[0], atol=1e-5, rtol=0)
    other = _outliers(Loading(1, 10, 1), noise=0.0).raw("test")
    assert (_fitted(other.inputs, other.targets) - slopes[0]).norm() > 0.1  # of another seed
    inputs = clean.raw("test").inputs
    assert inputs.mean().item() == pytest.approx(0, abs=5 / 10_000**0.5)
    assert inputs.std().item() == pytest.approx(1, rel=5 / 20_000**0.5)
    error = _outliers().raw("test").targets - clean.raw("test").targets
    assert error.std().item() == pytest.approx(0.1, rel=5 / 2000**0.5)


@pytest.mark.parametrize(("share", "counts"), [(0.1, [50, 20, 0]), (0.0, [0, 0, 0]), (1.0, [500, 200, 0])])
def test_a_share_of_the_training_and_validation_targets_is_too_high_and_nothing_else_changes(
    share: float, counts: list[int]
) -> None:
    clean, dirty = _outliers(outlier_share=0.0), _outliers(outlier_share=share)
    for name, count in zip(SPLITS, counts, strict=True):
        difference = dirty.raw(name).targets - clean.raw(name).targets
        assert dirty.raw(name).inputs.equal(clean.raw(name).inputs)
        torch.testing.assert_close(difference[difference != 0], torch.full((count,), 20.0), atol=1e-4, rtol=0)


def test_squared_errors_are_led_astray_by_the_mean_of_the_outliers() -> None:
    """Least squares puts the plane too high by share * size = 2, and the clean test sees it."""
    data = outliers(
        LOADING, features=3, noise=0.1, outlier_share=0.1, outlier_size=20.0, **{**SIZES, "train_size": 20_000}
    )
    slope = _fitted(data.raw("train").inputs, data.raw("train").targets)
    assert slope[-1].item() == pytest.approx(2, abs=5 * 20 * 0.3 / 20_000**0.5)  # 0.3: deviation of a share of 0.1
    test = data.raw("test")
    too_high = test.inputs.double() @ slope[:-1] + slope[-1] - test.targets
    assert too_high.abs().mean().item() == pytest.approx(2, abs=0.3)


def test_a_mark_is_in_the_corner_that_its_class_names() -> None:
    plain, marked = (corner_marks(LOADING, size=5, strength=strength, **SIZES) for strength in (0.0, 2.0))
    assert marked.spec == ClassificationSpec((1, 5, 5), ("top left", "top right", "bottom left", "bottom right"))
    places = torch.tensor([[0, 0], [0, 4], [4, 0], [4, 4]])
    for name in SPLITS:
        mark = marked.raw(name).inputs - plain.raw(name).inputs
        examples, channels, rows, columns = mark.nonzero(as_tuple=True)
        assert examples.equal(torch.arange(len(mark))) and not channels.any()
        assert torch.stack([rows, columns], 1).equal(places[marked.raw(name).targets])
        torch.testing.assert_close(mark.sum((1, 2, 3)), torch.full((len(mark),), 2.0), atol=1e-5, rtol=0)
        assert marked.raw(name).targets.bincount().tolist() == [len(mark) // 4] * 4
    noise = plain.raw("test").inputs
    assert noise.mean().item() == pytest.approx(0, abs=5 / noise.numel() ** 0.5)
    assert noise.std().item() == pytest.approx(1, rel=5 / (2 * noise.numel()) ** 0.5)


@pytest.mark.parametrize("strength", [0.0, 2.0, 6.0])
def test_the_largest_corner_is_right_as_often_as_theory_says(strength: float) -> None:
    """Integral of phi(z - strength) Phi(z)^3: the marked corner is z, and the other three are below."""
    z = torch.linspace(-12, 18, 30_001, dtype=torch.float64)
    density = torch.exp(-((z - strength) ** 2) / 2) / (2 * pi) ** 0.5
    expected = torch.trapezoid(density * torch.special.ndtr(z) ** 3, z).item()
    split = corner_marks(LOADING, size=3, strength=strength, **{**SIZES, "test_size": 40_000}).raw("test")
    guesses = split.inputs[:, 0, ::2, ::2].flatten(1).argmax(1)
    deviation = (expected * (1 - expected) / 40_000) ** 0.5
    assert (guesses == split.targets).float().mean().item() == pytest.approx(expected, abs=5 * deviation)
    assert expected == pytest.approx(1 / 4) if strength == 0 else expected > 1 / 4


def test_a_picture_of_one_pixel_has_no_corners_to_tell_apart() -> None:
    with pytest.raises(ConfigError, match=r"^data.size=1: all four corners are the same pixel; use 2 or more"):
        corner_marks(LOADING, size=1, strength=2.0, **SIZES)


@pytest.mark.parametrize("name", BUILDERS)
def test_what_is_generated_follows_from_the_seed(name: str) -> None:
    build: Callable[..., TensorData] = BUILDERS[name]
    first, again, other = build(LOADING, **SIZES), build(LOADING, **SIZES), build(Loading(1, 10, 1), **SIZES)
    assert [first.num_rows(split) for split in SPLITS] == [500, 200, 1000]
    assert first.fingerprint == again.fingerprint
    assert all(first.fingerprint[split] != other.fingerprint[split] for split in SPLITS)
    more = build(LOADING, **{**SIZES, "train_size": 900})
    assert [more.fingerprint[split] == first.fingerprint[split] for split in SPLITS] == [False, True, True]
    alike = build(LOADING, train_size=20, validation_size=20, test_size=20)
    inputs = torch.cat([alike.raw(split).inputs for split in SPLITS])
    assert len(inputs.unique(dim=0)) == 60  # no split shares a row with another


@pytest.mark.parametrize("name", BUILDERS)
def test_a_share_of_the_training_rows_is_part_of_them_and_keeps_the_classes_even(name: str) -> None:
    build: Callable[..., TensorData] = BUILDERS[name]
    whole, part = (build(Loading(0, 10, 1, train_fraction=share), **SIZES) for share in (1.0, 0.4))
    assert part.num_rows("train") == 200
    rows = {tuple(row) for row in whole.raw("train").inputs.flatten(1).tolist()}
    assert {tuple(row) for row in part.raw("train").inputs.flatten(1).tolist()} < rows
    assert all(part.fingerprint[split] == whole.fingerprint[split] for split in ("val", "test"))
    if isinstance(part.spec, ClassificationSpec):
        assert len(set(part.raw("train").targets.bincount().tolist())) == 1
    with pytest.raises(ConfigError, match="cross_validation=3: generated data has no rows"):
        build(Loading(0, 10, 1, fold=Fold(1, 3)), **SIZES)


@pytest.mark.parametrize(
    ("choices", "sizes"),
    [
        ("data=xor model=mlp loss=binary_cross_entropy data.sampling=balanced", "train 400, val 100, test 1000"),
        ("data=outliers model=mlp loss=huber", "train 500, val 200, test 1000"),
        ("data=corner_marks model=cnn", "train 1000, val 200, test 1000"),
    ],
)
def test_the_shipped_choice_trains(paribus: Run, choices: str, sizes: str) -> None:
    plain = ("experiment=null", *choices.split(), "logger=none", "trainer=cpu", "trainer.max_epochs=1")
    code, out, err = paribus("check", *plain)
    assert (code, err) == (0, "") and sizes in out
    code, _, err = paribus("train", *plain)
    assert (code, err) == (0, "")
