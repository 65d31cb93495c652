"""The real data sets that ship with scikit-learn: no download, no network."""

import torch
from sklearn import datasets
from sklearn.utils import Bunch

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData, regression_data
from paribus.data.spec import classification_spec
from paribus.data.splitting import three_way
from paribus.types import Flag, Fraction, Scaling


def digits(loading: Loading, *, validation_fraction: Fraction, test_fraction: Fraction, scaling: Scaling) -> TensorData:
    """1,797 greyscale images of 8x8, values 0..16, 10 classes (UCI, Alpaydin & Kaynak 1998)."""
    bunch = datasets.load_digits()
    bunch.data = bunch.images[:, None]
    return _classification(bunch, loading, validation_fraction, test_fraction, scaling, image_range=16)


def iris(loading: Loading, *, validation_fraction: Fraction, test_fraction: Fraction, scaling: Scaling) -> TensorData:
    """150 flowers, 4 measurements in cm, 3 species (Fisher 1936)."""
    return _classification(datasets.load_iris(), loading, validation_fraction, test_fraction, scaling)


def wine(loading: Loading, *, validation_fraction: Fraction, test_fraction: Fraction, scaling: Scaling) -> TensorData:
    """178 wines, 13 chemical measurements, 3 growers (UCI, Aeberhard & Forina 1992)."""
    return _classification(datasets.load_wine(), loading, validation_fraction, test_fraction, scaling)


def breast_cancer(
    loading: Loading, *, validation_fraction: Fraction, test_fraction: Fraction, scaling: Scaling
) -> TensorData:
    """569 tumours, 30 measurements, malignant or benign (UCI, Wolberg et al. 1993)."""
    return _classification(datasets.load_breast_cancer(), loading, validation_fraction, test_fraction, scaling)


def diabetes(
    loading: Loading,
    *,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    scaling: Scaling,
    scale_target: Flag,
) -> TensorData:
    """442 patients, 10 measurements, disease progression after a year (Efron et al. 2004)."""
    bunch = datasets.load_diabetes(scaled=False)
    inputs, targets = torch.tensor(bunch.data), torch.tensor(bunch.target)
    rows = three_way(None, len(inputs), validation_fraction, test_fraction, loading)
    return regression_data(
        inputs, targets, rows, "progression", loading, scaling_kind=scaling, scale_target=scale_target
    )


def _classification(
    bunch: Bunch,
    loading: Loading,
    validation_fraction: float,
    test_fraction: float,
    scaling: str,
    image_range: float | None = None,
) -> TensorData:
    inputs = torch.tensor(bunch.data)
    targets = torch.tensor(bunch.target, dtype=torch.int64)
    spec = classification_spec(tuple(inputs.shape[1:]), tuple(str(name) for name in bunch.target_names))
    rows = three_way(targets, len(inputs), validation_fraction, test_fraction, loading)
    splits = {name: Split(inputs[index], targets[index]) for name, index in rows.items()}
    return TensorData(splits, spec, loading, scaling_kind=scaling, image_range=image_range)
