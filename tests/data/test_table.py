"""Tables: what becomes of the columns. Faults in files are in cli/test_bad_input.py."""

from pathlib import Path

import polars as pl
import pytest
import torch

from paribus.data.loader import Loading
from paribus.data.module import TensorData
from paribus.data.spec import RegressionSpec
from paribus.data.table import table
from paribus.errors import DataError

ROWS = 40


def _table(path: Path, **settings: object) -> TensorData:
    chosen = {
        "target": "y",
        "task": "regression",
        "delimiter": ",",
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
    batches = [pair for (pair,) in data.train_dataloader()]
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
    with pytest.raises(DataError, match=r"'b' has no values; leave it out with data.exclude=\[b\]"):
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

    rows: list[int] = three_way(None, ROWS, 0.25, 0.25, 0)[name].tolist()
    return rows


def test_missing_numbers_become_the_mean_of_training(tmp_path: Path) -> None:
    hole = _rows_of("val")[0]
    values = [None if i == hole else float(i) for i in range(ROWS)]
    pl.DataFrame({"a": values, "y": range(ROWS)}).write_csv(tmp_path / "t.csv")
    (((inputs, _),),) = [[pair] for pair in next(iter(_table(tmp_path / "t.csv", missing="fill").val_dataloader()))]
    assert inputs[0, 0].item() == pytest.approx(0, abs=1e-6)  # the mean, in standard units


def test_any_column_name_will_do(tmp_path: Path) -> None:
    names = ["__line__", "a b", "größe", "x.y", "[z]", "0"]
    pl.DataFrame({name: [float(i * (place + 1) % 11) for i in range(ROWS)] for place, name in enumerate(names)} | {
        "y": [float(i) for i in range(ROWS)]
    }).write_csv(tmp_path / "t.csv")  # fmt: skip
    assert _table(tmp_path / "t.csv").spec.input_shape == (len(names),)
