"""The run folder's files."""

from pathlib import Path

from paribus.results import RunFolder


def test_rows_keep_the_columns_of_the_first(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.rows() == []
    folder.append_row({"epoch": 1, "a": 0.5})
    folder.append_row({"epoch": 2, "a": 0.25, "late": 3})
    assert folder.rows() == [{"epoch": 1, "a": 0.5}, {"epoch": 2, "a": 0.25}]
    folder.keep_rows(1)
    folder.append_row({"epoch": 2, "a": 1})
    assert folder.rows() == [{"epoch": 1, "a": 0.5}, {"epoch": 2, "a": 1}]


def test_json_is_written_whole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.read_json("x.json") == {}
    folder.write_json("x.json", {"b": 1})
    assert folder.read_json("x.json") == {"b": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
