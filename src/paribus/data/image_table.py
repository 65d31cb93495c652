"""Your own images, listed in a CSV or Parquet file: one row an image, one column its class or number."""

import os
import stat
from pathlib import Path

import polars as pl
import torch

from paribus.data.cache_folder import NO_STAT, CacheFolder, Files
from paribus.data.decoding import Form
from paribus.data.given_splits import HeldOut, Labels, assigned, canonical
from paribus.data.image_cache import ImageCache
from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData, regression_data
from paribus.data.reading import LINE, check_column, read_table
from paribus.data.spec import classification_spec
from paribus.data.table import read_targets
from paribus.data.usable import usable
from paribus.errors import ConfigError, DataError
from paribus.types import (
    BadFiles,
    Channels,
    Character,
    FilePath,
    Flag,
    FolderPath,
    Fraction,
    ImageScaling,
    PositiveInt,
    Resizing,
    TaskKind,
    Text,
)


def image_table(
    loading: Loading,
    num_workers: int,
    *,
    path: FilePath,
    image_column: Text,
    target: Text,
    task: TaskKind,
    folder: FolderPath | None,
    delimiter: Character | None,
    decimal_comma: Flag,
    split_column: Text | None,
    image_size: PositiveInt | None,
    channels: Channels,
    resizing: Resizing,
    on_bad_file: BadFiles,
    cache: FolderPath,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    scaling: ImageScaling,
    scale_target: Flag,
) -> TensorData:
    """Read the table, decode what it names, split. Raises DataError with row or file, ConfigError for a column."""
    frame = read_table(Path(path), delimiter)
    _check_columns(frame, path, {"image_column": image_column, "target": target, "split_column": split_column})
    files, places = _files(frame, path, image_column, folder or str(Path(path).parent))
    targets, names = read_targets(frame, path, target, task, decimal_comma)
    splits = _splits(frame, path, split_column)

    images = ImageCache(CacheFolder(cache), Form(image_size, channels, resizing), num_workers)
    decoded = images.load(files)
    kept, remarks = usable(files, decoded, on_bad_file, places)
    labels = Labels(targets if names else None, names, splits, path).only(kept)
    numbers, inputs = torch.tensor(kept), torch.from_numpy(decoded.pixels)
    found, notes = assigned(labels, len(kept), HeldOut(validation_fraction, test_fraction), loading)
    rows = {name: numbers[index] for name, index in found.items()}
    if names:
        spec = classification_spec(tuple(inputs.shape[1:]), names)
        parts = {name: Split(inputs, targets[index], index, decoded.key) for name, index in rows.items()}
        data = TensorData(parts, spec, loading, scaling_kind=scaling)
    else:
        data = regression_data(
            inputs, targets, rows, target, loading, scaling_kind=scaling, scale_target=scale_target, key=decoded.key
        )
    data.remarks = (*notes, *remarks)
    return data


def _check_columns(frame: pl.DataFrame, path: str, settings: dict[str, str | None]) -> None:
    """All are columns, each another one, and have a value in each row."""
    columns = [name for name in frame.columns if name != LINE]
    used: dict[str, str] = {}
    for setting, name in settings.items():
        if name is None:
            continue
        check_column(name, columns, setting, path)
        if name in used:
            raise ConfigError(f"data.{setting}={name} is data.{used[name]}, too; give each a column of its own")
        used[name] = setting
        if frame[name].null_count():
            line = frame.filter(pl.col(name).is_null())[LINE][0]
            raise DataError(f"{path}: row {line}, column {name!r}: the value is missing; mend or delete the row")


def _files(frame: pl.DataFrame, path: str, image_column: str, folder: str) -> tuple[Files, tuple[str, ...]]:
    """The file of each row, and how each is named in an error. Raises DataError where none exists.

    Where some exist, the others are named later, together with those that cannot be decoded.
    """
    column = frame[image_column]
    if column.dtype != pl.String:
        raise DataError(f"{path}: column {image_column!r} holds {column.dtype}; it must hold names of image files")
    names, stats = tuple(column), []
    places = tuple(f"row {line}: {name}" for line, name in zip(frame[LINE], names, strict=True))
    for name in names:
        try:
            found = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - files are many, and Path takes longer
            is_file = stat.S_ISREG(found.st_mode)
            stats.append((found.st_size, found.st_mtime_ns, found.st_ctime_ns) if is_file else NO_STAT)
        except (OSError, ValueError):
            stats.append(NO_STAT)
    if set(stats) == {NO_STAT}:
        raise DataError(
            f"{path}: none of its image files is in {folder}, beginning with {places[0]}; set data.folder, or mend the "
            "rows"
        )
    return Files(folder, names, tuple(stats), folder), places


def _splits(frame: pl.DataFrame, path: str, column: str | None) -> tuple[str, ...] | None:
    """train, val or test of each row, if a column says. Raises DataError, with the row, for another value."""
    if column is None:
        return None
    values = [(line, str(value)) for line, value in zip(frame[LINE], frame[column], strict=True)]
    for line, value in values:
        if canonical(value) is None:
            raise DataError(f"{path}: row {line}, column {column!r}: {value!r} must be train, val or test")
    return tuple(str(canonical(value)) for _, value in values)
