import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from PIL import Image

from paribus.data.image_table import image_table
from paribus.data.loader import Loading
from paribus.data.module import TensorData
from paribus.data.spec import BinarySpec, RegressionSpec
from paribus.errors import ConfigError, DataError

LOADING = Loading(seed=0, batch_size=4, steps_per_execution=1)
SETTINGS: dict[str, Any] = {
    "image_column": "file",
    "target": "y",
    "task": "classification",
    "folder": None,
    "delimiter": None,
    "decimal_comma": False,
    "split_column": None,
    "image_size": None,
    "channels": 1,
    "resizing": "crop",
    "on_bad_file": "error",
    "validation_fraction": 0.25,
    "test_fraction": 0.25,
    "scaling": "none",
    "scale_target": False,
}


def _write(folder: Path, rows: Sequence[str], header: str = "file,y") -> Path:
    """A table, and 16 images beside it: i.png is all i."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for number in range(16):
        Image.new("L", (3, 2), number).save(folder / "pictures" / f"{number}.png")
    (folder / "t.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "t.csv"


def _rows(label: str = "odd even") -> list[str]:
    return [f"pictures/{number}.png,{label.split()[number % 2 == 0]}" for number in range(16)]


def _build(path: Path, loading: Loading = LOADING, **settings: Any) -> TensorData:
    return image_table(loading, 0, path=str(path), cache=str(path.parent / "cache"), **{**SETTINGS, **settings})


def _targets(data: TensorData, split: str) -> dict[int, float]:
    found = data.raw(split)
    pixels = found.take(torch.arange(len(found)))[:, 0, 0, 0]
    return dict(zip(pixels.tolist(), found.targets.tolist(), strict=True))


def test_classes_are_those_of_the_rows(tmp_path: Path) -> None:
    data = _build(_write(tmp_path, _rows()))
    assert data.spec == BinarySpec((1, 2, 3), ("even", "odd"))
    splits = [_targets(data, name) for name in ("train", "val", "test")]
    assert [len(split) for split in splits] == [8, 4, 4]
    assert {**splits[0], **splits[1], **splits[2]} == {number: number % 2 for number in range(16)}


@pytest.mark.parametrize("is_scaled", [True, False])
def test_regression_in_its_own_or_standard_units(tmp_path: Path, is_scaled: bool) -> None:
    rows = [f"{number}.png;{number},5" for number in range(16)]
    data = _build(
        _write(tmp_path, rows, "file;y"),
        folder=str(tmp_path / "pictures"),
        delimiter=";",
        decimal_comma=True,
        task="regression",
        scale_target=is_scaled,
    )
    spec = data.spec
    assert isinstance(spec, RegressionSpec) and spec.target_name == "y"
    for name in ("train", "val", "test"):
        for number, target in _targets(data, name).items():
            assert target * spec.target_scale + spec.target_mean == pytest.approx(number + 0.5, abs=1e-5)


def test_a_column_may_say_the_split(tmp_path: Path) -> None:
    parts = ["train"] * 8 + ["test"] * 4 + ["val"] * 4
    rows = [f"{row},{part}" for row, part in zip(_rows(), parts, strict=True)]
    data = _build(_write(tmp_path, rows, "file,y,part"), split_column="part")
    assert sorted(_targets(data, "train")) == list(range(8))
    assert sorted(_targets(data, "test")) == list(range(8, 12))
    assert sorted(_targets(data, "val")) == list(range(12, 16))
    rows = [row.replace(",val", ",train") for row in rows]
    data = _build(_write(tmp_path, rows, "file,y,part"), split_column="part")
    assert data.num_rows("val") == 3 and sorted(_targets(data, "test")) == list(range(8, 12))
    numbers = [
        f"{row.split(',')[0]},{number},{part}" for number, (row, part) in enumerate(zip(rows, parts, strict=True))
    ]
    data = _build(_write(tmp_path, numbers, "file,y,part"), split_column="part", task="regression")
    for name in ("train", "val", "test"):
        assert all(number == target for number, target in _targets(data, name).items())


def test_parquet_and_absolute_names_and_files_used_twice(tmp_path: Path) -> None:
    _write(tmp_path, [])
    names = [str(tmp_path / "pictures" / f"{number % 8}.png") for number in range(16)]
    pl.DataFrame({"file": names, "y": [number % 2 for number in range(16)]}).write_parquet(tmp_path / "t.parquet")
    data = _build(tmp_path / "t.parquet")
    assert data.spec.class_names == ("0", "1")  # type: ignore[attr-defined]
    assert [data.num_rows(name) for name in ("train", "val", "test")] == [8, 4, 4]
    assert all(
        number % 2 == target for name in ("train", "val", "test") for number, target in _targets(data, name).items()
    )


def test_all_missing_files_are_named_with_their_rows(tmp_path: Path) -> None:
    path = _write(tmp_path, [*_rows(), "pictures/x.png,odd", "pictures,even"])
    with pytest.raises(DataError) as error:
        _build(path)
    assert str(error.value) == (
        f"{tmp_path}: 2 image files cannot be used: row 18: pictures/x.png cannot be read (no such file or directory); "
        "row 19: pictures cannot be read (no plain file); mend or delete what is named, or leave them out with "
        "data.on_bad_file=skip"
    )
    data = _build(path, on_bad_file="skip")
    assert sum(data.num_rows(name) for name in ("train", "val", "test")) == 16
    assert "row 18: pictures/x.png cannot be read (no such file or directory)" in data.remarks[0]
    (tmp_path / "pictures").rename(tmp_path / "away")
    with pytest.raises(
        DataError, match=r"none of its image files is in .*, beginning with row 2: pictures/0.png; set data.folder"
    ):
        _build(path, on_bad_file="skip")


def test_bad_files_are_named_with_their_rows(tmp_path: Path) -> None:
    path = _write(tmp_path, _rows())
    (tmp_path / "pictures" / "3.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 image file cannot be used: row 5: pictures/3.png is empty; mend"):
        _build(path)
    assert sum(_build(path, on_bad_file="skip").num_rows(name) for name in ("train", "val", "test")) == 15


def test_what_is_missing_and_what_is_damaged_is_one_error(tmp_path: Path) -> None:
    path = _write(tmp_path, [*_rows(), "pictures/x.png,odd"])
    (tmp_path / "pictures" / "3.png").write_text("no image")
    with pytest.raises(DataError, match=r"2 image files .* row 5: .* is no image; row 18: .* cannot be read"):
        _build(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = _write(tmp_path, [*_rows(), "pictures/pipe.png,odd"])
    os.mkfifo(tmp_path / "pictures" / "pipe.png")
    with pytest.raises(DataError, match=r"row 18: pictures/pipe.png cannot be read \(no plain file\)"):
        _build(path)


@pytest.mark.parametrize(
    ("rows", "settings", "said"),
    [
        (["pictures/1.png,"], {}, r"t.csv: row 18, column 'y': the value is missing"),
        ([",odd"], {}, r"t.csv: row 18, column 'file': the value is missing"),
        (["pictures/1.png,maybe"], {}, r"class 'maybe' has 1 row"),
        ([], {"task": "regression"}, r"row 2, column 'y': 'even' is not a number"),
    ],
)
def test_faults_name_the_row(tmp_path: Path, rows: list[str], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        _build(_write(tmp_path, [*_rows(), *rows]), **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image_column": "fil"}, r"data.image_column=fil is no column of .*did you mean file\?"),
        ({"target": "z"}, r"data.target=z is no column"),
        ({"split_column": "part"}, r"data.split_column=part is no column"),
        ({"target": "file"}, r"data.target=file is data.image_column, too"),
    ],
)
def test_wrong_columns_are_config_errors(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _build(_write(tmp_path, _rows()), **settings)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["train"] * 15 + ["dev"], r"row 17, column 'part': 'dev' must be train, val or test"),
        (["val"] * 16, r"t.csv has val for splits; there must be train, val and test, or train and one other"),
        (["val"] * 8 + ["test"] * 8, r"has test, val for splits"),
        (["train", "test"] * 8, r"class 'odd' is in test and not in train"),
    ],
)
def test_wrong_splits(tmp_path: Path, parts: list[str], said: str) -> None:
    rows = [f"{row},{part}" for row, part in zip(_rows(), parts, strict=True)]
    with pytest.raises(DataError, match=said):
        _build(_write(tmp_path, rows, "file,y,part"), split_column="part")


def test_a_parquet_column_that_names_no_files(tmp_path: Path) -> None:
    pl.DataFrame({"file": [1, 2], "y": [1, 2]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"column 'file' holds Int64; it must hold names of image files"):
        _build(tmp_path / "t.parquet")
