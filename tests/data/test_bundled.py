from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn import datasets

from paribus.data import bundled
from paribus.data.loader import Loading
from paribus.data.module import TensorData
from paribus.data.spec import BinarySpec, ClassificationSpec, RegressionSpec

LOADING = Loading(seed=0, batch_size=16, steps_per_execution=1)
FRACTIONS = {"validation_fraction": 0.1, "test_fraction": 0.2}
CLASSIFICATION = [
    # data set, scikit-learn's own, rows, input shape, kind of task
    (bundled.digits, datasets.load_digits, 1797, (1, 8, 8), ClassificationSpec),
    (bundled.iris, datasets.load_iris, 150, (4,), ClassificationSpec),
    (bundled.wine, datasets.load_wine, 178, (13,), ClassificationSpec),
    (bundled.breast_cancer, datasets.load_breast_cancer, 569, (30,), BinarySpec),
]


def _rows(data: TensorData) -> dict[str, int]:
    return {name: data.num_rows(name) for name in ("train", "val", "test")}


def _tensors(data: TensorData, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(getattr(data, f"{name}_dataloader")().batches())
    return torch.cat([inputs for inputs, _ in batches]), torch.cat([targets for _, targets in batches])


@pytest.mark.parametrize(("build", "load", "rows", "shape", "kind"), CLASSIFICATION)
def test_classification_sets_are_those_of_scikit_learn(
    build: Callable[..., TensorData],
    load: Callable[..., object],
    rows: int,
    shape: tuple[int, ...],
    kind: type[ClassificationSpec],
) -> None:
    data, bunch = build(LOADING, **FRACTIONS, scaling="none"), load()
    assert type(data.spec) is kind
    assert data.spec.input_shape == shape
    assert data.spec.class_names == tuple(str(name) for name in bunch.target_names)
    validation, test = round(rows * 0.1), round(rows * 0.2)
    assert _rows(data) == {"train": rows - validation - test, "val": validation, "test": test}
    found = [_tensors(data, name) for name in ("train", "val", "test")]
    inputs, targets = (torch.cat(parts) for parts in zip(*found, strict=True))
    assert inputs.shape == (rows, *shape)
    assert torch.equal(torch.bincount(targets), torch.bincount(torch.tensor(bunch.target)))
    values = inputs.flatten(1).double().sum(0).numpy()
    np.testing.assert_allclose(values, np.asarray(bunch.data).sum(0), rtol=1e-5)


def test_digits_keep_each_picture_with_its_label() -> None:
    pictures = datasets.load_digits()
    labels = {
        picture.astype(np.float32).tobytes(): label
        for picture, label in zip(pictures.images, pictures.target, strict=True)
    }
    inputs, targets = _tensors(bundled.digits(LOADING, **FRACTIONS, scaling="none"), "train")
    assert [labels[picture.numpy().tobytes()] for picture in inputs[:, 0]] == targets.tolist()


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_digits_with_min_max_lie_between_0_and_1(name: str) -> None:
    inputs, _ = _tensors(bundled.digits(LOADING, **FRACTIONS, scaling="min_max"), name)
    assert inputs.min() == 0
    assert inputs.max() == 1


def test_standard_scaling_is_that_of_the_training_rows() -> None:
    data = bundled.wine(LOADING, **FRACTIONS, scaling="standard")
    inputs, _ = _tensors(data, "train")
    torch.testing.assert_close(inputs.mean(0), torch.zeros(13), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std(0, correction=0), torch.ones(13), atol=1e-5, rtol=0)
    assert _tensors(data, "test")[0].mean(0).abs().max() > 0.01


@pytest.mark.parametrize("scale_target", [True, False])
def test_diabetes_targets_come_back_in_their_own_units(scale_target: bool) -> None:
    data = bundled.diabetes(LOADING, **FRACTIONS, scaling="standard", scale_target=scale_target)
    assert isinstance(data.spec, RegressionSpec)
    assert data.spec.input_shape == (10,)
    assert _rows(data) == {"train": 310, "val": 44, "test": 88}
    targets = {name: _tensors(data, name)[1] for name in ("train", "val", "test")}
    if scale_target:
        assert targets["train"].mean().item() == pytest.approx(0, abs=1e-5)
        assert targets["train"].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    else:
        assert (data.spec.target_mean, data.spec.target_scale) == (0, 1)
    own = torch.cat(list(targets.values())) * data.spec.target_scale + data.spec.target_mean
    expected = np.sort(datasets.load_diabetes().target)
    np.testing.assert_allclose(own.sort().values, expected, rtol=1e-4)


def test_the_split_depends_on_the_seed_alone() -> None:
    def labels(seed: int, batch_size: int = 16) -> list[int]:
        loading = Loading(seed, batch_size, 1)
        return _tensors(bundled.iris(loading, **FRACTIONS, scaling="none"), "test")[0].flatten().tolist()

    assert labels(0) == labels(0, batch_size=5)
    assert labels(0) != labels(1)
