"""The run folder's files."""

from pathlib import Path

import pytest

from paribus.errors import ConfigError
from paribus.results import RunFolder


def test_rows_come_back_and_new_columns_are_added(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.rows() == []
    folder.append_row({"epoch": 1, "a": 0.5})
    folder.append_row({"epoch": 2, "a": 0.25, "late": 3})
    assert folder.rows() == [{"epoch": 1, "a": 0.5}, {"epoch": 2, "a": 0.25, "late": 3}]
    folder.keep_rows(1)
    folder.append_row({"epoch": 2, "a": 1})
    assert folder.metrics_csv.read_text().split() == ["epoch,a,late", "1,0.5,", "2,1,"]


def test_a_line_cut_short_is_no_row(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append_row({"epoch": 1, "a": 0.5})
    for rest in ("2", "2,", "2,0.4"):
        folder.metrics_csv.write_text(f"epoch,a\n1,0.5\n{rest}")
        assert folder.rows() == [{"epoch": 1, "a": 0.5}]
        folder.keep_rows(2)
        assert folder.metrics_csv.read_text().split() == ["epoch,a", "1,0.5"]
    for damage in ("epoch,a\n1,x\n", "a\n0.5\n", "epoch,a\n1\n"):
        folder.metrics_csv.write_text(damage)
        with pytest.raises(ConfigError, match="damaged"):
            folder.rows()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.recording(), pytest.raises(ConfigError, match="still going on, as process"), folder.recording():
        pass
    assert folder.read_json("status.json")["status"] == "finished"
    with folder.recording():  # the lock is free again
        pass


def test_json_is_written_whole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.read_json("x.json") == {}
    folder.write_json("x.json", {"b": 1})
    assert folder.read_json("x.json") == {"b": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
