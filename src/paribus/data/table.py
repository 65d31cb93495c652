"""Any CSV or Parquet file of the user: one row an example, one column the target.

Columns of numbers are features as they are; columns of text are categories, one 0/1 feature each (one-hot).
Everything that is learned from the values (means, categories, scaling) is learned from the training rows alone.
"""

from pathlib import Path
from statistics import fmean

import polars as pl
import torch
from torch import Tensor

from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData, regression_data
from paribus.data.spec import classification_spec
from paribus.data.splitting import check_classes, three_way
from paribus.errors import ConfigError, DataError, nearest
from paribus.types import Character, FilePath, Flag, Fraction, MissingValues, Scaling, TaskKind, Text, TextList

LINE = "\0line"  # a column of our own, under a name that no file's column has
HEADER_LINES = 1  # row numbers in errors count as an editor does: the header is line 1
MOST_CATEGORIES = 100  # a column of more different texts is an id or free text


def table(
    loading: Loading,
    *,
    path: FilePath,
    target: Text,
    task: TaskKind,
    delimiter: Character,
    categorical: TextList,
    exclude: TextList,
    missing: MissingValues,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    scaling: Scaling,
    scale_target: Flag,
) -> TensorData:
    """Read, check and split the file. Raises DataError with file, row and column, ConfigError for a column's name."""
    frame = _read(Path(path), delimiter)
    _check_columns(frame, path, target, categorical=categorical, exclude=exclude)
    frame = frame.with_row_index(LINE, offset=HEADER_LINES + 1).drop(exclude)
    frame = _without_missing(frame, path, target, missing)
    frame = _numbers_in_text(frame, path, [name for name in frame.columns if name not in (target, *categorical)])
    _check_finite(frame, path)
    labels = _target(frame, path, target, task)
    features = frame.drop(target, LINE)
    numeric = [name for name in features.columns if name not in categorical and features[name].dtype.is_numeric()]
    categories = [name for name in features.columns if name not in numeric]
    for name in categories:
        _check_categories(frame, path, name, declared=name in categorical)
    if not features.columns:
        raise DataError(f"{path} has no column beside the target {target!r}; there is nothing to learn from")

    is_classes = task == "classification"
    dtype = torch.int64 if is_classes else torch.float64
    names = sorted(set(labels.to_list()), key=_label_order) if is_classes else []
    numbers = {name: number for number, name in enumerate(names)}
    targets = torch.tensor([numbers[value] for value in labels] if is_classes else labels.to_list(), dtype=dtype)
    if is_classes:
        check_classes(targets, [str(name) for name in names], f"{path}: column {target!r}")
    rows = three_way(targets if is_classes else None, len(targets), validation_fraction, test_fraction, loading.seed)
    inputs = _encoded(features, path, numeric, categories, rows["train"])
    if not is_classes:
        return regression_data(inputs, targets, rows, target, loading, scaling_kind=scaling, scale_target=scale_target)
    spec = classification_spec((inputs.shape[1],), tuple(str(name) for name in names))
    splits = {name: Split(inputs[index], targets[index]) for name, index in rows.items()}
    return TensorData(splits, spec, loading, scaling_kind=scaling)


def _read(path: Path, delimiter: str) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file; set data.path")
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        else:
            # Types are inferred from all rows, so that a text far below is not a surprise.
            frame = pl.read_csv(
                path, separator=delimiter, infer_schema_length=None, null_values=["", "NA", "NaN", "nan"]
            )
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None
    if frame.is_empty():
        raise DataError(f"{path} has no rows")
    booleans = [name for name, kind in frame.schema.items() if kind == pl.Boolean]
    return frame.with_columns(pl.col(booleans).cast(pl.Int8))


def _check_columns(frame: pl.DataFrame, path: str, target: str, **settings: list[str]) -> None:
    for setting, names in {"target": [target], **settings}.items():
        for name in names:
            if name not in frame.columns:
                raise ConfigError(
                    f"data.{setting}={name} is no column of {path}; {nearest(name, frame.columns, 'columns')}"
                    + ("; is data.delimiter right?" if len(frame.columns) == 1 else "")
                )

    for setting in ("exclude", "categorical"):
        if target in settings[setting]:
            raise ConfigError(f"data.{setting}=[{target}]: {target} is the target; leave it out of data.{setting}")
    both = set(settings["exclude"]) & set(settings["categorical"])
    if both:
        name = min(both)
        raise ConfigError(f"data.categorical=[{name}]: {name} is excluded by data.exclude; leave it out of one of them")


def _without_missing(frame: pl.DataFrame, path: str, target: str, missing: str) -> pl.DataFrame:
    """No missing value is left in the target; elsewhere as `missing` says."""
    blank = frame.filter(pl.col(target).is_null())
    if len(blank):
        raise DataError(f"{path}: row {blank[LINE][0]}, column {target!r}: the target is missing")
    if missing == "fill":
        return frame
    if missing == "drop":
        return frame.drop_nulls()
    for name in frame.columns:
        if frame[name].null_count():
            line = frame.filter(pl.col(name).is_null())[LINE][0]
            raise DataError(
                f"{path}: row {line}, column {name!r}: the value is missing; use data.missing=fill or data.missing=drop"
            )
    return frame


def _numbers_in_text(frame: pl.DataFrame, path: str, names: list[str]) -> pl.DataFrame:
    """Columns of text in which every value is a number, as quoted numbers of a CSV file are, become numbers."""
    for name in names:
        if frame[name].null_count() == len(frame):
            raise DataError(f"{path}: column {name!r} has no values; leave it out with data.exclude=[{name}]")
        if frame[name].dtype == pl.String:
            numbers = frame[name].cast(pl.Float64, strict=False)
            if numbers.null_count() == frame[name].null_count():
                frame = frame.with_columns(numbers)
    return frame


def _check_finite(frame: pl.DataFrame, path: str) -> None:
    for name in frame.columns:
        if frame[name].dtype.is_float() and not frame[name].is_finite().all():
            wrong = frame.filter(~pl.col(name).is_finite())
            raise DataError(f"{path}: row {wrong[LINE][0]}, column {name!r}: {wrong[name][0]} is not a finite number")


def _target(frame: pl.DataFrame, path: str, target: str, task: str) -> pl.Series:
    column = frame[target]
    if task == "regression":
        if column.dtype.is_numeric():
            return column.cast(pl.Float64)
        line, text = _not_a_number(frame, target)
        raise DataError(f"{path}: row {line}, column {target!r}: {text!r} is not a number, which regression needs")
    fractions = column.filter(column != column.round()) if column.dtype.is_float() else pl.Series()
    if len(fractions):
        raise DataError(
            f"{path}: column {target!r} holds fractions such as {fractions[0]}, which are no classes; "
            "use data.task=regression"
        )
    return column.cast(pl.Int64) if column.dtype.is_float() else column


def _check_categories(frame: pl.DataFrame, path: str, name: str, *, declared: bool) -> None:
    """A column of text that holds mostly numbers has a slip in it; one of many different texts is no category."""
    column = frame[name]
    if not declared:
        if not isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
            raise DataError(f"{path}: column {name!r} holds {column.dtype}; leave it out with data.exclude=[{name}]")
        numbers = column.cast(pl.String).cast(pl.Float64, strict=False).is_not_null().sum()
        if numbers * 2 >= column.len() - column.null_count():
            line, text = _not_a_number(frame, name)
            raise DataError(
                f"{path}: row {line}, column {name!r}: {text!r} is not a number; mend it, or set "
                f"data.categorical=[{name}] if the column holds categories"
            )
    if column.n_unique() > MOST_CATEGORIES:
        raise DataError(
            f"{path}: column {name!r} has {column.n_unique()} different values, too many for categories; "
            f"leave it out with data.exclude=[{name}]"
        )


def _not_a_number(frame: pl.DataFrame, name: str) -> tuple[int, str]:
    text = pl.col(name).cast(pl.String)
    wrong = frame.filter(text.is_not_null() & text.cast(pl.Float64, strict=False).is_null())
    return wrong[LINE][0], str(wrong[name][0])


def _label_order(label: object) -> tuple[bool, object]:
    return isinstance(label, str), label


def _encoded(frame: pl.DataFrame, path: str, numeric: list[str], categories: list[str], train: Tensor) -> Tensor:
    """(N, F), double: numbers, then one column a category seen in training; a missing or unseen one is all zeros.

    A missing number becomes the mean of the training rows. Raises DataError for a column of which they hold nothing.
    """
    training = frame[train.numpy()]
    columns = []
    for name in (*numeric, *categories):
        seen = training[name].drop_nulls()
        if seen.is_empty():
            raise DataError(
                f"{path}: column {name!r} has no value in any training row; leave it out with data.exclude=[{name}]"
            )
        if name in numeric:
            values = frame[name].cast(pl.Float64)
            columns.append(values.fill_null(fmean(seen.cast(pl.Float64))))
        else:
            columns += [(frame[name] == value).fill_null(False).cast(pl.Float64) for value in seen.unique().sort()]
    return torch.stack([torch.tensor(column.to_numpy()) for column in columns], 1)
