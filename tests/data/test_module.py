import json
from collections.abc import Mapping
from math import inf, nan

import pytest
import torch
from torch import Tensor

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData, moved, regression_data
from paribus.data.spec import ClassificationSpec, DataSpec, RegressionSpec
from paribus.errors import ConfigError, DataError

CLASSES = ClassificationSpec((3,), ("a", "b", "c"))
IMAGES = ClassificationSpec((1, 2, 2), ("a", "b", "c"))
REGRESSION = RegressionSpec((3,), "y", 0.0, 1.0)


def _split(rows: int = 12) -> Split:
    return Split(torch.randn(rows, 3, generator=torch.Generator().manual_seed(rows)), torch.arange(rows) % 3)


def _data(spec: DataSpec = CLASSES, batch_size: int = 4, scaling_kind: str = "standard", **splits: Split) -> TensorData:
    chosen: Mapping[str, Split] = {"train": _split(12), "val": _split(5), "test": _split(6), **splits}
    return TensorData(chosen, spec, Loading(0, batch_size, 1), scaling_kind=scaling_kind)


def _changed(place: tuple[int, ...], value: float, rows: int = 12) -> Split:
    split = _split(rows)
    (split.inputs if len(place) == 2 else split.targets)[place] = value
    return split


def _targets(targets: Tensor) -> Split:
    return Split(_split().inputs, targets)


FAULTS = [
    ("val", _changed((4, 2), nan, rows=5), "val inputs: row 4, column 2 is nan"),
    ("train", _changed((7, 0), inf), "train inputs: row 7, column 0 is inf"),
    ("train", _targets(torch.zeros(12, 1, dtype=torch.int64)), r"train targets have the shape \(12, 1\), not \(12,\)"),
    ("train", _targets(torch.zeros(11, dtype=torch.int64)), r"train targets have the shape \(11,\), not \(12,\)"),
    ("test", _changed((5,), 3), "test targets: row 5: label 3 is outside 0..2"),
    ("train", _changed((2,), -1), "train targets: row 2: label -1 is outside 0..2"),
    ("train", _changed((2,), -100), "train targets: row 2: label -100 is outside 0..2"),
    ("train", _targets(torch.zeros(12)), "train targets are torch.float32; class labels must be whole numbers"),
    ("val", Split(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)), "the val split is empty"),
    ("train", Split(torch.zeros(12, 4), _split().targets), r"train inputs have the shape \(4,\) .*, not \(3,\)"),
]


@pytest.mark.parametrize(("name", "split", "message"), FAULTS)
def test_a_planted_fault_is_found(name: str, split: Split, message: str) -> None:
    with pytest.raises(DataError, match=f"^{message}"):
        _data(**{name: split})


def test_a_fault_in_an_image_names_its_row() -> None:
    images = torch.zeros(12, 1, 2, 2)
    images[9, 0, 1, 1] = nan
    with pytest.raises(DataError, match=r"^train inputs: row 9 is nan"):
        _data(IMAGES, train=Split(images, _split().targets))


def test_a_missing_target_of_regression_names_its_row() -> None:
    targets = torch.zeros(12)
    targets[3] = nan
    with pytest.raises(DataError, match=r"^train targets: row 3 is nan"):
        _data(REGRESSION, train=_targets(targets))


def test_a_batch_size_above_the_training_rows_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"^data.batch_size=13 is more than the 12 training rows; use 12 or less"):
        _data(batch_size=13)
    assert _data(batch_size=12).steps_per_epoch == 1


def test_every_stage_gets_its_split_scaled_by_the_training_rows() -> None:
    data = _data()
    train = _split(12).inputs
    for name, rows in (("val", 5), ("test", 6)):
        batches = list(getattr(data, f"{name}_dataloader")().batches())
        expected = (_split(rows).inputs - train.mean(0)) / train.std(0, correction=0)
        torch.testing.assert_close(torch.cat([inputs for inputs, _ in batches]), expected)
        assert torch.equal(torch.cat([targets for _, targets in batches]), _split(rows).targets)
    assert data.train_dataloader().sampler.seed == 0
    assert data.val_dataloader().sampler.seed is None


def test_steps_per_epoch_counts_batches_whatever_the_groups() -> None:
    loading = Loading(0, 5, steps_per_execution=2)
    data = TensorData({"train": _split(12), "val": _split(5)}, CLASSES, loading, scaling_kind="none")
    assert data.steps_per_epoch == 3
    assert len(data.train_dataloader()) == 2


def test_the_state_is_plain_numbers_and_comes_back() -> None:
    data = _data()
    state = data.state_dict()
    assert json.loads(json.dumps(state)) == state
    other = _data(scaling_kind="none")
    before = next(other.val_dataloader().batches())[0]
    other.load_state_dict(state)
    after, expected = (next(each.val_dataloader().batches())[0] for each in (other, data))
    assert torch.equal(after, expected)
    assert not torch.equal(after, before)


OTHER_DATA = [
    ("train rows", _data(train=_changed((7, 0), 0.5))),
    ("val rows", _data(val=_changed((4,), 2, rows=5))),
    ("test rows", _data(test=_split(7))),
    ("classes or columns", _data(ClassificationSpec((3,), ("a", "b", "d")))),
]


@pytest.mark.parametrize(("what", "other"), OTHER_DATA)
def test_other_data_than_that_of_the_run_is_an_error(what: str, other: TensorData) -> None:
    with pytest.raises(DataError, match=f"its {what} differ"):
        other.load_state_dict(_data().state_dict())


@pytest.mark.parametrize("scale_target", [True, False])
def test_regression_targets_are_in_standard_units_of_the_training_rows(scale_target: bool) -> None:
    targets = 100 + 7 * torch.randn(12, generator=torch.Generator().manual_seed(0))
    rows = {"train": torch.arange(8), "val": torch.arange(8, 10), "test": torch.arange(10, 12)}
    data = regression_data(
        _split().inputs,
        targets,
        rows,
        "y",
        Loading(0, 2, 1),
        scaling_kind="none",
        scale_target=scale_target,
    )
    spec = data.spec
    assert isinstance(spec, RegressionSpec)
    expected = (targets[:8].mean().item(), targets[:8].std(correction=0).item()) if scale_target else (0, 1)
    assert (spec.target_mean, spec.target_scale) == pytest.approx(expected)
    found = torch.cat([targets for _, targets in data.test_dataloader().batches()])
    torch.testing.assert_close(found * spec.target_scale + spec.target_mean, targets[10:])


def test_a_target_that_never_changes_is_an_error() -> None:
    rows = {"train": torch.arange(8), "val": torch.arange(8, 10), "test": torch.arange(10, 12)}
    with pytest.raises(DataError, match=r"^price has the same value in every training row"):
        regression_data(
            _split().inputs,
            torch.full((12,), 5.0),
            rows,
            "price",
            Loading(0, 2, 1),
            scaling_kind="none",
            scale_target=True,
        )


def _images(batch_size: int = 4, key: str | None = None, seed: int = 0, **changed: Split) -> TensorData:
    """30 images as bytes, of which 12, 5 and 6 rows are the splits."""
    pixels = torch.randint(256, (30, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(2))
    chosen = {
        name: Split(pixels, torch.arange(len(rows)) % 3, rows, key)
        for name, rows in {"train": order[:12], "val": order[12:17], "test": order[17:23]}.items()
    }
    return TensorData(chosen | changed, IMAGES, Loading(seed, batch_size, 1), scaling_kind="standard")


def test_images_scaled_batch_by_batch_are_those_scaled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = list(_images().train_dataloader().batches()), list(_images().test_dataloader().batches())
    monkeypatch.setattr("paribus.data.module.LARGEST_FLOATS", 1)
    data = _images()
    by_batch = list(data.train_dataloader().batches()), list(data.test_dataloader().batches())
    assert data.train_dataloader().inputs is data.raw("test").inputs  # which all splits share
    for one, other in zip(at_once, by_batch, strict=True):
        assert len(one) == len(other)
        for (inputs, targets), (same, same_targets) in zip(one, other, strict=True):
            assert torch.equal(inputs, same) and torch.equal(targets, same_targets)


def test_training_images_alone_are_augmented_before_scaling() -> None:
    data = _images()
    plain = list(data.train_dataloader().batches())
    tested = list(data.test_dataloader().batches())
    data = _images()
    data.augment(lambda images, draws: 1 - images)
    for (inputs, _), (turned, _) in zip(plain, data.train_dataloader().batches(), strict=True):
        scaler = data._scaler
        expected = 255 - (inputs * scaler.scale[0] + scaler.shift[0])
        torch.testing.assert_close(turned * scaler.scale[0] + scaler.shift[0], expected, atol=1e-3, rtol=1e-5)
    for (inputs, _), (same, _) in zip(tested, data.test_dataloader().batches(), strict=True):
        assert torch.equal(inputs, same)


def test_augmentation_draws_anew_each_batch_and_epoch_and_by_the_seed() -> None:
    def draws(seed: int, epoch: int) -> list[float]:
        data = _images(seed=seed)
        found: list[float] = []

        def augment(images: Tensor, generator: torch.Generator) -> Tensor:
            found.append(float(torch.rand((), generator=generator)))
            return images

        data.augment(augment)
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        list(loader.batches())
        return found[1:]  # the first is a trial, on no images

    assert draws(0, 1) == draws(0, 1)
    assert len({*draws(0, 0), *draws(0, 1), *draws(1, 0)}) == 9


def test_rows_of_a_table_are_not_augmented() -> None:
    with pytest.raises(ConfigError, match="augmentation is for images"):
        _data().augment(lambda images, draws: images)


def test_images_by_position_are_of_zero_to_one() -> None:
    data = _images()
    split = data.raw("test")
    assert split.rows is not None
    expected = split.inputs[split.rows[[4, 1]]].float() / 255
    assert torch.equal(data.images("test", torch.tensor([4, 1])), expected)


def test_the_fingerprint_takes_a_key_for_the_content() -> None:
    assert _images(key="a").fingerprint == _images(key="a").fingerprint
    one, other = _images(key="a").fingerprint, _images(key="b").fingerprint
    assert one["spec"] == other["spec"] and all(one[name] != other[name] for name in ("train", "val", "test"))
    split = _images(key="a").raw("val")
    moved = Split(split.inputs, split.targets, split.rows.flip(0) if split.rows is not None else None, "a")
    assert _images(key="a", val=moved).fingerprint["val"] != one["val"]


def test_regression_takes_rows_of_images_without_copying_them() -> None:
    pixels = torch.randint(256, (20, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    rows = {"train": torch.arange(10), "val": torch.arange(10, 15), "test": torch.arange(15, 20)}
    targets = torch.arange(20, dtype=torch.float64)
    data = regression_data(
        pixels, targets, rows, "y", Loading(0, 4, 1), scaling_kind="min_max", scale_target=True, key="k"
    )
    assert data.raw("val").inputs is pixels
    (inputs, found), *_ = data.val_dataloader().batches()
    torch.testing.assert_close(inputs, pixels[10:15] / 255)
    assert isinstance(data.spec, RegressionSpec)
    torch.testing.assert_close(found * data.spec.target_scale + data.spec.target_mean, targets[10:15].float())


def test_the_scaler_is_fitted_where_images_are_scaled_and_not_before() -> None:
    """That reads all training images, and a run that is resumed or tested again takes it from its checkpoint."""
    data = _images(key="k")
    data.augment(lambda images, draws: images)
    assert data.steps_per_epoch == 3 and data._fitted is None
    next(data.train_dataloader().batches())
    assert data._fitted is not None


def test_windows_that_are_moved_stay_a_view_of_one_tensor() -> None:
    series = torch.arange(40.0).view(20, 2)
    view = series.unfold(0, 5, 1).transpose(1, 2)[3:12:2]
    there = moved(view, torch.device("meta"))  # a device that holds nothing: what would be moved shows in the storage
    assert (there.device.type, there.shape, there.stride()) == ("meta", view.shape, view.stride())
    assert there.untyped_storage().nbytes() == 4 * 2 * (4 * 2 + 5) < view.numel() * 4
    assert moved(view, torch.device("cpu")).data_ptr() == view.data_ptr()
