"""Tables: what becomes of the columns. Faults of files are in test_reading.py and cli/test_bad_input.py."""

import shlex
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import torch

from paribus import types
from paribus.composition import compose, plain
from paribus.data.loader import Loading
from paribus.data.module import TensorData
from paribus.data.spec import RegressionSpec
from paribus.data.table import override, table
from paribus.errors import ConfigError, DataError

ROWS = 40


def _table(path: Path, **settings: object) -> TensorData:
    chosen = {
        "target": "y",
        "task": "regression",
        "delimiter": None,
        "decimal_comma": False,
        "categorical": [],
        "exclude": [],
        "missing": "error",
        "validation_fraction": 0.25,
        "test_fraction": 0.25,
        "scaling": "standard",
        "scale_target": True,
        **settings,
    }
    return table(Loading(0, 4, 1), path=str(path), **chosen)  # type: ignore[arg-type]


def _train(data: TensorData) -> tuple[torch.Tensor, torch.Tensor]:
    batches = [batch for steps in data.train_dataloader() for step in steps for batch in step]
    return torch.cat([inputs for inputs, _ in batches]), torch.cat([targets for _, targets in batches])


def test_values_far_from_zero_keep_their_digits(tmp_path: Path) -> None:
    near, far = tmp_path / "near.csv", tmp_path / "far.csv"
    pl.DataFrame({"a": [i % 7 for i in range(ROWS)], "y": [i % 5 for i in range(ROWS)]}).write_csv(near)
    pl.DataFrame({"a": [1e9 + i % 7 for i in range(ROWS)], "y": [1e9 + i % 5 for i in range(ROWS)]}).write_csv(far)
    for one, other in zip(_train(_table(near)), _train(_table(far)), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other)


def test_targets_in_own_units_come_back(tmp_path: Path) -> None:
    values = [3.0 * (i % 5) - 1 for i in range(ROWS)]
    pl.DataFrame({"a": range(ROWS), "y": values}).write_csv(tmp_path / "t.csv")
    data = _table(tmp_path / "t.csv")
    assert isinstance(data.spec, RegressionSpec)
    _, targets = _train(data)
    assert targets.mean().item() == pytest.approx(0, abs=1e-6)
    assert targets.std(correction=0).item() == pytest.approx(1)
    own = targets.double() * data.spec.target_scale + data.spec.target_mean
    assert {round(value, 3) for value in own.tolist()} == set(values)


def test_quoted_numbers_are_numbers(tmp_path: Path) -> None:
    quoted = "".join(f'"{i % 7}","{i % 5}"\n' for i in range(ROWS))
    (tmp_path / "quoted.csv").write_text(f"a,y\n{quoted}")
    (tmp_path / "plain.csv").write_text("a,y\n" + quoted.replace('"', ""))
    pl.DataFrame({"a": [str(i % 7) for i in range(ROWS)], "y": [i % 5 for i in range(ROWS)]}).write_parquet(
        tmp_path / "t.parquet"
    )
    expected, _ = _train(_table(tmp_path / "plain.csv"))
    for name in ("quoted.csv", "t.parquet"):
        inputs, _ = _train(_table(tmp_path / name))
        assert torch.equal(inputs, expected)


def test_a_column_without_values_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(ROWS), "b": [None] * ROWS, "y": range(ROWS)}).write_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"'b' has no values; leave it out with 'data.exclude=\[b\]'"):
        _table(tmp_path / "t.csv", missing="fill")


@pytest.mark.parametrize("value", ["1.5", "red"])
def test_a_column_without_values_in_training_is_named(tmp_path: Path, value: str) -> None:
    test_rows = set(_rows_of("test"))
    rows = [f"{i},{value if i in test_rows else ''},{i}" for i in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows]))
    with pytest.raises(DataError, match="'b' has no value in any training row"):
        _table(tmp_path / "t.csv", missing="fill", categorical=["b"] if value == "red" else [])


def _rows_of(name: str) -> list[int]:
    from paribus.data.splitting import three_way

    rows: list[int] = three_way(None, ROWS, 0.25, 0.25, Loading(0, 4, 1))[name].tolist()
    return rows


def test_missing_numbers_become_the_mean_of_training(tmp_path: Path) -> None:
    hole = _rows_of("val")[0]
    values = [None if i == hole else float(i) for i in range(ROWS)]
    pl.DataFrame({"a": values, "y": range(ROWS)}).write_csv(tmp_path / "t.csv")
    (((inputs, _),),) = next(iter(_table(tmp_path / "t.csv", missing="fill").val_dataloader()))
    assert inputs[0, 0].item() == pytest.approx(0, abs=1e-6)  # the mean, in standard units


def test_any_column_name_will_do(tmp_path: Path) -> None:
    names = ["__line__", "a b", "größe", "x.y", "[z]", "0"]
    pl.DataFrame({name: [float(i * (place + 1) % 11) for i in range(ROWS)] for place, name in enumerate(names)} | {
        "y": [float(i) for i in range(ROWS)]
    }).write_csv(tmp_path / "t.csv")  # fmt: skip
    assert _table(tmp_path / "t.csv").spec.input_shape == (len(names),)


# What is written in column "my x" of a file split at ; -> what the error must say.
NUMBERS_AS_TEXT = {
    "-0,{i}1": ["'-0,01' is a number with a decimal comma", "set data.decimal_comma=true"],
    "{i},5e3": ["is a number with a decimal comma"],
    "12,34{i}": ["'12,340' is a number with a comma", "separate thousands", "data.decimal_comma=true"],
    "1,234,56{i}": ["is a number with separated thousands", "take the separators out"],
    "1 234 56{i}": ["is a number with separated thousands"],
    "{i}.4%": ["'0.4%' is a percentage", "take the % out"],
    "{i},4 %": ["is a percentage"],
    "2024-01-0{i}": ["'2024-01-00' is a date or time"],
    "2024-01-1{i}T12:30:00Z": ["is a date or time"],
    "1{i}.2.2024": ["is a date or time"],
    "12:3{i}": ["is a date or time"],
}


@pytest.mark.parametrize("text", NUMBERS_AS_TEXT)
def test_numbers_and_dates_written_as_text_are_no_categories(tmp_path: Path, text: str) -> None:
    rows = [f"{text.format(i=i % 10) if i % 4 < 2 else 'low'};{i % 5}" for i in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(["my x;y", *rows]))
    with pytest.raises(DataError) as error:
        _table(tmp_path / "t.csv", delimiter=";")
    remedies = ["'data.exclude=[\"my x\"]'", "'data.categorical=[\"my x\"]'"]
    for part in (f"{tmp_path}/t.csv: row 2, column 'my x'", *NUMBERS_AS_TEXT[text], *remedies):
        assert part in str(error.value)
    assert _table(tmp_path / "t.csv", delimiter=";", categorical=["my x"]).spec.input_shape[0] > 1


def test_some_dates_among_texts_are_categories(tmp_path: Path) -> None:
    rows = [f"{'2024-01-01' if i % 3 == 0 else 'ab'[i % 2]},{i % 5}" for i in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows]))
    assert _table(tmp_path / "t.csv").spec.input_shape == (3,)


def test_decimal_commas_are_numbers_when_set(tmp_path: Path) -> None:
    (tmp_path / "comma.csv").write_text("a;y\n" + "".join(f"{i}{',5' * (i % 2)};-{i},25e1\n" for i in range(ROWS)))
    (tmp_path / "point.csv").write_text("a,y\n" + "".join(f"{i}{'.5' * (i % 2)},-{i}.25e1\n" for i in range(ROWS)))
    found = _train(_table(tmp_path / "comma.csv", delimiter=";", decimal_comma=True))
    for one, other in zip(found, _train(_table(tmp_path / "point.csv")), strict=True):
        assert torch.equal(one, other)


def test_decimal_comma_leaves_no_points(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;y\n" + "".join(f"1.{i + 100};{i}\n" for i in range(ROWS)))
    with pytest.raises(DataError, match=r"row 2, column 'a': '1.100' is a number with separated thousands"):
        _table(tmp_path / "t.csv", delimiter=";", decimal_comma=True)


def test_decimal_comma_in_the_target_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;y\n" + "".join(f"{i};{i},5\n" for i in range(ROWS)))
    with pytest.raises(
        DataError, match=r"row 2, column 'y': '0,5' is a number with a decimal comma.*decimal_comma=true"
    ):
        _table(tmp_path / "t.csv", delimiter=";")


NAMES = ["id", "my id", "a,b", "[z]", "größe", "it's", 'a"b', "a\\", "a\\b", 'a\\"', "${x}", "$HOME", "a=b", "", "#"]


@pytest.mark.parametrize("setting", ["exclude", "categorical"])
def test_suggested_overrides_can_be_pasted(setting: str) -> None:
    names = [*NAMES, "2020", "007", "1.5", "true", "null", "NaN", "*", "a:b", "{c}", "(d)", "e;f", "`g`", " h"]
    for wanted in ([name] for name in names), [names]:
        for each in wanted:
            (typed,) = shlex.split(override(setting, each))
            tree = compose(["data=table", "data.path=t.csv", "data.target=y", typed]).tree
            assert plain(tree)["data"][setting] == each


def test_a_suggestion_keeps_what_is_set(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(ROWS), "b": [None] * ROWS, "id": range(ROWS), "y": range(ROWS)}).write_csv(
        tmp_path / "t.csv"
    )
    with pytest.raises(DataError, match=r"data.exclude=\[id,b\]"):
        _table(tmp_path / "t.csv", exclude=["id"])


def test_the_shell_leaves_suggestions_whole() -> None:
    assert override("exclude", ["my id"]) == "'data.exclude=[\"my id\"]'"


@pytest.mark.parametrize("missing", ["error", "fill"])
def test_a_row_without_a_target_needs_drop(tmp_path: Path, missing: str) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{'' if i == 3 else i}\n" for i in range(ROWS)))
    with pytest.raises(DataError, match=r"row 5, column 'y': the target is missing.*data.missing=drop"):
        _table(tmp_path / "t.csv", missing=missing)
    data = _table(tmp_path / "t.csv", missing="drop")
    assert sum(map(data.num_rows, ("train", "val", "test"))) == ROWS - 1
    assert "rows with missing values left out: 1" in data.remarks


def test_drop_that_leaves_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i},,{i}\n,{i},{i}\n" for i in range(ROWS)))
    with pytest.raises(DataError, match="every row has a missing value"):
        _table(tmp_path / "t.csv", missing="drop")


def _parquet(folder: Path, **columns: object) -> Path:
    frame = pl.DataFrame({"a": [float(i) for i in range(ROWS)], "y": [i % 2 for i in range(ROWS)], **columns})
    frame.write_parquet(folder / "t.PARQUET")
    return folder / "t.PARQUET"


@pytest.mark.parametrize("value", [[1, 2], {"k": 1}, b"x"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_nested_target_is_named(tmp_path: Path, value: object, task: str) -> None:
    path = _parquet(tmp_path, y=[value] * ROWS)
    with pytest.raises(DataError, match=r"column 'y' holds .*the target must be one number or text a row"):
        _table(path, task=task)


@pytest.mark.parametrize("value", [[1, 2], {"k": 1}, b"x"])
def test_nested_feature_is_named(tmp_path: Path, value: object) -> None:
    path = _parquet(tmp_path, b=[value] * ROWS)
    with pytest.raises(DataError, match=r"column 'b' holds .*; leave it out with 'data.exclude=\[b\]'$"):
        _table(path)
    with pytest.raises(DataError, match=r"leave it out with 'data.exclude=\[b\]' 'data.categorical=\[\]'$"):
        _table(path, categorical=["b"])


def test_dates_in_parquet_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'b' holds Date; leave it out"):
        _table(_parquet(tmp_path, b=[date(2024, 1, 1)] * ROWS))


def test_nan_in_parquet_is_missing(tmp_path: Path) -> None:
    path = _parquet(tmp_path, a=[float("nan"), *map(float, range(ROWS - 1))])
    with pytest.raises(DataError, match="row 1, column 'a': the value is missing"):
        _table(path)
    assert sum(map(_table(path, missing="drop").num_rows, ("train", "val", "test"))) == ROWS - 1


@pytest.mark.parametrize("column", ["a", "y"])
def test_a_huge_number_is_named(tmp_path: Path, column: str) -> None:
    rows = [{"a": f"{i}", "y": f"{i}"} for i in range(ROWS)]
    rows[4][column] = "-1e300"
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{row['a']},{row['y']}\n" for row in rows))
    with pytest.raises(DataError, match=f"t.csv: row 6, column '{column}': -1e.300 .*finite number below 1e.30"):
        _table(tmp_path / "t.csv")


def test_a_constant_target_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},3\n" for i in range(ROWS)))
    with pytest.raises(DataError, match=r"t.csv: column 'y' has the same value in every training row"):
        _table(tmp_path / "t.csv")


def test_remarks_say_what_became_of_the_columns(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i},{'abc'[i % 3]},{i % 7},{i % 5}\n" for i in range(ROWS))
    (tmp_path / "t.csv").write_text("id,a,c,d,y\n" + rows)
    data = _table(tmp_path / "t.csv", exclude=["id"], categorical=["d"])
    assert data.remarks == ("numbers: a", "categories: c (3 values), d (7 values)", "left out: id")


def test_remarks_stay_short(tmp_path: Path) -> None:
    pl.DataFrame({f"p{i}": range(ROWS) for i in range(30)} | {"y": range(ROWS)}).write_csv(tmp_path / "t.csv")
    assert _table(tmp_path / "t.csv").remarks == (f"numbers: {', '.join(f'p{i}' for i in range(10))} and 20 more",)


@pytest.mark.parametrize("text", ["tab", "\\t", "\t"])
def test_a_tab_can_be_typed(text: str) -> None:
    assert types.checked("Character", text) == "\t"


def test_a_lone_feature_that_is_left_out(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(ROWS), "y": range(ROWS)}).write_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match="no column beside the target 'y'"):
        _table(tmp_path / "t.csv", exclude=["a"])
    with pytest.raises(ConfigError, match=r"data.exclude=b is no column"):
        _table(tmp_path / "t.csv", exclude=["b"])
