"""Reading files: rows and columns as an editor shows them, and what is said of a file that is no table."""

import os
import shlex
from pathlib import Path

import polars as pl
import pytest

from paribus.data.reading import LINE, read_table
from paribus.errors import ConfigError, DataError, UserError


def _read(folder: Path, content: str | bytes, *, name: str = "t.csv", delimiter: str | None = None) -> pl.DataFrame:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(folder / name, delimiter)


def _refused(folder: Path, content: str | bytes, **settings: str) -> str:
    with pytest.raises(UserError) as error:
        _read(folder, content, **settings)
    message = str(error.value)
    assert message.startswith(f"{folder}/t.") and len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("header", ["y,x,y", "x,y, y,y", '"y",x,y'])
def test_repeated_column_is_named(tmp_path: Path, header: str) -> None:
    rows = ",".join("1" for _ in header.split(","))
    assert "row 1: 2 columns have the name 'y'" in _refused(tmp_path, f"{header}\n{rows}\n")


@pytest.mark.parametrize("name", ["a[1].csv", "*.csv", "?.parquet", "{a1,b}.csv"])
def test_exactly_the_named_file_is_read(tmp_path: Path, name: str) -> None:
    for other in ("a1.csv", "b.csv", "a.parquet"):
        (tmp_path / other).write_text("wrong\n1\n")
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / name, None)
    frame = pl.DataFrame({"a": ["1", "2"], "b": ["3", "4"]})
    frame.write_parquet(tmp_path / "right") if "parquet" in name else frame.write_csv(tmp_path / "right")
    (tmp_path / "right").rename(tmp_path / name)
    assert read_table(tmp_path / name, None).drop(LINE).equals(frame)


@pytest.mark.parametrize("suffix", [".parquet", ".PARQUET", ".pq"])
def test_parquet_by_any_suffix(tmp_path: Path, suffix: str) -> None:
    pl.DataFrame({"a": [1.0, float("nan")], "b": [True, False]}).write_parquet(tmp_path / f"t{suffix}")
    frame = read_table(tmp_path / f"t{suffix}", None)
    assert frame.rows() == [(1, 1.0, 1), (2, None, 0)]


@pytest.mark.parametrize(("name", "part"), [("x" * 300, "too long"), ("", "is a folder"), ("a\0b", "null")])
def test_path_that_cannot_be_opened(tmp_path: Path, name: str, part: str) -> None:
    with pytest.raises(DataError, match=f"{part}.*set data.path"):
        read_table(tmp_path / name, None)


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, os.strerror(13))

    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"t.csv cannot be read: permission denied; set data.path"):
        read_table(tmp_path / "t.csv", None)


def test_blank_lines_are_left_out_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    frame = _read(tmp_path, "\n\na,b\n1,2\n\n3,4\n,\n  \n5,NA\n\n\n")
    assert frame.rows() == [(4, "1", "2"), (6, "3", "4"), (9, "5", None)]


def test_rows_count_as_an_editor_counts_lines(tmp_path: Path) -> None:
    content = 'a,"b\nc"\n"one\ntwo\n\nthree",2\n3,"4\n"\n5,6\n'
    for each in (content, content.replace("\n", "\r\n")):
        frame = _read(tmp_path, each)
        assert frame[LINE].to_list() == [3, 7, 9]
        assert frame.columns == [LINE, "a", "b c"]


@pytest.mark.parametrize(
    "content", ["a,b\r1,2\r3,4\r", "a,b\r\n1,2\r\n3,4", "\ufeffa,b\n1,2\n3,4\n", "a , b\n 1,2\n3, 4"]
)
def test_line_ends_marks_and_spaces_do_not_matter(tmp_path: Path, content: str) -> None:
    frame = _read(tmp_path, content)
    assert (frame.columns, frame.rows()) == ([LINE, "a", "b"], [(2, "1", "2"), (3, "3", "4")])


def test_spaces_in_names_are_kept_where_they_tell_columns_apart(tmp_path: Path) -> None:
    assert _read(tmp_path, "a,a ,b\n1,2,3\n").columns == [LINE, "a", "a ", "b"]


def test_columns_without_name_and_value_are_left_out(tmp_path: Path) -> None:
    assert _read(tmp_path, "a,b,,\n1,2,,\n").columns == [LINE, "a", "b"]
    assert _read(tmp_path, ",a,b\n0,1,2\n").columns == [LINE, "", "a", "b"]


@pytest.mark.parametrize("name", ["t.tsv", "t.TAB"])
def test_ending_gives_the_delimiter_unless_it_is_set(tmp_path: Path, name: str) -> None:
    assert _read(tmp_path, "a\tb\n1\t2\n", name=name).columns == [LINE, "a", "b"]
    assert _read(tmp_path, "a,b\n1,2\n", name=name, delimiter=",").columns == [LINE, "a", "b"]


@pytest.mark.parametrize(
    ("content", "given", "typed"),
    [
        ("a;b\n1,5;2\n", None, "data.delimiter=;"),
        ("a;b\n1,5;2,5\n", ",", "data.delimiter=;"),
        ("a\tb\n1\t2\n", None, "data.delimiter=tab"),
        ("a|b\n1|2\n", None, "data.delimiter=|"),
        ("a,b\n1,2\n", ";", "data.delimiter=,"),
    ],
)
def test_wrong_delimiter_proposes_the_right_one(tmp_path: Path, content: str, given: str | None, typed: str) -> None:
    with pytest.raises(ConfigError, match="has one column only when split at") as error:
        _read(tmp_path, content, delimiter=given)
    assert shlex.split(str(error.value))[-1] == typed


@pytest.mark.parametrize("delimiter", ["é", '"', "\n"])
def test_delimiter_that_cannot_be_one(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(ConfigError, match="cannot stand between columns"):
        _read(tmp_path, "a,b\n1,2\n", delimiter=delimiter)


# What is in the file -> what the one line must say.
NO_TABLES = {
    "a,b\n1,ä\n3,ö\n".encode("latin-1"): ["row 2", "Latin-1", "'ä'", "save it as CSV in UTF-8"],
    "a,b\n1,2\n".encode("utf-16"): ["UTF-16", "save it as CSV in UTF-8"],
    "a,b\n1,2\n".encode("utf-16-le"): ["UTF-16"],
    b"PK\x03\x04rest": ["Excel", "export the table as CSV"],
    b"\x1f\x8brest": ["compressed", "unpack"],
    b"PAR1rest": ["Parquet"],
    b"": ["no rows", "empty"],
    b" \n\n": ["no rows", "empty"],
    b"a,b\n\n\n": ["no rows"],
    b"# made by me\na,b\n1,2\n": ["row 2 has 2 fields, the header '# made by me' has 1", "delete all lines above"],
    b"# made, by me\na,b,c\n1,2,3\n": ["row 2 has 3 fields", "delete all lines above"],
    b"a,b\n1,2\n\n3,4,5\n6\n": ["row 4 has 3 fields, the header 'a,b' has 2", "put quotes around texts that hold ','"],
    b'\na,b\n"1\n",2\n3\n': ["row 5 has 1 field, the header 'a,b' has 2"],
    b'a,b\n1,2\n"3,4\n5,6\n': ["row 3", "unexpected end of data", "is a quote"],
    b'a,b\n1,2\n"3"x,4\n': ["row 3", "is a quote"],
}


@pytest.mark.parametrize("content", NO_TABLES)
def test_file_that_is_no_table_says_what_it_seems_to_be(tmp_path: Path, content: bytes) -> None:
    message = _refused(tmp_path, content)
    assert all(part in message for part in NO_TABLES[content]), message


def test_a_blank_last_field_is_no_short_row(tmp_path: Path) -> None:
    assert _read(tmp_path, 'a,b\n1,\n2,""\n3,nan\n').rows() == [(2, "1", None), (3, "2", None), (4, "3", None)]
