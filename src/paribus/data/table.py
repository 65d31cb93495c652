"""Any CSV or Parquet file of the user: one row an example, one column the target.

Columns of numbers are features as they are; columns of text are categories, one 0/1 feature each (one-hot).
Everything that is learned from the values (means, categories, scaling) is learned from the training rows alone.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import polars as pl
import torch
from torch import Tensor

from paribus.data.loader import Loading
from paribus.data.module import LARGEST, Split, TensorData, regression_data
from paribus.data.reading import LINE, check_column, read_table
from paribus.data.spec import classification_spec
from paribus.data.splitting import check_classes, three_way
from paribus.errors import ConfigError, DataError
from paribus.types import Character, FilePath, Flag, Fraction, MissingValues, Scaling, TaskKind, Text, TextList

MOST_CATEGORIES = 100  # a column of more different texts is an id or free text
MOST_NAMES = 10  # in a remark
MOST_SHOWN = 60  # characters of a value, in an error
PLAIN_NAME = re.compile(r"(?!(true|false|null|nan|inf)$)[A-Za-z_][A-Za-z0-9_]*", re.IGNORECASE)

# Texts that stand for numbers: pattern -> what such a text is, and what to do. The first that fits counts.
NUMBER_LIKE = {
    r"^[+-]?(\d*,(\d{1,2}|\d{4,})|(0|\d{4,}),\d{3})([eE][+-]?\d+)?$": (
        "a number with a decimal comma",
        "set data.decimal_comma=true",
    ),
    r"^[+-]?\d{1,3},\d{3}$": (
        "a number with a comma",
        "take the commas out of the file if they separate thousands, or set data.decimal_comma=true",
    ),
    r"^[+-]?\d{1,3}([,.'’ \xa0\u202f]\d{3})+([.,]\d+)?$": (
        "a number with separated thousands",
        "take the separators out of the file",
    ),
    r"^[+-]?\d*\.\d+([eE][+-]?\d+)?$": (
        "a number with a decimal point",
        "write it with a comma, or set data.decimal_comma=false",
    ),
    r"^[+-]?\d*[.,]?\d+\s?%$": ("a percentage", "take the % out of the file"),
    r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})([T ].*)?$|^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$": (
        "a date or time",
        "write it as a number in the file",
    ),
}


@dataclass(frozen=True)
class _Source:
    """The file and what the settings say of its columns, to word errors with."""

    path: str
    target: str
    categorical: list[str]
    exclude: list[str]

    def place(self, name: str, line: int | None = None) -> str:
        return f"{self.path}: {'' if line is None else f'row {line}, '}column {name!r}"

    def leave_out(self, name: str) -> str:
        typed = [override("exclude", [*self.exclude, name])]
        if name in self.categorical:
            typed.append(override("categorical", [other for other in self.categorical if other != name]))
        return f"leave it out with {' '.join(typed)}"

    def declare(self, name: str) -> str:
        return override("categorical", [*self.categorical, name])


def override(setting: str, names: Sequence[str]) -> str:
    """The override of a list of columns as it can be pasted into a shell, quoted for Hydra and for the shell."""
    return shlex.quote(f"data.{setting}=[{','.join(map(_hydra_text, names))}]")


def _hydra_text(name: str) -> str:
    if PLAIN_NAME.fullmatch(name):
        return name
    escaped = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + found[2].replace('"', '\\"'), name)
    return '"' + escaped.replace("${", "\\${") + '"'


def table(
    loading: Loading,
    *,
    path: FilePath,
    target: Text,
    task: TaskKind,
    delimiter: Character | None,
    decimal_comma: Flag,
    categorical: TextList,
    exclude: TextList,
    missing: MissingValues,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    scaling: Scaling,
    scale_target: Flag,
) -> TensorData:
    """Read, check and split the file. Raises DataError with file, row and column, ConfigError for a column's name."""
    source = _Source(path, target, categorical, exclude)
    whole = read_table(Path(path), delimiter)
    _check_columns(whole, source)
    frame = _without_missing(whole.drop(exclude), source, missing)
    frame = _numbers_in_text(frame, source, decimal_comma)
    _check_range(frame, source)
    labels = _target(frame, source, task, decimal_comma)
    features = frame.drop(target, LINE)
    numeric = [name for name in features.columns if name not in categorical and features[name].dtype.is_numeric()]
    categories = [name for name in features.columns if name not in numeric]
    for name in categories:
        _check_categories(frame, source, name, decimal_comma)

    if task == "classification":
        targets, names = _class_numbers(labels)
        check_classes(targets, names, source.place(target))
        rows = three_way(targets, len(targets), validation_fraction, test_fraction, loading)
        inputs = _encoded(features, source, numeric, categories, rows["train"])
        splits = {name: Split(inputs[index], targets[index]) for name, index in rows.items()}
        data = TensorData(splits, classification_spec((inputs.shape[1],), names), loading, scaling_kind=scaling)
    else:
        targets = torch.tensor(labels.to_list(), dtype=torch.float64)
        rows = three_way(None, len(targets), validation_fraction, test_fraction, loading)
        _check_varies(targets[rows["train"]], source)
        inputs = _encoded(features, source, numeric, categories, rows["train"])
        data = regression_data(inputs, targets, rows, target, loading, scaling_kind=scaling, scale_target=scale_target)
    data.remarks = _remarks(frame, source, numeric, categories, len(whole) - len(frame))
    return data


def _check_columns(frame: pl.DataFrame, source: _Source) -> None:
    columns = [name for name in frame.columns if name != LINE]
    target, settings = source.target, {"exclude": source.exclude, "categorical": source.categorical}
    for setting, names in {"target": [target], **settings}.items():
        for name in names:
            check_column(name, columns, setting, source.path)
    for setting, names in settings.items():
        if target in names:
            raise ConfigError(f"data.{setting}=[{target}]: {target} is the target; leave it out of data.{setting}")
    both = set(source.exclude) & set(source.categorical)
    if both:
        name = min(both)
        raise ConfigError(f"data.categorical=[{name}]: {name} is excluded by data.exclude; leave it out of one of them")
    if set(columns) == {target, *source.exclude}:
        raise DataError(f"{source.path} has no column beside the target {target!r}; there is nothing to learn from")


def _without_missing(frame: pl.DataFrame, source: _Source, missing: str) -> pl.DataFrame:
    """No missing value is left in the target; elsewhere as `missing` says."""
    target = source.target
    for name in frame.columns:
        if frame[name].null_count() == len(frame):
            remedy = "give data.target another column" if name == target else source.leave_out(name)
            raise DataError(f"{source.place(name)} has no values; {remedy}")
    if missing == "drop":
        frame = frame.drop_nulls()
        if frame.is_empty():
            raise DataError(f"{source.path}: every row has a missing value; use data.missing=fill")
    for name in (target, *frame.columns) if missing == "error" else [target]:
        if frame[name].null_count():
            line = frame.filter(pl.col(name).is_null())[LINE][0]
            what = "target is missing; mend the row" if name == target else "value is missing; use data.missing=fill"
            rest = "use data.missing=drop, which leaves such rows out" if name == target else "data.missing=drop"
            raise DataError(f"{source.place(name, line)}: the {what}, or {rest}")
    return frame


def floats(text: pl.Series, decimal_comma: bool) -> pl.Series:
    """The texts as numbers, null where one is none."""
    if decimal_comma:
        text = text.str.replace_all(".", "?", literal=True).str.replace_all(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def _numbers_in_text(frame: pl.DataFrame, source: _Source, decimal_comma: bool) -> pl.DataFrame:
    """Columns of text that are not declared become numbers where every value is one, or is true or false."""
    texts = [name for name in frame.columns if frame[name].dtype == pl.String and name not in source.categorical]
    return frame.with_columns(as_numbers(frame[name], decimal_comma) for name in texts)


def as_numbers(text: pl.Series, decimal_comma: bool) -> pl.Series:
    """The texts as numbers, true as 1, where all are; else as they are."""
    for convert in (_whole, partial(floats, decimal_comma=decimal_comma), _flags):
        numbers = convert(text)
        if numbers.null_count() == text.null_count():
            return numbers
    return text


def _whole(text: pl.Series) -> pl.Series:
    return text.cast(pl.Int64, strict=False)


def _flags(text: pl.Series) -> pl.Series:
    return text.str.to_lowercase().replace_strict({"true": 1, "false": 0}, default=None, return_dtype=pl.Int8)


def _check_range(frame: pl.DataFrame, source: _Source) -> None:
    for name in frame.drop(LINE).columns:
        if frame[name].dtype.is_numeric():
            wrong = frame.filter(~(pl.col(name).cast(pl.Float64).abs() < LARGEST))
            if len(wrong):
                rest = "" if name == source.target else f", or {source.leave_out(name)}"
                raise DataError(
                    f"{source.place(name, wrong[LINE][0])}: {wrong[name][0]:g} cannot be used; every value must be a "
                    f"finite number below {LARGEST:g}: mend it{rest}"
                )


def _target(frame: pl.DataFrame, source: _Source, task: str, decimal_comma: bool) -> pl.Series:
    name = source.target
    column = frame[name]
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise DataError(f"{source.place(name)} holds {column.dtype}; the target must be one number or text a row")
    if task == "regression":
        if column.dtype.is_numeric():
            return column.cast(pl.Float64)
        line, text = not_a_number(frame, name, decimal_comma)
        what, remedy = likeness(text)
        raise DataError(f"{source.place(name, line)}: {text!r} is {what}, which regression cannot use; {remedy}")
    fractions = column.filter(column != column.round()) if column.dtype.is_float() else pl.Series()
    if len(fractions):
        raise DataError(
            f"{source.place(name)} holds fractions such as {fractions[0]}, which are no classes; "
            "use data.task=regression"
        )
    return column.cast(pl.Int64) if column.dtype.is_float() else column


def read_targets(
    frame: pl.DataFrame, path: str, target: str, task: str, decimal_comma: bool
) -> tuple[Tensor, tuple[str, ...]]:
    """The target of each row, none missing: numbers of classes (N,) and their names, or values (N,) and no names.

    Raises DataError, with the row, for a value that cannot be used.
    """
    source = _Source(path, target, [], [])
    column = _numbers_in_text(frame.select(LINE, target), source, decimal_comma)
    _check_range(column, source)
    labels = _target(column, source, task, decimal_comma)
    if task == "classification":
        return _class_numbers(labels)
    return torch.tensor(labels.to_list(), dtype=torch.float64), ()


def _class_numbers(labels: pl.Series) -> tuple[Tensor, tuple[str, ...]]:
    """The number of each row's class, (N,), and the names of the classes."""
    values = sorted(set(labels.to_list()), key=_label_order)
    numbers = {value: number for number, value in enumerate(values)}
    return torch.tensor([numbers[value] for value in labels]), tuple(map(str, values))


def _label_order(label: object) -> tuple[bool, object]:
    return isinstance(label, str), label


def _check_varies(targets: Tensor, source: _Source) -> None:
    if len(targets.unique()) == 1:
        raise DataError(
            f"{source.place(source.target)} has the same value in every training row; there is nothing to learn"
        )


def _check_categories(frame: pl.DataFrame, source: _Source, name: str, decimal_comma: bool) -> None:
    """A column of text that holds mostly numbers is not one of categories; nor is one of many different texts."""
    column = frame[name]
    is_text = isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum)
    is_declared = name in source.categorical
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object) or not (is_text or is_declared):
        raise DataError(f"{source.place(name)} holds {column.dtype}; {source.leave_out(name)}")
    if not is_declared:
        _check_no_numbers(frame, source, name, decimal_comma)
    if column.n_unique() > MOST_CATEGORIES:
        raise DataError(
            f"{source.place(name)} has {column.n_unique()} different values, too many for categories; "
            f"{source.leave_out(name)}"
        )


def _check_no_numbers(frame: pl.DataFrame, source: _Source, name: str, decimal_comma: bool) -> None:
    """Raise where at least half of the values are numbers, or texts that stand for numbers."""
    text = frame[name].drop_nulls().cast(pl.String)
    if not mostly_numbers(text, decimal_comma):
        return
    line, value = not_a_number(frame, name, decimal_comma)
    what, remedy = likeness(value)
    declare = f", or set {source.declare(name)} if these are categories"
    raise DataError(
        f"{source.place(name, line)}: {value!r} is {what}; {remedy}, or {source.leave_out(name)}"
        + (declare if text.n_unique() <= MOST_CATEGORIES else "")
    )


def mostly_numbers(text: pl.Series, decimal_comma: bool) -> bool:
    """Whether at least half of the texts that are there are numbers, or stand for numbers."""
    text = text.drop_nulls()
    likely = floats(text, decimal_comma).is_not_null() | text.str.contains("|".join(NUMBER_LIKE))
    return bool(likely.sum() * 2 >= len(text))


def not_a_number(frame: pl.DataFrame, name: str, decimal_comma: bool) -> tuple[int, str]:
    """The row and text of the first value of a column that is no number."""
    text = frame[name].cast(pl.String)
    wrong = frame.filter(text.is_not_null() & floats(text, decimal_comma).is_null())
    return wrong[LINE][0], str(wrong[name][0])[:MOST_SHOWN]


def likeness(text: str) -> tuple[str, str]:
    """What a text that is no number is, and what to do."""
    found = (likeness for pattern, likeness in NUMBER_LIKE.items() if re.search(pattern, text))
    return next(found, ("not a number", "mend it"))


def _encoded(frame: pl.DataFrame, source: _Source, numeric: list[str], categories: list[str], train: Tensor) -> Tensor:
    """(N, F), double: numbers, then one column a category seen in training; a missing or unseen one is all zeros.

    A missing number becomes the mean of the training rows. Raises DataError for a column of which they hold nothing.
    """
    training = frame[train.numpy()]
    columns = []
    for name in (*numeric, *categories):
        seen = training[name].drop_nulls()
        if seen.is_empty():
            raise DataError(f"{source.place(name)} has no value in any training row; {source.leave_out(name)}")
        if name in numeric:
            values = frame[name].cast(pl.Float64)
            columns.append(values.fill_null(fmean(seen.cast(pl.Float64))))
        else:
            columns += [(frame[name] == value).fill_null(False).cast(pl.Float64) for value in seen.unique().sort()]
    return torch.stack([torch.tensor(column.to_numpy()) for column in columns], 1)


def _remarks(
    frame: pl.DataFrame, source: _Source, numeric: list[str], categories: list[str], dropped: int
) -> tuple[str, ...]:
    """What became of the columns and rows, a line each."""
    counted = [f"{name} ({frame[name].drop_nulls().n_unique()} values)" for name in categories]
    lists = {"numbers": numeric, "categories": counted, "left out": source.exclude}
    remarks = [f"{what}: {shortened(names)}" for what, names in lists.items() if names]
    return (*remarks, f"rows with missing values left out: {dropped}") if dropped else tuple(remarks)


def shortened(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
